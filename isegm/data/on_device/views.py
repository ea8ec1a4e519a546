"""Augmentations of ``isegm.data.transforms`` for whole batches on a device.

Each transform has a batched twin here, which draws from the same distribution. Geometric ones only change a matrix,
so that pixels are interpolated once however many there are; those of colours follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isegm.data.on_device.draws import Draws, constant
from isegm.data.on_device.resampling import counts_of_ids, resampled
from isegm.data.transforms import (
    BlurNoise,
    Compose,
    HorizontalFlip,
    LimitLongestSide,
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomCrop,
    RandomFlip,
    RandomGrey,
    RandomRotate90,
    RandomView,
    ResizeLongestSide,
    RGBShift,
    ShiftRotate,
    Stretch,
    Transform,
    UniformRandomResize,
)
from isegm.utils.errors import InputError

GREY = (0.299, 0.587, 0.114)  # shares of red, green and blue
BLUR_REACH = 5  # pixels, of the largest blur to either side
LEAST_SIGMA, LEAST_NOISE = 0.3, 2.0  # as BlurNoise has them


@dataclass(frozen=True)
class Frame:
    """The frame of each view of a batch: which pixel of the image each of its pixels shows.

    Attributes:
        matrix: (B, 3, 3) float32, from (x, y, 1) in the view to those in the image.
        size: (B, 2) float32, height and width of the view.
        ids: (B, S, S) uint8 of the images, for views of objects.
        fixed: height and width of all views where they are equal, else None.
    """

    matrix: Tensor
    size: Tensor
    ids: Tensor
    fixed: tuple[int, int] | None = None

    def then(self, step: Tensor, size: Tensor | None = None, fixed: tuple[int, int] | None = None) -> Frame:
        """Return the frame behind a step (B, 3, 3), from the pixels of the new view to those of this one."""
        return replace(self, matrix=self.matrix @ step, size=self.size if size is None else size, fixed=fixed)


def augment(transform: Transform, images: Tensor, ids: Tensor, sizes: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Augment a batch.

    Args:
        transform: an augmentation that makes every image the same size.
        images: (B, 3, S, S) uint8.
        ids: (B, S, S) uint8.
        sizes: (B, 2) float32, height and width of each image within its square.
        draws: random numbers.

    Returns:
        (B, 3, H, W) float32 in 0..255, and ids (B, H, W) uint8.

    Raises:
        InputError: a part of the transform has no batched twin, or views differ in size.
    """
    steps = _listed(transform)
    count = len(images)
    frame = Frame(torch.eye(3, device=images.device).repeat(count, 1, 1), sizes, ids)
    position = 0
    while position < len(steps) and _knows(geometry, steps[position]):
        frame = geometry(steps[position], frame, draws)
        position += 1
    if frame.fixed is None:
        raise InputError("the augmentation ends with views of different sizes: end it with a crop of one size.")
    views = resampled(images, frame.matrix[:, :2], frame.fixed)
    labels = resampled(ids[:, None], frame.matrix[:, :2], frame.fixed, nearest=True)
    for step in steps[position:]:
        views = colours(step, views, draws)
    return views, labels[:, 0].to(torch.uint8)


def _listed(transform: Transform) -> list[Transform]:
    if not isinstance(transform, Compose):
        return [transform]
    return [step for inner in transform.steps for step in _listed(inner)]


def _scaled(factors: Tensor, offsets: Tensor) -> Tensor:
    """Matrices (B, 3, 3) that multiply (x, y) by factors (B, 2) and add offsets (B, 2)."""
    step = torch.zeros(len(factors), 3, 3, device=factors.device)
    step[:, 0, 0], step[:, 1, 1], step[:, 2, 2] = factors[:, 0], factors[:, 1], 1.0
    step[:, :2, 2] = offsets
    return step


def _resized(frame: Frame, size: Tensor) -> Frame:
    """Resize to (B, 2) height and width, with the pixel centres of OpenCV."""
    factors = (frame.size / size).flip(1)
    return frame.then(_scaled(factors, (factors - 1) / 2), size)


