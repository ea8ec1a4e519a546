"""Initial masks of training samples: corrupted versions of their targets."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.data.train_set import Sample

DEFECTS = 10  # at most, per mask
REACHES = ((3, 0.7), (9, 0.3))  # largest distance of a defect from the boundary in pixels, and its probability
BLOB = (0.08, 0.4)  # range of the semi-axes of a defect, relative to the square root of the object's area


@dataclass(frozen=True)
class CorruptedInitialMasks:
    """Add start_masks (1, H, W) float32 in {0, 1}: a corrupted version of the target for some samples, else empty.

    A network trained with such masks corrects a given mask instead of replacing it.

    Args:
        p: probability of a corrupted mask.
        iou: range of the IoU with the target, drawn uniformly; a mask may end slightly below.
    """

    p: float = 0.3
    iou: tuple[float, float] = (0.55, 0.92)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        truth = sample["instances"] == 1
        start = np.zeros_like(truth)
        if truth.any() and rng.random() < self.p:
            start[0] = corrupt_at_boundary(truth[0], rng.uniform(*self.iou), rng)
        return sample | {"start_masks": start.astype(np.float32)}


def corrupt_at_boundary(truth: np.ndarray, iou: float, rng: np.random.Generator) -> np.ndarray:
    """Add and remove elliptic pieces near the boundary of a mask.

    Args:
        truth: (H, W) bool, not empty.
        iou: stop once the IoU with ``truth`` is at most this.
        rng: source of all draws.

    Returns:
        (H, W) bool.
    """
    mask, size = truth.copy(), np.sqrt(truth.sum())
    for _ in range(DEFECTS):
        reach = REACHES[int(rng.choice(len(REACHES), p=[share for _, share in REACHES]))][0]
        kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        near = (cv2.dilate(truth.astype(np.uint8), kernel) > 0) & (cv2.erode(truth.astype(np.uint8), kernel) == 0)
        candidates = np.flatnonzero(near if near.any() else truth)
        row, column = divmod(int(candidates[int(rng.integers(len(candidates)))]), truth.shape[1])
        axes = [max(1, round(share * size)) for share in rng.uniform(*BLOB, size=2)]
        blob = np.zeros(truth.shape, np.uint8)
        cv2.ellipse(blob, (column, row), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        mask = mask & (blob == 0) if mask[row, column] else mask | (blob > 0)
        if (mask & truth).sum() <= iou * (mask | truth).sum():
            break
    return mask
