"""Crops of random sides, resized to one size without a shift between image and masks (Chen et al. 2022, "FocalClick").

Masks that take the nearest pixel as OpenCV's ``INTER_NEAREST`` does move by up to half a pixel against an image that is
resized linearly: see ``tests/data/test_aligned.py``, which measures it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.data.transforms import Arrays, resize

Size = tuple[int, int]


@dataclass(frozen=True)
class AlignedCrop:
    """A crop whose sides are random shares of the image's, resized to ``size`` whatever its shape, and flipped.

    Shares above 1 pad the image with black and background, more or less of it on either side.

    Args:
        size: (H, W) of the result.
        ratio: range of the shares, which are drawn for height and width each.
        centre, spread: mean and standard deviation of the normal distribution of the shares, cut off at the range.
        p_flip: how often it is turned upside down, and how often it is flipped left and right.
        published: crop as the published code does: columns go on to the image's right edge, whatever their share, and
            ids are interpolated as if they were grey levels, so that objects lose their rims and other ids appear at
            them. The published models were trained so.
    """

    size: Size
    ratio: tuple[float, float] = (0.3, 1.3)
    centre: float = 0.8
    spread: float = 0.4
    p_flip: float = 0.3
    published: bool = False

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        shares = [self._share(rng) for _ in range(2)]
        image, masks, window = self._window(image, masks, shares, rng)
        resized = resized_ids if self.published else resized_objects
        image, masks = cv2.resize(image[window], self.size[::-1]), resized(masks[window], self.size)
        for axis in range(2):
            if rng.random() < self.p_flip:
                image, masks = np.flip(image, axis), np.flip(masks, axis)
        return np.ascontiguousarray(image), np.ascontiguousarray(masks)

    def _share(self, rng: np.random.Generator) -> float:
        while True:
            share = float(rng.normal(self.centre, self.spread))
            if self.ratio[0] <= share <= self.ratio[1]:
                return share

    def _window(
        self, image: np.ndarray, masks: np.ndarray, shares: list[float], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
        """The image, padded where it must be, and the rows and columns to cut out."""
        lengths = [max(1, int(side * share)) for side, share in zip(image.shape[:2], shares, strict=True)]
        pads = []
        for side, length, share in zip(image.shape[:2], lengths, shares, strict=True):
            total = length + 1 - side if share > 1 else 0
            before = int(rng.integers(total + 1))
            pads.append((before, total - before))
        if any(map(any, pads)):
            image, masks = np.pad(image, [*pads, (0, 0)]), np.pad(masks, [*pads, (0, 0)])
        starts = [int(rng.integers(max(1, side - n))) for side, n in zip(image.shape[:2], lengths, strict=True)]
        rows, columns = (slice(start, start + n) for start, n in zip(starts, lengths, strict=True))
        # [KEEP] C1: where the published end of the columns lies
        return image, masks, (rows, slice(starts[1], None) if self.published else columns)


@dataclass(frozen=True)
class RandomResizedCrop:
    """A crop of random area and shape, resized to a square or any other ``size``, as Albumentations has it.

    Args:
        size: (H, W) of the result.
        scale: range of the share of the image's area; a crop that does not fit into the image is drawn anew.
        ratio: range of width over height, whose logarithm is uniform.
        tries: so many crops may not fit; then it is the image's middle, the longer side cut to the range of shapes.
    """

    size: Size
    scale: tuple[float, float] = (0.75, 1.25)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    tries: int = 10

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        window = self._window(image.shape[0], image.shape[1], rng)
        return resize(image[window], masks[window], self.size)

    def _window(self, height: int, width: int, rng: np.random.Generator) -> tuple[slice, slice]:
        """Rows and columns to cut out of an image of so many."""
        for _ in range(self.tries):
            area = height * width * rng.uniform(*self.scale)
            shape = np.exp(rng.uniform(*np.log(self.ratio)))
            rows, columns = round(np.sqrt(area / shape)), round(np.sqrt(area * shape))
            if 0 < rows <= height and 0 < columns <= width:
                top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
                return slice(top, top + rows), slice(left, left + columns)
        rows, columns = min(height, round(width / self.ratio[0])), min(width, round(height * self.ratio[1]))
        top, left = (height - rows) // 2, (width - columns) // 2
        return slice(top, top + rows), slice(left, left + columns)


def resized_objects(masks: np.ndarray, size: Size) -> np.ndarray:
    """Masks (h, w, L) int32 at ``size`` (H, W): each object interpolated linearly like the image, from one half on."""
    layers = np.zeros((*size, masks.shape[2]), dtype=np.int32)
    for number in range(masks.shape[2]):
        layer = np.ascontiguousarray(masks[..., number])
        for value in _ids(layer):
            share = cv2.resize((layer == value).astype(np.uint8) * 255, size[::-1])
            layers[..., number][share > 127] = value
    return layers


def resized_ids(masks: np.ndarray, size: Size) -> np.ndarray:
    """Masks (h, w, L) int32 at ``size`` (H, W), with their ids interpolated as grey levels, as published."""
    layers = masks.astype(np.uint8)  # [KEEP] 9.1: ids above 255 begin again at 0
    resized = [cv2.resize(np.ascontiguousarray(layers[..., number]), size[::-1]) for number in range(masks.shape[2])]
    return np.stack(resized, axis=-1).astype(np.int32)


def _ids(layer: np.ndarray) -> list[int]:
    """The ids in a layer, but 0."""
    top = int(layer.max(initial=0))
    if top < layer.size:
        return [value for value in np.flatnonzero(np.bincount(layer.ravel())).tolist() if value]
    return [value for value in np.unique(layer).tolist() if value]
