"""Random crops resized without a shift between image and masks (Chen et al. 2022, "FocalClick").

Masks resized with OpenCV's ``INTER_NEAREST`` are shifted by up to half a pixel against an image that is resized
linearly; ``tests/data/test_aligned_crop.py`` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.data.transforms import Arrays, resize

Size = tuple[int, int]


@dataclass(frozen=True)
class AlignedCrop:
    """Crop with random sides, resize to ``size`` without keeping the aspect ratio, and flip.

    The sides are random shares of the image's. Shares above 1 pad the image with black and background, distributed
    randomly to both sides.

    Args:
        size: (H, W) of the result.
        ratio: range of the shares, drawn separately for height and width.
        centre, spread: mean and standard deviation of the normal distribution of the shares, truncated to the range.
        p_flip: probability of a vertical flip, and of a horizontal one.
        published: crop as the published code does, with which the published models were trained: columns run to the
            right edge of the image whatever their share (docs/fidelity.md#crop-to-the-edge), and ids are interpolated
            like grey levels, so that objects lose their rims and other ids appear there
            (docs/fidelity.md#ids-as-grey-levels).
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
        resize_masks = resize_ids if self.published else resize_objects
        image, masks = cv2.resize(image[window], self.size[::-1]), resize_masks(masks[window], self.size)
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
        """Pad the image where necessary, and choose the rows and columns of the crop."""
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
        # published: columns up to the right edge, docs/fidelity.md#crop-to-the-edge
        return image, masks, (rows, slice(starts[1], None) if self.published else columns)


@dataclass(frozen=True)
class RandomResizedCrop:
    """Crop with random area and aspect ratio, and resize to ``size``, as in Albumentations.

    Args:
        size: (H, W) of the result.
        scale: range of the crop's area relative to the image's; crops that do not fit into the image are drawn again.
        ratio: range of width / height; its logarithm is drawn uniformly.
        tries: number of draws, after which the centre of the image is taken, its longer side cut to the range of
            aspect ratios.
        published: see ``resize`` in ``isegm.data.transforms``.
    """

    size: Size
    scale: tuple[float, float] = (0.75, 1.25)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    tries: int = 10
    published: bool = False

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        window = self._window(image.shape[0], image.shape[1], rng)
        return resize(image[window], masks[window], self.size, self.published)

    def _window(self, height: int, width: int, rng: np.random.Generator) -> tuple[slice, slice]:
        """Choose the rows and columns of the crop in an image of this height and width."""
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


def resize_objects(masks: np.ndarray, size: Size) -> np.ndarray:
    """Resize masks (h, w, L) int32 to ``size`` (H, W): every object linearly, like the image, with threshold 0.5."""
    layers = np.zeros((*size, masks.shape[2]), dtype=np.int32)
    for number in range(masks.shape[2]):
        layer = np.ascontiguousarray(masks[..., number])
        for value in _ids(layer):
            share = cv2.resize((layer == value).astype(np.uint8) * 255, size[::-1])
            layers[..., number][share > 127] = value
    return layers


def resize_ids(masks: np.ndarray, size: Size) -> np.ndarray:
    """Resize masks (h, w, L) int32 to ``size`` (H, W) with ids as grey levels (docs/fidelity.md#ids-as-grey-levels)."""
    layers = masks.astype(np.uint8)  # ids above 255 start again at 0, as published
    resized = [cv2.resize(np.ascontiguousarray(layers[..., number]), size[::-1]) for number in range(masks.shape[2])]
    return np.stack(resized, axis=-1).astype(np.int32)


def _ids(layer: np.ndarray) -> list[int]:
    """List the ids in a layer except 0."""
    top = int(layer.max(initial=0))
    if top < layer.size and layer.min(initial=0) >= 0:
        return [value for value in np.flatnonzero(np.bincount(layer.ravel())).tolist() if value]
    return [value for value in np.unique(layer).tolist() if value]
