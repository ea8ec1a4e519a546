"""The interactive program without its window: clicks, objects, files, settings."""

from dataclasses import replace

import numpy as np
import pytest

from isegm import Click, InputError
from isegm.annotations.formats import read_annotations
from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.inference.clicker import Clicker
from isegm.inference.merge import guarded_merge
from isegm.inference.predictors import get_predictor
from isegm.utils.files import write_image
from tests.analytic import BlobModel, FocalBlobModel, TinyModel
from tests.demo.clicked import CLICKS, SIZE, mask_of, pixels, prepared, probs_of, started, step_of
from tests.demo.scripted import as_data, drawn


@pytest.fixture
def place(tmp_path):
    return prepared(tmp_path)


# Answers are the published ones


@pytest.mark.parametrize(
    ("changes", "zoom_in"),
    [
        ({}, {"target_size": (100, 100), "skip_clicks": -1}),
        ({"fixed_crop": False, "skip_clicks": 1, "expand_ratio": 2.0}, {"target_size": 100, "expansion_ratio": 2.0}),
        ({"skip_clicks": 0}, {"target_size": (100, 100), "skip_clicks": 0}),
        ({"zoom_in": False}, None),
    ],
)
@pytest.mark.parametrize("background", [False, True])
def test_clicks_give_what_the_published_predictor_gives(changes, zoom_in, background, place):
    controller = started(place, model=TinyModel(), background=background, **changes)
    published = get_predictor(TinyModel(), "NoBRS", "cpu", prob_thresh=0.5, zoom_in_params=zoom_in)
    published.set_input_image(drawn(SIZE))
    clicker = Clicker()
    for x, y, is_positive in CLICKS:
        controller.click(x, y, is_positive)
        controller.wait()
        clicker.add_click(Click(is_positive, (y, x)))
        expected = published.get_prediction(clicker)
        np.testing.assert_array_equal(probs_of(controller), expected)
        np.testing.assert_array_equal(mask_of(controller), expected > 0.5)


@pytest.mark.parametrize("zoom_in", [True, False])
def test_a_loaded_mask_changes_only_where_clicks_point(zoom_in, place):
    controller = started(place, model=TinyModel(), zoom_in=zoom_in)
    published = get_predictor(TinyModel(), "NoBRS", "cpu", prob_thresh=0.5, zoom_in_params=None)
    published.set_input_image(drawn(SIZE))
    initial = pixels(place / "middle.png")
    controller.load_mask(place / "middle.png")
    clicker, mask = Clicker(), initial
    for number, (x, y, is_positive) in enumerate(CLICKS):
        controller.click(x, y, is_positive)
        click = clicker.add_click(Click(is_positive, (y, x)))
        for _ in range(2 if number == 0 else 1):  # as published, and the network is given the loaded mask every time
            expected = published.get_prediction(clicker, prev_mask=initial)
        if not zoom_in:
            np.testing.assert_array_equal(probs_of(controller), expected)
        seen = mask_of(controller)
        assert not ((seen ^ mask) & (mask == is_positive)).any()
        np.testing.assert_array_equal(seen, guarded_merge(mask, probs_of(controller) > 0.5, click))
        mask = seen
    assert (mask != initial).any()


@pytest.mark.parametrize("mode", ["RGB-BRS", "DistMap-BRS"])
def test_refinement_is_the_published_one(mode, place):
    controller = started(place, model=TinyModel())
    controller.change(replace(controller.settings.with_mode(mode), lbfgs_iterations=3, network_clicks=2))
    published = get_predictor(
        TinyModel(),
        mode,
        "cpu",
        prob_thresh=0.5,
        zoom_in_params={"target_size": (100, 100), "skip_clicks": -1},
        predictor_params={"net_clicks_limit": 2, "max_size": 800},
        brs_opt_func_params={"min_iou_diff": 1e-3},
        lbfgs_params={"maxfun": 3},
    )
    published.set_input_image(drawn(SIZE))
    clicker = Clicker()
    for x, y, is_positive in CLICKS[:3]:
        controller.click(x, y, is_positive)
        clicker.add_click(Click(is_positive, (y, x)))
        np.testing.assert_array_equal(probs_of(controller), published.get_prediction(clicker))


def test_a_network_of_focalclick_looks_twice_here_too(place):
    model = FocalBlobModel()
    model.protocol = "focalclick"
    controller = Controller(model, settings=replace(Settings.for_model(model), target_size=100))
    controller.open(place / "photo.png")
    controller.click(*CLICKS[0])
    assert step_of(controller).session.focus is not None


def test_a_network_that_reads_no_previous_mask_corrects_a_loaded_one_too(place):
    controller = started(place, model=BlobModel(with_prev_mask=False))
    controller.load_mask(place / "corner.png")
    controller.click(*CLICKS[0])
    mask = pixels(place / "corner.png")
    assert (mask_of(controller) & mask).sum() == mask.sum() < mask_of(controller).sum()


