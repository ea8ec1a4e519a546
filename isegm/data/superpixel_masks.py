"""Good masks made worse to a wanted IoU, super-pixel by super-pixel, as the initial masks of DAVIS-585 were made
(Chen et al. 2022, "FocalClick").

Published code cuts super-pixels with fast-SLIC, and by mistake takes BGR images for RGB there; here scikit-image's
SLIC cuts the RGB image, so that masks are of the same kind but not the same masks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage.segmentation import slic
from tqdm import tqdm

from isegm.data.initial_masks import Item, list_items, read_item
from isegm.utils.errors import InputError
from isegm.utils.files import write_image

COUNTS = (50, 100, 200, 300, 500, 700)  # super-pixels of an image
COMPACTNESS = 10
ATTEMPTS = 31
DEFECTS = 10  # of an attempt, at most; [KEEP] published code draws 1 to 5 and then overwrites it with 10
SHARES = (0.65, 0.25, 0.10)  # how often a defect starts at the boundary, inside, outside
ROUNDS = 3  # of 5x5 dilation and erosion, which make the band around the boundary
FEWEST = 5  # pixels of a region; of a smaller one the object takes the place


class SuperPixels:
    """Super-pixels of one image, cut at most once for each number of them.

    Args:
        image: (H, W, 3) uint8 RGB.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self._maps: dict[int, np.ndarray] = {}

    def around(self, count: int, row: int, column: int) -> np.ndarray:
        """(H, W) bool: the super-pixel of a pixel, where the image is cut into about ``count``."""
        if count not in self._maps:
            cut = slic(self.image, n_segments=count, compactness=COMPACTNESS, convert2lab=True, start_label=0)
            self._maps[count] = cut.astype(np.int16)  # (H, W)
        labels = self._maps[count]
        return labels == labels[row, column]


def corrupt(
    gt_mask: np.ndarray, super_pixels: SuperPixels, rng: np.random.Generator, iou_range: tuple[float, float]
) -> tuple[np.ndarray, float]:
    """A worse mask of an object.

    Up to ten times a random pixel's super-pixel is added, if the pixel is background, or else taken away, until the IoU
    is in the range; below it another attempt begins, up to 31 of them. Where none reaches the range the mask nearest
    to it is given (published code gives the last one, whatever its IoU).

    Args:
        gt_mask: (H, W) int, 1 on the object, 0 elsewhere, -1 where pixels do not count; some pixel is 1.
        super_pixels: of the object's image.
        rng: decides everything.
        iou_range: lowest and highest IoU that will do.

    Returns:
        mask: (H, W) bool.
        iou: of the mask and the object, over pixels that count.
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
            mask[super_pixels.around(count, row, column)] = not mask[row, column]
            iou = float((mask & target).sum() / ((mask | target) & counted).sum())
            if max(low - iou, iou - high) < gap:
                nearest, nearest_iou, gap = mask.copy(), iou, max(low - iou, iou - high)
            if iou < low:
                break
            if iou <= high:
                return mask, iou
    return nearest, nearest_iou


def _regions(target: np.ndarray) -> list[np.ndarray]:
    """Flat indices of the pixels around the boundary, inside and outside of an object."""
    kernel, pixels = np.ones((5, 5), np.uint8), target.astype(np.uint8)
    wide = cv2.dilate(pixels, kernel, iterations=ROUNDS) > 0
    narrow = cv2.erode(pixels, kernel, iterations=ROUNDS) > 0
    found = [np.flatnonzero(region) for region in (wide & ~narrow, narrow, ~wide)]
    return [region if len(region) >= FEWEST else np.flatnonzero(target) for region in found]


def write_initial_masks(
    dataset: Any,
    place: Callable[[Item], Path],
    iou_range: tuple[float, float],
    seed: int = 0,
    max_objects: int | None = None,
) -> list[float]:
    """Write worse masks of the objects of an evaluation set, as PNG of 0 and 255.

    An object's mask depends on the seed, its name and its image alone.

    Args:
        dataset: any evaluation set.
        place: the file of an object's mask.
        iou_range: see ``corrupt``.
        seed: of all draws.
        max_objects: stop after so many; None: all.

    Returns:
        IoUs of the masks, in the order of the data set.

    Raises:
        InputError: a file cannot be read or written, two objects get one name, or a mask would overwrite a file that
            the data set reads.
    """
    items = list_items(dataset, max_objects)
    read = {path.resolve() for pair in getattr(dataset, "pairs", ()) for path in pair}
    for item in items:
        if place(item).resolve() in read:
            raise InputError(f"{place(item)}, a file of {dataset.name}, would be overwritten: choose another folder.")
    super_pixels: SuperPixels | None = None
    ious = []
    for item in tqdm(items, desc=dataset.name, unit="mask"):
        sample = read_item(dataset, item)
        if super_pixels is None or not np.array_equal(super_pixels.image, sample.image):
            super_pixels = SuperPixels(sample.image)
        name = int(hashlib.sha256(item.name.encode()).hexdigest()[:16], 16)
        mask, iou = corrupt(sample.gt_mask, super_pixels, np.random.default_rng((seed, name)), iou_range)
        write_image(place(item), mask.astype(np.uint8) * 255)
        ious.append(iou)
    return ious
