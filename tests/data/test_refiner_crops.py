"""Targets without small parts, focus crops, and steps of samples in general."""

import re

import cv2
import numpy as np
import pytest
import torch

from isegm import InputError
from isegm.data.datasets.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.refiner_crops import (
    FocusCrops,
    WholeTargets,
    boundary_box,
    focus_box,
    object_box,
    trimap,
    without_small_parts,
)
from isegm.data.train_set import Rejection, TrainSet
from isegm.data.transforms import RandomView
from tests.drawn import draw_folder


def drawn(height=256, width=256):
    mask = np.zeros((height, width), bool)
    mask[60:150, 40:120] = True
    mask[0:29, 200:231] = True  # 899 pixels
    mask[29, 231] = True  # touches it at a corner alone
    mask[200:230, 200:230] = True  # 900 pixels
    return mask


def sample_of(mask):
    image = np.zeros((*mask.shape, 3), np.uint8)
    image[mask] = 255
    return {"images": image, "instances": np.where(mask, 1, 0)[None].astype(np.float32), "points": None}


def test_parts_below_900_pixels_are_dropped():
    kept = without_small_parts(drawn(), 900)
    assert kept.sum() == 90 * 80 + 900 and not kept[:40].any()


@pytest.mark.parametrize(
    ("side", "kept"), [(30, False), (31, False), (32, True), (236, True), (237, False), (256, False)]
)
def test_targets_have_more_than_the_least_area_and_less_than_most_of_the_view(side, kept):
    mask = np.zeros((256, 256), bool)
    mask[:side, :side] = True
    found = WholeTargets(1000)(sample_of(mask), np.random.default_rng(0))
    assert (not isinstance(found, Rejection)) == kept == (1000 < side * side < 0.85 * 256 * 256)


def test_ignored_pixels_become_background():
    sample = sample_of(drawn())
    sample["instances"][0, 60:70] = -1
    found = WholeTargets(1000)(sample, np.random.default_rng(0))["instances"]
    assert set(np.unique(found)) == {0, 1} and not found[0, 60:70].any() and found.dtype == np.float32


def test_the_trimap_covers_corners_and_thin_things_and_leaves_the_inside_alone():
    mask = np.zeros((256, 256), bool)
    mask[64:192, 64:192] = True
    mask[20:23, 30:220] = True  # too thin for an eighth of the resolution
    found = trimap(mask)
    assert found[64, 64] and found[20:23, 40:210].all()
    assert not found[80:176, 80:176].any() and not found[230:].any()
    assert trimap(np.zeros((16, 16), bool)).sum() == 0


