import numpy as np
import pytest
import torch

from isegm.clicks import Click
from isegm.inference.protocols import InferenceSettings
from isegm.inference.transforms import (
    ZoomIn,
    ZoomState,
    expand_bbox,
    flipped_clicks,
    mean_with_flipped,
    resized,
    with_flipped,
)
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError
from tests.golden import golden_json

CLICKSEG = ZoomIn(target_size=None, min_crop_size=10, prob_thresh=0.49, always_recompute=True)


def bump(size, cy, cx, ry, rx):
    """The answer of golden/README section 6: a soft ellipse, (1, 1, H, W)."""
    y, x = np.mgrid[: size[0], : size[1]]
    radius = np.sqrt(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2)
    with np.errstate(over="ignore"):
        return torch.from_numpy(1 / (1 + np.exp(6 * (radius - 1)))).float()[None, None]


def variants():
    names = ("default", "t600", "fixed", "skip0", "skip2", "exp2", "min50", "iou9")
    return pytest.mark.parametrize("name", names)


@variants()
def test_zoom_in_equals_the_published_transform_over_eight_clicks(name):
    spec = golden_json("protocol/zoom_in.json")
    (variant,) = (variant for variant in spec["variants"] if variant["name"] == name)
    size = tuple(spec["image_hw"])
    image = torch.from_numpy(np.random.Generator(np.random.PCG64(11)).random((1, 3, *size), dtype=np.float32))
    settings = InferenceSettings(zoom_in=ZoomIn(**variant["params"]))
    state, clicks = ZoomState(), []
    for ((y, x, is_positive), reply), expected in zip(spec["steps"], variant["log"], strict=True):
        clicks.append(Click(is_positive, (y, x), len(clicks)))
        view = settings.view(state, clicks, size)
        assert view.roi == (None if expected["roi"] is None else Box.from_inclusive(*expected["roi"]))
        assert (view.roi != state.roi) == expected["changed"]
        assert list(view.size) == expected["out_shape"]
        seen = [[*click.coords, click.is_positive, click.indx] for click in view.clicks(clicks)]
        np.testing.assert_allclose(np.float64(seen), np.float64(expected["clicks"]), rtol=1e-12)
        crop = view.crop(image)
        assert crop.mean().item() == pytest.approx(expected["image_mean"], abs=1e-6)
        assert_sampled(crop, expected["image_sample"])
        answer = resized(view.source.crop(bump(size, *reply)), view.size)
        probs = view.paste(answer)
        assert list(probs.shape[-2:]) == expected["inv_shape"]
        assert probs.double().mean().item() == pytest.approx(expected["inv_mean"], abs=1e-6)
        assert_sampled(probs, expected["inv_sample"])
        state = ZoomState(view.roi, probs)
        assert settings.zoom_in.wants_repetition(state) == expected["recalc"]
        # the published run goes on without repeating, so the crop is chosen at the next click


