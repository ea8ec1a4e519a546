"""The interactive program without its window: clicks, objects, masks and settings."""

from dataclasses import replace

import numpy as np
import pytest

from isegm import Click, InputError
from isegm.demo.controller import Controller
from isegm.demo.settings import BRS_MODES, Settings
from isegm.inference.clicker import Clicker
from isegm.inference.merge import guarded_merge
from isegm.inference.predictors import get_predictor
from isegm.utils.files import read_image, read_mask, write_image
from isegm.utils.vis import voc_palette
from tests.analytic import BlobModel, FocalBlobModel, TinyModel

CLICKS = ((40, 30, True), (70, 50, False), (55, 22, True), (20, 60, True))
SIZE = (72, 96)


def drawn(size=SIZE):
    """A dark picture with a bright box."""
    image = np.random.default_rng(0).integers(0, 60, (*size, 3)).astype(np.uint8)
    image[15:50, 25:70] += 120
    return image


def small(**changes):
    return Settings(**{"max_size": 800, "target_size": 100, **changes})


def started(model=None, **changes):
    controller = Controller(model or BlobModel(), settings=small(**changes))
    controller.set_image(drawn())
    return controller


def clicked(*clicks, model=None, **changes):
    controller = started(model, **changes)
    for click in clicks:
        controller.click(*click)
    return controller


@pytest.mark.parametrize(
    ("changes", "zoom_in"),
    [
        ({}, {"target_size": (100, 100), "skip_clicks": -1}),
        ({"fixed_crop": False, "skip_clicks": 1, "expand_ratio": 2.0}, {"target_size": 100, "expansion_ratio": 2.0}),
        ({"skip_clicks": 0}, {"target_size": (100, 100), "skip_clicks": 0}),
        ({"zoom_in": False}, None),
    ],
)
def test_clicks_give_what_the_published_predictor_gives(changes, zoom_in):
    controller = started(TinyModel(), **changes)
    published = get_predictor(TinyModel(), "NoBRS", "cpu", prob_thresh=0.5, zoom_in_params=zoom_in)
    published.set_input_image(drawn())
    clicker = Clicker()
    for x, y, is_positive in CLICKS:
        controller.click(x, y, is_positive)
        clicker.add_click(Click(is_positive, (y, x)))
        expected = published.get_prediction(clicker)
        np.testing.assert_array_equal(controller.probs, expected)
        np.testing.assert_array_equal(controller.mask, expected > 0.5)


@pytest.mark.parametrize("zoom_in", [True, False])
def test_a_loaded_mask_changes_only_where_clicks_point(zoom_in):
    controller = started(TinyModel(), zoom_in=zoom_in)
    published = get_predictor(TinyModel(), "NoBRS", "cpu", prob_thresh=0.5, zoom_in_params=None)
    published.set_input_image(drawn())
    initial = np.zeros(SIZE, bool)
    initial[30:50, 40:80] = True
    controller.set_mask(initial)
    clicker, mask = Clicker(), initial
    for number, (x, y, is_positive) in enumerate(CLICKS):
        controller.click(x, y, is_positive)
        click = clicker.add_click(Click(is_positive, (y, x)))
        for _ in range(2 if number == 0 else 1):  # as published, and the network is given the loaded mask every time
            expected = published.get_prediction(clicker, prev_mask=initial)
        if not zoom_in:
            np.testing.assert_array_equal(controller.probs, expected)
        touched = controller.mask ^ mask
        assert not (touched & (mask == is_positive)).any()
        np.testing.assert_array_equal(controller.mask, guarded_merge(mask, controller.probs > 0.5, click))
        mask = controller.mask
    assert (mask != initial).any()


@pytest.mark.parametrize("mode", ["RGB-BRS", "DistMap-BRS"])
def test_refinement_is_the_published_one(mode):
    controller = started(TinyModel())
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
    published.set_input_image(drawn())
    clicker = Clicker()
    for x, y, is_positive in CLICKS[:3]:
        controller.click(x, y, is_positive)
        clicker.add_click(Click(is_positive, (y, x)))
        np.testing.assert_array_equal(controller.probs, published.get_prediction(clicker))


def test_undo_goes_back_exactly_and_what_follows_is_as_if_it_had_not_happened():
    controller = clicked(*CLICKS[:3])
    controller.undo()
    np.testing.assert_array_equal(controller.probs, clicked(*CLICKS[:2]).probs)
    controller.click(*CLICKS[3])
    np.testing.assert_array_equal(controller.probs, clicked(*CLICKS[:2], CLICKS[3]).probs)
    for _ in range(5):
        controller.undo()
    assert not controller.in_progress and controller.probs is None and controller.mask is None


def test_undo_after_a_loaded_mask_comes_back_to_the_mask_and_then_to_nothing():
    controller = started()
    mask = np.zeros(SIZE, bool)
    mask[10:30, 10:40] = True
    controller.set_mask(mask)
    controller.click(*CLICKS[0])
    controller.undo()
    np.testing.assert_array_equal(controller.mask, mask)
    assert controller.clicks == ()
    controller.undo()
    assert not controller.in_progress


