"""Targets and first clicks of ``MultiPointSampler`` for whole batches on a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isegm.clicks import SAMPLED_ORDER, UNUSED
from isegm.data.on_device.draws import Draws, constant
from isegm.data.on_device.resampling import counts_of_ids, extreme_around
from isegm.data.on_device.resident import IGNORED
from isegm.data.points_sampler import MIN_ERODED_AREA, NEAR, FirstPointSampler, MultiPointSampler, generate_probs
from isegm.data.sample import IGNORE
from isegm.utils.distance import squared_distance
from isegm.utils.errors import InputError

IDS = 256  # of the objects of an image, with background and ignored pixels
RARE = 1e-4  # share of the samples that would have more clicks than are drawn
LUCKS = 1 << 30  # equally likely values


@dataclass(frozen=True)
class Targets:
    """The targets of a batch.

    Attributes:
        ranks: (B, 256) int64 by id: 0, 1, ... for the objects of the target in the order of their clicks, 256 for all
            others.
        found: (B,) bool, whether the view shows an object.
        with_others: (B,) bool, whether it shows objects besides the target.
    """

    ranks: Tensor
    found: Tensor
    with_others: Tensor

    def on_target(self, ids: Tensor) -> Tensor:
        """Return the pixels of the targets, (B, H, W) bool."""
        return (self.ranks < IDS).gather(1, ids.flatten(1).long()).view_as(ids)

    def instances(self, ids: Tensor) -> Tensor:
        """Return the targets as (B, 1, H, W) float32: 1 on the target, 0 elsewhere, -1 ignored."""
        return torch.where(ids == IGNORED, float(IGNORE), self.on_target(ids).float())[:, None]

    def __getitem__(self, kept: Tensor) -> Targets:
        return Targets(self.ranks[kept], self.found[kept], self.with_others[kept])


def check_sampler(sampler: MultiPointSampler) -> None:
    """Check that targets can be chosen on a device.

    Raises:
        InputError: the sampler descends to parts of objects, numbers its clicks, or draws first clicks alone.
    """
    if sampler.use_hierarchy:
        raise InputError("parts of objects are no targets on the device: train without --data-on-device.")
    if isinstance(sampler, FirstPointSampler):
        raise InputError("FirstPointSampler draws first clicks in the loading processes: leave --data-on-device out.")
    if sampler.click_orders:
        raise InputError("clicks are not numbered on the device: train without --data-on-device.")


def choose_targets(ids: Tensor, min_area: int, sampler: MultiPointSampler, draws: Draws) -> Targets:
    """Choose the objects of each view that are its target, as ``MultiPointSampler.select`` does.

    Args:
        ids: (B, H, W) uint8, see ``ResidentImages``.
        min_area: objects of fewer pixels are none.
        sampler: its probabilities.
        draws: random numbers.
    """
    count = len(ids)
    large = counts_of_ids(ids) >= max(1, min_area)
    number = large.sum(1)
    limit = sampler.max_num_merged_objects if sampler.max_num_merged_objects > 0 else sampler.max_num_points
    several = 2 + draws.below((number.clamp(max=limit) - 1).clamp(min=1))
    wanted = torch.where(draws.happens(sampler.merge_objects_prob, count), several, 1)
    everything = draws.happens(sampler.merge_all_prob, count)
    wanted = torch.where(everything, IDS, wanted)
    by_id = torch.linspace(1, 0, IDS, device=ids.device)  # the order in which all objects are merged
    luck = torch.where(everything[:, None], by_id, draws.uniform(0, 1, count, IDS))
    luck = torch.where(large, luck, -1.0)
    if sampler.merge_neighbours:
        first = luck.argmax(1)
        luck = torch.where(everything[:, None] | _beside(ids, first), luck, -1.0)
        large = luck >= 0
    ranks = luck.argsort(1, descending=True).argsort(1)
    chosen = large & (ranks < wanted[:, None])
    return Targets(torch.where(chosen, ranks, IDS), number > 0, number > chosen.sum(1))


def _beside(ids: Tensor, first: Tensor) -> Tensor:
    """Return which objects lie within ``NEAR`` pixels of the one whose id is ``first`` (B,), it too: (B, 256) bool."""
    own = (ids == first[:, None, None]).to(torch.uint8)
    grown = extreme_around(own, NEAR, largest=True) > 0
    return counts_of_ids(torch.where(grown, ids, 0)) > 0


def draw_points(ids: Tensor, targets: Targets, sampler: MultiPointSampler, draws: Draws) -> Tensor:
    """Draw the first clicks of targets, as ``MultiPointSampler.sample_points`` does.

    Each object of the target gets a click, or the first one alone; further clicks lie anywhere in the target, all its
    pixels alike and none twice. Clicks beyond a number that one in 10,000 samples exceeds are left out.

    Args:
        ids: (B, H, W) uint8.
        targets: of these views.
        sampler: its probabilities.
        draws: random numbers.

    Returns:
        (B, 2N, 3) float32, see ``isegm.clicks``.
    """
    count, slots = len(ids), sampler.max_num_points
    most = _most_clicks(sampler)
    on_target = targets.on_target(ids)
    objects = torch.where(on_target, ids, 0)
    region = _with_margins(objects, sampler, draws)
    points = torch.full((count, 2 * slots + 1, 3), UNUSED, device=ids.device)  # the last row takes what has no place
    rest = 2 * slots

    depth = squared_distance(region) if sampler.first_click_center else None  # (B, H, W)
    firsts = _pixel_of_each(region, depth, sampler.sfc_inner_k, draws)  # (B, 256, 2)
    placed = targets.ranks < (1 if sampler.only_one_first_click else slots)
    order = 0.0 if sampler.first_click_center else SAMPLED_ORDER
    _write(points, torch.where(placed, targets.ranks, rest), firsts, order)

    begun = placed.sum(1, keepdim=True)  # (B, 1)
    column = torch.arange(most, device=ids.device)
    pixels, there = draws.pixels(region > 0, most)
    wanted = torch.minimum(_number_of_clicks(sampler, count, draws), slots - begun)
    _write(points, torch.where(there & (column < wanted), begun + column, rest), pixels, SAMPLED_ORDER)

    pixels, there = _negative_pixels(ids, on_target, targets, sampler, most, draws)
    wanted = _number_of_clicks(sampler, count, draws)
    _write(points, torch.where(there & (column < wanted), slots + column, rest), pixels, SAMPLED_ORDER)
    return points[:, :rest]


def _write(points: Tensor, rows: Tensor, pixels: Tensor, order: float) -> None:
    """Write clicks at pixels (B, K, 2) into rows (B, K) of points, in place."""
    values = torch.cat((pixels.float(), torch.full_like(rows[..., None], order, dtype=torch.float32)), 2)
    points.scatter_(1, rows[..., None].expand(-1, -1, 3), values)


def _with_margins(objects: Tensor, sampler: MultiPointSampler, draws: Draws) -> Tensor:
    """Erode some objects, (B, H, W) ids; those of which too little would be left stay whole."""
    reach = sampler.positive_erode_iters
    uniform = extreme_around(objects, reach, largest=True) == extreme_around(objects, reach, largest=False)
    inner = torch.where(uniform, objects, 0)
    eroded = draws.uniform(0, 1, len(objects), IDS) <= sampler.positive_erode_prob
    eroded &= counts_of_ids(inner) > MIN_ERODED_AREA
    return torch.where(eroded.gather(1, objects.flatten(1).long()).view_as(objects), inner, objects)


def _pixel_of_each(region: Tensor, depth: Tensor | None, inner_k: float, draws: Draws) -> Tensor:
    """Draw a pixel of every object in ids (B, H, W), near its centre where squared depths are given: (B, 256, 2)."""
    width = region.shape[-1]
    labels = region.flatten(1).long()
    candidates = region > 0
    if depth is not None:
        flat = depth.flatten(1)
        peaks = torch.zeros(len(region), IDS, dtype=flat.dtype, device=region.device)
        peaks.scatter_reduce_(1, labels, flat, "amax")
        candidates &= (flat * inner_k**2 > peaks.gather(1, labels)).view_as(candidates)
    luck = torch.randint(LUCKS, labels.shape, device=region.device, generator=draws.generator)
    keys = luck * labels.shape[1] + torch.arange(labels.shape[1], device=region.device)
    keys = torch.where(candidates.flatten(1), keys, -1)
    best = torch.full((len(region), IDS), -1, dtype=torch.int64, device=region.device)
    best.scatter_reduce_(1, labels, keys, "amax")
    pixel = best.clamp(min=0) % labels.shape[1]
    return torch.stack((pixel // width, pixel % width), -1)


def _negative_pixels(
    ids: Tensor, on_target: Tensor, targets: Targets, sampler: MultiPointSampler, most: int, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Draw pixels of negative clicks (B, most, 2), and whether there are such pixels (B, most) bool."""
    background = ~on_target & (ids != IGNORED)
    others = torch.where(targets.with_others[:, None, None], background & (ids > 0), background)
    area = on_target.flatten(1).sum(1)
    ring = background & _dilated(on_target, (sampler.expand_ratio * area.sqrt()).ceil().long())
    strategies = (
        (sampler.negative_bg_prob, background),
        (sampler.negative_other_prob, others),
        (sampler.negative_border_prob, ring),
    )
    weights = constant(tuple(weight for weight, _ in strategies), ids.device)
    kinds = torch.multinomial(weights.expand(len(ids), -1), most, replacement=True, generator=draws.generator)
    drawn = [draws.pixels(region, most) for _, region in strategies]
    pixels = torch.stack([each for each, _ in drawn])  # (3, B, most, 2)
    there = torch.stack([each for _, each in drawn])  # (3, B, most)
    return (
        pixels.gather(0, kinds[None, ..., None].expand(1, -1, -1, 2))[0],
        there.gather(0, kinds[None])[0],
    )


