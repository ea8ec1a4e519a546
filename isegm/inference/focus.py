"""Where FocalClick looks a second time: the focus crop (Chen et al. 2022, "FocalClick", section 3.2).

``Extent`` is a box of whole pixels whose ends are excluded, as these rules have them; ``isegm.inference.boxes.Box``
includes its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from isegm.clicks import Click
from isegm.inference.boxes import bbox_from_mask
from isegm.inference.merge import change_around

LEAST_PIXELS = 10  # a mask of fewer pixels counts as filling the image
SMALL_CHANGE = 3  # a change whose box is below this fraction of the object's is looked at by its click alone
CLICK_REACH = 0.2  # of the object's longer side: how far that crop reaches from the click


class Extent(NamedTuple):
    """Rows top..bottom - 1 and columns left..right - 1."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width); 0 or less for an empty box."""
        return self.bottom - self.top, self.right - self.left

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return min(self.size) <= 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an array whose last two axes are rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def clicks(self, clicks: Sequence[Click], size: tuple[int, int]) -> list[Click]:
        """Clicks of the image in pixels of this box resized to ``size`` (h, w); those outside end outside."""
        (height, width), (own_height, own_width) = size, self.size
        return [
            click.at(
                (click.coords[0] - self.top) * height / own_height, (click.coords[1] - self.left) * width / own_width
            )
            for click in clicks
        ]

    def within(self, outer: Extent, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """(top, bottom, left, right) where ``outer`` is resized to ``size`` (h, w), cut off at its ends."""
        edges = []
        for low, high, start, length, side in (
            (self.top, self.bottom, outer.top, outer.size[0], size[0]),
            (self.left, self.right, outer.left, outer.size[1], size[1]),
        ):
            edges += [min(max((edge - start) * side / length, 0.0), float(side)) for edge in (low, high)]
        return tuple(edges)


def focus_crop(
    prediction: np.ndarray, previous: np.ndarray, pixel: tuple[int, int], within: Extent, ratio: float = 1.4
) -> Extent:
    """The part of an image that the last click has changed.

    Args:
        prediction, previous: (H, W) bool, masks after and before the click.
        pixel: (row, column) of the click.
        within: the crop that the network has seen.
        ratio: by how much the part is larger than the change.

    Returns:
        a box inside ``within``; empty where the change lies outside it.
    """
    of_object = _bounds(prediction)
    if not previous.any():
        return _within(_expanded(of_object, ratio, prediction.shape), within)
    changed = prediction ^ previous
    region = change_around(changed, *pixel)
    # [KEEP] A5: at a click that changed nothing, all that did not change counts as the change
    bounds = _bounds(~changed if region is None else region)
    height, width = (last - first for first, last in (bounds[:2], bounds[2:]))
    object_height, object_width = (last - first for first, last in (of_object[:2], of_object[2:]))
    if height < object_height / SMALL_CHANGE or width < object_width / SMALL_CHANGE:
        reach = CLICK_REACH * max(object_height, object_width)
        bounds = (pixel[0] - reach, pixel[0] + reach, pixel[1] - reach, pixel[1] + reach)
    return _within(_expanded(bounds, ratio, prediction.shape), within)


def _bounds(mask: np.ndarray) -> tuple[float, float, float, float]:
    """First and last row, first and last column of a mask; [KEEP] (0, H, 0, W) for one of hardly any pixels."""
    box = bbox_from_mask(mask)
    if box is None or np.count_nonzero(mask) < LEAST_PIXELS:
        return 0, mask.shape[0], 0, mask.shape[1]
    return tuple(box)


def _expanded(bounds: tuple[float, float, float, float], ratio: float, size: tuple[int, int]) -> Extent:
    """Bounds scaled about their centre, [KEEP] cut off to whole pixels towards zero, inside the image."""
    edges = []
    for first, last, side in ((*bounds[:2], size[0]), (*bounds[2:], size[1])):
        centre, length = (first + last) / 2, ratio * (last - first + 1)
        edges += [min(max(int(edge), 0), side) for edge in (centre - length / 2, centre + length / 2)]
    return Extent(*edges)


def _within(box: Extent, outer: Extent) -> Extent:
    return Extent(
        max(box.top, outer.top), min(box.bottom, outer.bottom), max(box.left, outer.left), min(box.right, outer.right)
    )
