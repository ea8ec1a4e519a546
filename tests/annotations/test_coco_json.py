"""COCO files: as pycocotools reads them, of several images, and those of other programs."""

import json
import re
from unicodedata import normalize

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.coco_json import write_coco
from isegm.annotations.formats import read_annotations
from isegm.utils.errors import InputError
from isegm.utils.vis import object_color
from tests.annotations.drawn import SIZE, hard_masks, overlapping, same_objects

DISK = np.hypot(*(np.indices(SIZE) - 18)) < 12


def pictures():
    """The annotations of all hard masks, and of overlapping objects."""
    singles = [
        Annotations(f"{name}.png", mask.shape, (AnnotatedObject(9, Region.of(mask), category="one"),))
        for name, mask in hard_masks().items()
    ]
    return [overlapping(), *singles, Annotations("nothing.png", SIZE)]


@pytest.mark.parametrize("polygons", [False, True])
def test_pycocotools_finds_every_object_with_its_exact_pixels(polygons, tmp_path):
    write_coco(tmp_path / "all.json", pictures(), polygons)
    coco = COCO(str(tmp_path / "all.json"))
    for image, annotations in zip(coco.imgs.values(), pictures(), strict=True):
        assert (image["file_name"], image["height"], image["width"]) == (annotations.image_name, *annotations.size)
        entries = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]], iscrowd=False))
        for entry, item in zip(entries, annotations.objects, strict=True):
            mask = item.region.mask()
            np.testing.assert_array_equal(coco.annToMask(entry), mask)
            assert isinstance(entry["segmentation"], list) == polygons
            assert entry["area"] == mask.sum()
            assert (
                entry["bbox"] == coco_masks.toBbox(coco_masks.encode(np.asfortranarray(mask.view(np.uint8)))).tolist()
            )
            assert coco.cats[entry["category_id"]]["name"] == item.category
    assert [category["name"] for category in coco.dataset["categories"]] == ["猫", 'Katze, "groß"', "object", "one"]
    assert sorted(coco.anns) == list(range(1, len(coco.anns) + 1))


@pytest.mark.parametrize("polygons", [False, True])
def test_each_image_of_a_file_comes_back_by_its_name(polygons, tmp_path):
    write_coco(tmp_path / "all.json", pictures(), polygons)
    for annotations in pictures():
        found = read_annotations(tmp_path / "all.json", annotations.image_name, annotations.size)
        assert same_objects(found, annotations)


def test_two_images_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"two images named nothing\.png"):
        write_coco(tmp_path / "all.json", [*pictures(), Annotations("nothing.png", SIZE)])
    assert list(tmp_path.iterdir()) == []


def foreign(*entries, names=("a.jpg",), **more):
    """A file as other programs write it, its images all of one size."""
    images = [{"id": i, "file_name": name, "height": SIZE[0], "width": SIZE[1]} for i, name in enumerate(names)]
    entries = [{"id": i, "image_id": 0, "category_id": 3, **entry} for i, entry in enumerate(entries)]
    return {"images": images, "annotations": entries, "categories": [{"id": 3, "name": "cat"}]} | more


def read(content, folder, image_name="a.jpg"):
    (folder / "theirs.json").write_text(json.dumps(content), encoding="utf-8")
    return read_annotations(folder / "theirs.json", image_name, SIZE).objects


def test_masks_of_other_programs_are_those_of_pycocotools(tmp_path):
    letters = coco_masks.encode(np.asfortranarray(DISK.view(np.uint8)))["counts"].decode()
    flat = np.concatenate(([False], DISK.T.ravel(), [True]))
    lengths = np.diff(np.flatnonzero(np.diff(flat.astype(int))), prepend=0).tolist()
    triangles = [[3.3, 4.7, 30.2, 8.1, 11.9, 33.4], [20, 20, 44.5, 20, 44.5, 36.9]]
    content = foreign(
        {"segmentation": {"size": list(SIZE), "counts": letters}},
        {"segmentation": {"size": list(SIZE), "counts": lengths}, "iscrowd": 1},
        {"segmentation": triangles, "category_id": None},
        {"segmentation": triangles, "image_id": 1},
        names=("photos/a.jpg", "b.jpg"),
    )
    objects = read(content, tmp_path)
    assert [item.number for item in objects] == [1, 2, 3]
    assert [item.category for item in objects] == ["cat", "cat", "object"]
    np.testing.assert_array_equal(objects[0].region.mask(), DISK)
    np.testing.assert_array_equal(objects[1].region.mask(), DISK)
    drawn = coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects(triangles, *SIZE)))
    np.testing.assert_array_equal(objects[2].region.mask(), drawn)


