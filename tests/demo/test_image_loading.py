"""Objects that are loaded from files, beside those that the image has already."""

import json

import pytest

from isegm.annotations.formats import FORMATS
from tests.demo.clicked import CLICKS, started, write_mask


@pytest.mark.parametrize("kind", ["id", "palette", "coco_rle", "coco_polygons", "labelme", "yolo"])
def test_objects_that_are_there_already_are_not_loaded_a_second_time(kind, place):
    controller = started(place, CLICKS[0])
    controller.finish()
    controller.click(*CLICKS[3])
    controller.finish()
    path = place / f"objects{FORMATS[kind].ending}"
    controller.save(path, kind)
    loaded = started(place)
    for _ in range(2):
        loaded.load_annotations(path)
        assert len(loaded.document.objects) == 2
    assert loaded.notice == "2 objects were there already and were left out"
    loaded.edit(2, name="Mia", category="cat", color=(1, 2, 3))
    loaded.load_annotations(path)
    assert [item.name for item in loaded.document.objects] == ["", "Mia"]
    loaded.remove(1)
    loaded.load_annotations(path)
    assert len(loaded.document.objects) == 2 and loaded.notice == "1 object was there already and was left out"
    loaded.undo()
    assert len(loaded.document.objects) == 1


def test_two_objects_of_the_same_pixels_in_a_file_are_both_loaded_once(place):
    controller = started(place, CLICKS[0])
    controller.finish()
    controller.save(place / "one.json", "coco_rle")
    content = json.loads((place / "one.json").read_text())
    content["annotations"].append(content["annotations"][0] | {"id": 2, "attributes": {"name": "twin"}})
    (place / "two.json").write_text(json.dumps(content))
    loaded = started(place)
    for _ in range(2):
        loaded.load_annotations(place / "two.json")
        assert [item.name for item in loaded.document.objects] == ["", "twin"]


def with_overlapping_objects(place):
    """A controller with two objects of 900 pixels each, of which the second covers 100 of the first."""
    controller = started(place)
    for number, corner in enumerate((10, 30), start=1):
        write_mask(place / f"{number}.png", slice(corner, corner + 30), slice(corner, corner + 30))
        controller.load_mask(place / f"{number}.png")
        controller.finish()
    return controller


@pytest.mark.parametrize("kind", ["mask", "id", "palette"])
def test_an_object_of_which_a_mask_shows_only_a_part_is_not_loaded_a_second_time(kind, place):
    controller = with_overlapping_objects(place)
    controller.save(place / "saved.png", kind)
    controller.load_annotations(place / "saved.png")
    assert [item.region.area for item in controller.document.objects] == [900, 900]
    assert controller.notice == "2 objects were there already and were left out"
    controller.remove(1)
    controller.load_annotations(place / "saved.png")
    assert [item.region.area for item in controller.document.objects] == [900, 800]


def test_loaded_objects_leave_protected_ones_their_pixels(place):
    controller = with_overlapping_objects(place)
    controller.save(place / "both.json", "coco_rle")
    write_mask(place / "inside.png", slice(15, 20), slice(15, 20))
    controller.remove(2)
    controller.edit(1, protected=True)
    for said in ("1 object was there already", "2 objects were there already"):
        controller.load_annotations(place / "both.json")
        assert [item.region.area for item in controller.document.objects] == [900, 800]
        assert controller.notice.startswith(said)
    controller.load_annotations(place / "inside.png")
    assert len(controller.document.objects) == 2
    assert controller.notice == "1 object was under protected ones and was left out"
    assert (controller.annotations().labels() == 1).sum() == 900