def _dilated(mask: Tensor, steps: Tensor) -> Tensor:
    """Grow each mask (B, H, W) bool by a number of pixels (B,) of its own in all eight directions.

    A pixel belongs to the result where the square around it holds a pixel of the mask, which sums over rectangles
    tell.
    """
    sums = F.pad(mask.int().cumsum(1).cumsum(2), (1, 0, 1, 0))  # (B, H + 1, W + 1)
    for axis in (1, 2):
        size = mask.shape[axis]
        position = torch.arange(size, device=mask.device)
        first = (position - steps[:, None]).clamp(min=0)  # (B, size)
        end = (position + steps[:, None] + 1).clamp(max=size)
        shape = (*sums.shape[:axis], size, *sums.shape[axis + 1 :])
        first, end = (at[:, :, None] if axis == 1 else at[:, None] for at in (first, end))
        sums = sums.gather(axis, end.expand(shape)) - sums.gather(axis, first.expand(shape))
    return sums > 0


def _number_of_clicks(sampler: MultiPointSampler, count: int, draws: Draws) -> Tensor:
    """Draw numbers of clicks (B, 1) int64 from the geometric distribution."""
    ends = np.cumsum(generate_probs(sampler.max_num_points + 1, sampler.prob_gamma))
    limits = constant(tuple(ends[:-1].tolist()), draws.device)
    return torch.searchsorted(limits, draws.uniform(0, 1, count, 1), right=True)


def _most_clicks(sampler: MultiPointSampler) -> int:
    """Return the number of clicks that is rarely exceeded."""
    ends = np.cumsum(generate_probs(sampler.max_num_points + 1, sampler.prob_gamma))
    return max(1, min(sampler.max_num_points, int(np.argmax(ends >= 1 - RARE))))
