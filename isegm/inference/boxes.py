"""Boxes of pixels: first and last row, first and last column, both ends included."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor


class Box(NamedTuple):
    """Rows rmin..rmax and columns cmin..cmax, both ends included."""

    rmin: int
    rmax: int
    cmin: int
    cmax: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.rmax - self.rmin + 1, self.cmax - self.cmin + 1

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an array whose last two axes are rows and columns."""
        return slice(self.rmin, self.rmax + 1), slice(self.cmin, self.cmax + 1)


def whole_image(height: int, width: int) -> Box:
    """The box of all pixels of an image."""
    return Box(0, height - 1, 0, width - 1)


def bbox_from_mask(mask: np.ndarray) -> Box | None:
    """Smallest box around the True pixels of a bool (H, W) mask; None if there are none."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return Box(top, top + height - 1, left, left + width - 1) if width else None


def bbox_above(probs: Tensor, threshold: float) -> Box | None:
    """Smallest box around the pixels of ``probs`` (H, W) that are greater than ``threshold``; None if there are none.

    Only the H + W flags of occupied rows and columns leave the device.
    """
    if probs.device.type == "cpu":
        return bbox_from_mask(probs.numpy() > threshold)
    height = probs.shape[0]
    above = probs > threshold
    flags = torch.cat((above.any(dim=1), above.any(dim=0))).cpu().numpy()
    rows, columns = np.flatnonzero(flags[:height]), np.flatnonzero(flags[height:])
    return Box(int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])) if len(rows) else None


def expand_bbox(bbox: tuple[int, int, int, int], expand_ratio: float, min_crop_size: int | None = None) -> Box:
    """Scale a box about its centre; each side becomes at least ``min_crop_size``. It may reach beyond the image.

    Halves are rounded to the even neighbour (Python's ``round``), as published crops are.
    """
    ends = []
    for first, last in (bbox[:2], bbox[2:]):
        center = 0.5 * (first + last)
        length = max(expand_ratio * (last - first + 1), min_crop_size or 0)
        ends += [round(center - 0.5 * length), round(center + 0.5 * length)]
    return Box(*ends)


def clamp_bbox(bbox: tuple[int, int, int, int], rmin: int, rmax: int, cmin: int, cmax: int) -> Box:
    """The part of a box within rows rmin..rmax and columns cmin..cmax."""
    return Box(max(rmin, bbox[0]), min(rmax, bbox[1]), max(cmin, bbox[2]), min(cmax, bbox[3]))


def bbox_iou(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """IoU of the row intervals times IoU of the column intervals.

    This is the measure of RITM's crop rule; it is smaller than the IoU of areas unless one of the factors is 1 or 0.
    """
    return _interval_iou(one[:2], other[:2]) * _interval_iou(one[2:], other[2:])


def _interval_iou(one: tuple[int, int], other: tuple[int, int]) -> float:
    intersection = max(0, min(one[1], other[1]) - max(one[0], other[0]) + 1)
    union = max(1e-6, max(one[1], other[1]) - min(one[0], other[0]) + 1)
    return intersection / union