def test_the_trimap_is_what_an_eighth_of_the_resolution_gets_wrong_dilated_twice():
    for seed in range(5):
        noise = np.random.default_rng(seed).standard_normal((120, 200))
        mask = cv2.GaussianBlur(noise, (0, 0), 5) > 0.02
        small = cv2.resize(mask.astype(np.uint8) * 255, (25, 15)) > 128
        wrong = (cv2.resize(small.astype(np.uint8) * 255, (200, 120)) > 128) != mask
        expected = np.zeros_like(mask)
        for row, column in np.argwhere(wrong):  # two pixels each way
            expected[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = True
        np.testing.assert_array_equal(trimap(mask), expected)


def test_the_trimap_of_a_crop_is_cut_out_of_the_whole_views():
    mask, crops, rng = drawn(), FocusCrops(64), np.random.default_rng(2)
    of_the_crop_alone = 0
    for _ in range(20):
        found = crops(sample_of(mask), rng)
        x1, y1, x2, y2 = found["rois"].astype(int)
        window = (slice(y1, y2), slice(x1, x2))
        expected, other = (
            cv2.resize(detail.astype(np.uint8) * 255, (64, 64)) > 128
            for detail in (trimap(mask)[window], trimap(mask[window]))
        )
        np.testing.assert_array_equal(found["trimap_focus"][0] > 0, expected)
        of_the_crop_alone += bool((other != expected).any())
    assert of_the_crop_alone > 10  # the two are not the same


def test_parts_that_touch_at_corners_are_one_to_object_boxes():
    mask, rng = np.zeros((256, 256), bool), np.random.default_rng(0)
    mask[100:140, 20:60] = mask[140:180, 60:100] = True
    mask[10:60, 150:200] = True  # larger than either of the two
    boxes = [object_box(mask, rng) for _ in range(20)]
    assert all(box.size[0] >= 87 or box.bottom == 256 for box in boxes)  # 1.1 times 80; 1.6 times 50 are 80


def test_object_boxes_surround_the_largest_part_by_the_published_ratios():
    mask, rng = drawn(), np.random.default_rng(0)
    sides, moves = [], []
    for _ in range(300):
        y1, y2, x1, x2 = object_box(mask, rng)
        assert 0 <= y1 < y2 <= 256 and 0 <= x1 < x2 <= 256
        if y1 > 0 and y2 < 256:
            sides.append(y2 - y1)
            moves.append((y1 + y2) / 2 - 104.5)
    assert 98 <= min(sides) <= 100 and max(sides) == 144  # 1.1 and 1.6 times 90
    assert -0.3 * 144 - 1 <= min(moves) < -30 and 30 < max(moves) <= 0.3 * 144 + 1
    tiny = np.zeros((256, 256), bool)
    tiny[100:104, 100:104] = True
    assert {box.size[0] for box in (object_box(tiny, rng) for _ in range(9))} == {32}


def test_boundary_boxes_have_a_pixel_outside_the_object_in_their_middle():
    mask, rng = drawn(), np.random.default_rng(0)
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))) - mask
    heights, centred = set(), 0
    for _ in range(300):
        y1, y2, x1, x2 = boundary_box(mask, rng)
        assert 0 <= y1 < y2 <= 256 and 0 <= x1 < x2 <= 256
        heights.add(y2 - y1)
        centred += int(ring[y1 + (y2 - y1) // 2, x1 + (x2 - x1) // 2])
    assert heights <= {int(256 / (k / 10)) for k in range(15, 40)} and len(heights) > 15
    assert centred == 300  # around this object crops of every size fit somewhere


def test_small_objects_are_seen_whole_and_two_fifths_of_the_crops_of_large_ones_at_their_boundary():
    large, small = np.zeros((2, 256, 256), bool)
    large[100:160, 100:160] = True  # 3600 pixels
    small[100:160, 101:160] = True
    rng = np.random.default_rng(1)

    def whole(mask):
        boxes = [focus_box(mask, rng) for _ in range(400)]
        return np.mean([max(box.size) <= 96 for box in boxes])

    assert whole(small) == 1
    published = np.mean([max(int(256 / (rng.integers(15, 40) / 10)) for _ in "yx") <= 96 for _ in range(4000)])
    assert whole(large) == pytest.approx(0.6 + 0.4 * published, abs=0.06)


def test_crops_show_image_mask_and_box_alike():
    mask = without_small_parts(drawn(), 900)
    crops, rng = FocusCrops(64), np.random.default_rng(2)
    for _ in range(20):
        found = crops(sample_of(mask), rng)
        assert found["images_focus"].shape == (64, 64, 3) and found["images_focus"].dtype == np.uint8
        truth = found["instances_focus"]
        assert truth.shape == found["trimap_focus"].shape == (1, 64, 64) and set(np.unique(truth)) <= {0, 1}
        np.testing.assert_array_equal(found["images_focus"][..., 0] > 128, truth[0] == 1)
        x1, y1, x2, y2 = found["rois"]
        assert mask[int(y1) : int(y2), int(x1) : int(x2)].mean() == pytest.approx(truth.mean(), abs=0.03)


def test_crops_keep_ignored_pixels_and_show_all_of_a_view_without_boundary():
    sample = sample_of(drawn())
    sample["instances"][0, 100:110] = -1
    found = FocusCrops(64)(sample, np.random.default_rng(2))["instances_focus"]
    assert set(np.unique(found)) == {-1, 0, 1} and 0.01 < (found == -1).mean() < 0.5
    rng = np.random.default_rng(0)
    for everywhere in [False, True] * 8:
        found = FocusCrops(64)(sample_of(np.full((128, 96), everywhere)), rng)
        assert found["rois"].tolist() == [0, 0, 96, 128] and (found["instances_focus"] == everywhere).all()


@pytest.fixture
def images(tmp_path):
    return FolderDataset(draw_folder(tmp_path / "photos", 4))


def samples(images, *steps):
    return TrainSet(images, RandomView((64, 64)), MultiPointSampler(4), epoch_len=4, steps=steps, seed=3)


def test_steps_add_to_samples_which_are_the_same_at_every_read(images):
    plain = samples(images)
    focused = samples(images, WholeTargets(40, 0.9, 20), FocusCrops(32))
    for index in range(4):
        one, same = focused[index], focused[index]
        assert set(one) == {"images", "points", "instances", "images_focus", "instances_focus", "trimap_focus", "rois"}
        assert all(torch.equal(one[key], same[key]) for key in one)
        assert one["images_focus"].shape == (3, 32, 32) and 0 < one["images_focus"].max() <= 1
        assert one["rois"].shape == (4,) and set(plain[index]) == {"images", "points", "instances"}


def test_a_step_that_passes_over_every_view_ends_in_a_sentence(images):
    with pytest.raises(InputError) as refused:
        samples(images, WholeTargets(64 * 64))[0]
    assert str(refused.value) == (
        "50 views of training images in a row gave no sample: 50 had no target of more than 4096 pixels and less than "
        "85% of the view, where parts below 900 pixels do not count (leave images out whose objects are small or fill "
        "them)."
    )


def test_views_without_objects_are_counted_apart_from_those_that_a_step_passes_over(images):
    some = samples(images, WholeTargets(64 * 64))
    some.min_object_area = 500
    with pytest.raises(
        InputError, match=r"\d+ showed no object of 500 pixels or more \(lower min_area of the recipe"
    ) as refused:
        some[0]
    counts = [int(number) for number in re.findall(r"(\d+) (?:showed|had)", str(refused.value))]
    assert len(counts) == 2 and sum(counts) == 50