@pytest.mark.parametrize("mask", [{}, {"segmentation": None}, {"segmentation": []}])
def test_an_annotation_of_a_detection_file_is_the_rectangle_of_its_box(mask, tmp_path):
    rng = np.random.default_rng(0)
    boxes = [[7, 9, 11, 5], *np.column_stack((rng.uniform(-9, 30, (20, 2)), rng.uniform(0, 30, (20, 2)))).tolist()]
    objects = read(foreign(*({"bbox": box, **mask} for box in boxes)), tmp_path)
    assert objects[0].region.area == 55 and (objects[0].region.left, objects[0].region.top) == (7, 9)
    for item, box in zip(objects, boxes, strict=True):
        theirs = coco_masks.decode(coco_masks.frPyObjects(np.array([box], float), *SIZE))[..., 0]
        np.testing.assert_array_equal(item.region.mask(), theirs)


@pytest.mark.parametrize("more", [{"categories": None}, {}])
def test_without_categories_objects_have_no_class_of_their_own(more, tmp_path):
    content = foreign({"segmentation": [[2, 2, 9, 2, 9, 9, 2, 9]]})
    del content["categories"]
    assert [item.category for item in read(content | more, tmp_path)] == ["object"]


def test_attributes_of_other_programs_do_no_harm(tmp_path):
    square = [[2, 2, 9, 2, 9, 9, 2, 9]]
    given = [{"number": 3, "color": [1, 2, 3]}, {"number": "7", "color": "red", "name": 5, "protected": "no"}]
    given += [{"number": 3, "color": [1, 2, 256]}, {"number": True}, {"number": 1, "occluded": False}, []]
    objects = read(foreign(*({"segmentation": square, "attributes": one} for one in given)), tmp_path)
    assert [item.number for item in objects] == [3, 2, 4, 5, 1, 6]
    assert objects[0].color == (1, 2, 3) and objects[2].color == AnnotatedObject(4, objects[2].region).color
    assert not any(item.protected or item.name for item in objects)


def test_the_image_is_found_by_its_exact_name_before_its_name_in_folders(tmp_path):
    square = [[2, 2, 9, 2, 9, 9, 2, 9]]
    content = foreign({"segmentation": square}, names=("a.jpg", "old\\a.jpg", "x/b.jpg", "y/b.jpg"))
    assert len(read(content, tmp_path)) == 1
    with pytest.raises(InputError, match=r"2 images named b\.jpg"):
        read(content, tmp_path, "b.jpg")
    with pytest.raises(InputError, match=r"theirs\.json has no image named c\.jpg \(it has a\.jpg, "):
        read(content, tmp_path, "c.jpg")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "has neither mask nor box"),
        ({"segmentation": []}, "has neither mask nor box"),
        ({"segmentation": 5, "bbox": [1, 2, 3, 4]}, "is neither polygons nor run lengths"),
        ({"bbox": [1, 2, 3]}, "not x, y, width, height"),
        ({"bbox": [1, 2, 3, -4]}, "not x, y, width, height"),
        ({"bbox": [1, 2, 3, "4"]}, "not x, y, width, height"),
        ({"bbox": [1, 2, 3, 1e9]}, "pixels off"),
        ({"segmentation": [[1, 2, 3, 4]]}, "three corners"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "three corners"),
        ({"segmentation": [[1, 2, 3, 4, 5, "6"]]}, "three corners"),
        ({"segmentation": [[1, 2, 3, 4, 5, float("nan")]]}, "pixels off"),
        ({"segmentation": [[1, 2, 3, 4, 5, 1e9]]}, "pixels off"),
        ({"segmentation": {"size": list(SIZE), "counts": [5]}}, "add up"),
        ({"segmentation": {"size": list(SIZE), "counts": "ü"}}, "cannot be read"),
        ({"segmentation": {"size": [5, 5], "counts": [25]}}, "has the size"),
        ({"segmentation": {"counts": [25]}}, "cannot be read"),
        ({"segmentation": [[2, 2, 9, 2, 9, 9]], "category_id": 8}, "a class that is not listed"),
    ],
)
def test_a_mask_that_cannot_be_read_is_named(entry, message, tmp_path):
    with pytest.raises(InputError, match=rf"theirs\.json: annotation 0 .*{message}"):
        read(foreign(entry), tmp_path)


SQUARE = [[2, 2, 9, 2, 9, 9, 2, 9]]


