"""Clicks, and the tensor in which networks read them.

A network reads clicks as ``points``, a float32 tensor (B, 2N, 3). Of each sample, rows ``0..N-1`` are positive clicks
and rows ``N..2N-1`` negative ones; a row is ``(y, x, order)`` with y, x in pixels of the network's input (fractions are
kept) and ``order`` the index of the click in its sequence; an unused row is ``(-1, -1, -1)``. A row counts as unused
only when *both* coordinates are negative (docs/fidelity.md#clicks-outside): the disk of a click above or left of a crop
may reach into the crop. Besides this module only ``isegm.click_maps`` depends on that layout.

Outside the library clicks are (x, y) pixels with labels 1 (on the object) and 0 (on the background).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from isegm.utils.errors import InputError
from isegm.utils.inputs import described, plain_array, require, require_size
from isegm.utils.schema import Number, Row

UNUSED = -1.0
COORDINATES = Row(Number(), Number())
SAMPLED_ORDER = 100.0  # order of a training click that was drawn at random rather than simulated in sequence


@dataclass(frozen=True)
class Click:
    """One click.

    Attributes:
        is_positive: True on the object, False on the background.
        coords: (row, column) in pixels, origin at the top left; fractions are allowed.
        indx: index in the sequence of clicks, from 0; None before the click is added to one.

    Raises:
        InputError: ``is_positive`` is neither true nor false, or ``coords`` are not two finite numbers.
    """

    is_positive: bool
    coords: tuple[float, float]
    indx: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.is_positive, (bool, int, np.bool_, np.integer)) or self.is_positive not in (0, 1):
            raise InputError(f"is_positive of a click must be True or False, not {described(self.is_positive)}.")
        coords = tuple(self.coords) if isinstance(self.coords, np.ndarray) else self.coords
        require(coords, COORDINATES, "coords (row, column) of a click")

    def at(self, row: float, column: float) -> Click:
        """The same click at other coordinates."""
        return replace(self, coords=(row, column))


def clicks_from_xy(points: ArrayLike, labels: ArrayLike, image_size: tuple[int, int]) -> list[Click]:
    """Turn (x, y) pixels and 1/0 labels into clicks, with indices from 0.

    Args:
        points: (N, 2) pixel coordinates (x, y); a pixel's centre has whole coordinates.
        labels: (N,) 1 for a click on the object, 0 for one on the background.
        image_size: (H, W) in pixels.

    Raises:
        InputError: a value is not a number, shapes do not agree, a label is neither 0 nor 1, or a click
            lies outside the image.
    """
    require_size(image_size, "image_size")
    xy = _real_numbers(points, "iuf", "points must be (N, 2) numbers")
    label = _real_numbers(labels, "biuf", "labels must be 1 (on the object) or 0 (on the background), (N,) numbers")
    if xy.size == 0 and label.size == 0:
        return []
    if xy.ndim != 2 or xy.shape[1] != 2 or label.shape != (len(xy),):
        raise InputError(
            f"points must be (N, 2) and labels (N,), got {xy.shape} and {label.shape}: give one label per (x, y) pair."
        )
    wrong = label[~np.isin(label, (0, 1))]
    if wrong.size:
        raise InputError(f"labels must be 1 (on the object) or 0 (on the background), got {wrong[0]:g}.")
    height, width = image_size
    clicks = []
    for index, ((x, y), is_positive) in enumerate(zip(xy.tolist(), label.tolist(), strict=True)):
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):  # also refuses NaN
            raise _outside(x, y, image_size)
        clicks.append(Click(bool(is_positive), (y, x), index))
    return clicks


def require_inside(clicks: Sequence[Click], image_size: tuple[int, int]) -> None:
    """Check clicks for an image of ``image_size`` (H, W); they may lie anywhere on its pixels.

    Raises:
        InputError: one is no ``Click``, or lies outside the image.
    """
    height, width = image_size
    for click in clicks:
        _require_click(click)
        row, column = click.coords
        if not (0 <= row < height and 0 <= column < width):
            raise _outside(column, row, image_size)


def _require_click(click: Any) -> None:
    if not isinstance(click, Click):
        raise InputError(f"a click must be an isegm.Click(is_positive, (row, column)), not {described(click)}.")


def _outside(x: float, y: float, image_size: tuple[int, int]) -> InputError:
    height, width = image_size
    return InputError(
        f"the click at x={x:g}, y={y:g} lies outside the image, {width} pixels wide and {height} high: "
        "x goes from 0 to width-1, y from 0 to height-1."
    )


def _real_numbers(values: Any, kinds: str, wanted: str) -> np.ndarray:
    """Numbers as float64, those of Python's ``decimal`` and ``fractions`` too; InputError for what is none."""
    try:
        array = plain_array(values, "they", f"{kinds}O")
        if array.dtype.kind == "O" and not all(isinstance(value, (Real, Decimal)) for value in array.flat):
            raise TypeError("a value is no number")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:  # an InputError is a ValueError
        raise InputError(f"{wanted}, not {described(values)}: give one label per (x, y) pair.") from error


def points_tensor(
    click_lists: Sequence[Sequence[Click]],
    limit: int | None = None,
    device: torch.device | str = "cpu",
    multiple: int = 1,
) -> Tensor:
    """Clicks of a batch as the tensor that networks read.

    Args:
        click_lists: for each sample its clicks in the order in which they were made.
        limit: use only the first ``limit`` clicks of each sample; None for all.
        multiple: of which N is made one by unused rows, which change no output.

    Returns:
        float32 (B, 2N, 3), N the largest number of positive or of negative clicks in the batch, at least 1.
    """
    halves = []
    for clicks in click_lists:
        for click in clicks:
            _require_click(click)
        clicks = clicks if limit is None else clicks[:limit]
        halves.append([[c for c in clicks if c.is_positive], [c for c in clicks if not c.is_positive]])
    slots = max([1, *(len(half) for pair in halves for half in pair)])
    slots += -slots % multiple
    points = np.full((len(halves), 2 * slots, 3), UNUSED, dtype=np.float32)
    for sample, pair in enumerate(halves):
        for offset, half in zip((0, slots), pair, strict=True):
            for row, click in enumerate(half):
                points[sample, offset + row] = (*click.coords, -1 if click.indx is None else click.indx)
    return torch.from_numpy(points).to(device)


