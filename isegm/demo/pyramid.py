"""Image pyramids of images and masks, for fast drawing at any scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.annotations import Region
from isegm.demo.viewport import Viewport

SMALLEST_LEVEL = 32  # images of this longer side are not halved further
MARGIN = 3  # pixels of the screen around a region, for its outline
STRIP = 128  # rows of a halved mask that are computed at a time


@dataclass(frozen=True)
class Patch:
    """A rectangle of a window.

    Attributes:
        viewport: position and scale of the image in the window.
        rows, columns: in pixels of the window, all of which show the image.
    """

    viewport: Viewport
    rows: range
    columns: range

    @classmethod
    def seen(cls, viewport: Viewport) -> Patch:
        """The whole visible part of the image."""
        return cls(viewport, viewport.seen(1), viewport.seen(0))

    @property
    def corner(self) -> tuple[int, int]:
        """(x, y) of the first pixel in the window."""
        return self.columns.start, self.rows.start

    @property
    def level(self) -> int:
        """Pyramid level for the scale of the window: number of halvings, after which it is shrunk by less than half."""
        return max(0, math.floor(-math.log2(self.viewport.scale)))

    def around(self, region: Region) -> Patch:
        """The part of this patch around a region, with a margin."""
        spans = []
        for axis, span, box in zip((1, 0), (self.rows, self.columns), region.box, strict=True):
            first, scale = self.viewport.corner(axis), self.viewport.scale
            start = max(span.start, math.floor(first + box.start * scale) - MARGIN)
            spans.append(range(start, max(start, min(span.stop, math.ceil(first + box.stop * scale) + MARGIN))))
        return Patch(self.viewport, *spans)

    def cut(self, pixels: np.ndarray, part: Patch) -> np.ndarray:
        """A view of a part in an array of all pixels of this patch."""
        rows, columns = part.rows, part.columns
        top, left = self.rows.start, self.columns.start
        return pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]

    def index(self, part: Patch, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Flat indices in an array of this patch, of pixels that are counted from the corner of a part."""
        (x, y), (left, top) = part.corner, self.corner
        return (row + (y - top)) * len(self.columns) + (column + (x - left))


@dataclass(frozen=True, eq=False)
class Layer:
    """A part of an image at one level of a pyramid.

    Attributes:
        pixels: (h, w) bool, (h, w) uint8 from 0 to 255, or (h, w, 3) uint8.
        top, left: its position, in pixels of that level.
        level: number of halvings.
    """

    pixels: np.ndarray
    top: int = 0
    left: int = 0
    level: int = 0

    def halved(self, border: int = cv2.BORDER_CONSTANT) -> Layer:
        """The next level: means of 2x2 pixels.

        Args:
            border: OpenCV's border type where a position or size is odd; constant 0 by default.
        """
        if self.pixels.dtype == bool:
            return Layer(self._halved_mask(), self.top // 2, self.left // 2, self.level + 1)
        pixels, top, left = self.pixels, self.top % 2, self.left % 2
        bottom, right = (top + pixels.shape[0]) % 2, (left + pixels.shape[1]) % 2
        if top or left or bottom or right:
            pixels = cv2.copyMakeBorder(pixels, top, bottom, left, right, border)
        size = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return Layer(pixels, self.top // 2, self.left // 2, self.level + 1)

    def _halved_mask(self) -> np.ndarray:
        """The halved pixels of a bool mask, uint8, computed in strips to avoid a copy of a large mask."""
        mask, (height, width) = self.pixels.view(np.int8), self.pixels.shape
        top, left = self.top % 2, self.left % 2
        rows, columns = (top + height + 1) // 2, (left + width + 1) // 2
        half, strip = np.empty((rows, columns), np.uint8), np.zeros((2 * STRIP, 2 * columns), np.uint8)
        for first in range(0, rows, STRIP):
            last = min(rows, first + STRIP)
            start, end = max(0, 2 * first - top), min(height, 2 * last - top)
            above, below = start + top - 2 * first, end + top - 2 * first
            strip[:above], strip[below:] = 0, 0
            np.negative(mask[start:end], out=strip[above:below, left : left + width].view(np.int8))
            pixels, size = strip[: 2 * (last - first)], (columns, last - first)
            cv2.resize(pixels, size, dst=half[first:last], interpolation=cv2.INTER_AREA)
        return half

    def sampled(self, patch: Patch, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
        """Resample the layer for a window.

        Args:
            patch: the part of the window; not empty.
            border: OpenCV's border type; constant 0 by default.

        Returns:
            (rows, columns) or (rows, columns, 3) uint8, masks from 0 to 255.
        """
        if patch.viewport.blocks:
            return self._blocks(patch)
        step = 1 / (patch.viewport.scale * 2**self.level)
        matrix, part = np.zeros((2, 3)), []
        for axis, span, origin, length in self._axes(patch):
            first = (span.start + 0.5 - patch.viewport.corner(axis)) * step - 0.5 - origin
            start = min(max(math.floor(first), 0), length - 1)
            end = max(start + 1, min(length, math.floor(first + (len(span) - 1) * step) + 2))
            matrix[axis, axis], matrix[axis, 2] = step, first - start
            part.append(slice(start, end))
        pixels, size = _as_bytes(self.pixels[part[1], part[0]]), (len(patch.columns), len(patch.rows))
        return cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border)

    def _blocks(self, patch: Patch) -> np.ndarray:
        """Resample with pixels as squares, consistent with ``Viewport.pixel``; 0 around the layer."""
        needed, indices, outside = [], [], []
        for axis, span, origin, length in self._axes(patch):
            positions = np.arange(span.start, span.stop) - patch.viewport.offset[axis]
            index = np.floor(positions / patch.viewport.scale).astype(int) - origin
            outside.append((index < 0) | (index >= length))
            index = index.clip(0, length - 1)
            needed.append(slice(index[0], index[-1] + 1))
            indices.append(index - index[0])
        pixels = np.take(_as_bytes(self.pixels[needed[1], needed[0]]), indices[0], axis=1)
        pixels[:, outside[0]] = 0
        pixels = np.take(pixels, indices[1], axis=0)
        pixels[outside[1]] = 0
        return pixels

    def _axes(self, patch: Patch) -> tuple[tuple[int, range, int, int], ...]:
        """For x and y: the axis, its range in the window, and this layer's first pixel and length."""
        height, width = self.pixels.shape[:2]
        return (0, patch.columns, self.left, width), (1, patch.rows, self.top, height)


class Pyramid:
    """An image at all levels, each half as large as the one before.

    It may be built in any thread: 30 megapixels take 15 to 80 ms.

    Args:
        image: (H, W, 3) uint8 RGB, which must not change afterwards.

    Attributes:
        image: the image.
        size: its (width, height) in pixels.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = np.ascontiguousarray(image)
        self.size = (image.shape[1], image.shape[0])
        self._layers = [Layer(self.image)]
        while max(self._layers[-1].pixels.shape) > SMALLEST_LEVEL:
            self._layers.append(self._layers[-1].halved(cv2.BORDER_REPLICATE))

    def sampled(self, patch: Patch) -> np.ndarray:
        """Resample the image for a part of a window: (rows, columns, 3) uint8 RGB."""
        layer = self._layers[min(patch.level, len(self._layers) - 1)]
        return layer.sampled(patch, cv2.BORDER_REPLICATE)


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Masks as uint8, 0 and 255; other arrays unchanged."""
    return np.negative(pixels.view(np.int8)).view(np.uint8) if pixels.dtype == bool else pixels
