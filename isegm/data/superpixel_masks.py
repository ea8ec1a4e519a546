"""Initial masks corrupted by superpixels to a given IoU, like those of DAVIS-585 (Chen et al. 2022, "FocalClick").

Published code uses fast-SLIC, and takes BGR images for RGB by mistake; here scikit-image's SLIC segments the RGB image.
Masks are of the same kind, but not the same masks (docs/fidelity.md#superpixel-defects).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from skimage.segmentation import slic
from tqdm import tqdm

from isegm.data.datasets.base import EvaluationDataset
from isegm.data.initial_masks import DatasetObject, list_objects, read_object
from isegm.utils.errors import InputError
from isegm.utils.files import write_image

COUNTS = (50, 100, 200, 300, 500, 700)  # numbers of superpixels in an image
COMPACTNESS = 10
ATTEMPTS = 31
DEFECTS = 10  # at most, per attempt; drawn and then overwritten in published code (docs/fidelity.md#superpixel-defects)
SHARES = (0.65, 0.25, 0.10)  # probabilities that a defect starts at the boundary, inside, outside
ROUNDS = 3  # iterations of 5x5 dilation and erosion, for the band around the boundary
MIN_REGION = 5  # pixels; smaller regions are replaced by the whole object


class SuperPixels:
    """Superpixels of one image, segmented at most once for each number of them.

    Args:
        image: (H, W, 3) uint8 RGB.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self._maps: dict[int, np.ndarray] = {}

    def segment_at(self, count: int, row: int, column: int) -> np.ndarray:
        """Return the superpixel that a pixel lies in, (H, W) bool, for an image of about ``count`` superpixels."""
        if count not in self._maps:
            segments = slic(self.image, n_segments=count, compactness=COMPACTNESS, convert2lab=True, start_label=0)
            self._maps[count] = segments.astype(np.int16)  # (H, W)
        labels = self._maps[count]
        return labels == labels[row, column]


def corrupt_by_superpixels(
    gt_mask: np.ndarray, super_pixels: SuperPixels, rng: np.random.Generator, iou_range: tuple[float, float]
) -> tuple[np.ndarray, float]:
    """Corrupt the mask of an object until its IoU lies in a range.

    Up to ten times, the superpixel of a random pixel is added to the mask or, if the pixel is in the mask, removed. An
    attempt ends in the range, or below it; there are up to 31 attempts. If none reaches the range, the mask nearest to
    it is returned (published code returns the last one: docs/fidelity.md#superpixel-defects).

    Args:
        gt_mask: (H, W) int, 1 on the object, 0 elsewhere, -1 for ignored pixels; at least one pixel is 1.
        super_pixels: of the object's image.
        rng: source of all draws.
        iou_range: lowest and highest IoU.

    Returns:
        mask: (H, W) bool.
        iou: of the mask and the object, without ignored pixels.
    """
    low, high = iou_range
    target, counted = gt_mask == 1, gt_mask != -1
    regions = _regions(target)
    nearest, nearest_iou, gap = target, 1.0, np.inf
    for _ in range(ATTEMPTS):
        mask = target.copy()
        for _ in range(DEFECTS):
            region = regions[int(rng.choice(len(regions), p=SHARES))]
            count = int(rng.choice(COUNTS))
            row, column = np.unravel_index(region[int(rng.integers(len(region)))], mask.shape)
            mask[super_pixels.segment_at(count, row, column)] = not mask[row, column]
            iou = float((mask & target).sum() / ((mask | target) & counted).sum())
            if max(low - iou, iou - high) < gap:
                nearest, nearest_iou, gap = mask.copy(), iou, max(low - iou, iou - high)
            if iou < low:
                break
            if iou <= high:
                return mask, iou
    return nearest, nearest_iou


def _regions(target: np.ndarray) -> list[np.ndarray]:
    """Flat indices of the pixels around the boundary, inside and outside of an object, in this order."""
    kernel, pixels = np.ones((5, 5), np.uint8), target.astype(np.uint8)
    wide = cv2.dilate(pixels, kernel, iterations=ROUNDS) > 0
    narrow = cv2.erode(pixels, kernel, iterations=ROUNDS) > 0
    found = [np.flatnonzero(region) for region in (wide & ~narrow, narrow, ~wide)]
    return [region if len(region) >= MIN_REGION else np.flatnonzero(target) for region in found]


def write_initial_masks(
    dataset: EvaluationDataset,
    path_of: Callable[[DatasetObject], Path],
    iou_range: tuple[float, float],
    seed: int = 0,
    max_objects: int | None = None,
) -> list[float]:
    """Write corrupted masks of the objects of an evaluation set, as PNG of 0 and 255.

    An object's mask depends on the seed, the object's name and its image alone.

    Args:
        dataset: the evaluation set.
        path_of: returns the path of an object's mask.
        iou_range: see ``corrupt_by_superpixels``.
        seed: of all draws.
        max_objects: stop after this many; None for all.

    Returns:
        IoUs of the masks, in the order of the data set.

    Raises:
        InputError: a file cannot be read or written, two objects get the same name, or a mask would overwrite a file
            of the data set.
    """
    objects = list_objects(dataset, max_objects)
    read = {path.resolve() for pair in getattr(dataset, "pairs", ()) for path in pair}
    for item in objects:
        if path_of(item).resolve() in read:
            raise InputError(f"{path_of(item)}, a file of {dataset.name}, would be overwritten: choose another folder.")
    super_pixels: SuperPixels | None = None
    ious = []
    for item in tqdm(objects, desc=dataset.name, unit="mask"):
        sample = read_object(dataset, item)
        if super_pixels is None or not np.array_equal(super_pixels.image, sample.image):
            super_pixels = SuperPixels(sample.image)
        name = int(hashlib.sha256(item.name.encode(errors="surrogateescape")).hexdigest()[:16], 16)
        mask, iou = corrupt_by_superpixels(sample.gt_mask, super_pixels, np.random.default_rng((seed, name)), iou_range)
        write_image(path_of(item), mask.astype(np.uint8) * 255)
        ious.append(iou)
    return ious
