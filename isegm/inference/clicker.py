"""The simulated user, who clicks the middle of the largest error (Sofiiuk et al. 2021, "RITM", section 4.1).

It may also click anywhere in that error, as people do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np

from isegm.clicks import Click
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError
from isegm.utils.inputs import binary_mask, label_map, require
from isegm.utils.schema import Instance, Items, Nothing, Whole

__all__ = ["Click", "Clicker"]


CLICK = Instance(Click, "an isegm.Click(is_positive, (row, column))")
EXACT_DEPTH = 1500  # pixels; squares of smaller depths are exact in float32


class Clicker:
    """A sequence of clicks, and the rule for the next one where the ground truth is known.

    Args:
        gt_mask: (H, W) integers, 1 on the object, ``ignore_label`` where it does not matter; None when a person clicks.
        init_clicks: clicks to begin with; their indices are computed anew.
        ignore_label: value of pixels that are neither object nor background.
        click_indx_offset: index of the first click.
        rng: draws clicks anywhere in the largest error; None clicks its middle, as published.

    Attributes:
        clicks_list: the clicks so far, in order.

    Raises:
        InputError: ``gt_mask`` holds no (H, W) whole numbers, or ``init_clicks`` other things than clicks.
    """

    def __init__(
        self,
        gt_mask: np.ndarray | None = None,
        init_clicks: Iterable[Click] | None = None,
        ignore_label: int = -1,
        click_indx_offset: int = 0,
        rng: np.random.Generator | None = None,
    ) -> None:
        require(rng, Instance(np.random.Generator, "a numpy.random.Generator") | Nothing(), "rng of Clicker")
        self.click_indx_offset, self.rng = click_indx_offset, rng
        self.clicks_list: list[Click] = []
        self._object: np.ndarray | None = None
        self._background: np.ndarray | None = None
        require(click_indx_offset, Whole(0), "click_indx_offset")
        require(ignore_label, Whole(), "ignore_label of Clicker")
        if gt_mask is not None:
            gt_mask = label_map(gt_mask, "gt_mask")
            valid = gt_mask != ignore_label
            self._object = (gt_mask == 1) & valid
            self._background = (gt_mask != 1) & valid
        if init_clicks is not None:
            self.set_state(init_clicks)

    def __len__(self) -> int:
        return len(self.clicks_list)

    def add_click(self, click: Click) -> Click:
        """Append a click; returns it with its index in the sequence.

        Raises:
            InputError: it is no ``Click``.
        """
        require(click, CLICK, "a click of Clicker")
        click = replace(click, indx=self.click_indx_offset + len(self.clicks_list))
        self.clicks_list.append(click)
        return click

    def make_next_click(self, pred_mask: np.ndarray) -> Click:
        """Append the click that a user would make to correct ``pred_mask``, bool (H, W); returns it.

        The click is on the pixel farthest from the border of its error region, in exact Euclidean distance; the border
        of the image counts as a border. Of equal ones it is the first in row-major order. Clicked pixels do not count.
        The click is positive if missed object reaches deeper than wrong foreground, so a tie gives a negative one
        (docs/fidelity.md#click-ties). Without any error it is negative at (0, 0)
        (docs/fidelity.md#click-without-mistake).

        With ``rng`` the click is on any pixel that was not clicked yet, all of them alike, of the 8-connected error
        that holds this pixel.

        Raises:
            RuntimeError: there is no ground truth.
            InputError: ``pred_mask`` is of another size, or holds other values than 0 and 1.
        """
        if self._object is None:
            raise RuntimeError("make_next_click needs a Clicker that was given a gt_mask.")
        pred_mask = binary_mask(pred_mask, "pred_mask")
        if pred_mask.shape != self._object.shape:
            raise InputError(
                f"pred_mask is {pred_mask.shape} but the ground truth is {self._object.shape}: give a mask of its size."
            )
        missed_depth, missed = self._deepest_pixel(self._object & ~pred_mask)
        wrong_depth, wrong = self._deepest_pixel(self._background & pred_mask)
        is_positive = missed_depth > wrong_depth
        depth, deepest = (missed_depth, missed) if is_positive else (wrong_depth, wrong)
        if self.rng is not None and depth:
            error = (self._object & ~pred_mask) if is_positive else (self._background & pred_mask)
            deepest = self._anywhere(error, deepest, self.rng)
        return self.add_click(Click(is_positive, deepest))

    def _anywhere(self, error: np.ndarray, inside: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
        """(row, column) of a random pixel of the connected part of an error that holds a pixel of it."""
        parts = cv2.connectedComponents(error.view(np.uint8), connectivity=8)[1]
        region = parts == parts[inside]
        for click in self.clicks_list:
            row, column = int(click.coords[0]), int(click.coords[1])
            if 0 <= row < region.shape[0] and 0 <= column < region.shape[1]:
                region[row, column] = False
        places = np.flatnonzero(region)
        row, column = divmod(int(places[int(rng.integers(len(places)))]), region.shape[1])
        return row, column

    def get_clicks(self, clicks_limit: int | None = None) -> list[Click]:
        """The first ``clicks_limit`` clicks; all if None."""
        require(clicks_limit, Whole(0) | Nothing(), "clicks_limit")
        return self.clicks_list[:clicks_limit]

    def get_state(self) -> list[Click]:
        """The present clicks, for ``set_state``."""
        return list(self.clicks_list)

    def set_state(self, state: Iterable[Click]) -> None:
        """Replace all clicks; indices are computed anew.

        Raises:
            InputError: a member of ``state`` is no ``Click``; nothing has changed then.
        """
        clicks = list(state) if isinstance(state, Iterable) else state
        require(clicks, Items(CLICK), "the state of Clicker")
        self.reset_clicks()
        for click in clicks:
            self.add_click(click)

    def reset_clicks(self) -> None:
        """Forget all clicks."""
        self.clicks_list = []

    def _deepest_pixel(self, error: np.ndarray) -> tuple[int, tuple[int, int]]:
        """Squared depth and (row, column) of the pixel of a bool error map that is farthest from the map's zeros.

        The distance is computed on the bounding box of the error plus one pixel of zeros, which is exact: the zero
        pixel nearest to an error pixel is never outside this ring.
        """
        box = Box.around(error)
        if box.is_empty:
            return 0, (0, 0)
        inside = cv2.copyMakeBorder(error[box.slices].view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        # Mask size 0 is DIST_MASK_PRECISE; the approximate transforms of sizes 3 and 5 give other clicks.
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, 0)[1:-1, 1:-1]
        height, width = box.size
        for click in self.clicks_list:
            row, column = int(click.coords[0]) - box.top, int(click.coords[1]) - box.left
            if 0 <= row < height and 0 <= column < width:
                depth[row, column] = 0
        # Squared distances are whole numbers, so equal ones can be told although OpenCV's square root may differ in the
        # last bit from one pixel to the next: with Intel IPP it depends on threads, memory alignment and processor.
        deepest = float(depth.max())
        squared = round(deepest**2)
        if squared == 0:  # every pixel of the error was clicked
            return 0, (0, 0)
        # Beyond EXACT_DEPTH float32 no longer tells neighbouring squares apart: there the largest value has to do.
        among = depth > math.sqrt(squared - 0.5) if deepest < EXACT_DEPTH else depth == deepest
        row, column = divmod(int(among.argmax()), width)
        return squared, (box.top + row, box.left + column)
