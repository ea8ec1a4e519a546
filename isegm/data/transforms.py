"""Augmentations of training images and their label masks, on NumPy and OpenCV.

Every transform is called with ``(image, masks, rng)``: image (H, W, 3) uint8 RGB, masks (H, W, L) int32 ids, and a
``numpy.random.Generator``; it returns new arrays. Masks are sampled at the nearest pixel, with the same pixel centres
as the linear interpolation of images (OpenCV's ``INTER_NEAREST`` shifts masks by up to half a pixel).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from isegm.utils.inputs import CALLABLE, GENERATOR, CheckedFields, require
from isegm.utils.schema import Items

Arrays = tuple[np.ndarray, np.ndarray]


class Transform(Protocol):
    """Interface of an augmentation."""

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays: ...


@dataclass(frozen=True)
class Compose:
    """Apply transforms one after the other."""

    steps: Sequence[Transform]

    def __post_init__(self) -> None:
        require(self.steps, Items(CALLABLE), "the steps of Compose")

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        require(rng, GENERATOR, "rng of a transform")
        for step in self.steps:
            image, masks = step(image, masks, rng)
        return image, masks


def resize(image: np.ndarray, masks: np.ndarray, size: tuple[int, int], published: bool = False) -> Arrays:
    """Resize an image and its masks to ``size`` (H, W).

    Args:
        image, masks: see the module.
        size: of the result.
        published: masks as OpenCV's nearest neighbours, up to half a pixel off (docs/fidelity.md#masks-off-the-image).
    """
    height, width = size
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image, _nearest(masks, size, 0.0 if published else 0.5)


def _nearest(masks: np.ndarray, size: tuple[int, int], within: float) -> np.ndarray:
    """Take the pixel in which a point of each new pixel lies: 0 its top left corner, 0.5 its centre."""
    rows = ((np.arange(size[0]) + within) * masks.shape[0] / size[0]).astype(np.intp)
    columns = ((np.arange(size[1]) + within) * masks.shape[1] / size[1]).astype(np.intp)
    return masks[rows[:, None], columns[None, :]]


def warp(image: np.ndarray, masks: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> Arrays:
    """Warp an image and its masks affinely; pixels from outside the image become black and background.

    Args:
        image, masks: see the module.
        matrix: (2, 3) float64 that maps (x, y, 1) of the result to (x, y) in the image.
        size: (H, W) of the result.
    """
    height, width = size
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT)
    columns, rows = np.arange(width), np.arange(height)[:, None]
    x = np.rint(matrix[0, 0] * columns + matrix[0, 1] * rows + matrix[0, 2]).astype(np.intp)
    y = np.rint(matrix[1, 0] * columns + matrix[1, 1] * rows + matrix[1, 2]).astype(np.intp)
    inside = (x >= 0) & (x < masks.shape[1]) & (y >= 0) & (y < masks.shape[0])
    ids = masks[np.where(inside, y, 0), np.where(inside, x, 0)]
    ids[~inside] = 0
    return view, ids


def scaled(image: np.ndarray, masks: np.ndarray, factor: float) -> Arrays:
    """Resize both sides by a factor, each to whole pixels and to one at least."""
    height, width = image.shape[:2]
    return resize(image, masks, (max(1, round(height * factor)), max(1, round(width * factor))))


@dataclass(frozen=True)
class UniformRandomResize(CheckedFields):
    """Scale both sides by one uniform factor."""

    scale: tuple[float, float] = (0.75, 1.25)

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        return scaled(image, masks, rng.uniform(*self.scale))


@dataclass(frozen=True)
class LimitLongestSide(CheckedFields):
    """Shrink images whose longer side exceeds ``longest`` pixels to it."""

    longest: int

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        factor = self.longest / max(image.shape[:2])
        return (image, masks) if factor >= 1 else scaled(image, masks, factor)


@dataclass(frozen=True)
class ResizeLongestSide(CheckedFields):
    """Resize images so that the longer side has ``longest`` pixels, and the other its share, rounded."""

    longest: int

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        return scaled(image, masks, self.longest / max(image.shape[:2]))


@dataclass(frozen=True)
class Stretch(CheckedFields):
    """Resize images to ``size`` (H, W), whatever their shape."""

    size: tuple[int, int]

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        return resize(image, masks, self.size)


@dataclass(frozen=True)
class HorizontalFlip(CheckedFields):
    """Flip horizontally with probability ``p``."""

    p: float = 0.5

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        if rng.random() >= self.p:
            return image, masks
        return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(masks[:, ::-1])


@dataclass(frozen=True)
class RandomFlip(CheckedFields):
    """With probability ``p`` flip vertically, horizontally or both ways, each equally often."""

    p: float = 0.5

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        if rng.random() >= self.p:
            return image, masks
        axes = ((0,), (1,), (0, 1))[int(rng.integers(3))]
        return np.ascontiguousarray(np.flip(image, axes)), np.ascontiguousarray(np.flip(masks, axes))


@dataclass(frozen=True)
class RandomRotate90(CheckedFields):
    """Rotate by 0, 90, 180 or 270 degrees with probability ``p``; like Albumentations, which RITM uses, with 0."""

    p: float = 0.5

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        if rng.random() >= self.p:
            return image, masks
        turns = int(rng.integers(4))
        return np.ascontiguousarray(np.rot90(image, turns)), np.ascontiguousarray(np.rot90(masks, turns))


@dataclass(frozen=True)
class ShiftRotate(CheckedFields):
    """Shift and rotate slightly; pixels from outside the image become black and background.

    Args:
        shift: largest shift along each axis in either direction, relative to that side.
        degrees: largest angle in either direction, about the centre.
        p: probability.
    """

    shift: float = 0.03
    degrees: float = 3.0
    p: float = 0.75

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        if rng.random() >= self.p:
            return image, masks
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees))
        sides = np.array([image.shape[1], image.shape[0]], dtype=np.float64)
        move = sides * rng.uniform(-self.shift, self.shift, size=2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = (sides - 1) / 2
        matrix = np.column_stack((turn, centre - turn @ (centre + move)))
        return warp(image, masks, matrix, (image.shape[0], image.shape[1]))


@dataclass(frozen=True)
class PadIfNeeded(CheckedFields):
    """Pad with black and background up to ``size`` (H, W).

    Args:
        size: least (H, W) of the result.
        at_top_left: the image stays at the top left; otherwise it is padded evenly on both sides.
    """

    size: tuple[int, int]
    at_top_left: bool = False

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        missing = [max(0, wanted - have) for wanted, have in zip(self.size, image.shape[:2], strict=True)]
        if not any(missing):
            return image, masks
        before = [0 if self.at_top_left else total // 2 for total in missing]
        pads = [(first, total - first) for first, total in zip(before, missing, strict=True)] + [(0, 0)]
        return np.pad(image, pads), np.pad(masks, pads)


@dataclass(frozen=True)
class RandomCrop(CheckedFields):
    """Crop a random window of ``size`` (H, W); the image must be at least as large."""

    size: tuple[int, int]

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        height, width = self.size
        top = int(rng.integers(image.shape[0] - height + 1))
        left = int(rng.integers(image.shape[1] - width + 1))
        window = (slice(top, top + height), slice(left, left + width))
        return image[window], masks[window]


@dataclass(frozen=True)
class RandomBrightnessContrast(CheckedFields):
    """Multiply by 1 + contrast and add brightness * 255, each drawn uniformly from its range."""

    brightness: tuple[float, float] = (-0.25, 0.25)
    contrast: tuple[float, float] = (-0.15, 0.4)
    p: float = 0.75

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        if rng.random() >= self.p:
            return image, masks
        table = np.arange(256, dtype=np.float32) * (1 + rng.uniform(*self.contrast)) + 255 * rng.uniform(
            *self.brightness
        )
        return cv2.LUT(np.ascontiguousarray(image), np.clip(table, 0, 255).astype(np.uint8)), masks


@dataclass(frozen=True)
class RGBShift(CheckedFields):
    """Add a uniform random shift of at most ``limit`` grey levels to each channel."""

    limit: int = 10
    p: float = 0.75

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        if rng.random() >= self.p:
            return image, masks
        levels = np.arange(256, dtype=np.float32)[:, None] + rng.uniform(-self.limit, self.limit, size=3)
        table = np.clip(levels, 0, 255).astype(np.uint8)[None]  # (1, 256, 3): one table for each channel
        return cv2.LUT(np.ascontiguousarray(image), table), masks


@dataclass(frozen=True)
class BlurNoise(CheckedFields):
    """Imitate cameras: blur with probability ``p_blur``, sensor noise with probability ``p_noise``."""

    p_blur: float = 0.15
    p_noise: float = 0.2
    max_sigma: float = 1.5
    max_noise: float = 12.0

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        if rng.random() < self.p_blur:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, self.max_sigma))
        if rng.random() < self.p_noise:
            noise = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(2.0, self.max_noise)
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
        return image, masks


@dataclass(frozen=True)
class RandomGrey(CheckedFields):
    """Convert to grey with probability ``p``, so that networks do not rely on colours."""

    p: float = 0.05

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        if rng.random() >= self.p:
            return image, masks
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        return np.repeat(grey[..., None], 3, axis=2), masks


@dataclass(frozen=True)
class RandomView(CheckedFields):
    """Show the image as the predictor does: the whole image first, later a box around the object, resized to a square.

    With probability ``p_whole`` the view is the whole image; with ``p_object`` it is the bounding box of a random
    object, expanded about its centre by a factor from ``object_zoom`` and shifted by up to ``jitter`` of its sides;
    otherwise it is a random box with sides of ``random_side`` of the image's. Flip and rotation are part of the same
    warp; pixels from outside the image become black and background.

    Args:
        size: (H, W) of the result.
        min_side: smallest side of an object's box, in pixels of the image.
        rotation: largest angle in degrees in either direction.
        p_rotate: probability of a rotation.
        aspect: largest change of the aspect ratio.
        p_flip: probability of a horizontal flip.
    """

    size: tuple[int, int]
    p_whole: float = 0.3
    p_object: float = 0.5
    object_zoom: tuple[float, float] = (1.15, 1.9)
    min_side: float = 40.0
    jitter: float = 0.15
    random_side: tuple[float, float] = (0.4, 0.9)
    rotation: float = 20.0
    p_rotate: float = 0.5
    aspect: float = 1.2
    p_flip: float = 0.5

    def __call__(self, image: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Arrays:
        centre, sides = self._box(masks, rng)
        sides = sides * np.exp(rng.uniform(-1, 1, size=2) * np.log(self.aspect) / 2)
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation)) if rng.random() < self.p_rotate else 0.0
        scale = (sides / np.array(self.size, dtype=np.float64))[::-1].copy()  # image pixels per view pixel, x and y
        if rng.random() < self.p_flip:
            scale[0] = -scale[0]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = turn @ np.diag(scale)
        middle = np.array([(self.size[1] - 1) / 2, (self.size[0] - 1) / 2])
        matrix = np.column_stack((linear, centre[::-1] - linear @ middle))
        return warp(image, masks, matrix, self.size)

    def _box(self, masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Choose the centre (y, x) and the sides (h, w) of the visible part of the image."""
        image_size = np.array(masks.shape[:2], dtype=np.float64)
        kind = rng.random()
        box = self._object_box(masks, rng) if self.p_whole <= kind < self.p_whole + self.p_object else None
        if box is not None:
            centre, sides = box
            sides = np.maximum(sides * rng.uniform(*self.object_zoom), self.min_side)
            return centre + sides * rng.uniform(-self.jitter, self.jitter, size=2), np.minimum(sides, 1.2 * image_size)
        if kind < self.p_whole:
            return (image_size - 1) / 2, image_size
        sides = image_size * rng.uniform(*self.random_side, size=2)
        return sides / 2 + (image_size - sides) * rng.random(2) - 0.5, sides

    @staticmethod
    def _object_box(masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        layer = masks[..., int(rng.integers(masks.shape[2]))]
        ids = np.unique(layer[layer > 0])
        ids = ids[ids != 255]
        if not len(ids):
            return None
        x, y, width, height = cv2.boundingRect((layer == ids[int(rng.integers(len(ids)))]).astype(np.uint8))
        return np.array([y + (height - 1) / 2, x + (width - 1) / 2]), np.array([height, width], dtype=np.float64)
