"""Progressive Merge (Chen et al. 2022, "FocalClick", section 3.3): a click changes the mask only where it points."""

from __future__ import annotations

import cv2
import numpy as np

from isegm.clicks import Click
from isegm.utils.boxes import Box


def change_around(changed: np.ndarray, row: int, column: int) -> np.ndarray | None:
    """The 8-connected region of a bool (H, W) map that holds a pixel, as (H, W) bool; None where the pixel is False."""
    if not changed[row, column]:
        return None
    box = Box.around(changed)
    _, labels = cv2.connectedComponents(changed[box.slices].view(np.uint8), connectivity=8)
    region = np.zeros_like(changed)
    region[box.slices] = labels == labels[row - box.top, column - box.left]
    return region


def pixel_of(click: Click, size: tuple[int, int]) -> tuple[int, int]:
    """(row, column) of the pixel of an image of ``size`` (H, W) in which a click lies; fractions are cut off."""
    row, column = (min(max(int(place), 0), side - 1) for place, side in zip(click.coords, size, strict=True))
    return row, column


def progressive_merge(previous: np.ndarray, prediction: np.ndarray, click: Click) -> np.ndarray:
    """Take over, of what a prediction changes about a mask, the connected region that the last click lies in.

    Where the click is on the previous mask the region is removed from it, else it is added, whatever the click's sign.
    [KEEP] (trap A5 of ClickSEG) Where the prediction changes nothing at the click, everything that did not change
    counts as the region: outside the mask all unchanged background is added, inside it all unchanged object is removed.
    Published evaluations do this; with people use ``guarded_merge``.

    Args:
        previous, prediction: (H, W) bool.
        click: in pixels of the image.

    Returns:
        (H, W) bool, an array of its own.
    """
    changed = previous ^ prediction
    row, column = pixel_of(click, previous.shape)
    region = change_around(changed, row, column)
    region = ~changed if region is None else region
    return previous & ~region if previous[row, column] else previous | region


def guarded_merge(previous: np.ndarray, prediction: np.ndarray, click: Click) -> np.ndarray:
    """``progressive_merge`` that no click can harm a good mask with.

    A positive click adds the connected region of newly predicted object that it lies in, a negative one removes the
    region of object no longer predicted. A click anywhere else leaves the mask as it is.
    """
    changed = prediction & ~previous if click.is_positive else previous & ~prediction
    region = change_around(changed, *pixel_of(click, previous.shape))
    return previous.copy() if region is None else previous ^ region
