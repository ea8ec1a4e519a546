import cv2
import numpy as np
import pytest
import scipy.ndimage

from isegm.inference.clicker import Click, Clicker
from isegm.inference.mask_metrics import get_iou
from isegm.utils.errors import InputError
from tests.golden import golden, golden_json


def row(click):
    return [*click.coords, click.is_positive]


def disks(clicks, radii, shape):
    """Union of disks at positive clicks minus union of disks at negative ones."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    masks = [np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)]
    for click in clicks:
        inside = (y - click.coords[0]) ** 2 + (x - click.coords[1]) ** 2 <= radii[not click.is_positive] ** 2
        masks[not click.is_positive] |= inside
    return masks[0] & ~masks[1]


def test_next_clicks_and_ious_equal_the_published_ones():
    with np.load(golden("protocol/clicker_masks.npz")) as masks:
        for case in golden_json("protocol/clicker.json"):
            gt, pred = masks[f"{case['name']}/gt"], masks[f"{case['name']}/pred"]
            clicker = Clicker(gt)
            clicks = [clicker.make_next_click(pred) for _ in range(4)]
            assert row(clicks[0]) == case["next"], case["name"]
            assert [row(click) for click in clicks] == case["repeat4_same_pred"], case["name"]
            if case["iou"] is not None:
                assert get_iou(gt, pred) == pytest.approx(case["iou"], abs=1e-12), case["name"]


@pytest.mark.parametrize("radii", [(7, 4), (5, 5)])
def test_sequences_of_clicks_equal_the_published_ones(radii):
    with np.load(golden("protocol/clicker_masks.npz")) as masks:
        for case in golden_json("protocol/clicker.json"):
            gt = masks[f"{case['name']}/gt"]
            clicker = Clicker(gt)
            for *expected, iou in case[f"seq_r{radii[0]}_{radii[1]}"]:
                click = clicker.make_next_click(disks(clicker.clicks_list, radii, gt.shape))
                assert [*row(click), click.indx] == expected, case["name"]
                if iou is not None:
                    pred = disks(clicker.clicks_list, radii, gt.shape)
                    assert get_iou(gt, pred) == pytest.approx(iou, abs=1e-12), case["name"]


def test_clicks_on_large_masks_equal_the_published_ones():
    with np.load(golden("protocol/clicker_big.npz")) as masks:
        for case in golden_json("protocol/clicker_big.json"):
            gt, pred = (
                np.unpackbits(masks[f"{case['seed']}/{name}"])[: 480 * 854].reshape(480, 854) for name in ("gt", "pred")
            )
            clicker = Clicker(gt.astype(np.int32))
            assert [row(clicker.make_next_click(pred == 1)) for _ in case["clicks"]] == case["clicks"]
            assert get_iou(gt, pred == 1) == pytest.approx(case["iou"], abs=1e-12)


def reference_click(gt, pred, clicked):
    """The rule as the specification words it, on whole maps, with distances that are exact to the last bit."""
    depths = []
    for error in ((gt == 1) & ~pred & (gt != -1), (gt != 1) & pred & (gt != -1)):
        depth = scipy.ndimage.distance_transform_edt(np.pad(error, 1))[1:-1, 1:-1]
        depths.append(depth * ~clicked)
    is_positive = depths[0].max() > depths[1].max()
    depth = depths[0 if is_positive else 1]
    return [*(int(values[0]) for values in np.where(depth == depth.max())), bool(is_positive)]


def test_the_bounding_box_rule_gives_the_clicks_of_whole_distance_maps():
    rng = np.random.default_rng(0)
    for _ in range(60):
        shape = tuple(rng.integers(1, 40, size=2))
        gt = rng.choice([-1, 0, 1], p=[0.05, 0.45, 0.5], size=shape)
        pred = rng.random(shape) < rng.choice([0.0, 0.5, 1.0])
        clicker, clicked = Clicker(gt), np.zeros(shape, dtype=bool)
        for _ in range(6):
            expected = reference_click(gt, pred, clicked)
            assert row(clicker.make_next_click(pred)) == expected
            clicked[expected[0], expected[1]] = True


def test_the_last_bit_of_a_distance_decides_nothing(monkeypatch):
    """OpenCV's distances may be off by a last bit, differently from call to call; clicks must not follow that."""
    exact, rng = cv2.distanceTransform, np.random.default_rng(0)

    def noisy(*args):
        depth = exact(*args)
        return np.nextafter(depth, np.where(rng.random(depth.shape) < 0.5, 0, np.inf).astype(np.float32)) * (depth > 0)

    y, x = np.mgrid[:300, :300]
    gt = ((y - 150) ** 2 + (x - 150) ** 2 <= 80**2).astype(int)
    pred = np.roll(gt, 1, axis=1) == 1
    expected = [row(Clicker(gt).make_next_click(mask)) for mask in (gt == 0, gt == 2, pred)]
    monkeypatch.setattr(cv2, "distanceTransform", noisy)
    for _ in range(5):
        assert [row(Clicker(gt).make_next_click(mask)) for mask in (gt == 0, gt == 2, pred)] == expected