def test_finished_objects_are_numbered_and_later_ones_lie_over_earlier_ones():
    controller = clicked(CLICKS[0])
    first = controller.mask
    controller.finish()
    assert not controller.in_progress and controller.objects == 1
    controller.click(60, 30, True)
    second = controller.mask
    assert (first & second).any() and (first & ~second).any()
    np.testing.assert_array_equal(controller.all_labels, np.where(second, 2, first))
    np.testing.assert_array_equal(controller.labels, first)  # it is not finished
    controller.finish()
    np.testing.assert_array_equal(controller.labels, np.where(second, 2, first))
    assert controller.labels.dtype == np.uint16 and controller.objects == 2


def test_a_second_object_begins_anew():
    controller = clicked(*CLICKS[:2])
    controller.finish()
    controller.click(*CLICKS[3])
    np.testing.assert_array_equal(controller.probs, clicked(CLICKS[3]).probs)


def test_nothing_in_progress_is_neither_finished_nor_undone():
    controller = started()
    for action in (controller.finish, controller.partially_finish, controller.undo, controller.reset):
        action()
    assert controller.objects == 0 and not controller.in_progress and not controller.all_labels.any()


def test_a_partial_finish_keeps_the_probabilities_and_later_clicks_only_add():
    controller = clicked(*CLICKS[:2])
    kept = controller.probs
    controller.partially_finish()
    assert controller.clicks == () and controller.in_progress
    np.testing.assert_array_equal(controller.probs, kept)
    controller.click(*CLICKS[3])
    np.testing.assert_array_equal(controller.probs, np.maximum(kept, clicked(CLICKS[3]).probs))
    controller.undo()
    controller.undo()
    np.testing.assert_array_equal(controller.probs, kept)
    assert len(controller.clicks) == 2


def test_a_partial_finish_right_after_loading_a_mask_keeps_the_mask():
    controller = started()
    mask = np.zeros(SIZE, bool)
    mask[60:70, 80:94] = True
    controller.set_mask(mask)
    controller.partially_finish()
    controller.click(*CLICKS[0])
    np.testing.assert_array_equal(controller.mask, mask | clicked(CLICKS[0]).mask)


def test_a_partial_finish_of_a_loaded_mask_keeps_what_was_seen():
    controller = started()
    mask = np.zeros(SIZE, bool)
    mask[60:70, 80:94] = True
    controller.set_mask(mask)
    controller.click(*CLICKS[0])
    seen = controller.mask
    controller.partially_finish()
    np.testing.assert_array_equal(controller.mask, seen)


def test_a_network_of_focalclick_looks_twice_here_too():
    model = FocalBlobModel()
    model.protocol = "focalclick"
    controller = Controller(model, settings=replace(Settings.for_model(model), target_size=100))
    controller.set_image(drawn())
    controller.click(*CLICKS[0])
    assert controller.steps[-1].session.focus is not None


def test_reset_forgets_the_object_and_sets_threshold_and_blending_back():
    controller = clicked(*CLICKS)
    controller.change(replace(controller.settings, threshold=0.9, alpha=0.1, click_radius=5))
    controller.reset()
    assert not controller.in_progress and controller.image is not None
    assert controller.settings == small(click_radius=5)


def test_a_click_computed_elsewhere_is_dropped_when_the_object_has_changed_meanwhile():
    controller = started()
    stale = controller.prepare_click(*CLICKS[0])
    controller.reset()
    assert not controller.accept(stale, stale.run()) and not controller.in_progress
    stale = controller.prepare_click(*CLICKS[0])
    controller.set_image(drawn((40, 50)))
    assert not controller.accept(stale, stale.run())
    pending = controller.prepare_click(10, 10, True)
    assert controller.accept(pending, pending.run()) and controller.mask.shape == (40, 50)


def test_nothing_works_without_an_image_and_says_so(tmp_path):
    controller = Controller(BlobModel())
    for action in (
        lambda: controller.click(1, 1, True),
        lambda: controller.set_mask(np.ones(SIZE, bool)),
        lambda: controller.load_mask(tmp_path / "mask.png"),
        lambda: controller.save_mask(tmp_path / "mask.png"),
        controller.picture,
    ):
        with pytest.raises(InputError, match="there is no image yet"):
            action()


def test_a_click_outside_the_image_changes_nothing():
    controller = clicked(CLICKS[0])
    with pytest.raises(InputError, match="outside the image"):
        controller.click(SIZE[1], 0, True)
    assert len(controller.clicks) == 1


def test_masks_are_read_by_their_first_channel_and_must_fit(tmp_path):
    controller = started()
    pixels = np.zeros((*SIZE, 3), np.uint8)
    pixels[5:20, 5:30, 0] = 128
    pixels[30:40, 5:30] = (127, 255, 255)
    write_image(tmp_path / "mask.png", pixels)
    controller.click(*CLICKS[0])
    controller.load_mask(tmp_path / "mask.png")
    np.testing.assert_array_equal(controller.mask, pixels[..., 0] == 128)
    assert controller.clicks == ()
    write_image(tmp_path / "small.png", pixels[:50])
    with pytest.raises(InputError, match=r"the mask is 96x50 pixels, the image 96x72"):
        controller.load_mask(tmp_path / "small.png")
    write_image(tmp_path / "dark.png", np.full(SIZE, 127, np.uint8))
    with pytest.raises(InputError, match="the mask is empty"):
        controller.load_mask(tmp_path / "dark.png")
    assert controller.in_progress  # a mask that is refused leaves the object as it is