def test_a_partial_finish_keeps_the_probabilities_and_later_clicks_only_add(place):
    controller = started(place, *CLICKS[:2])
    kept = probs_of(controller)
    controller.partially_finish()
    assert controller.draft.clicks == () and controller.in_progress
    np.testing.assert_array_equal(probs_of(controller), kept)
    controller.click(*CLICKS[3])
    np.testing.assert_array_equal(probs_of(controller), np.maximum(kept, probs_of(started(place, CLICKS[3]))))
    np.testing.assert_array_equal(controller.draft.kept.mask(), kept > 0.5)
    controller.undo()
    controller.undo()
    np.testing.assert_array_equal(probs_of(controller), kept)
    assert len(controller.draft.clicks) == 2


@pytest.mark.parametrize("clicks", [(), CLICKS[:1]])
def test_a_partial_finish_of_a_loaded_mask_keeps_what_was_seen(clicks, place):
    controller = started(place)
    controller.load_mask(place / "corner.png")
    for click in clicks:
        controller.click(*click)
    seen = mask_of(controller)
    controller.partially_finish()
    np.testing.assert_array_equal(mask_of(controller), seen)
    controller.click(*CLICKS[3])
    np.testing.assert_array_equal(mask_of(controller), seen | mask_of(started(place, CLICKS[3])))


# Objects


def test_finished_objects_are_numbered_and_later_ones_lie_over_earlier_ones(place):
    controller = started(place, CLICKS[0])
    first = mask_of(controller)
    controller.finish()
    assert not controller.in_progress and len(controller.document.objects) == 1
    controller.click(60, 30, True)
    second = mask_of(controller)
    assert (first & second).any() and (first & ~second).any()
    np.testing.assert_array_equal(controller.annotations().labels(), first)  # the second is not finished
    np.testing.assert_array_equal(controller.annotations(with_draft=True).labels(), np.where(second, 2, first))
    controller.finish()
    np.testing.assert_array_equal(controller.annotations().labels(), np.where(second, 2, first))
    assert controller.annotations().image_name == "photo.png"


def test_a_second_object_begins_anew(place):
    controller = started(place, *CLICKS[:2])
    controller.finish()
    controller.click(*CLICKS[3])
    np.testing.assert_array_equal(probs_of(controller), probs_of(started(place, CLICKS[3])))


def test_new_objects_get_the_present_class_and_protection(place):
    controller = started(place)
    controller.category, controller.protect = "cat", True
    controller.click(*CLICKS[0])
    controller.finish()
    first = controller.document.objects[0]
    assert (first.category, first.protected) == ("cat", True)
    controller.click(60, 30, True)
    assert controller.draft.region.overlap(first.region) and not controller.document.selection.overlap(first.region)
    controller.finish()
    assert (controller.annotations().labels() == 1).sum() == first.region.area


def test_a_finished_object_is_opened_again_and_corrected(place):
    controller = started(place, CLICKS[0])
    controller.finish()
    controller.click(*CLICKS[3])
    controller.finish()
    controller.edit(1, name="Mia", category="cat", color=(1, 2, 3))
    controller.reopen(1)
    before = controller.document.get(1).region
    assert controller.draft.region.same(before) and controller.document.draft_number == 1
    with pytest.raises(InputError, match="an object is in progress"):
        controller.reopen(2)
    controller.click(70, 50, True)
    controller.finish()
    numbers = [item.number for item in controller.document.objects]
    first = controller.document.objects[-1]
    assert numbers == [2, 1] and (first.name, first.category, first.color) == ("Mia", "cat", (1, 2, 3))
    assert first.region.area > before.area and first.region.overlap(before) == before.area
    controller.remove(1)
    assert [item.number for item in controller.document.objects] == [2]
    controller.undo()
    assert controller.document.objects[-1] is first


def test_what_is_wrong_with_an_edit_is_said_and_nothing_changes(place):
    controller = started(place, CLICKS[0])
    controller.finish()
    before = controller.document
    for number, changes in ((1, {"category": " "}), (1, {"color": (0, 0, 300)}), (2, {"name": "x"})):
        with pytest.raises(InputError, match=f"object {number}"):
            controller.edit(number, **changes)
    assert controller.document is before


def test_nothing_in_progress_is_neither_finished_nor_undone(place):
    controller = started(place)
    for action in (controller.finish, controller.partially_finish, controller.undo, controller.redo, controller.reset):
        action()
    assert controller.document.objects == () and not controller.in_progress and not controller.can_undo
    assert not controller.annotations(with_draft=True).labels().any()


