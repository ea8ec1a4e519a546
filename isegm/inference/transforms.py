"""Test-time transforms: crops, resizing and flipping, and the way back to the image.

The transforms keep no state. ``ZoomState`` is the state of the crop rule from one click to the next. A ``View`` maps
image, masks and clicks to the network's input, and probabilities back. All resizing is bilinear with aligned corners,
as in the training and evaluation of the published models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isegm.clicks import Click
from isegm.prompts import Prompt, Stroke
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError
from isegm.utils.inputs import require_fields
from isegm.utils.schema import Flag, Nothing, Number, Whole

LARGEST_SIDE = 1 << 15  # pixels, of a network's input
NEARLY_WHOLE = 0.7  # share of the image from which a crop shows the network little more than the image does
SIDE = Whole(1, LARGEST_SIDE)
MULTIPLE = 4  # pixels, of which the sides of EMC-Click's input are multiples
ZOOM_IN = {
    "skip_clicks": Whole(),
    "expansion_ratio": Number(above=0),
    "min_crop_size": Number(0) | Nothing(),
    "recompute_thresh_iou": Number(),
    "prob_thresh": Number(0, 1),
    "always_recompute": Flag(),
}


@dataclass(frozen=True)
class ZoomState:
    """State of ``ZoomIn`` for one image.

    Attributes:
        roi: the present crop; None before the first one.
        probs: float (1, 1, H, W), the prediction from which the next crop is chosen; None before the first one.
        outlined: somebody drew a box or polygon: crops are chosen after any number of clicks, the first one around it.
    """

    roi: Box | None = None
    probs: Tensor | None = None
    outlined: bool = False


@dataclass(frozen=True)
class View:
    """The part of an image that the network sees in one pass.

    Attributes:
        image_size: (H, W) of the image.
        source: the part of the image that is read.
        size: (h, w) of the network's input, to which ``source`` is resized.
        roi: the part of the image that the output fills, with probability 0 elsewhere; None for all of it. It differs
            from ``source`` only in the case described at ``ZoomIn.choose``.
    """

    image_size: tuple[int, int]
    source: Box
    size: tuple[int, int]
    roi: Box | None = None

    @property
    def output_box(self) -> Box:
        """The part of the image that the output fills."""
        return Box.of_image(self.image_size) if self.roi is None else self.roi

    def crop(self, maps: Tensor) -> Tensor:
        """Cut (1, C, H, W) maps of the image to the network's input: (1, C, h, w)."""
        return resized(self.source.crop(maps), self.size)

    def clicks(self, clicks: Sequence[Click]) -> list[Click]:
        """Clicks in pixels of the network's input; those outside the source end outside the input."""
        if self.source == Box.of_image(self.size):
            return list(clicks)
        return [click.at(*self.source.to_crop(click.coords, self.size)) for click in clicks]

    def strokes(self, prompts: Sequence[Prompt], size: tuple[int, int]) -> list[Stroke]:
        """What is drawn of prompts, in pixels of maps of ``size`` (h, w) that show the source."""
        shift, (height, width) = np.array((self.source.top, self.source.left)), self.source.size
        scale = np.array((size[0] / height, size[1] / width))
        strokes = (stroke for prompt in prompts for stroke in prompt.strokes())
        return [Stroke((points - shift) * scale, is_positive) for points, is_positive in strokes]

    def paste(self, probs: Tensor) -> Tensor:
        """Resize and paste an output (1, 1, h, w) into the image: (1, 1, H, W), zero outside the roi."""
        probs = resized(probs, self.source.size)
        if self.roi is None:
            return probs
        probs = resized(probs, self.roi.size)
        if self.roi == Box.of_image(self.image_size):
            return probs
        canvas = probs.new_zeros((1, 1, *self.image_size))
        self.roi.crop(canvas).copy_(probs)
        return canvas


