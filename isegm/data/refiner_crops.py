"""Steps of ClickSEG's training samples: targets without small parts, and crops for FocalClick's refiner.

Chen et al. 2022, "FocalClick: Towards Practical Interactive Image Segmentation".
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.data.sample import IGNORE
from isegm.data.train_set import Rejection, Sample
from isegm.utils.boxes import Box

DETAIL = 8  # the refiner's trimap: pixels that are lost at 1/8 of the resolution
SMALL_OBJECT = 3600  # pixels; crops of smaller objects always show the whole object
BOUNDARY_SHARE = 0.4  # share of the crops of larger objects that show a part of the boundary
MIN_SIDE = 32
SHIFT = 0.3  # largest shift of a crop in either direction, relative to its side


@dataclass(frozen=True)
class WholeTargets:
    """Drop small parts of the target, and reject views whose target is too small or fills the image.

    As published, ignored pixels become background, and a part that a sampled click hits may be dropped
    (docs/fidelity.md#refiner-crops).

    Args:
        min_area: the target must have more pixels than this.
        max_share: the target must cover less than this share of the view.
        min_part: 4-connected parts of fewer pixels are dropped.
    """

    min_area: int
    max_share: float = 0.85
    min_part: int = 900

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample | Rejection:
        mask = without_small_parts(sample["instances"][0] > 0.5, self.min_part)
        if not self.min_area < mask.sum() < self.max_share * mask.size:
            return Rejection(
                f"had no target of more than {self.min_area} pixels and less than {self.max_share:.0%} of the view, "
                f"where parts below {self.min_part} pixels do not count (leave images out whose objects are small or "
                "fill them)"
            )
        return sample | {"instances": mask[None].astype(np.float32)}


@dataclass(frozen=True)
class FocusCrops:
    """Add a crop for FocalClick's refiner, around the object or on its boundary.

    Adds images_focus (side, side, 3) uint8 RGB, instances_focus (1, side, side) float32 in {0, 1, -1},
    trimap_focus likewise in {0, 1}, and rois (4,) float32: x1, y1, x2, y2 of the crop in the view, ends excluded.

    Args:
        side: of the crops, in pixels.
    """

    side: int = 256

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        mask = sample["instances"][0] > 0.5
        box = focus_box(mask, rng)
        window = box.slices
        size = (self.side, self.side)
        truth = resized_mask(mask[window], size).astype(np.float32)
        ignored = sample["instances"][0][window] == IGNORE
        if ignored.any():
            truth[resized_mask(ignored, size)] = IGNORE
        return sample | {
            "images_focus": cv2.resize(sample["images"][window], size, interpolation=cv2.INTER_LINEAR),
            "instances_focus": truth[None],
            "trimap_focus": resized_mask(trimap(mask)[window], size)[None].astype(np.float32),
            "rois": np.array((box.left, box.top, box.right, box.bottom), dtype=np.float32),
        }


def without_small_parts(mask: np.ndarray, min_area: int) -> np.ndarray:
    """Drop the 4-connected parts of a mask (H, W) bool that have fewer than ``min_area`` pixels."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    kept = stats[:, cv2.CC_STAT_AREA] >= min_area
    kept[0] = False
    return kept[parts]


def resized_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask (H, W) bool to ``size`` (w, h): linear interpolation, as for images, and a threshold at 0.5."""
    return cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR) > 128


def trimap(mask: np.ndarray) -> np.ndarray:
    """Mark the pixels (H, W) bool around those that a mask at an eighth of the resolution gets wrong."""
    height, width = mask.shape
    coarse = resized_mask(mask, (max(1, width // DETAIL), max(1, height // DETAIL)))
    lost = resized_mask(coarse, (width, height)) != mask
    return cv2.dilate(lost.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2) > 0


def focus_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    """Choose a random crop for the refiner: around a small object, around a large one, or on a large one's boundary.

    A target that is empty or fills the view gives the whole view.
    """
    if not mask.any() or mask.all():
        return Box.of_image((mask.shape[0], mask.shape[1]))
    if mask.sum() >= SMALL_OBJECT and rng.random() < BOUNDARY_SHARE:
        return boundary_box(mask, rng)
    return object_box(mask, rng)


def object_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    """Choose a shifted box around the largest 8-connected part of a non-empty mask: 1.1 to 1.6 times its size."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    left, top, width, height, _ = stats[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())].tolist()
    ratio = int(rng.integers(11, 17)) / 10
    ends = []
    for start, extent, limit in ((top, height, mask.shape[0]), (left, width, mask.shape[1])):
        side = max(MIN_SIDE, ratio * extent)
        reach = int(SHIFT * side)
        centre = start + (extent - 1) / 2 + int(rng.integers(-reach, reach + 1))
        ends.append((max(0, int(centre - side / 2)), min(limit, int(centre + side / 2))))
    (top, bottom), (left, right) = ends
    return Box(top, bottom, left, right)


def boundary_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    """Choose a box around a random pixel just outside the object, with sides of 1/3.9 to 1/1.5 of the view's."""
    sides = [int(limit / (int(rng.integers(15, 40)) / 10)) for limit in mask.shape]
    ring = (cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~mask
    centres = np.argwhere(ring)  # (N, 2) y, x
    corners = centres - np.array(sides) // 2
    last = np.array(mask.shape) - sides
    inside = np.flatnonzero(((corners >= 0) & (corners <= last)).all(axis=1))
    chosen = int(rng.choice(inside if len(inside) else len(corners)))
    top, left = np.clip(corners[chosen], 0, last).tolist()
    return Box(top, top + sides[0], left, left + sides[1])