def assert_sampled(maps, values):
    flat = maps.flatten()
    np.testing.assert_allclose(flat[:: max(1, len(flat) // len(values))][: len(values)], values, atol=1e-6)


def state_of(size, box, roi=None):
    """State after an answer that is 1 in a box and 0 elsewhere."""
    probs = torch.zeros(1, 1, *size)
    if box is not None:
        Box.from_inclusive(*box).crop(probs).fill_(1)
    return ZoomState(None if roi is None else Box.from_inclusive(*roi), probs)


def positive(*coords):
    return [Click(True, at, i) for i, at in enumerate(coords)]


def test_clickseg_crops_follow_every_answer_and_keep_the_resolution():
    settings = InferenceSettings(zoom_in=CLICKSEG, resize=(64, 64))
    state = state_of((100, 120), (40, 59, 50, 79), roi=(36, 63, 44, 85))
    clicks = positive((45, 55), (50, 60))
    view = settings.view(state, clicks, (100, 120))
    assert (
        view.roi == view.source == Box.from_inclusive(36, 64, 44, 86)
    )  # one pixel from the old crop: RITM's rule would keep that
    assert view.size == (64, 64)
    assert InferenceSettings(zoom_in=CLICKSEG).view(state, clicks, (100, 120)).size == (29, 43)
    assert ZoomIn(min_crop_size=10).choose(state, clicks, (100, 120)) == Box.from_inclusive(36, 63, 44, 85)


@pytest.mark.parametrize("column, moves", [(44, False), (84, False), (85, True), (86, True)])
def test_a_positive_click_on_the_last_column_of_the_crop_moves_it(column, moves):
    state = state_of((100, 120), (40, 59, 50, 79), roi=(36, 63, 44, 85))
    roi = ZoomIn(min_crop_size=10).choose(state, positive((45, 55), (50, column)), (100, 120))
    assert (roi != state.roi) == moves


@pytest.mark.parametrize("zoom_in", [ZoomIn(), CLICKSEG])
def test_an_empty_answer_leaves_the_old_crop_for_the_next_one(zoom_in):
    """The whole image is read, its output goes into the old crop (docs/fidelity.md#zoom-in-stale-crop)."""
    state = state_of((100, 120), None, roi=(20, 59, 30, 89))
    view = InferenceSettings(zoom_in=zoom_in).view(state, positive((45, 55), (50, 60)), (100, 120))
    assert view.source == Box.of_image((100, 120)) and view.size == (100, 120)
    probs = view.paste(torch.ones(1, 1, 100, 120))
    assert probs[0, 0, 20:60, 30:90].min() > 0.999 and probs.sum().item() == pytest.approx(40 * 60)


def test_crops_are_never_resized_to_nothing():
    assert ZoomIn().crop_size(Box(0, 2000, 0, 1)) == (400, 1)


@pytest.mark.parametrize("size", [0, -1, (400,), (1, 2, 3), (0, 5), "400", 1.5])
def test_target_sizes_that_make_no_sense_are_refused(size):
    with pytest.raises(InputError, match="target_size"):
        ZoomIn(target_size=size)


def test_a_target_size_read_from_a_file_may_be_a_list():
    assert ZoomIn(target_size=[448, 448]) == ZoomIn(target_size=(448, 448))


def test_longest_side_is_limited_with_and_without_zoom():
    size = (200, 300)
    image = torch.rand(1, 3, *size)
    plain = InferenceSettings(max_size=150).view(ZoomState(), positive((100, 200)), size)
    assert plain.size == (100, 150) and plain.roi is None
    assert plain.clicks(positive((100, 200)))[0].coords == (50, 100)
    assert plain.crop(image).shape[-2:] == plain.size and plain.paste(torch.rand(1, 1, 100, 150)).shape[-2:] == size
    zoomed = InferenceSettings(zoom_in=ZoomIn(min_crop_size=10), max_size=150).view(
        state_of(size, (80, 119, 100, 199)), positive((100, 150), (90, 120)), size
    )
    assert zoomed.roi == Box.from_inclusive(72, 128, 80, 220) and zoomed.size == (61, 150)
    probs = zoomed.paste(torch.ones(1, 1, 61, 150))
    assert probs.shape[-2:] == size and probs.sum().item() == pytest.approx(57 * 141)
    assert InferenceSettings(max_size=300).view(ZoomState(), (), size).size == size


def test_mirroring_equals_the_published_transform():
    spec = golden_json("protocol/flip.json")
    image = torch.tensor(spec["image"])
    assert torch.equal(with_flipped(image), torch.tensor(spec["out"]))
    straight, flipped = ([Click(positive, (y, x)) for y, x, positive in row] for row in spec["clicks"])
    assert flipped_clicks(straight, image.shape[3]) == flipped
    torch.testing.assert_close(mean_with_flipped(torch.tensor(spec["prob_in"])), torch.tensor(spec["prob_out"]))


def expanded(ends, *args):
    return expand_bbox(Box.from_inclusive(*ends), *args).inclusive


def test_expansion_and_iou_of_appendix_a4():
    assert expanded((10, 30, 20, 80), 1.4, 200) == (-80, 120, -50, 150)
    assert expanded((10, 30, 20, 80), 1.4) == (5, 35, 7, 93)
    assert expanded((10, 31, 20, 80), 1.25) == (7, 34, 12, 88)
    assert Box(0, 100, 0, 100).iou(Box(10, 60, 0, 100)) == 0.5


def test_box_formulas_equal_the_published_ones():
    limits = Box.from_inclusive(10, 60, 5, 70)
    for case in golden_json("protocol/bbox_utils.json"):
        box, other = Box.from_inclusive(*case["a"]), Box.from_inclusive(*case["b"])
        assert box.iou(other) == pytest.approx(case["iou"], abs=1e-12)
        assert list(expanded(case["a"], 1.4, 20)) == case["expand14"]
        assert list(expanded(case["a"], 1.4)) == case["expand14_none"]
        assert list(box.intersection(limits).inclusive) == case["clamp"]