def test_a_tie_gives_a_negative_click():
    gt = np.zeros((9, 20), dtype=int)
    gt[2:7, 2:7] = 1
    pred = np.roll(gt, 10, axis=1) == 1
    assert row(Clicker(gt).make_next_click(pred)) == [4, 14, False]


def test_clicks_without_ground_truth_are_numbered_and_restored():
    clicker = Clicker(init_clicks=[Click(True, (1, 2), 7)], click_indx_offset=3)
    added = clicker.add_click(Click(False, (3.5, 4)))
    assert [click.indx for click in clicker.clicks_list] == [3, 4] and added.coords == (3.5, 4)
    assert clicker.get_clicks(1) == clicker.clicks_list[:1] and clicker.get_clicks() == clicker.clicks_list
    state = clicker.get_state()
    clicker.add_click(Click(True, (5, 6)))
    assert len(state) == 2 and len(clicker) == 3
    clicker.set_state(state)
    assert clicker.get_clicks() == state
    clicker.reset_clicks()
    assert clicker.get_clicks() == []
    with pytest.raises(RuntimeError, match="gt_mask"):
        clicker.make_next_click(np.zeros((4, 4), dtype=bool))


def test_a_restored_state_makes_the_next_click_again():
    gt = np.ones((15, 15), dtype=int)
    nothing = np.zeros(gt.shape, dtype=bool)
    clicker = Clicker(gt)
    clicker.make_next_click(nothing)
    state = clicker.get_state()
    second = clicker.make_next_click(nothing)
    clicker.set_state(state)
    assert clicker.make_next_click(nothing) == second != state[0]


def test_a_prediction_of_another_size_is_refused():
    with pytest.raises(InputError, match="pred_mask"):
        Clicker(np.ones((4, 5))).make_next_click(np.zeros((5, 4), dtype=bool))


def test_iou_counts_neither_ignored_pixels_nor_empty_pairs():
    gt = np.array([[1, 1, 0, -1]])
    assert get_iou(gt, np.array([[True, False, True, True]])) == 1 / 3
    assert get_iou(np.array([[0, 255]]), np.array([[False, True]]), ignore_label=255) == 1.0


def test_depths_beyond_float32_squares_still_click_the_deepest_pixel():
    size = 4701
    click = Clicker(np.ones((size, size), np.int32)).make_next_click(np.zeros((size, size), bool))
    assert click.is_positive and click.coords == (size // 2, size // 2)


def test_random_clicks_cover_the_largest_error_and_no_other():
    gt, pred = np.zeros((40, 60), int), np.zeros((40, 60), bool)
    gt[5:25, 5:25] = 1  # missed, the deepest error
    pred[5:12, 40:50] = True  # wrong, shallower
    gt[30:33, 5:8] = 1  # missed too, apart
    seen = np.zeros(gt.shape, int)
    for seed in range(40):
        clicker = Clicker(gt, rng=np.random.default_rng(seed))
        for click in (clicker.make_next_click(pred) for _ in range(30)):
            assert click.is_positive
            seen[click.coords] += 1
        assert len({click.coords for click in clicker.clicks_list}) == 30
    inside = np.zeros(gt.shape, bool)
    inside[5:25, 5:25] = True
    assert not seen[~inside].any() and (seen[inside] > 0).mean() > 0.9
    quarters = [seen[r : r + 10, c : c + 10].sum() for r in (5, 15) for c in (5, 15)]
    assert max(quarters) - min(quarters) < 100  # of 1,200


def test_a_random_click_without_any_error_is_that_of_the_published_rule():
    gt = np.zeros((8, 8), int)
    gt[2:5, 2:5] = 1
    click = Clicker(gt, rng=np.random.default_rng(0)).make_next_click(gt == 1)
    assert row(click) == [0, 0, False]
    with pytest.raises(InputError, match=r"rng of Clicker must be a numpy.random.Generator"):
        Clicker(gt, rng=3)