def with_objects(count):
    controller = started()
    controller.labels.flat[: count + 1] = np.arange(count + 1)
    controller.objects = count
    return controller


@pytest.mark.parametrize(("count", "step"), [(1, 255), (2, 127), (3, 85), (128, 1), (255, 1)])
@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_labels_are_spread_over_the_levels_of_a_grey_picture(count, step, ending, tmp_path):
    path = tmp_path / f"mask.{ending}"
    controller = with_objects(count)
    controller.save_mask(path)
    saved = read_mask(path)
    np.testing.assert_array_equal(saved, controller.labels.astype(np.int64) * step)


def test_many_objects_make_a_16_bit_png_of_labels(tmp_path):
    controller = with_objects(300)
    controller.save_mask(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), controller.labels)
    with pytest.raises(InputError, match=r"BMP files hold 255: end it in \.png"):
        controller.save_mask(tmp_path / "mask.bmp")


def test_the_unfinished_object_is_saved_and_an_empty_mask_is_black(tmp_path):
    controller = started()
    controller.save_mask(tmp_path / "mask.png")
    assert not read_image(tmp_path / "mask.png").any()
    controller.click(*CLICKS[0])
    controller.save_mask(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), 255 * controller.mask)
    with pytest.raises(InputError, match=r"end it in \.png or \.bmp"):
        controller.save_mask(tmp_path / "mask.jpg")


def test_the_picture_blends_labelled_pixels_with_their_colours_and_shows_clicks():
    controller = clicked(CLICKS[0])
    controller.finish()
    np.testing.assert_array_equal(
        controller.picture()[~controller.labels.astype(bool)], controller.image[controller.labels == 0]
    )
    inside = controller.labels == 1
    controller.change(replace(controller.settings, alpha=1.0))
    assert (controller.picture()[inside] == voc_palette(2)[1]).all()
    controller.change(replace(controller.settings, alpha=0.0, click_radius=2))
    np.testing.assert_array_equal(controller.picture(), controller.image)
    controller.click(60, 40, True)
    controller.click(5, 6, False)
    picture = controller.picture()
    assert tuple(picture[40, 60]) == (0, 255, 0) and tuple(picture[6, 5]) == (255, 0, 0)


def test_what_was_kept_is_blended_twice():
    controller = clicked(CLICKS[0])
    once = controller.picture().astype(int)
    kept = controller.mask
    controller.partially_finish()
    color = voc_palette(2)[1]
    away = kept.copy()
    away[20:41, 30:51] = False  # where the click is drawn
    assert away.any()
    assert np.abs(controller.picture()[away] - (once[away] + color) / 2).max() <= 1


@pytest.mark.parametrize(
    "changes", [{"zoom_in": False}, {"target_size": 120}, {"expand_ratio": 1.5}, {"brs_mode": "RGB-BRS"}]
)
def test_what_the_network_sees_changes_only_between_objects(changes):
    controller = clicked(CLICKS[0], model=TinyModel())
    with pytest.raises(InputError, match="finish or reset it first"):
        controller.change(replace(controller.settings, **changes))
    assert controller.settings == small()
    controller.finish()
    controller.change(replace(controller.settings, **changes))
    controller.click(*CLICKS[0])
    np.testing.assert_array_equal(controller.probs, clicked(CLICKS[0], model=TinyModel(), **changes).probs)


def test_the_threshold_changes_at_once_and_at_its_ends_too():
    controller = clicked(CLICKS[0])
    controller.change(replace(controller.settings, threshold=0.8))
    np.testing.assert_array_equal(controller.mask, controller.probs > 0.8)
    for end, share in ((0.0, 1.0), (1.0, 0.0)):
        controller.change(replace(controller.settings, threshold=end))
        assert controller.mask.mean() == share


def test_a_network_that_reads_no_previous_mask_corrects_a_loaded_one_too():
    blobs = started(BlobModel(with_prev_mask=False))
    mask = np.zeros(SIZE, bool)
    mask[60:70, 80:94] = True
    blobs.set_mask(mask)
    blobs.click(*CLICKS[0])
    assert (blobs.mask & mask).sum() == mask.sum() < blobs.mask.sum()


def test_what_a_network_lacks_is_known_with_its_reason():
    blobs = started(BlobModel(with_prev_mask=False))
    assert set(blobs.unavailable) == {*BRS_MODES} - {"NoBRS"}
    for mode in blobs.unavailable:
        before = blobs.settings
        with pytest.raises(InputError, match=mode):
            blobs.change(before.with_mode(mode))
        assert blobs.settings is before
    assert set(started(TinyModel()).unavailable) == {"f-BRS-A", "f-BRS-B", "f-BRS-C"}
