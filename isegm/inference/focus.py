"""The focus crop of FocalClick, the part of the image that the refiner sees (Chen et al. 2022, section 3.2)."""

from __future__ import annotations

import numpy as np

from isegm.inference.merge import change_around
from isegm.utils.boxes import Box

LEAST_PIXELS = 10  # a mask of fewer pixels counts as filling the image
SMALL_CHANGE = 3  # of a change below a third of the object's box only the surroundings of the click are seen
CLICK_REACH = 0.2  # half side of these surroundings, as a share of the object's longer side


def focus_crop(
    prediction: np.ndarray, previous: np.ndarray, pixel: tuple[int, int], within: Box, ratio: float = 1.4
) -> Box:
    """The part of an image that the last click has changed, expanded.

    Args:
        prediction, previous: (H, W) bool, masks after and before the click.
        pixel: (row, column) of the click.
        within: the crop that the coarse network has seen.
        ratio: side of the focus crop relative to that of the change.

    Returns:
        a box inside ``within``; empty where the change lies outside it.
    """
    of_object = _bounds(prediction)
    if not previous.any():
        return _expanded(of_object, ratio, prediction.shape).intersection(within)
    changed = prediction ^ previous
    region = change_around(changed, *pixel)
    # If the click changed nothing, everything unchanged counts as the change (docs/fidelity.md#focus-without-change).
    bounds = _bounds(~changed if region is None else region)
    height, width = _extents(bounds)
    object_height, object_width = _extents(of_object)
    if height < object_height / SMALL_CHANGE or width < object_width / SMALL_CHANGE:
        reach = CLICK_REACH * max(object_height, object_width)
        bounds = (pixel[0] - reach, pixel[0] + reach, pixel[1] - reach, pixel[1] + reach)
    return _expanded(bounds, ratio, prediction.shape).intersection(within)


def scaled_edges(box: Box, outer: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """(top, bottom, left, right) of a box in ``outer`` resized to ``size`` (h, w), clipped to it."""

    def scaled(edge: int, start: int, length: int, side: int) -> float:
        return min(max((edge - start) * side / length, 0.0), float(side))

    return (
        scaled(box.top, outer.top, outer.size[0], size[0]),
        scaled(box.bottom, outer.top, outer.size[0], size[0]),
        scaled(box.left, outer.left, outer.size[1], size[1]),
        scaled(box.right, outer.left, outer.size[1], size[1]),
    )


Bounds = tuple[float, float, float, float]  # first and last row, first and last column


def _bounds(mask: np.ndarray) -> Bounds:
    """Bounds of a mask, ends included; (0, H, 0, W) for hardly any pixels (docs/fidelity.md#focus-few-pixels)."""
    if np.count_nonzero(mask) < LEAST_PIXELS:
        return 0, mask.shape[0], 0, mask.shape[1]
    return Box.around(mask).inclusive  # the published rules are defined on inclusive ends


def _extents(bounds: Bounds) -> tuple[float, float]:
    return bounds[1] - bounds[0], bounds[3] - bounds[2]


def _expanded(bounds: Bounds, ratio: float, size: tuple[int, ...]) -> Box:
    """Bounds scaled about their centre, cut off to whole pixels towards zero (docs/fidelity.md#focus-rounding)."""
    edges = []
    for first, last, side in ((*bounds[:2], size[0]), (*bounds[2:], size[1])):
        centre, length = (first + last) / 2, ratio * (last - first + 1)
        edges += [min(max(int(edge), 0), side) for edge in (centre - length / 2, centre + length / 2)]
    return Box(*edges)