def pad_points(positive: Sequence[Sequence[float]], negative: Sequence[Sequence[float]], slots: int) -> np.ndarray:
    """Rows (y, x, order) of one training sample as float32 (2 * slots, 3), padded behind each half."""
    points = np.full((2 * slots, 3), UNUSED, dtype=np.float32)
    for offset, rows in ((0, positive), (slots, negative)):
        if len(rows):
            points[offset : offset + len(rows)] = rows
    return points


def write_simulated_click(
    points: Tensor, sample: int, is_positive: bool, row: float, column: float, order: int
) -> None:
    """Store the ``order``-th simulated click (1, 2, ...) of a training sample in place.

    Simulated clicks fill each half from its end (row N - order or 2N - order), over whatever random click lies there,
    as in RITM (Sofiiuk et al. 2021, section 3.3).
    """
    slots = points.shape[1] // 2
    if not 1 <= order <= slots:
        raise ValueError(f"simulated click {order} does not fit: order goes from 1 to {slots}, the rows per polarity")
    row_index = (slots if is_positive else 2 * slots) - order
    points[sample, row_index] = points.new_tensor((row, column, float(order)))


def simulated_counts(points: Tensor, sample: int) -> tuple[int, int]:
    """Count the simulated positive and negative clicks of a training sample, whose orders are above 0."""
    positive, negative = (points[sample, :, 2] > 0).long().chunk(2)
    return int(positive.sum()), int(negative.sum())


def write_simulated_clicks(points: Tensor, is_positive: Tensor, pixels: Tensor, order: Tensor, there: Tensor) -> None:
    """Store a simulated click of each sample of a batch in place, as ``write_simulated_click`` does.

    Nothing is read from the device; clicks of an order that does not fit are dropped.

    Args:
        points: (B, 2N, 3).
        is_positive: (B,) bool.
        pixels: (B, 2) row and column.
        order: (B,) int64, from 1 on.
        there: (B,) bool; other samples stay as they are.
    """
    slots = points.shape[1] // 2
    row = torch.where(is_positive, slots, 2 * slots) - order.clamp(max=slots)
    values = torch.cat((pixels, order[:, None]), 1).to(points.dtype)
    batch = torch.arange(len(points), device=points.device)
    points[batch, row] = torch.where((there & (order <= slots))[:, None], values, points[batch, row])


def append_simulated_clicks(points: Tensor, is_positive: Tensor, pixels: Tensor, there: Tensor) -> None:
    """Store a simulated click of each sample of a batch in place, behind the clicks of its polarity, as CFR-ICL does.

    A click goes into the first row of its half that has no order yet, or into the last row where there is none; its
    order is one more than the highest of the sample (docs/fidelity.md#clicks-in-free-rows). Nothing is read from the
    device.

    Args:
        points: (B, 2N, 3).
        is_positive: (B,) bool.
        pixels: (B, 2) row and column.
        there: (B,) bool; other samples stay as they are.
    """
    slots = points.shape[1] // 2
    order = points[..., 2]
    half = torch.where(is_positive[:, None], order[:, :slots], order[:, slots:])  # (B, N)
    free = torch.where(half < 0, torch.arange(slots, device=points.device), slots - 1).amin(dim=1)
    row = free + torch.where(is_positive, 0, slots)
    number = order.amax(dim=1).clamp(min=0) + 1
    values = torch.cat((pixels.to(points.dtype), number[:, None]), dim=1)
    batch = torch.arange(len(points), device=points.device)
    points[batch, row] = torch.where(there[:, None], values, points[batch, row])


def write_only_click(points: Tensor, sample: int, is_positive: bool, row: float, column: float) -> None:
    """Make a training sample start with one click, of order 0, instead of those it has, in place."""
    points[sample] = UNUSED
    points[sample, 0 if is_positive else points.shape[1] // 2] = points.new_tensor((row, column, 0.0))


def points_in_boxes(points: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Clicks in pixels of crops, each sample's box resized to ``size`` (H, W): (B, 2N, 3).

    Clicks outside a crop get coordinates outside ``size``; unused rows stay unused, as their coordinates stay negative.

    Args:
        points: (B, 2N, 3).
        boxes: (B, 4) x1, y1, x2, y2 in the pixels of ``points``, the ends excluded.
    """
    x1, y1, x2, y2 = boxes[:, None].unbind(-1)  # (B, 1) each
    rows = (points[..., 0] - y1) * (size[0] / (y2 - y1))
    columns = (points[..., 1] - x1) * (size[1] / (x2 - x1))
    return torch.stack((rows, columns, points[..., 2]), dim=-1)


def split_points(points: Tensor) -> tuple[Tensor, Tensor]:
    """The positive and the negative half of a points tensor, each (B, N, 3)."""
    positive, negative = points.chunk(2, dim=1)
    return positive, negative


def used(points: Tensor) -> Tensor:
    """Mask of the rows that hold a click: bool (B, rows)."""
    return points[..., :2].amax(dim=-1) >= 0


def first_clicks(points: Tensor) -> Tensor:
    """Clicks of order 0 alone, (B, 2N, 3): the first of each object."""
    return torch.where(points[..., 2:] == 0, points, UNUSED)