@dataclass(frozen=True)
class ZoomIn:
    """The crop rule around the object ("zoom-in" of f-BRS and RITM, "target crop" of FocalClick).

    The box is that of the last prediction and all positive clicks, expanded about its centre. The defaults are
    RITM's; ClickSEG's are ``ZoomIn(target_size=None, min_crop_size=10, prob_thresh=0.49, always_recompute=True)``.

    Args:
        target_size: size of the crop as the network sees it: its longest side in pixels, or exactly (height, width), or
            None to keep the resolution of the image.
        skip_clicks: up to this number of clicks the network sees the whole image, not resized to ``target_size``. With
            -1 the first crop is the whole image, resized. With 0, if the first prediction covers little of the image,
            it is dropped and the click is repeated on its crop.
        expansion_ratio: side of the expanded box relative to the box.
        min_crop_size: smallest side of the crop in pixels of the image, as far as the image goes.
        recompute_thresh_iou: the crop moves when its ``Box.iou`` with the box that would now be chosen is below this.
        prob_thresh: probability above which a pixel of the last prediction is object.
        always_recompute: choose a new crop at every click, and never repeat a click.

    Raises:
        InputError: a value is of another kind or out of its range.
    """

    target_size: int | tuple[int, int] | None = 400
    skip_clicks: int = 1
    expansion_ratio: float = 1.4
    min_crop_size: int = 200
    recompute_thresh_iou: float = 0.5
    prob_thresh: float = 0.5
    always_recompute: bool = False

    def __post_init__(self) -> None:
        size = self.target_size
        if isinstance(size, list):  # configurations read from files hold lists
            object.__setattr__(self, "target_size", tuple(size))
        sides = size if isinstance(size, (list, tuple)) and len(size) == 2 else (size,)
        if size is not None and not all(SIDE.fits(side) for side in sides):
            raise InputError(
                f"target_size of ZoomIn is {size}: give its longest side, (height, width), or None for no resizing; "
                f"a side is a whole number of at most {LARGEST_SIDE} pixels."
            )
        require_fields(self, ZOOM_IN)

    def choose(self, state: ZoomState, clicks: Sequence[Click], image_size: tuple[int, int]) -> Box | None:
        """The crop for these clicks; None for the whole image without resizing.

        If a prediction becomes empty after a crop was set, the network sees the whole image, yet its output is squeezed
        into the old crop, which ``state.roi`` still holds (docs/fidelity.md#zoom-in-stale-crop).
        """
        if len(clicks) <= self.skip_clicks and not state.outlined:
            return None
        positive = [click.coords for click in clicks if click.is_positive]
        candidate = self._object_roi(state.probs, positive, image_size)
        if candidate is None:
            if self.skip_clicks >= 0:
                return None
            candidate = Box.of_image(image_size)
        if self.always_recompute or state.roi is None or candidate.iou(state.roi) < self.recompute_thresh_iou:
            return candidate
        # The last row and column of the crop count as outside it (docs/fidelity.md#zoom-in-last-row).
        top, last_row, left, last_column = state.roi.inclusive
        inside = all(top <= row < last_row and left <= column < last_column for row, column in positive)
        return state.roi if inside else candidate

    def closer(self, state: ZoomState, clicks: Sequence[Click], image_size: tuple[int, int]) -> Box | None:
        """The crop around the last prediction for a second look; None where it is nearly the whole image, or empty."""
        crop = self._object_roi(state.probs, [click.coords for click in clicks if click.is_positive], image_size)
        return None if crop is None or crop.area > NEARLY_WHOLE * image_size[0] * image_size[1] else crop

    def crop_size(self, crop: Box) -> tuple[int, int]:
        """(h, w) to which a crop is resized."""
        if self.target_size is None or isinstance(self.target_size, tuple):
            return self.target_size or crop.size
        return with_longest_side(crop.size, self.target_size)

    def wants_repetition(self, state: ZoomState) -> bool:
        """Whether the click of the prediction in ``state``, made on the whole image, is repeated on a crop."""
        if self.skip_clicks > 0 or self.always_recompute or state.roi is not None or state.probs is None:
            return False
        image_size = (state.probs.shape[2], state.probs.shape[3])
        roi = self._object_roi(state.probs, (), image_size)
        return roi is not None and roi.iou(Box.of_image(image_size)) < 0.5

    def _object_roi(
        self, probs: Tensor | None, positive: Sequence[tuple[float, float]], image_size: tuple[int, int]
    ) -> Box | None:
        """Expanded box of the object in ``probs`` and of the positive clicks; None where ``probs`` shows no object."""
        found = None if probs is None else Box.around_above(probs[0, 0], self.prob_thresh)
        if found is None or found.is_empty:
            return None
        first_row, last_row, first_column, last_column = found.inclusive
        rows = [first_row, last_row, *(int(row) for row, _ in positive)]
        columns = [first_column, last_column, *(int(column) for _, column in positive)]
        box = Box.from_inclusive(min(rows), max(rows), min(columns), max(columns))
        return expand_bbox(box, self.expansion_ratio, self.min_crop_size).intersection(Box.of_image(image_size))