def read_all(content, folder, image_name="a.jpg"):
    (folder / "theirs.json").write_text(json.dumps(content), encoding="utf-8")
    return read_annotations(folder / "theirs.json", image_name, SIZE)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"segmentation": [[1, 1, 5, 5]]}, r"annotation 1 cannot be read \(.*three corners"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, r"annotation 1 cannot be read \(.*three corners"),
        ({"segmentation": [[1, 2, 3, 4, 5, 10**400]]}, "annotation 1 cannot be read"),
        ({"segmentation": [[1, 2, 3, 4, 5, float("inf")]]}, "annotation 1 cannot be read"),
        ({"segmentation": {"size": list(SIZE), "counts": [10**30]}}, "annotation 1 cannot be read"),
        ({"segmentation": {"size": [10**30, float("nan")], "counts": [1]}}, "annotation 1 cannot be read"),
        ({"segmentation": SQUARE, "category_id": [[]]}, "annotation 1 has a class that is not listed"),
        ({"segmentation": {}, "bbox": None}, "annotation 1 cannot be read"),
        ({"segmentation": SQUARE, "image_id": None}, "the annotation at place 2 belongs to no image"),
        ({"segmentation": SQUARE, "image_id": [0]}, "the annotation at place 2 belongs to no image"),
    ],
)
def test_one_strange_annotation_is_left_out_and_the_others_are_read(entry, words, tmp_path, caplog):
    found = read_all(foreign({"segmentation": SQUARE}, entry, {"segmentation": SQUARE}), tmp_path)
    assert [item.region.area for item in found.objects] == [49, 49]
    assert len(found.left_out) == 1 and re.match(words, found.left_out[0])
    assert re.search(rf"theirs\.json: 2 objects were read; left out: {words}", caplog.text)


def test_the_good_pieces_of_an_object_are_read(tmp_path):
    (found,) = (content := read_all(foreign({"segmentation": [*SQUARE, [1, 1, 5, 5], []]}), tmp_path)).objects
    assert found.region.area == 49 and content.left_out[0].startswith("2 of the 3 pieces of annotation 0 (")


def test_what_is_left_out_is_named_up_to_ten(tmp_path, caplog):
    found = read_all(foreign({"segmentation": SQUARE}, *[{"segmentation": [[1]]}] * 14), tmp_path)
    assert len(found.left_out) == 14 and "annotation 10 cannot" in caplog.text and "; and 4 more." in caplog.text


@pytest.mark.parametrize("pieces", [[[]], [[], []], [], None])
def test_an_empty_list_of_pieces_is_no_mask(pieces, tmp_path):
    (found,) = read(foreign({"segmentation": pieces, "bbox": [2, 2, 5, 4]}), tmp_path)
    assert found.region.area == 20


def test_ids_sizes_and_coordinates_written_as_text_and_run_lengths_as_fractions(tmp_path):
    content = foreign(
        {"segmentation": [[str(number) for number in SQUARE[0]]], "image_id": "0", "category_id": "3"},
        {"segmentation": {"size": [str(side) for side in SIZE], "counts": [float(SIZE[0] * SIZE[1] - 50), 50.0]}},
    )
    content["images"][0] |= {"height": str(SIZE[0]), "width": f"{SIZE[1]}"}
    objects = read(content, tmp_path)
    assert [item.region.area for item in objects] == [49, 50] and {item.category for item in objects} == {"cat"}


@pytest.mark.parametrize("absent", [None, 0, "", "gone"])
def test_an_absent_size_of_the_image(absent, tmp_path):
    content = foreign({"segmentation": SQUARE})
    for key in ("height", "width"):
        content["images"][0][key] = absent
        if absent == "gone":
            del content["images"][0][key]
    assert len(read(content, tmp_path)) == 1
    content["images"][0] |= {"height": "tall", "width": 5}
    with pytest.raises(InputError, match=r"theirs\.json: .*write its height and width"):
        read(content, tmp_path)


@pytest.mark.parametrize(("in_file", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("folder", ["", "photos/", "C:\\photos\\"])
def test_the_image_is_found_in_any_unicode_form_of_its_name(in_file, on_disk, folder, tmp_path):
    content = foreign({"segmentation": SQUARE}, names=(folder + normalize(in_file, "café.jpg"),))
    assert len(read(content, tmp_path, normalize(on_disk, "café.jpg"))) == 1


@pytest.mark.long
def test_20_000_objects_are_read(tmp_path):
    entries = [{"segmentation": [[x, y, x + 1, y, x + 1, y + 1]]} for x in range(40) for y in range(36)]
    content = foreign(*(entries * 14)[:20_000])
    objects = read(content, tmp_path)
    assert len(objects) == 20_000 and objects[-1].color == object_color(20_000)


@pytest.mark.parametrize(
    "damage",
    [{"annotations": [{}]}, {"annotations": [5]}, {"images": [{}]}, {"images": 5}, {"categories": [{"id": 1}]}],
)
def test_what_is_not_cocos_format_is_said(damage, tmp_path):
    with pytest.raises(InputError, match=r"theirs\.json: it is not COCO's format"):
        read(foreign() | damage, tmp_path)
