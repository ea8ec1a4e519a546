"""Boxes of pixels."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

Maps = TypeVar("Maps", np.ndarray, Tensor)


def above(probs: Tensor, threshold: float) -> np.ndarray:
    """Which of ``probs`` are above a threshold, as a bool array.

    On the CPU NumPy compares faster than PyTorch; from another device a byte of each is copied instead of four.
    """
    return probs.numpy() > threshold if probs.device.type == "cpu" else (probs > threshold).cpu().numpy()


class Box(NamedTuple):
    """Rows top..bottom - 1 and columns left..right - 1 of an image. It may reach beyond the image."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def of_image(cls, size: tuple[int, int]) -> Box:
        """The box of all pixels of an image of ``size`` (H, W)."""
        return cls(0, size[0], 0, size[1])

    @classmethod
    def around(cls, mask: np.ndarray) -> Box:
        """Smallest box around the True pixels of a bool (H, W) mask; (0, 0, 0, 0) for an empty mask."""
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        return cls(top, top + height, left, left + width)

    @classmethod
    def around_above(cls, probs: Tensor, threshold: float) -> Box:
        """Smallest box around the pixels of ``probs`` (H, W) above ``threshold``; (0, 0, 0, 0) if there are none.

        Only H + W flags are copied from the device.
        """
        if probs.device.type == "cpu":
            return cls.around(above(probs, threshold))
        height = probs.shape[0]
        passing = probs > threshold
        flags = torch.cat((passing.any(dim=1), passing.any(dim=0))).cpu().numpy()
        rows, columns = np.flatnonzero(flags[:height]), np.flatnonzero(flags[height:])
        if not len(rows):
            return cls(0, 0, 0, 0)
        return cls(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)

    @classmethod
    def from_inclusive(cls, first_row: int, last_row: int, first_column: int, last_column: int) -> Box:
        """The box from the first row to the last and the first column to the last, ends included (RITM's boxes)."""
        return cls(first_row, last_row + 1, first_column, last_column + 1)

    @property
    def inclusive(self) -> tuple[int, int, int, int]:
        """First row, last row, first column, last column; the inverse of ``from_inclusive``."""
        return self.top, self.bottom - 1, self.left, self.right - 1

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels; 0 or less for an empty box."""
        return self.bottom - self.top, self.right - self.left

    @property
    def is_empty(self) -> bool:
        """Whether the box has no pixel."""
        return min(self.size) <= 0

    @property
    def area(self) -> int:
        """Number of pixels."""
        height, width = self.size
        return max(0, height) * max(0, width)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an (H, W) or (H, W, C) array; the box must lie in the image."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def crop(self, maps: Maps) -> Maps:
        """View of the box in (..., H, W) maps; the box must lie in the image."""
        rows, columns = self.slices
        return maps[..., rows, columns]

    def intersection(self, other: Box) -> Box:
        """The pixels of both boxes; empty where they have none in common."""
        return Box(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )

    def iou(self, other: Box) -> float:
        """IoU of the row intervals times IoU of the column intervals.

        This is RITM's measure of boxes; it is smaller than the IoU of areas unless one of the factors is 1 or 0.
        """
        rows = _interval_iou((self.top, self.bottom), (other.top, other.bottom))
        return rows * _interval_iou((self.left, self.right), (other.left, other.right))

    def to_crop(self, point: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
        """(row, column) in this box resized to ``size`` (h, w), of a (row, column) in the image."""
        (height, width), (own_height, own_width) = size, self.size
        return (point[0] - self.top) * height / own_height, (point[1] - self.left) * width / own_width


def _interval_iou(one: tuple[int, int], other: tuple[int, int]) -> float:
    intersection = max(0, min(one[1], other[1]) - max(one[0], other[0]))
    union = max(1e-6, max(one[1], other[1]) - min(one[0], other[0]))
    return intersection / union
