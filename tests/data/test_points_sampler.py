"""Random clicks of training samples."""

import zlib

import cv2
import numpy as np
import pytest

from isegm.clicks import SAMPLED_ORDER
from isegm.data.points_sampler import MultiPointSampler, border_mask, centre_candidates, eroded_mask, generate_probs
from isegm.data.sample import DSample, ObjectNode
from tests.golden import golden, golden_json


def crc(mask):
    return zlib.crc32(np.packbits(mask).tobytes())


def test_tables_of_numbers_of_clicks_equal_the_published_ones():
    for key, table in golden_json("protocol/points_sampler.json")["tables"].items():
        slots, gamma = key.split("|")
        np.testing.assert_allclose(generate_probs(int(slots), float(gamma)), table["pos"], rtol=1e-12)
        np.testing.assert_allclose(generate_probs(int(slots) + 1, float(gamma)), table["neg"], rtol=1e-12)


def test_border_erosion_and_centres_equal_the_published_ones():
    masks = np.load(golden("protocol/clicker_masks.npz"))
    for case in golden_json("protocol/sampler_masks.json"):
        mask = masks[f"{case['name']}/gt"] == 1
        border, eroded = border_mask(mask, 0.1), eroded_mask(mask, 3)
        assert (border.sum(), crc(border)) == (case["border_sum"], case["border_crc"]), case["name"]
        assert (eroded.sum(), crc(eroded)) == (case["eroded_sum"], case["eroded_crc"]), case["name"]
        rows, columns = np.divmod(centre_candidates(mask, 1.7), mask.shape[1])
        assert len(rows) == case["candidates_k1.7"], case["name"]
        assert [rows.sum(), columns.sum()] == case["candidates_sum"], case["name"]


@pytest.fixture
def two_objects():
    masks = np.zeros((60, 80), dtype=np.int32)
    masks[10:30, 10:30] = 1
    masks[35:55, 45:75] = 2
    masks[0:4, 60:80] = 255
    return DSample.flat(np.zeros((60, 80, 3), np.uint8), masks, [1, 2], [255], "two")


def rows_of(points, positive):
    half = np.split(points, 2)[0 if positive else 1]
    return half[half[:, 0] >= 0]


def test_no_negative_click_lies_on_an_ignored_pixel(two_objects):
    masks = two_objects.encoded_masks.copy()
    masks[8:32, 8:32][masks[8:32, 8:32] != 1] = 255  # a rim around the first object
    sample = DSample.flat(two_objects.image, masks, [1], [255], "rim")
    sampler = MultiPointSampler(max_num_points=6, expand_ratio=0.3, prob_gamma=1.0)
    found = [rows_of(sampler.sample(sample, np.random.default_rng(seed))[1], False) for seed in range(40)]
    clicks = np.concatenate(found)[:, :2].astype(int)
    assert len(clicks) > 40 and (sample.encoded_masks[clicks[:, 0], clicks[:, 1], 0] != 255).all()


def test_no_positive_click_lies_on_pixels_that_another_layer_ignores(two_objects):
    layers = np.stack((two_objects.encoded_masks[..., 0], np.zeros((60, 80), np.int32)), axis=-1)
    layers[10:28, 10:30, 1] = 255
    sample = DSample.flat(two_objects.image, layers, [1], [(1, 255)], "two layers")
    for seed in range(20):
        mask, points = MultiPointSampler(first_click_center=seed % 2 == 0).sample(sample, np.random.default_rng(seed))
        assert (mask == 1).sum() == 40 and (mask == -1).sum() == 360
        assert all(mask[int(y), int(x)] == 1 for y, x, _ in rows_of(points, True))
    layers[10:30, 10:30, 1] = 255
    mask, points = MultiPointSampler().sample(sample, np.random.default_rng(0))
    assert not (mask == 1).any() and not len(rows_of(points, True))