def test_reset_forgets_the_object_and_sets_threshold_and_blending_back(place):
    controller = started(place, *CLICKS)
    controller.change(replace(controller.settings, threshold=0.9, alpha=0.1, click_radius=5))
    controller.reset()
    assert not controller.in_progress and controller.image is not None
    assert controller.settings == Settings(target_size=100, click_radius=5)
    controller.undo()
    assert as_data(controller.document) == as_data(started(place, *CLICKS).document)


# Files


def test_nothing_works_without_an_image_and_says_so(tmp_path):
    controller = Controller(BlobModel())
    for action in (
        lambda: controller.click(1, 1, True),
        lambda: controller.load_mask(tmp_path / "mask.png"),
        lambda: controller.load_annotations(tmp_path / "objects.json"),
        lambda: controller.save(tmp_path / "mask.png", "id"),
        lambda: controller.save_folder(tmp_path / "all.json", "coco_rle"),
        lambda: controller.reopen(1),
        controller.annotations,
    ):
        with pytest.raises(InputError, match="there is no image yet"):
            action()
    assert not controller.busy and list(tmp_path.iterdir()) == []


def test_a_click_outside_the_image_changes_nothing(place):
    controller = started(place, CLICKS[0])
    with pytest.raises(InputError, match="outside the image"):
        controller.click(SIZE[1], 0, True)
    assert len(controller.draft.clicks) == 1


def test_masks_are_read_by_their_first_channel_and_must_fit(place):
    controller = started(place, CLICKS[0])
    channels = np.zeros((*SIZE, 3), np.uint8)
    channels[5:20, 5:30, 0] = 128
    channels[30:40, 5:30] = (127, 255, 255)
    write_image(place / "mask.png", channels)
    controller.load_mask(place / "mask.png")
    np.testing.assert_array_equal(mask_of(controller), channels[..., 0] == 128)
    assert controller.draft.clicks == ()
    before = controller.document
    write_image(place / "small.png", channels[:50])
    with pytest.raises(InputError, match=r"the mask is 96x50 pixels, the image 96x72"):
        controller.load_mask(place / "small.png")
    write_image(place / "dark.png", np.full(SIZE, 127, np.uint8))
    with pytest.raises(InputError, match="the mask is empty"):
        controller.load_mask(place / "dark.png")
    assert controller.document is before  # a mask that is refused leaves the object as it is


@pytest.mark.parametrize("kind", ["id", "coco_rle", "labelme"])
def test_saved_objects_come_back(kind, place):
    controller = started(place, CLICKS[0])
    controller.finish()
    controller.click(*CLICKS[3])
    path = place / ("objects" + (".png" if kind == "id" else ".json"))
    controller.save(path, kind, with_draft=True)
    assert controller.notice == f"saved {path}" and controller.in_progress
    expected = controller.annotations(with_draft=True).labels()
    other = started(place)
    other.load_annotations(path)
    np.testing.assert_array_equal(other.annotations().labels(), expected)
    other.undo()
    assert other.document.objects == ()


@pytest.mark.parametrize("kind", ["coco_rle", "labelme", "yolo", "journal", "broken"])
def test_load_mask_on_a_file_of_objects_points_to_load_objects(kind, place):
    controller = started(place, CLICKS[0], autosave=place / "auto")
    controller.finish()
    path = place / f"objects{'.txt' if kind == 'yolo' else '.json'}"
    if kind == "journal":
        (path,) = (place / "auto").glob("*.jsonl")
    elif kind == "broken":
        path.write_text('{"shapes": [')
    else:
        controller.save(path, kind)
    before = controller.document
    with pytest.raises(InputError, match=r'holds objects, not a mask: read it with "Load objects"\.$'):
        controller.load_mask(path)
    assert controller.document is before


def test_opening_a_file_of_objects_as_an_image_points_to_load_objects(place):
    controller = started(place, CLICKS[0])
    controller.finish()
    controller.save(place / "objects.json", "labelme")
    with pytest.raises(InputError, match=r'holds objects, not an image: open their image, and .*"Load objects"\.$'):
        controller.open(place / "objects.json")
    assert controller.image.name == "photo.png"


def test_a_file_that_cannot_be_written_is_told_and_the_work_stays(place):
    controller = started(place, CLICKS[0], background=True)
    controller.wait()
    before = controller.document
    (place / "taken").mkdir()
    controller.save(place / "taken", "id")
    with pytest.raises(InputError, match="taken"):
        controller.wait()
    assert controller.document is before and not controller.notice