def expand_bbox(box: Box, expand_ratio: float, min_crop_size: int | None = None) -> Box:
    """Scale a box about its centre; each side becomes at least ``min_crop_size``. The result may leave the image.

    Ends are rounded half to even (docs/fidelity.md#crop-rounding).
    """
    first_row, last_row, first_column, last_column = box.inclusive  # the centre is that of the inclusive ends
    ends = []
    for first, last in ((first_row, last_row), (first_column, last_column)):
        center = 0.5 * (first + last)
        length = max(expand_ratio * (last - first + 1), min_crop_size or 0)
        ends += [round(center - 0.5 * length), round(center + 0.5 * length)]
    return Box.from_inclusive(*ends)


def with_longest_side(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(h, w) scaled so that the longer one becomes ``longest``; each is at least 1."""
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def to_multiples(size: tuple[int, int], multiple: int, most: int | None = None) -> tuple[int, int]:
    """(h, w) rounded to the nearest multiples, none above ``most`` if that is given.

    Each side is at least two patches of ``multiple`` pixels, of which networks make maps of half the resolution.
    """
    least = multiple if multiple == 1 else 2 * multiple

    def rounded(side: int) -> int:
        nearest = round(side / multiple) * multiple
        limit = nearest if most is None else most // multiple * multiple
        return max(least, min(nearest, limit))

    return rounded(size[0]), rounded(size[1])


def with_shorter_side(size: tuple[int, int], shorter: int, longest: int) -> tuple[int, int]:
    """(h, w) scaled so that the shorter one becomes ``shorter``, but the longer one at most ``longest``.

    Both are rounded down to multiples of ``MULTIPLE``, and are at least that.
    """
    scale = min(shorter / min(size), longest / max(size))
    height, width = (max(1, round(side * scale) // MULTIPLE) * MULTIPLE for side in size)
    return height, width


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) maps resized to ``size``; the same tensor where it has that size."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    planes = maps.flatten(0, 1)[:, None]  # (B * C, 1, h, w): on one CPU thread twice as fast as three channels
    return F.interpolate(planes, size=size, mode="bilinear", align_corners=True).view(*maps.shape[:2], *size)


def with_flipped(maps: Tensor) -> Tensor:
    """A batch followed by its left-right flipped copy: (B, ...) -> (2B, ...)."""
    return torch.cat((maps, maps.flip(-1)))


def flipped_clicks(clicks: Sequence[Click], width: int) -> list[Click]:
    """Clicks on the left-right flipped copy of an input of this width."""
    return [click.at(click.coords[0], width - click.coords[1] - 1) for click in clicks]


def flipped_strokes(strokes: Sequence[Stroke], width: int) -> list[Stroke]:
    """Strokes on the left-right flipped copy of an input of this width."""
    turned = np.array((1.0, -1.0))
    return [Stroke(points * turned + (0, width - 1), is_positive) for points, is_positive in strokes]


def mean_with_flipped(maps: Tensor) -> Tensor:
    """Mean of the outputs for a batch and for its flipped copy behind it: (2B, ...) -> (B, ...)."""
    original, flipped = maps.chunk(2)
    return 0.5 * (original + flipped.flip(-1))