@pytest.mark.parametrize("seed", range(20))
def test_positive_clicks_lie_on_the_target_and_negative_ones_off_it(two_objects, seed):
    sampler = MultiPointSampler(max_num_points=6, merge_objects_prob=0.3)
    mask, points = sampler.sample(two_objects, np.random.default_rng(seed))
    assert points.shape == (12, 3) and points.dtype == np.float32
    assert 1 <= len(rows_of(points, True)) <= 6 and len(rows_of(points, False)) <= 6
    for y, x, order in rows_of(points, True):
        assert mask[int(y), int(x)] == 1 and order == SAMPLED_ORDER
    for y, x, _ in rows_of(points, False):
        assert mask[int(y), int(x)] == 0
    assert (mask[0:4, 60:80] == -1).all()


def test_numbers_of_clicks_follow_the_table(two_objects):
    sampler = MultiPointSampler(max_num_points=6, prob_gamma=0.7)
    counts = np.zeros(6)
    for seed in range(2000):
        counts[len(rows_of(sampler.sample(two_objects, np.random.default_rng(seed))[1], True)) - 1] += 1
    np.testing.assert_allclose(counts / 2000, generate_probs(6, 0.7), atol=0.035)


def test_all_objects_can_be_merged(two_objects):
    mask, points = MultiPointSampler(merge_all_prob=1.0).sample(two_objects, np.random.default_rng(0))
    assert (mask == 1).sum() == 20 * 20 + 20 * 30
    assert len(rows_of(points, True)) >= 2


def test_only_neighbours_are_merged_where_the_sampler_says_so():
    stripes = np.repeat(np.arange(1, 5, dtype=np.int32), 20)[None].repeat(40, 0)  # 1 to 4 side by side
    sample = DSample.flat(np.zeros((40, 80, 3), np.uint8), stripes, [1, 2, 3, 4])
    sampler = MultiPointSampler(merge_objects_prob=1.0, max_num_merged_objects=3, merge_neighbours=True)
    seen = set()
    for seed in range(60):
        mask, _ = sampler.sample(sample, np.random.default_rng(seed))
        seen.add(tuple(np.unique(stripes[mask == 1]).tolist()))
    assert seen == {(1, 2), (2, 3), (3, 4), (1, 2, 3), (2, 3, 4)}


def test_a_centred_first_click_lies_deep_inside_and_has_order_0(two_objects):
    sampler = MultiPointSampler(first_click_center=True, positive_erode_prob=0)
    for seed in range(10):
        mask, points = sampler.sample(two_objects, np.random.default_rng(seed))
        y, x, order = points[0]
        assert order == 0
        assert depth(mask == 1)[int(y), int(x)] > 10 / 1.7


def depth(mask):
    return cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 0)[1:-1, 1:-1]


def test_a_view_without_objects_gets_background_clicks_only():
    sample = DSample.flat(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.int32), [])
    mask, points = MultiPointSampler(prob_gamma=0.99).sample(sample, np.random.default_rng(1))
    assert not mask.any() and not len(rows_of(points, True)) and len(rows_of(points, False))


def test_a_hierarchy_gives_parts_and_keeps_clicks_off_what_was_cut_out():
    masks = np.zeros((40, 40, 2), dtype=np.int32)
    masks[5:35, 5:35, 0] = 1
    masks[10:20, 10:20, 1] = 1
    objects = {0: ObjectNode(0, 1, None, (1,)), 1: ObjectNode(1, 1, 0, ())}
    sample = DSample(np.zeros((40, 40, 3), np.uint8), masks, objects)
    sampler = MultiPointSampler(use_hierarchy=True, max_num_points=12)
    areas = set()
    for seed in range(40):
        mask, points = sampler.sample(sample, np.random.default_rng(seed))
        areas.add(int(mask.sum()))
        assert all(mask[int(y), int(x)] == 1 for y, x, _ in rows_of(points, True))
        assert all(mask[int(y), int(x)] == 0 for y, x, _ in rows_of(points, False))
    assert areas == {900, 100, 800}


def test_strategies_must_add_up_to_one():
    with pytest.raises(ValueError, match="add up"):
        MultiPointSampler(negative_bg_prob=0.5)
