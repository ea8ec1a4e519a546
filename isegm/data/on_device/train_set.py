"""Training samples made in whole batches on the device that trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isegm.data.compose import Reader
from isegm.data.on_device.draws import Draws
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
        shown, ids = data.images[chosen], data.ids[chosen]
        if source.copy_paste is not None:
            _paste(source.copy_paste, shown, ids, data, chosen, draws)
        views, ids = augment(transform, shown, ids, data.sizes[chosen], draws)
        targets = choose_targets(ids, source.min_object_area, source.sampler, draws)
        kept = torch.argsort((~targets.found).to(torch.uint8), stable=True)[:count]  # views with an object first
        views, ids, targets = views[kept], ids[kept], targets[kept]
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
    pixel = torch.arange(side, dtype=torch.float32, device=draws.device)
    within = (pixel - target[..., None] + 0.5) * (size / shown)[..., None] - 0.5  # (n, 2, S) in the object's box
    rows, columns = within.unbind(1)
    columns = torch.where(mirrored, size[:, 1:] - 1 - columns, columns)
    y, x = ((2 * (at + start) + 1) / side - 1 for at, start in ((rows, corner[:, :1]), (columns, corner[:, 1:])))
    grid = torch.stack((x[:, None].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)), -1)
    pixels = (data.ids[source] == data.box_ids[pick][:, None, None]) & usable[:, None, None]
    alpha = F.grid_sample(pixels.float()[:, None], grid, align_corners=False)  # (n, 1, S, S)
    patch = F.grid_sample(data.images[source].float(), grid, align_corners=False)
    below = images[where].float()
    images[where] = (alpha * patch + (1 - alpha) * below + 0.5).clamp_(0, 255).to(torch.uint8)
    covered = alpha[:, 0] > 0.5
    alone = (draws.happens(rule.as_target, number) & usable)[:, None, None]
    others = ids[where]
    others = torch.where(alone & (others != IGNORED), 0, others)
    ids[where] = torch.where(covered, alone.to(torch.uint8), others)
