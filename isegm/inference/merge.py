"""Progressive Merge (Chen et al. 2022, "FocalClick", section 3.3): clicks change a mask only around them."""

from __future__ import annotations

import cv2
import numpy as np

from isegm.clicks import Click
from isegm.utils.boxes import Box


def change_around(changed: np.ndarray, row: int, column: int) -> np.ndarray | None:
    """The 8-connected region (H, W) bool around a pixel of a bool (H, W) map; None where the pixel is False."""
    if not changed[row, column]:
        return None
    box = Box.around(changed)
    _, labels = cv2.connectedComponents(changed[box.slices].view(np.uint8), connectivity=8)
    region = np.zeros_like(changed)
    region[box.slices] = labels == labels[row - box.top, column - box.left]
    return region


def pixel_of(click: Click, size: tuple[int, int]) -> tuple[int, int]:
    """(row, column) of a click's pixel in an image of ``size`` (H, W); fractions are cut off."""
    row, column = click.coords
    return min(max(int(row), 0), size[0] - 1), min(max(int(column), 0), size[1] - 1)


def progressive_merge(previous: np.ndarray, prediction: np.ndarray, click: Click) -> np.ndarray:
    """Apply a prediction's changes to a mask only in the connected region of changes around the last click.

    The region is removed from the mask if the click is on the mask, else it is added, whatever the click's sign. If the
    prediction changes nothing at the click, everything unchanged counts as the region: outside the mask all unchanged
    background is added, inside it all unchanged object is removed (docs/fidelity.md#merge-without-change). Published
    evaluations do this; for people use ``guarded_merge``.

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
    """``progressive_merge`` that respects the click's sign, so that no click can spoil a good mask.

    A positive click adds the connected region of newly predicted object around it, a negative one removes the connected
    region that is no longer predicted. Any other click leaves the mask unchanged.
    """
    changed = prediction & ~previous if click.is_positive else previous & ~prediction
    region = change_around(changed, *pixel_of(click, previous.shape))
    return previous.copy() if region is None else previous ^ region
