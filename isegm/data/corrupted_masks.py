"""Masks that training samples start from: wrong versions of their targets."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.data.train_set import Sample

DEFECTS = 10  # at most, in one mask
REACHES = ((3, 0.7), (9, 0.3))  # how far from the boundary defects lie, in pixels, and how often
BLOB = (0.08, 0.4)  # semi-axes of a defect, as shares of the root of the object's area


@dataclass(frozen=True)
class CorruptedInitialMasks:
    """Adds start_masks (1, H, W) float32 in {0, 1}: for some samples a wrong version of the target, else empty.

    A network that has seen such starts corrects a mask that it is given, rather than begin anew.

    Args:
        p: how often.
        iou: range of the uniformly drawn IoU with the target that a mask is spoilt to; it may end a little below.
    """

    p: float = 0.3
    iou: tuple[float, float] = (0.55, 0.92)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        truth = sample["instances"] == 1
        start = np.zeros_like(truth)
        if truth.any() and rng.random() < self.p:
            start[0] = corrupted(truth[0], rng.uniform(*self.iou), rng)
        return sample | {"start_masks": start.astype(np.float32)}


def corrupted(truth: np.ndarray, iou: float, rng: np.random.Generator) -> np.ndarray:
    """A mask with pieces missing and pieces too many about its boundary.

    Args:
        truth: (H, W) bool, not empty.
        iou: with ``truth``, at which to stop.

    Returns:
        (H, W) bool.
    """
    mask, size = truth.copy(), np.sqrt(truth.sum())
    for _ in range(DEFECTS):
        reach = REACHES[int(rng.choice(len(REACHES), p=[share for _, share in REACHES]))][0]
        kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        near = (cv2.dilate(truth.astype(np.uint8), kernel) > 0) & (cv2.erode(truth.astype(np.uint8), kernel) == 0)
        places = np.flatnonzero(near if near.any() else truth)
        row, column = divmod(int(places[int(rng.integers(len(places)))]), truth.shape[1])
        axes = [max(1, round(share * size)) for share in rng.uniform(*BLOB, size=2)]
        blob = np.zeros(truth.shape, np.uint8)
        cv2.ellipse(blob, (column, row), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        mask = mask & (blob == 0) if mask[row, column] else mask | (blob > 0)
        if (mask & truth).sum() <= iou * (mask | truth).sum():
            break
    return mask
