"""The simulated user, who clicks the middle of the largest error (Sofiiuk et al. 2021, "RITM", section 4.1).

It may also click anywhere in that error, as people do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from isegm.clicks import Click
from isegm.inference.depth import deepest_pixel
from isegm.utils.errors import InputError
from isegm.utils.inputs import binary_mask, label_map, require
from isegm.utils.schema import Instance, Items, Nothing, Whole

__all__ = ["Click", "Clicker"]


CLICK = Instance(Click, "an isegm.Click(is_positive, (row, column))")


class Errors(NamedTuple):
    """Where a mask is wrong, (H, W) bool each; pixels that are ignored are not.

    Attributes:
        missed: pixels of the object that it lacks.
        wrong: pixels of the background that it has.
    """

    missed: np.ndarray
    wrong: np.ndarray


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
        self._pixels = 0  # of the object
        require(click_indx_offset, Whole(0), "click_indx_offset")
        require(ignore_label, Whole(), "ignore_label of Clicker")
        if gt_mask is not None:
            gt_mask = label_map(gt_mask, "gt_mask")
            valid = gt_mask != ignore_label
            self._object = (gt_mask == 1) & valid
            self._background = (gt_mask != 1) & valid
            self._pixels = int(np.count_nonzero(self._object))
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
        return self.click_on(self.errors(pred_mask))

    def errors(self, pred_mask: np.ndarray) -> Errors:
        """Compare a mask, bool (H, W), with the ground truth.

        Raises:
            RuntimeError, InputError: as of ``make_next_click``.
        """
        if self._object is None or self._background is None:
            raise RuntimeError("make_next_click needs a Clicker that was given a gt_mask.")
        pred_mask = binary_mask(pred_mask, "pred_mask")
        if pred_mask.shape != self._object.shape:
            raise InputError(
                f"pred_mask is {pred_mask.shape} but the ground truth is {self._object.shape}: give a mask of its size."
            )
        return Errors(self._object > pred_mask, self._background & pred_mask)

    def iou(self, errors: Errors) -> float:
        """The IoU of the mask with these errors, which ``get_iou`` computes from the mask itself."""
        missed, wrong = map(np.count_nonzero, errors)
        union = self._pixels + wrong
        return (self._pixels - missed) / union if union else 1.0

    def click_on(self, errors: Errors) -> Click:
        """Append the click that ``make_next_click`` makes on the mask with these errors; returns it."""
        (missed_depth, missed), (wrong_depth, wrong) = map(self._deepest_pixel, errors)
        is_positive = missed_depth > wrong_depth
        depth, deepest = (missed_depth, missed) if is_positive else (wrong_depth, wrong)
        if self.rng is not None and depth:
            deepest = self._anywhere(errors.missed if is_positive else errors.wrong, deepest, self.rng)
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
        """Squared depth and (row, column) of the pixel of a bool error map that is farthest from the map's zeros."""
        places = (click.coords for click in self.clicks_list)
        return deepest_pixel(error, [(int(row), int(column)) for row, column in places])