def test_walking_through_a_folder_finds_the_work_on_each_image_and_saves_all(place):
    for name in ("photo2.png", "photo10.png"):
        write_image(place / name, drawn(SIZE))
    for name in ("middle.png", "corner.png"):
        (place / name).unlink()
    controller = Controller(BlobModel(), settings=Settings(target_size=100), autosave=place / "auto")
    controller.open(place)
    seen = []
    for count in range(3):
        seen.append(controller.image.name)
        for click in CLICKS[2 : 2 + count]:
            controller.click(*click)
            controller.finish()
        controller.walk(1)
    assert seen == ["photo.png", "photo2.png", "photo10.png"] and controller.image.name == seen[2]
    controller.walk(-1)
    assert len(controller.document.objects) == 1 and controller.notice.startswith("as you left it: 1 finished object")
    expected = controller.annotations().labels()
    controller.save_folder(place / "all.json", "coco_rle")
    np.testing.assert_array_equal(read_annotations(place / "all.json", "photo2.png", SIZE).labels(), expected)
    assert len(read_annotations(place / "all.json", "photo10.png", SIZE).objects) == 2
    controller.save_folder(place / "set", "id")
    assert sorted(each.name for each in (place / "set" / "masks").iterdir()) == ["photo10.png", "photo2.png"]
    np.testing.assert_array_equal(read_annotations(place / "set" / "masks" / "photo2.png", "", SIZE).labels(), expected)
    place.rename(place.parent / "masks")
    controller.open(place.parent / "masks")
    with pytest.raises(InputError, match="holds the images themselves"):
        controller.save_folder(place.parent, "id")


def test_an_image_that_cannot_be_read_leaves_the_present_one(place):
    (place / "broken.png").write_bytes(b"no image")
    controller = started(place, CLICKS[0])
    before = controller.document
    for name in ("broken.png", "missing.png"):
        with pytest.raises(InputError, match=name):
            controller.open(place / name)
    assert controller.document is before and controller.image.name == "photo.png"
    controller.click(*CLICKS[1])
    assert len(controller.draft.clicks) == 2


@pytest.mark.parametrize("background", [False, True])
def test_steps_through_a_folder_go_on_behind_an_image_that_cannot_be_read(background, place):
    for name in ("corner.png", "middle.png", "photo 2.png", "photo 4.png"):
        (place / name).write_bytes(b"no image")
    write_image(place / "photo 3.png", drawn(SIZE))

    def go(step):
        controller.walk(step)
        controller.wait()

    controller = Controller(BlobModel(), settings=Settings(target_size=100), background=background)
    with pytest.raises(InputError, match=r"corner\.png"):
        controller.open(place)
        controller.wait()
    assert controller.image is None and len(controller.folder.images) == 6 and controller.folder.index == 0
    with pytest.raises(InputError, match=r"middle\.png"):
        go(1)
    go(1)
    assert controller.image.name == "photo.png" == controller.folder.present.name
    controller.click(*CLICKS[0])
    for number, name in ((-1, "middle"), (1, "photo 2"), (-1, "middle"), (1, "photo 2")):  # the open one is passed over
        with pytest.raises(InputError, match=rf"{name}\.png"):
            go(number)
    assert controller.image.name == "photo.png" and len(controller.draft.clicks) == 1
    go(1)
    assert controller.image.name == "photo 3.png" == controller.folder.present.name
    for _ in range(2):
        with pytest.raises(InputError, match=r"photo 4\.png"):
            go(1)
    controller.close()


# Settings


@pytest.mark.parametrize(
    "changes", [{"zoom_in": False}, {"target_size": 120}, {"expand_ratio": 1.5}, {"brs_mode": "RGB-BRS"}]
)
def test_what_the_network_sees_changes_only_between_objects(changes, place):
    controller = started(place, CLICKS[0], model=TinyModel())
    with pytest.raises(InputError, match="finish or reset it first"):
        controller.change(replace(controller.settings, **changes))
    assert controller.settings == Settings(target_size=100)
    controller.finish()
    controller.change(replace(controller.settings, **changes))
    controller.click(*CLICKS[0])
    expected = started(place, CLICKS[0], model=TinyModel(), **changes)
    np.testing.assert_array_equal(probs_of(controller), probs_of(expected))


def test_the_threshold_changes_at_once_and_at_its_ends_too(place):
    controller = started(place, CLICKS[0])
    controller.change(replace(controller.settings, threshold=0.8))
    np.testing.assert_array_equal(mask_of(controller), probs_of(controller) > 0.8)
    for end, share in ((0.0, 1.0), (1.0, 0.0)):
        controller.change(replace(controller.settings, threshold=end))
        assert mask_of(controller).mean() == share
    assert len(controller.draft.clicks) == 1
    controller.undo()
    assert not controller.in_progress  # a threshold is no step of its own


def test_a_mode_that_the_network_lacks_is_refused_and_nothing_changes(place):
    controller = started(place, model=BlobModel(with_prev_mask=False))
    before = controller.settings
    with pytest.raises(InputError, match="f-BRS-B"):
        controller.change(before.with_mode("f-BRS-B"))
    assert controller.settings is before and "f-BRS-B" in controller.unavailable
