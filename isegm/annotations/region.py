"""Masks of single objects, stored as the pixels of their bounding box."""

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

from isegm.utils.errors import InputError
from isegm.utils.inputs import LONGEST_SIDE, MASK, binary_mask, described, require, require_size
from isegm.utils.schema import Fields, Instance, Items, Row, Text, Whole, mismatch

COMPRESSION = 1  # zlib level; masks compress well at any
REGION = Fields({"box": Row(*4 * (Whole(0, LONGEST_SIDE),)), "bits": Text(longest=1 << 30)})  # of ``Region.to_json``


@dataclass(eq=False)
class Region:
    """An immutable mask that stores only its bounding box. Compare two with ``same``.

    Create one with ``of``, ``within``, ``union``, ``empty`` or ``from_json``.

    Attributes:
        size: (H, W) of the image.
        top, left: first row and column of the bounding box; 0 for an empty region.
        shape: (h, w) of the bounding box; (0, 0) for an empty region.
    """

    size: tuple[int, int]
    top: int
    left: int
    shape: tuple[int, int]
    _pixels: np.ndarray | None = None
    _bits: bytes | None = None  # pixels of the box, packed and compressed; this or _pixels is always set

    @classmethod
    def of(cls, mask: np.ndarray) -> Region:
        """Create the region of the True pixels of a mask (H, W) bool, or 0 and another number, which is copied.

        Raises:
            InputError: it is no such mask.
        """
        mask = binary_mask(mask, "the mask of a region")
        height, width = mask.shape
        return cls.within((height, width), 0, 0, mask)

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Region:
        """Create the empty region of an image of ``size`` (H, W).

        Raises:
            InputError: it is no size.
        """
        require_size(size, "the size of a region's image")
        return cls.within(size, 0, 0, np.zeros((0, 0), bool))

    @classmethod
    def within(cls, size: tuple[int, int], top: int, left: int, mask: np.ndarray) -> Region:
        """Create a region from a bool mask whose upper left pixel is (top, left).

        Raises:
            InputError: the mask is none, or an object pixel lies outside the image of ``size`` (H, W).
        """
        require_size(size, "the size of a region's image")
        require(top, Whole(), "top of a region")
        require(left, Whole(), "left of a region")
        require(mask, MASK, "the mask of a region")
        x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8)) if mask.size else (0,) * 4
        if not width:
            top = left = x = y = 0
        if min(top + y, left + x) < 0 or top + y + height > size[0] or left + x + width > size[1]:
            raise InputError(f"a region reaches beyond its image of {size} pixels (H, W): cut its mask off there.")
        pixels = mask[y : y + height, x : x + width].copy()
        pixels.flags.writeable = False
        return cls(size, top + y, left + x, pixels.shape, pixels)

    @classmethod
    def union(cls, size: tuple[int, int], parts: Sequence[Region]) -> Region:
        """Create the union of regions of one image of ``size`` (H, W)."""
        require(parts, Items(REGIONS), "the parts of a region")
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
        """Return whether the region has any pixel."""
        return self.shape != (0, 0)

    @property
    def pixels(self) -> np.ndarray:
        """The region's mask of its box, (h, w) bool, read-only."""
        pixels = self._pixels  # read once: another thread may pack the region meanwhile
        if pixels is None:
            height, width = self.shape
            bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
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
        """Free the memory of ``pixels`` until they are used again."""
        self._bits = self.bits
        self._pixels = None

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the bounding box, to index an (H, W) array with."""
        height, width = self.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @cached_property
    def area(self) -> int:
        """Number of pixels; counted once."""
        return int(np.count_nonzero(self.pixels))

    def mask(self) -> np.ndarray:
        """Return the mask of the whole image, a new array (H, W) bool."""
        mask = np.zeros(self.size, bool)
        mask[self.box] = self.pixels
        return mask

    def same(self, other: Region) -> bool:
        """Return whether both have the same pixels of images of the same size."""
        require(other, REGIONS, "the other region")
        position, others = (self.size, self.top, self.left), (other.size, other.top, other.left)
        return position == others and np.array_equal(self.pixels, other.pixels)

    def overlap(self, other: Region) -> int:
        """Count the pixels that both have.

        Raises:
            InputError: the other is no region, or of an image of another size; so too for ``without``.
        """
        mine, theirs = self._shared(other)
        return int(np.count_nonzero(self.pixels[mine] & other.pixels[theirs]))

    def without(self, other: Region) -> Region:
        """Return the pixels that the other does not have."""
        mine, theirs = self._shared(other)
        if not self.pixels[mine].size:
            return self
        left = self.pixels.copy()
        left[mine] &= ~other.pixels[theirs]
        return self.within(self.size, self.top, self.left, left)

    def paint(self, labels: np.ndarray, value: int | np.ndarray) -> None:
        """Write a value to the region's pixels of an (H, W) or (H, W, C) array, in place.

        Raises:
            InputError: the array is none, or of another size than the region's image.
        """
        if not isinstance(labels, np.ndarray) or labels.shape[:2] != tuple(self.size):
            raise InputError(f"a region of an image of {self.size} pixels cannot be painted on {described(labels)}.")
        try:
            labels[self.box][self.pixels] = value
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{described(value)} cannot be painted on {described(labels)}.") from error

    def to_json(self) -> dict[str, Any]:
        """Encode as plain data: ``{"box": [top, left, height, width], "bits": text}``."""
        return {"box": [self.top, self.left, *self.shape], "bits": base64.b64encode(self.bits).decode("ascii")}

    @classmethod
    def from_json(cls, size: tuple[int, int], content: Mapping[str, Any], checked: bool = True) -> Region:
        """Decode the result of ``to_json`` for an image of ``size`` (H, W).

        Args:
            checked: unpack the pixels at once; else damage of theirs is found when they are used.

        Raises:
            ValueError: the content is something else, or does not fit into the image.
        """
        require_size(size, "the size of a region's image")
        wrong = mismatch(content, REGION, "region")
        if wrong is not None:
            raise ValueError(wrong)
        top, left, height, width = content["box"]
        inside = top + height <= size[0] and left + width <= size[1]
        count = (height * width + 7) // 8
        if not inside:
            raise ValueError("the region does not fit into the image")
        if not checked:
            return cls(size, top, left, (height, width), None, base64.b64decode(content["bits"]))
        try:
            unpacked = zlib.decompressobj().decompress(base64.b64decode(content["bits"], validate=True), count + 1)
        except (binascii.Error, zlib.error) as error:
            raise ValueError("no region") from error
        if len(unpacked) != count:
            raise ValueError("the region does not fit into the image")
        bits = np.frombuffer(unpacked, np.uint8)
        pixels = np.unpackbits(bits, count=height * width).view(bool).reshape(height, width)
        return cls.within(size, top, left, pixels)

    def _shared(self, other: Region) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the common part of both boxes, as rows and columns of each."""
        require(other, REGIONS, "the other region")
        if tuple(other.size) != tuple(self.size):
            raise InputError(f"regions of images of {self.size} and {other.size} pixels have nothing in common.")
        mine, theirs = [], []
        starts = ((self.top, other.top), (self.left, other.left))
        for (first, second), length, others in zip(starts, self.shape, other.shape, strict=True):
            start, end = max(first, second), min(first + length, second + others)
            end = max(start, end)
            mine.append(slice(start - first, end - first))
            theirs.append(slice(start - second, end - second))
        return (mine[0], mine[1]), (theirs[0], theirs[1])


REGIONS = Instance(Region, "a Region")
