"""Training samples made in whole batches on the device that trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.data.compose import Reader
from isegm.data.on_device.draws import Draws
from isegm.data.on_device.resampling import resampled
from isegm.data.on_device.resident import IGNORED, ResidentImages
from isegm.data.on_device.targets import check_sampler, choose_targets, draw_points
from isegm.data.on_device.views import augment, check_transforms
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.utils.errors import InputError

SPARE = 1.25  # views drawn for each sample, as some show no object
SMALLEST = 8  # pixels of the sides of what is pasted


class DeviceTrainSet:
    """The samples of a ``TrainSet``, drawn from the same distributions in whole batches on a device.

    Images and ids lie on the device as bytes; cropping, warping, colours, pasting, targets and clicks are computed
    there. A batch depends on (seed, epoch) and on the index of its first sample alone. Other numbers than those of the
    ``TrainSet`` are drawn, and other ones on each kind of device.

    Args:
        train_set: what to draw from, and how; its images are read once.
        device: where.
        side: pixels; images of a longer side are scaled down to it.
        progress: shows how far reading the images is, such as tqdm.

    Raises:
        InputError: the training set has augmentations, targets or steps that cannot be computed on a device, or as
            ``ResidentImages.load``.
    """

    def __init__(
        self,
        train_set: TrainSet,
        device: torch.device,
        side: int,
        progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
    ) -> None:
        check_transforms([step for _, step in train_set.augment])
        check_sampler(train_set.sampler)
        if train_set.steps:
            names = ", ".join(type(step).__name__ for step in train_set.steps)
            raise InputError(f"{names} cannot be computed on the device: train without --data-on-device.")
        if train_set.suem is not None:
            raise InputError("SUEM copy-paste is not computed on the device: train without --data-on-device.")
        self.source, self.device = train_set, device
        if train_set.retry_image or train_set.keep_background_prob:
            raise InputError(
                "views without an object are not drawn again from one image, or kept, on the device: train without "
                "--data-on-device."
            )
        shares = None if train_set.shares is None else np.diff(train_set.shares, prepend=0.0)
        self.resident = ResidentImages.load(train_set.reader, device, side, shares, progress)
        self.epoch = 0

    @property
    def reader(self) -> Reader:
        """The images."""
        return self.source.reader

    def __len__(self) -> int:
        return len(self.source)

    def batches(self, parts: Iterable[Sequence[int]]) -> Iterator[dict[str, Tensor]]:
        """Make batches of as many samples as each part has indices; see ``batch``.

        Where the ``TrainSet`` takes every image once, the indices are those of the images.
        """
        in_order = not self.source.epoch_len and self.source.shares is None
        for part in parts:
            yield self.batch(len(part), self.source.seed, self.epoch, part[0], images=part if in_order else ())

    @torch.no_grad()
    def batch(self, count: int, *key: int, images: Sequence[int] = ()) -> dict[str, Tensor]:
        """Make a batch.

        Args:
            count: B, number of samples.
            key: of the random numbers, see ``Draws``.
            images: numbers of the images to show, as far as their views show an object; others are drawn.

        Returns:
            images (B, 3, H, W) float32 in 0..1, instances (B, 1, H, W) float32 in {1, 0, -1}, points (B, 2N, 3).
        """
        source, data, draws = self.source, self.resident, Draws(self.device, *key)
        transform = next(step for start, step in reversed(source.augment) if start <= self.epoch)
        drawn = math.ceil(count * SPARE) - len(images)
        chosen = torch.multinomial(data.shares, drawn, replacement=True, generator=draws.generator)
        chosen = torch.cat((torch.tensor(images, dtype=torch.int64, device=self.device), chosen))
        shown, ids = data.images.index_select(0, chosen), data.ids.index_select(0, chosen)
        if source.copy_paste is not None:
            _paste(source.copy_paste, shown, ids, data, chosen, draws)
        views, ids = augment(transform, shown, ids, data.sizes[chosen], draws)
        targets = choose_targets(ids, source.min_object_area, source.sampler, draws)
        kept = torch.argsort((~targets.found).to(torch.uint8), stable=True)[:count]  # views with an object first
        views, ids, targets = views.index_select(0, kept), ids.index_select(0, kept), targets[kept]
        return {
            "images": views.div_(255),
            "instances": targets.instances(ids),
            "points": draw_points(ids, targets, source.sampler, draws),
        }


def _paste(rule: CopyPaste, images: Tensor, ids: Tensor, data: ResidentImages, chosen: Tensor, draws: Draws) -> None:
    """Paste objects of other images into some images of a batch, in place, as ``CopyPaste`` does.

    Args:
        rule: how.
        images, ids: (B, 3, S, S) and (B, S, S) uint8.
        data: images to paste from.
        chosen: (B,) numbers of the images of the batch.
        draws: random numbers.
    """
    count, side = len(chosen), data.side
    number = int(rule.p * count) + int(draws.host.random() < rule.p * count % 1)
    if not number:
        return
    where = torch.randperm(count, device=draws.device, generator=draws.generator)[:number]
    source = torch.multinomial(data.shares, number, replacement=True, generator=draws.generator)
    objects = data.count[source]
    pick = (data.first[source] + draws.below(objects.clamp(min=1))).clamp(max=len(data.boxes) - 1)
    corner, size = data.boxes[pick, :2], data.boxes[pick, 2:]  # (n, 2) y, x and h, w
    usable = (objects > 0) & (size >= SMALLEST).all(1)
    room = data.sizes[chosen[where]]
    factor = draws.uniform(*rule.scale, number) * (room / size).amin(1)
    shown = (size * factor[:, None]).round().clamp(min=SMALLEST)
    target = (draws.uniform(0, 1, number, 2) * (room - shown + 1).clamp(min=1)).floor()
    mirrored = draws.happens(0.5, number)[:, None]
    factors = size / shown  # pixels of the object for one of the image, y and x
    starts = (0.5 - target) * factors - 0.5  # of the image's first pixel, in the object's box
    across = torch.where(mirrored, -factors[:, 1:], factors[:, 1:])
    starts = torch.cat((starts[:, :1], torch.where(mirrored, size[:, 1:] - 1 - starts[:, 1:], starts[:, 1:])), 1)
    positions = torch.zeros(number, 2, 3, device=draws.device)
    positions[:, 0, :1], positions[:, 1, 1] = across, factors[:, 0]
    positions[:, :, 2] = (starts + corner).flip(1)
    pixels = (data.ids.index_select(0, source) == data.box_ids[pick][:, None, None]) & usable[:, None, None]
    alpha = resampled(255 * pixels[:, None].to(torch.uint8), positions, (side, side)) / 255  # (n, 1, S, S)
    patch = resampled(data.images.index_select(0, source), positions, (side, side))
    below = images.index_select(0, where).float()
    images.index_copy_(0, where, torch.lerp(below, patch, alpha).add_(0.5).clamp_(0, 255).to(torch.uint8))
    covered = alpha[:, 0] > 0.5
    alone = (draws.happens(rule.as_target, number) & usable)[:, None, None]
    others = ids.index_select(0, where)
    others = torch.where(alone & (others != IGNORED), 0, others)
    ids.index_copy_(0, where, torch.where(covered, alone.to(torch.uint8), others))
