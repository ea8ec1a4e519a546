"""Masks that samples start from."""

import numpy as np

from isegm.data.corrupted_masks import CorruptedInitialMasks, corrupt_at_boundary


def disk(radius):
    rows, columns = np.mgrid[:128, :128]
    return (rows - 64) ** 2 + (columns - 60) ** 2 < radius**2


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def test_masks_are_spoilt_by_missing_and_by_foreign_pieces():
    rng, truth = np.random.default_rng(0), disk(30)
    masks = [corrupt_at_boundary(truth, 0.8, rng) for _ in range(100)]
    found = np.array([iou(mask, truth) for mask in masks])
    assert np.median(found) > 0.7 and found.min() > 0.4 and (found <= 0.8).mean() > 0.8
    assert np.mean([(truth & ~mask).any() for mask in masks]) > 0.5
    assert np.mean([(mask & ~truth).any() for mask in masks]) > 0.5


def test_some_samples_start_from_a_wrong_mask_and_others_from_none():
    rng, step = np.random.default_rng(1), CorruptedInitialMasks(p=0.3)
    label = np.where(disk(20), 1, 0)[None].astype(np.float32)
    label[0, :30] = -1
    starts = [step({"instances": label}, rng)["start_masks"] for _ in range(200)]
    assert all(start.shape == (1, 128, 128) and start.dtype == np.float32 for start in starts)
    begun = [start for start in starts if start.any()]
    assert 40 <= len(begun) <= 80 and all(not np.array_equal(start, label == 1) for start in begun)
    assert not step({"instances": np.zeros_like(label)}, rng)["start_masks"].any()


def test_a_thin_target_can_be_spoilt():
    truth = np.zeros((64, 64), bool)
    truth[5, 5] = True
    assert corrupt_at_boundary(truth, 0.9, np.random.default_rng(0)).shape == (64, 64)