def _flipped(frame: Frame, vertical: Tensor, horizontal: Tensor) -> Frame:
    """Flip those views for which a (B,) bool is true."""
    flips = torch.stack((horizontal, vertical), 1).float()
    return frame.then(_scaled(1 - 2 * flips, flips * (frame.size.flip(1) - 1)), fixed=frame.fixed)


@singledispatch
def geometry(step: Transform, frame: Frame, draws: Draws) -> Frame:
    """Change the frames of a batch as a geometric transform does.

    Raises:
        InputError: the transform has no batched twin.
    """
    raise _no_twin(step)


@geometry.register
def _(step: UniformRandomResize, frame: Frame, draws: Draws) -> Frame:
    factor = draws.uniform(*step.scale, len(frame.size), 1)
    return _resized(frame, (frame.size * factor).round().clamp(min=1))


@geometry.register
def _(step: LimitLongestSide, frame: Frame, draws: Draws) -> Frame:
    factor = (step.longest / frame.size.amax(1, keepdim=True)).clamp(max=1)
    return _resized(frame, (frame.size * factor).round().clamp(min=1))


@geometry.register
def _(step: ResizeLongestSide, frame: Frame, draws: Draws) -> Frame:
    factor = step.longest / frame.size.amax(1, keepdim=True)
    return _resized(frame, (frame.size * factor).round().clamp(min=1))


@geometry.register
def _(step: Stretch, frame: Frame, draws: Draws) -> Frame:
    resized = _resized(frame, constant(tuple(step.size), frame.size.device).expand_as(frame.size))
    return replace(resized, fixed=step.size)


@geometry.register
def _(step: HorizontalFlip, frame: Frame, draws: Draws) -> Frame:
    horizontal = draws.happens(step.p, len(frame.size))
    return _flipped(frame, torch.zeros_like(horizontal), horizontal)


@geometry.register
def _(step: RandomFlip, frame: Frame, draws: Draws) -> Frame:
    kind = draws.uniform(0, 3, len(frame.size)).long() + 1  # 1 vertically, 2 horizontally, 3 both ways
    kind = torch.where(draws.happens(step.p, len(kind)), kind, 0)
    return _flipped(frame, kind % 2 == 1, kind >= 2)


@geometry.register
def _(step: RandomRotate90, frame: Frame, draws: Draws) -> Frame:
    count = len(frame.size)
    turns = torch.where(draws.happens(step.p, count), draws.uniform(0, 4, count).long(), 0)
    height, width = frame.size.unbind(1)
    zero, one = torch.zeros_like(height), torch.ones_like(height)
    rows = torch.stack(
        [
            torch.stack(row, 1)
            for row in (
                (one, zero, zero, zero, one, zero),
                (zero, -one, width - 1, one, zero, zero),
                (-one, zero, width - 1, zero, -one, height - 1),
                (zero, one, zero, -one, zero, height - 1),
            )
        ],
        1,
    )  # (B, 4, 6): of each number of turns
    step_matrix = torch.eye(3, device=height.device).repeat(count, 1, 1)
    step_matrix[:, :2] = rows[torch.arange(count, device=height.device), turns].view(count, 2, 3)
    size = torch.where((turns % 2 == 1)[:, None], frame.size.flip(1), frame.size)
    return frame.then(step_matrix, size)


@geometry.register
def _(step: ShiftRotate, frame: Frame, draws: Draws) -> Frame:
    count = len(frame.size)
    sides = frame.size.flip(1)  # x, y
    happens = draws.happens(step.p, count)
    angle = torch.deg2rad(draws.uniform(-step.degrees, step.degrees, count)) * happens
    move = sides * draws.uniform(-step.shift, step.shift, count, 2) * happens[:, None]
    turn = _turn(angle)  # (B, 2, 2)
    centre = (sides - 1) / 2
    matrix = torch.eye(3, device=sides.device).repeat(count, 1, 1)
    matrix[:, :2, :2] = turn
    matrix[:, :2, 2] = centre - (turn @ (centre + move)[..., None])[..., 0]
    return frame.then(matrix, fixed=frame.fixed)


