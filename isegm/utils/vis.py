"""Drawing of masks and clicks over images, and of probabilities as heat maps."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from typing import Protocol

import cv2
import numpy as np

from isegm.utils.errors import InputError
from isegm.utils.inputs import IMAGE, LONGEST_SIDE, MASK, SHARE, SIDE, described, plain_array, require
from isegm.utils.schema import Instance, Items, Row, Whole

POSITIVE_COLOR = (0, 255, 0)
NEGATIVE_COLOR = (255, 0, 0)
MASK_COLOR = (0, 128, 255)
OBJECT_COLORS = (
    (0, 150, 255),  # azure
    (255, 140, 0),  # orange
    (255, 70, 230),  # magenta
    (255, 230, 0),  # yellow
    (0, 235, 140),  # sea green
    (200, 125, 255),  # violet
    (255, 70, 80),  # red
    (0, 230, 240),  # cyan
    (150, 240, 0),  # lime
    (255, 120, 170),  # pink
    (80, 110, 255),  # blue
    (225, 190, 90),  # sand
)
GOLDEN_ANGLE = 0.381966  # of a turn
STRONG_AND_PALE = (0.95, 0.6)  # saturations
LUMA = np.array((0.299, 0.587, 0.114))  # of red, green, blue (ITU-R BT.601)
DARKEST = 0.5  # luma of a colour of an object

COLOR = Row(*3 * (Whole(0, 255),))
CLICK = Instance(object, "a click", lambda click: hasattr(click, "is_positive") and hasattr(click, "coords"))
LARGEST_RADIUS = 1 << 14
MOST_COLORS = 1 << 24


class DrawnClick(Protocol):
    """The attributes of a click that are drawn, such as those of ``isegm.Click``."""

    @property
    def is_positive(self) -> bool: ...

    @property
    def coords(self) -> tuple[float, float]: ...  # (row, column) in pixels


def draw_probmap(probs: np.ndarray) -> np.ndarray:
    """Return (H, W) probabilities in 0..1 as a heat map, (H, W, 3) uint8 RGB.

    Published code returns BGR and shows it as RGB (docs/fidelity.md#heat-map-colours).
    """
    probs = plain_array(probs, "the probabilities")
    if probs.ndim != 2 or not probs.size or not np.isfinite(probs).all():
        raise InputError(f"the probabilities must be (H, W) and finite, not {described(probs)}.")
    levels = np.clip(probs * 255.0, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_HOT), cv2.COLOR_BGR2RGB)


def voc_palette(count: int) -> np.ndarray:
    """Return (count, 3) uint8 RGB colours of labels, as Pascal VOC's masks have them; label 0 is black."""
    require(count, Whole(0, MOST_COLORS), "the number of colours")
    return _voc_colors(np.arange(count))


def _voc_colors(labels: np.ndarray) -> np.ndarray:
    labels = labels[:, None]
    bits = [((labels >> (3 * bit + np.arange(3))) & 1) << (7 - bit) for bit in range(8)]
    return np.sum(bits, axis=0).astype(np.uint8)


def object_color(number: int) -> tuple[int, int, int]:
    """Return the RGB colour of an object's number from 1: bright, and unlike those of the numbers beside it.

    After a dozen chosen colours the hue goes on by the golden angle, and dark ones, such as blue, are mixed with white.
    """
    require(number, Whole(1), "the number of an object")
    if number <= len(OBJECT_COLORS):
        return OBJECT_COLORS[number - 1]
    pure = np.array(colorsys.hsv_to_rgb(number * GOLDEN_ANGLE % 1, STRONG_AND_PALE[number % 2], 1.0))
    light = float(pure @ LUMA)
    white = max(0.0, (DARKEST - light) / (1 - light))
    red, green, blue = np.rint(255 * (pure * (1 - white) + white)).astype(int).tolist()
    return red, green, blue


def draw_clicks(
    image: np.ndarray,
    clicks: Iterable[DrawnClick],
    radius: int = 4,
    pos_color: tuple[int, int, int] = POSITIVE_COLOR,
    neg_color: tuple[int, int, int] = NEGATIVE_COLOR,
) -> np.ndarray:
    """Return a copy of (H, W, 3) uint8 RGB with clicks as dots, in an RGB colour for each polarity."""
    require(image, IMAGE, "the image")
    require(radius, Whole(0, LARGEST_RADIUS), "the radius of clicks")
    require(pos_color, COLOR, "pos_color")
    require(neg_color, COLOR, "neg_color")
    drawn = list(clicks) if isinstance(clicks, Iterable) else clicks
    require(drawn, Items(CLICK), "the clicks")
    image = np.ascontiguousarray(image).copy()
    for click in drawn:
        row, column = (round(min(max(place, -LONGEST_SIDE), LONGEST_SIDE)) for place in click.coords)
        centre = (column, row)
        cv2.circle(image, centre, radius + max(1, radius // 4), (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(image, centre, radius, pos_color if click.is_positive else neg_color, -1, cv2.LINE_AA)
    return image


def draw_lines(
    image: np.ndarray,
    lines: Iterable[tuple[np.ndarray, bool]],
    thickness: int = 2,
    pos_color: tuple[int, int, int] = POSITIVE_COLOR,
    neg_color: tuple[int, int, int] = NEGATIVE_COLOR,
) -> np.ndarray:
    """Return a copy of (H, W, 3) uint8 RGB with prompts as lines that have a white seam.

    Args:
        image: the image.
        lines: (points, is_positive) pairs, points (N, 2) (row, column), joined in order, such as
            ``isegm.prompts.Prompt.outline`` gives them.
        thickness: in pixels.
        pos_color, neg_color: RGB of positive and of negative lines.
    """
    require(image, IMAGE, "the image")
    require(thickness, Whole(1, LARGEST_RADIUS), "the thickness of lines")
    require(pos_color, COLOR, "pos_color")
    require(neg_color, COLOR, "neg_color")
    image = np.ascontiguousarray(image).copy()
    for points, is_positive in lines:
        line = np.rint(np.clip(points, -LONGEST_SIDE, LONGEST_SIDE)).astype(np.int32)[:, ::-1]
        for color, width in (((255, 255, 255), thickness + 2), (pos_color if is_positive else neg_color, thickness)):
            cv2.polylines(image, [np.ascontiguousarray(line)], False, color, width, cv2.LINE_AA)
    return image


def dot_radius(size: tuple[int, ...]) -> int:
    """Return the radius of clicks that are still seen when an image of (H, W) pixels is shown on a screen."""
    require(size, Items(SIDE, least=1), "the size of the image")
    return max(4, round(max(size) / 200))


def tint(pixels: np.ndarray, mask: np.ndarray, color: tuple[int, int, int], alpha: float) -> None:
    """Blend a colour into the mask's pixels and draw their outline in full colour, in place.

    Args:
        pixels: (H, W, 3) uint8 RGB, which may be a view into a larger image.
        mask: (H, W) bool.
        color: RGB.
        alpha: weight of the colour, 0 to 1.
    """
    require(pixels, IMAGE, "the pixels")
    require(mask, MASK, "the mask")
    if mask.shape != pixels.shape[:2]:
        raise _other_size(mask, pixels)
    require(color, COLOR, "the colour")
    require(alpha, SHARE, "alpha")
    levels = np.arange(256)[:, None] * (1 - alpha) + np.array(color) * alpha + 0.5  # (256, 3)
    blended = cv2.LUT(np.ascontiguousarray(pixels), levels.astype(np.uint8)[None])
    pixels[mask] = blended[mask]
    edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(pixels, edges, -1, color, 1)


def draw_with_blend_and_clicks(
    image: np.ndarray,
    mask: np.ndarray | None = None,
    alpha: float = 0.5,
    clicks_list: Iterable[DrawnClick] | None = None,
    pos_color: tuple[int, int, int] = POSITIVE_COLOR,
    neg_color: tuple[int, int, int] = NEGATIVE_COLOR,
    radius: int = 4,
) -> np.ndarray:
    """Return an image with its mask blended in and clicks as dots.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, or integer labels of objects, each of which has its colour of ``voc_palette``; 0 for
            background. None for none.
        alpha: weight of the mask's colour, 0 to 1.
        clicks_list: clicks, such as ``Clicker.clicks_list``; None for none.
        pos_color, neg_color: RGB of the dots of positive and of negative clicks.
        radius: of the dots, in pixels.

    Raises:
        InputError: the mask is of another size than the image.
    """
    require(image, IMAGE, "the image")
    require(alpha, SHARE, "alpha")
    result = image.copy()
    if mask is not None:
        mask = plain_array(mask, "the mask")
        if mask.shape != image.shape[:2]:
            raise _other_size(mask, image)
        if np.isnan(mask).any():
            raise InputError("the mask holds NaN: compare it with a threshold first.")
        labels = mask.astype(np.int64) if mask.dtype.kind in "iu" else (mask > 0).astype(np.int64)
        values = np.unique(labels[labels > 0])
        colors = _voc_colors(values).tolist() if mask.dtype.kind in "iu" else [MASK_COLOR] * len(values)
        for value, (red, green, blue) in zip(values, colors, strict=True):
            tint(result, labels == value, (red, green, blue), alpha)
    return draw_clicks(result, () if clicks_list is None else clicks_list, radius, pos_color, neg_color)


def _other_size(mask: np.ndarray, image: np.ndarray) -> InputError:
    return InputError(f"the mask is {mask.shape} pixels, the image {image.shape[:2]}: give the mask of this image.")
