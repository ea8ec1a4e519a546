"""Pixels of an image, kept as what lies in the box around them."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

COMPRESSION = 1  # of zlib: masks are small whatever the level


@dataclass(eq=False)
class Region:
    """A mask that takes only the room of its box, and never changes. Compare two with ``same``.

    Made by ``of``, ``within``, ``union``, ``empty`` and ``from_json``.

    Attributes:
        size: (H, W) of the image.
        top, left: first row and column of the smallest box around it; 0 where the region is empty.
        shape: (h, w) of that box; (0, 0) where it is empty.
    """

    size: tuple[int, int]
    top: int
    left: int
    shape: tuple[int, int]
    _pixels: np.ndarray | None = None
    _bits: bytes | None = None  # of the box, packed and compressed

    @classmethod
    def of(cls, mask: np.ndarray) -> Region:
        """The True pixels of an (H, W) bool mask, which is copied."""
        height, width = mask.shape
        return cls.within((height, width), 0, 0, mask)

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Region:
        """No pixel of an image of ``size`` (H, W)."""
        return cls.within(size, 0, 0, np.zeros((0, 0), bool))

    @classmethod
    def within(cls, size: tuple[int, int], top: int, left: int, mask: np.ndarray) -> Region:
        """The True pixels of a bool mask of the box that begins at (top, left), which lies in the image."""
        x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8)) if mask.size else (0,) * 4
        if not width:
            top = left = x = y = 0
        pixels = mask[y : y + height, x : x + width].copy()
        pixels.flags.writeable = False
        return cls(size, top + y, left + x, pixels.shape, pixels)

    @classmethod
    def union(cls, size: tuple[int, int], parts: Sequence[Region]) -> Region:
        """What any of the parts holds, all of them of an image of ``size`` (H, W)."""
        parts = [part for part in parts if part]
        if len(parts) < 2:
            return parts[0] if parts else cls.empty(size)
        boxes = np.array([(part.top, part.left, *part.shape) for part in parts])
        (top, left), (bottom, right) = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
        mask = np.zeros((bottom - top, right - left), bool)
        for part, (row, column, height, width) in zip(parts, boxes - (top, left, 0, 0), strict=True):
            mask[row : row + height, column : column + width] |= part.pixels
        return cls.within(size, int(top), int(left), mask)

    def __bool__(self) -> bool:
        """Whether there is a pixel in it."""
        return self.shape != (0, 0)

    @property
    def pixels(self) -> np.ndarray:
        """Bool (h, w), read-only: what of the box belongs to the region."""
        pixels = self._pixels  # which another thread may pack meanwhile
        if pixels is None:
            height, width = self.shape
            bits = np.frombuffer(zlib.decompress(self._bits), np.uint8)
            pixels = np.unpackbits(bits, count=height * width).view(bool).reshape(self.shape)
            pixels.flags.writeable = False
            self._pixels = pixels
        return pixels

    @property
    def bits(self) -> bytes:
        """``pixels`` packed and compressed; computed once."""
        if self._bits is None:
            self._bits = zlib.compress(np.packbits(self.pixels).tobytes(), COMPRESSION)
        return self._bits

    def pack(self) -> None:
        """Free the memory of ``pixels`` until they are asked for again."""
        self._bits = self.bits
        self._pixels = None

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        height, width = self.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @cached_property
    def area(self) -> int:
        """How many pixels there are; counted once."""
        return int(np.count_nonzero(self.pixels))

    def mask(self) -> np.ndarray:
        """(H, W) bool, an array of its own."""
        mask = np.zeros(self.size, bool)
        mask[self.box] = self.pixels
        return mask

    def same(self, other: Region) -> bool:
        """Whether both hold the same pixels of images of the same size."""
        place, others = (self.size, self.top, self.left), (other.size, other.top, other.left)
        return place == others and np.array_equal(self.pixels, other.pixels)

    def overlap(self, other: Region) -> int:
        """How many pixels both hold."""
        mine, theirs = self._shared(other)
        return int(np.count_nonzero(self.pixels[mine] & other.pixels[theirs]))

    def without(self, other: Region) -> Region:
        """What the other does not hold."""
        mine, theirs = self._shared(other)
        if not self.pixels[mine].size:
            return self
        left = self.pixels.copy()
        left[mine] &= ~other.pixels[theirs]
        return self.within(self.size, self.top, self.left, left)

    def paint(self, labels: np.ndarray, value: int | np.ndarray) -> None:
        """Write a value into these pixels of an (H, W) or (H, W, C) array."""
        labels[self.box][self.pixels] = value

    def to_json(self) -> dict[str, Any]:
        """Box and bits as plain data: ``{"box": [top, left, height, width], "bits": text}``."""
        return {"box": [self.top, self.left, *self.shape], "bits": base64.b64encode(self.bits).decode("ascii")}

    @classmethod
    def from_json(cls, size: tuple[int, int], content: Mapping[str, Any]) -> Region:
        """What ``to_json`` gave, of an image of ``size`` (H, W).

        Raises:
            ValueError: it is no such thing, or does not fit into the image.
        """
        try:
            top, left, height, width = (int(number) for number in content["box"])
            bits = np.frombuffer(zlib.decompress(base64.b64decode(content["bits"], validate=True)), np.uint8)
        except (KeyError, TypeError, binascii.Error, zlib.error) as error:
            raise ValueError("no region") from error
        inside = 0 <= top <= top + height <= size[0] and 0 <= left <= left + width <= size[1]
        if not inside or bits.size != (height * width + 7) // 8:
            raise ValueError("the region does not fit into the image")
        pixels = np.unpackbits(bits, count=height * width).view(bool).reshape(height, width)
        return cls.within(size, top, left, pixels)

    def _shared(self, other: Region) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The part of the image that lies in both boxes, in the pixels of each."""
        mine, theirs = [], []
        starts = ((self.top, other.top), (self.left, other.left))
        for (first, second), length, others in zip(starts, self.shape, other.shape, strict=True):
            start, end = max(first, second), min(first + length, second + others)
            end = max(start, end)
            mine.append(slice(start - first, end - first))
            theirs.append(slice(start - second, end - second))
        return (mine[0], mine[1]), (theirs[0], theirs[1])
