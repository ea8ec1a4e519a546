"""Progressive Merge: the published rule against vectors, and what no click may do to a good mask."""

import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from isegm import Click
from isegm.inference.focus import focus_crop, scaled_edges
from isegm.inference.mask_metrics import get_iou
from isegm.inference.merge import guarded_merge, progressive_merge
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.utils.boxes import Box
from tests.analytic import AnalyticModel, FocalBlobModel, TinyModel
from tests.golden import golden, golden_json

SIZE = (48, 64)


def blobs(seed, count=6):
    """A random mask of round and square pieces."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(SIZE, np.uint8)
    for _ in range(count):
        centre = int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0]))
        if rng.random() < 0.5:
            cv2.circle(mask, centre, int(rng.integers(1, 12)), int(rng.integers(2)), -1)
        else:
            other = centre[0] + int(rng.integers(1, 20)), centre[1] + int(rng.integers(1, 16))
            cv2.rectangle(mask, centre, other, int(rng.integers(2)), -1)
    return mask > 0


def clicks_of(seed, mask):
    """Clicks of both signs: anywhere, inside, in the background, on the mask's rim, on the image's border, twice."""
    rng = np.random.default_rng(1000 + seed)
    rim = mask & ~(cv2.erode(mask.astype(np.uint8), np.ones((3, 3))) > 0)
    places = [(0, 0), (SIZE[0] - 1, SIZE[1] - 1), (int(rng.integers(SIZE[0])), 0), tuple(rng.integers(SIZE))]
    for pixels in (mask, ~mask, rim):
        rows, columns = np.nonzero(pixels)
        if len(rows):
            chosen = int(rng.integers(len(rows)))
            places += [(int(rows[chosen]), int(columns[chosen]))] * 2
    return [Click(sign, place) for place in places for sign in (True, False)]


def golden_masks():
    """(pair, previous mask's name) to the prediction and the previous mask, as golden/README section 6 has them."""
    with np.load(golden("protocol/clicker_masks.npz")) as arrays:
        pairs = {name: arrays[name] for name in arrays}
    for pair in sorted({name.split("/")[0] for name in pairs}):
        prediction = pairs[f"{pair}/pred"] > 0
        yield (pair, "empty"), (prediction, np.zeros_like(prediction))
        yield (pair, "gt"), (prediction, pairs[f"{pair}/gt"] == 1)
        yield (pair, "shift"), (prediction, np.roll(prediction, (3, 5), (0, 1)))


def test_focus_crops_and_merges_are_the_published_ones():
    masks, compared = dict(golden_masks()), 0
    for pair, previous, y, x, function, *rest in golden_json("protocol/focus_crop.json")["rows"]:
        prediction, before = masks[pair, previous]
        if function == "get_focus_cropv1":
            within, expected = rest
            assert list(focus_crop(prediction, before, (y, x), Box(*within))) == expected, (pair, previous, y, x)
        elif function == "Progressive_Merge":
            merged = progressive_merge(before, prediction, Click(True, (y, x)))
            assert [int(merged.sum()), zlib.crc32(np.packbits(merged).tobytes())] == rest, (pair, previous, y, x)
        else:
            continue  # rules that the published predictor does not use
        compared += 1
    assert compared == 540


def test_boxes_and_clicks_are_mapped_as_published():
    expected = golden_json("protocol/focus_maps.json")
    box = Box(10, 50, 20, 75)  # the file says results alone; these are the boxes and points that they belong to
    places = [(10, 20), (50, 75), (30, 44), (0, 0)]
    mapped = [box.to_crop(place, (256, 256)) for place in places]
    np.testing.assert_allclose(mapped, expected["map_point_in_bbox"])
    outer = (Box(0, 60, 0, 80), Box(4, 50, 6, 71), box)
    np.testing.assert_allclose([scaled_edges(box, frame, (256, 256)) for frame in outer], expected["mapp_roi"])


@pytest.mark.parametrize("seed", range(60))
def test_a_click_changes_a_mask_only_by_its_sign_and_where_it_points(seed):
    mask, prediction = blobs(seed), blobs(seed + 500)
    for click in clicks_of(seed, mask):
        row, column = click.coords
        merged = guarded_merge(mask, prediction, click)
        touched = merged ^ mask
        if mask[row, column] == click.is_positive:
            assert not touched.any()  # inside, positive; or in the background, negative
        assert not (touched & (mask == click.is_positive)).any()  # a positive click takes nothing, a negative adds none
        assert not (touched & (mask == prediction)).any()
        if touched.any():
            assert touched[row, column]
            assert cv2.connectedComponents(touched.astype(np.uint8), connectivity=8)[0] == 2
        np.testing.assert_array_equal(guarded_merge(merged, prediction, click), merged)  # twice on one pixel


def test_the_published_rule_destroys_a_good_mask_where_the_guarded_one_does_not():
    good = np.zeros(SIZE, dtype=bool)
    good[10:40, 10:50] = True
    inside, outside = Click(True, (20, 20)), Click(False, (2, 2))
    assert not progressive_merge(good, good, inside).any()
    assert progressive_merge(good, good, outside).all()
    for click in (inside, outside):
        np.testing.assert_array_equal(guarded_merge(good, good, click), good)


@pytest.mark.parametrize("protocol", ["ritm", "clickseg", "focalclick"])
@pytest.mark.parametrize("seed", range(4))
def test_no_odd_click_destroys_a_mask_that_segmentation_started_from(protocol, seed):
    model = FocalBlobModel() if protocol == "focalclick" else TinyModel()
    settings = settings_for(protocol, infer_size=32 if protocol != "ritm" else None)
    predictor = Predictor(model, settings=replace(settings, merge="guarded"))
    image = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    good = blobs(seed)
    agreeing = [click for click in clicks_of(seed, good) if good[click.coords] == click.is_positive]
    for first in agreeing:  # such as a negative first click, outside the object
        predictor.set_image(image)
        mask, _ = predictor.predict([first.coords[::-1]], [int(first.is_positive)], prev_mask=good)
        assert get_iou(good.astype(np.int32), mask) == 1
    for click in agreeing:  # and all of them one after the other
        mask, _ = predictor.predict([click.coords[::-1]], [int(click.is_positive)])
        assert get_iou(good.astype(np.int32), mask) == 1
    predictor.predict([(60, 2)], [1])
    assert (predictor.session.mask(0.49) >= good).all()


def test_without_merging_every_answer_replaces_the_mask():
    settings = replace(settings_for("clickseg", infer_size=32), merge="none")
    predictor = Predictor(TinyModel(), settings=settings)
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    session = predictor.start(image, blobs(0))
    np.testing.assert_array_equal(session.mask(0.49), blobs(0))
    (session,) = predictor.step([session], [Click(True, (20, 20))])
    np.testing.assert_array_equal(session.mask(0.49), session.probs > 0.49)


class TwoDisks(AnalyticModel):
    """Sees two disks, whatever is clicked."""

    def logits(self, image, prev_mask, points):
        y, x = torch.meshgrid(*(torch.arange(side) for side in image.shape[2:]), indexing="ij")
        disks = ((y - 20) ** 2 + (x - 15) ** 2 < 80) | ((y - 25) ** 2 + (x - 48) ** 2 < 80)
        return torch.where(disks, 5.0, -5.0).expand(len(image), 1, -1, -1)


def test_clicks_of_one_call_each_change_their_region():
    predictor, start = Predictor(TwoDisks(), settings=InferenceSettings()), np.zeros(SIZE, dtype=bool)
    start[40:46, 5:20] = True
    predictor.set_image(np.zeros((*SIZE, 3), dtype=np.uint8))
    mask, probs = predictor.predict([(15, 20), (48, 25), (10, 42)], [1, 1, 0], prev_mask=start)
    np.testing.assert_array_equal(mask, probs > 0.5)  # both disks added, the bar taken away
    predictor.undo()
    mask, _ = predictor.predict([(15, 20)], [1], prev_mask=start)
    assert mask[20, 15] and not mask[25, 48] and mask[42, 10]