@geometry.register
def _(step: PadIfNeeded, frame: Frame, draws: Draws) -> Frame:
    wanted = constant(tuple(step.size), frame.size.device)
    missing = (wanted - frame.size).clamp(min=0)
    before = torch.zeros_like(missing) if step.at_top_left else torch.div(missing, 2, rounding_mode="floor").flip(1)
    return frame.then(_scaled(torch.ones_like(before), -before), torch.maximum(frame.size, wanted))


@geometry.register
def _(step: RandomCrop, frame: Frame, draws: Draws) -> Frame:
    wanted = constant(tuple(step.size), frame.size.device)
    room = (frame.size - wanted).clamp(min=0) + 1
    corner = draws.below(room.flatten()).view(-1, 2).float().flip(1)
    return frame.then(_scaled(torch.ones_like(corner), corner), wanted.expand_as(frame.size), fixed=step.size)


@geometry.register
def _(step: RandomView, frame: Frame, draws: Draws) -> Frame:
    """Take a view of the images themselves: no other geometric transform may come before it."""
    centre, sides = _boxes(step, frame, draws)
    count = len(sides)
    sides = sides * torch.exp(draws.uniform(-1, 1, count, 2) * math.log(step.aspect) / 2)
    angle = torch.deg2rad(draws.uniform(-step.rotation, step.rotation, count)) * draws.happens(step.p_rotate, count)
    size = constant(tuple(step.size), sides.device)
    scale = (sides / size).flip(1)  # image pixels per view pixel, x and y
    mirror = 1 - 2 * draws.happens(step.p_flip, count).float()
    scale = torch.stack((scale[:, 0] * mirror, scale[:, 1]), 1)
    linear = _turn(angle) * scale[:, None]  # (B, 2, 2)
    middle = ((size - 1) / 2).flip(0)
    matrix = torch.eye(3, device=sides.device).repeat(count, 1, 1)
    matrix[:, :2, :2] = linear
    matrix[:, :2, 2] = centre.flip(1) - linear @ middle
    return frame.then(matrix, size.expand(count, 2), fixed=step.size)


def _boxes(view: RandomView, frame: Frame, draws: Draws) -> tuple[Tensor, Tensor]:
    """Choose centres (B, 2) y, x and sides (B, 2) h, w of the visible parts of the images."""
    whole, count = frame.size, len(frame.size)
    kind = draws.uniform(0, 1, count)
    centre, sides, found = _object_boxes(frame.ids, draws)
    sides = (sides * draws.uniform(*view.object_zoom, count, 1)).clamp(min=view.min_side)
    centre = centre + sides * draws.uniform(-view.jitter, view.jitter, count, 2)
    sides = torch.minimum(sides, 1.2 * whole)
    part = whole * draws.uniform(*view.random_side, count, 2)
    part_centre = part / 2 + (whole - part) * draws.uniform(0, 1, count, 2) - 0.5
    on_object = ((kind >= view.p_whole) & (kind < view.p_whole + view.p_object) & found)[:, None]
    is_whole = (kind < view.p_whole)[:, None]
    centre = torch.where(is_whole, (whole - 1) / 2, torch.where(on_object, centre, part_centre))
    return centre, torch.where(is_whole, whole, torch.where(on_object, sides, part))


def _object_boxes(ids: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
    """Centres (B, 2) y, x and sides (B, 2) h, w of the box of a random object of each image, and whether it has one."""
    count, side = ids.shape[:2]
    present = counts_of_ids(ids) > 0
    luck = torch.where(present, draws.uniform(0, 1, count, 256), -1.0)
    chosen = luck.argmax(1)
    pixels = ids == chosen[:, None, None].to(torch.uint8)
    ends = []
    for along in (pixels.any(2), pixels.any(1)):
        first = along.to(torch.uint8).argmax(1)
        last = side - 1 - along.flip(1).to(torch.uint8).argmax(1)
        ends.append((first.float(), last.float()))
    (top, bottom), (left, right) = ends
    centre = torch.stack((top + bottom, left + right), 1) / 2
    sides = torch.stack((bottom - top + 1, right - left + 1), 1)
    return centre, sides, present.any(1)


def _turn(angle: Tensor) -> Tensor:
    """Rotations (B, 2, 2) by angles (B,) in radians."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((torch.stack((cos, -sin), 1), torch.stack((sin, cos), 1)), 1)


@singledispatch
def colours(step: Transform, images: Tensor, draws: Draws) -> Tensor:
    """Change the colours of a batch (B, 3, H, W) in 0..255 as a transform does; levels stay whole numbers at most.

    Raises:
        InputError: the transform has no batched twin.
    """
    raise _no_twin(step)


def _levels(values: Tensor) -> Tensor:
    return values.clamp_(0, 255).floor_()


def _per_sample(values: Tensor) -> Tensor:
    return values.view(-1, *(1,) * 3)


@colours.register
def _(step: RandomBrightnessContrast, images: Tensor, draws: Draws) -> Tensor:
    count = len(images)
    happens = draws.happens(step.p, count).float()
    gain = 1 + happens * draws.uniform(*step.contrast, count)
    added = 255 * happens * draws.uniform(*step.brightness, count)
    return _levels(images * _per_sample(gain) + _per_sample(added))


@colours.register
def _(step: RGBShift, images: Tensor, draws: Draws) -> Tensor:
    count = len(images)
    shift = draws.uniform(-step.limit, step.limit, count, 3) * draws.happens(step.p, count).float()[:, None]
    return _levels(images + shift[..., None, None])


@colours.register
def _(step: RandomGrey, images: Tensor, draws: Draws) -> Tensor:
    grey = (images * constant(GREY, images.device)[:, None, None]).sum(1, keepdim=True)
    return torch.where(_per_sample(draws.happens(step.p, len(images))), grey, images)


@colours.register
def _(step: BlurNoise, images: Tensor, draws: Draws) -> Tensor:
    """Blur and disturb as many images as are expected to be, so that the others cost nothing."""
    count = len(images)
    some = _some(step.p_blur, count, draws)
    if len(some):
        images = images.index_copy(0, some, _blurred(images[some], step.max_sigma, draws))
    some = _some(step.p_noise, count, draws)
    if len(some):
        strength = _per_sample(draws.uniform(LEAST_NOISE, step.max_noise, len(some)))
        noisy = images[some] + draws.normal(len(some), *images.shape[1:]) * strength
        images = images.index_copy(0, some, _levels(noisy))
    return images


def _some(probability: float, count: int, draws: Draws) -> Tensor:
    """Choose samples, (n,) int64: each with this probability, n as near to what is expected as luck allows."""
    expected = probability * count
    number = int(expected) + int(draws.host.random() < expected % 1)
    return torch.randperm(count, device=draws.device, generator=draws.generator)[:number]


def _blurred(images: Tensor, max_sigma: float, draws: Draws) -> Tensor:
    """Blur each image (n, 3, H, W) by a Gaussian of its own width."""
    count = len(images)
    sigma = draws.uniform(LEAST_SIGMA, max_sigma, count, 1)
    steps = torch.arange(-BLUR_REACH, BLUR_REACH + 1, dtype=torch.float32, device=images.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)  # (3n, K)
    planes = F.pad(images, (BLUR_REACH,) * 4, mode="reflect").view(1, 3 * count, *_padded(images))
    down = F.conv2d(planes, kernel[:, None, :, None], groups=3 * count)
    return F.conv2d(down, kernel[:, None, None, :], groups=3 * count).view_as(images)


def _padded(images: Tensor) -> tuple[int, int]:
    return images.shape[2] + 2 * BLUR_REACH, images.shape[3] + 2 * BLUR_REACH


def _no_twin(step: Transform) -> InputError:
    return InputError(
        f"{type(step).__name__} has no version for data on the device: train without --data-on-device, or add one to "
        "isegm/data/on_device/views.py."
    )


def check_transforms(transforms: Sequence[Transform]) -> None:
    """Check that augmentations can be done on a device.

    Raises:
        InputError: a part of one has no batched twin.
    """
    for transform in transforms:
        for step in _listed(transform):
            if not (_knows(geometry, step) or _knows(colours, step)):
                raise _no_twin(step)


def _knows(twins: Any, step: Transform) -> bool:
    """Return whether ``geometry`` or ``colours`` has the batched twin of a transform."""
    return twins.dispatch(type(step)) is not twins.dispatch(object)
