"""Random first clicks of training samples (Sofiiuk et al. 2021, section 3.3; negative strategies of Xu et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from typing import ClassVar

import cv2
import numpy as np

from isegm.clicks import SAMPLED_ORDER, pad_points
from isegm.data.sample import DSample
from isegm.utils.inputs import GENERATOR, CheckedFields, require
from isegm.utils.schema import Instance, Kind, Number, Whole

KERNEL = np.ones((3, 3), dtype=np.uint8)
SAMPLE = Instance(DSample, "a DSample")
MIN_ERODED_AREA = 10  # pixels; an erosion that leaves no more than this is not used
NEAR = 3  # pixels at most between objects that lie side by side
SMALL_CHILD = 0.1  # children below this share of their parent's area get no positive clicks of the parent


def generate_probs(count: int, gamma: float) -> np.ndarray:
    """Geometric distribution over 0..count-1: every probability is ``gamma`` times the one before."""
    weights = gamma ** np.arange(count, dtype=np.float64)
    return weights / weights.sum()


def border_mask(mask: np.ndarray, expand_ratio: float) -> np.ndarray:
    """Ring around an object, (H, W) bool, as wide as ``expand_ratio`` times the square root of its area."""
    steps = ceil(expand_ratio * sqrt(mask.sum()))
    grown = cv2.dilate(mask.astype(np.uint8), KERNEL, iterations=steps)
    return (grown > 0) & ~mask


def eroded_mask(mask: np.ndarray, steps: int) -> np.ndarray:
    """Erode an object, (H, W) bool, or return it unchanged if too little would be left."""
    # pixels outside the image count as object, so that a mask is not eroded at the image's border
    inner = cv2.erode(mask.astype(np.uint8), KERNEL, iterations=steps) > 0
    return inner if inner.sum() > MIN_ERODED_AREA else mask


def centre_candidates(mask: np.ndarray, inner_k: float) -> np.ndarray:
    """Flat indices of the pixels whose distance to the boundary exceeds the largest one divided by ``inner_k``."""
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 0)[1:-1, 1:-1]
    return np.flatnonzero(depth > depth.max() / inner_k)


def _adjoin(sample: DSample, one: int, other: int) -> bool:
    """Return whether two objects lie within ``NEAR`` pixels of each other."""
    grown = cv2.dilate(sample.pixels(one).astype(np.uint8), KERNEL, iterations=NEAR)
    return bool((grown & sample.pixels(other)).any())


@dataclass(frozen=True)
class Target:
    """Target of a training sample, and the regions of its clicks.

    Attributes:
        mask: (H, W) int32: 1 on the object, 0 elsewhere, -1 ignored.
        positive: regions of positive clicks, one per merged object, (H, W) bool.
        required_negative: regions that get negative clicks of their own (parents, cut-out children), (H, W) bool.
        others: (H, W) bool, objects of the image other than the target; None without any.
    """

    mask: np.ndarray
    positive: list[np.ndarray]
    required_negative: list[np.ndarray]
    others: np.ndarray | None


@dataclass(frozen=True)
class MultiPointSampler(CheckedFields):
    """Choose the target of a training sample, and draw its first clicks.

    Args:
        max_num_points: N, the largest number of positive and of negative clicks.
        prob_gamma: ratio of the geometric distribution of the number of clicks.
        expand_ratio: width of the border ring for negative clicks, see ``border_mask``.
        positive_erode_prob, positive_erode_iters: probability and width of the margin between clicks and boundary.
        negative_bg_prob, negative_other_prob, negative_border_prob: probabilities of negative clicks on background, on
            other objects and next to the target; they add up to 1.
        merge_objects_prob, max_num_merged_objects: probability that several objects become one target, and how many at
            most, 2 or more; 0 or -1: as many as ``max_num_points``.
        merge_neighbours: whether only objects beside the first one are merged with it, such as regions of one thing.
        merge_all_prob: probability that all objects of an image become one target (a person of all labelled parts).
        use_hierarchy: descend randomly to parts of an object, and cut out some of its children.
        first_click_center: the first click of each object lies near its centre and has order 0.
        only_one_first_click: with merged objects, guarantee a click on the first one only.
        sfc_inner_k: depth of a centred first click, see ``centre_candidates``.
        click_orders: number the clicks as CFR-ICL does: centred first clicks are 1, all others a random permutation of
            2, 3, ...; False: their orders are 0 and 100.

    Raises:
        InputError: an argument is of another kind.
        ValueError: probabilities of negative clicks that do not add up to 1, or ``sfc_inner_k`` of 1 or less.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {
        "max_num_points": Whole(1),
        "prob_gamma": Number(above=0),
        "expand_ratio": Number(0, 10),
        "positive_erode_iters": Whole(0, 1000),
        "max_num_merged_objects": Whole(2) | Whole(-1, 0),
    }

    max_num_points: int = 12
    prob_gamma: float = 0.7
    expand_ratio: float = 0.1
    positive_erode_prob: float = 0.9
    positive_erode_iters: int = 3
    negative_bg_prob: float = 0.1
    negative_other_prob: float = 0.4
    negative_border_prob: float = 0.5
    merge_objects_prob: float = 0.0
    max_num_merged_objects: int = 2
    merge_neighbours: bool = False
    merge_all_prob: float = 0.0
    use_hierarchy: bool = False
    first_click_center: bool = False
    only_one_first_click: bool = False
    sfc_inner_k: float = 1.7
    click_orders: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        total = self.negative_bg_prob + self.negative_other_prob + self.negative_border_prob
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the probabilities of the negative strategies add up to {total:g}, not to 1")
        if self.sfc_inner_k <= 1:
            raise ValueError(
                f"sfc_inner_k is {self.sfc_inner_k:g}: it divides the largest depth and must be more than 1"
            )

    def sample(self, sample: DSample, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Choose the target of a sample and draw its first clicks.

        Returns:
            mask: (H, W) float32: 1 on the target, 0 elsewhere, -1 where pixels are ignored.
            points: float32 (2N, 3), see ``isegm.clicks``.
        """
        require(sample, SAMPLE, "the sample")
        require(rng, GENERATOR, "rng")
        target = self.select(sample, rng)
        return target.mask.astype(np.float32), self.sample_points(sample, target, rng)

    def select(self, sample: DSample, rng: np.random.Generator) -> Target:
        """Choose the target among a sample's objects; a sample without objects gives an empty target."""
        height, width = sample.image.shape[:2]
        roots = sample.root_objects
        if not roots:
            return Target(np.zeros((height, width), np.int32), [], [], None)
        if len(roots) > 1 and rng.random() < self.merge_all_prob:
            chosen = roots
        elif len(roots) > 1 and rng.random() < self.merge_objects_prob:
            limit = self.max_num_merged_objects if self.max_num_merged_objects > 0 else self.max_num_points
            count = int(rng.integers(2, min(len(roots), limit) + 1))
            chosen = list(rng.choice(roots, size=count, replace=False))
            if self.merge_neighbours:
                near = [root for root in roots if root != chosen[0] and _adjoin(sample, chosen[0], root)]
                chosen[1:] = rng.choice(near, size=min(count - 1, len(near)), replace=False) if near else []
        else:
            chosen = [roots[int(rng.integers(len(roots)))]]

        whole = np.zeros((height, width), dtype=bool)
        positive: list[np.ndarray] = []
        negative: list[np.ndarray] = []
        ignored = sample.ignored_pixels
        for object_id in chosen:
            mask, region, cut = self._object_regions(sample, int(object_id), rng)
            whole |= mask
            if ignored is not None:  # of another layer, as those of its own are not the object's
                region, cut = region & ~ignored, [part & ~ignored for part in cut]
            positive.append(self._maybe_eroded(region, rng))
            negative.extend(self._maybe_eroded(part, rng) for part in cut)
        target = whole.astype(np.int32)
        if ignored is not None:
            target[ignored] = -1
        others = None
        if len(sample.objects) > len(chosen):
            others = ~sample.background_mask & ~whole
            if ignored is not None:
                others &= ~ignored
        return Target(target, positive, negative, others)

    def _object_regions(
        self, sample: DSample, object_id: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Return the mask of an object or a part, the region of its positive clicks, and regions of negative clicks."""
        if not self.use_hierarchy:
            mask = sample.pixels(object_id)
            return mask, mask, []
        node = sample.objects[object_id]
        while node.children and rng.random() >= 0.5:
            object_id = node.children[int(rng.integers(len(node.children)))]
            node = sample.objects[object_id]
        mask = sample.pixels(object_id)
        region = mask.copy()
        for child in node.children:
            child_mask = sample.pixels(child)
            if child_mask.sum() < SMALL_CHILD * mask.sum():
                region &= ~child_mask
        negative = []
        if node.parent is not None:
            negative.append(sample.pixels(node.parent) & ~mask)
        if node.children:
            count = int(rng.integers(0, min(len(node.children), 3) + 1))
            mask = mask.copy()
            for child in rng.choice(node.children, size=count, replace=False):
                child_mask = sample.pixels(int(child))
                mask &= ~child_mask
                region &= ~child_mask
                negative.append(child_mask)
        return mask, region, negative

    def _maybe_eroded(self, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() > self.positive_erode_prob:
            return mask
        return eroded_mask(mask, self.positive_erode_iters)

    def sample_points(self, sample: DSample, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the clicks of a target: float32 (2N, 3), padded with -1."""
        width = target.mask.shape[1]
        positive = self._draw([_Region([(1.0, mask)]) for mask in target.positive], rng, self.first_click_center)
        negative = [_Region([(1.0, mask)]) for mask in target.required_negative]
        negative.append(_Region(self._negative_regions(sample, target), least=0))
        drawn = [positive, self._draw(negative, rng, centre_first=False)]
        if self.click_orders:
            sampled = sum(order == SAMPLED_ORDER for clicks in drawn for _, order in clicks)
            orders = iter((rng.permutation(sampled) + 2.0).tolist())
            drawn = [
                [(flat, next(orders) if order == SAMPLED_ORDER else 1.0) for flat, order in clicks] for clicks in drawn
            ]
        positive_rows, negative_rows = (
            [(flat // width, flat % width, order) for flat, order in clicks] for clicks in drawn
        )
        return pad_points(positive_rows, negative_rows, self.max_num_points)

    def _negative_regions(self, sample: DSample, target: Target) -> list[tuple[float, np.ndarray]]:
        """Weighted regions of the negative strategies."""
        if not target.positive:
            return [(1.0, sample.background_mask)]
        on_target = target.mask == 1
        background = target.mask == 0
        border = border_mask(on_target, self.expand_ratio) & background
        others = background if target.others is None else target.others
        return [
            (self.negative_bg_prob, background),
            (self.negative_other_prob, others),
            (self.negative_border_prob, border),
        ]

    def _draw(self, regions: list[_Region], rng: np.random.Generator, centre_first: bool) -> list[tuple[int, float]]:
        """Draw the clicks of one polarity as (flat index, order).

        Each region gives ``least`` clicks or more. If only one region gives any, these are the clicks. Otherwise the
        first click of each is kept, and more are drawn from all regions with equal weights.
        """
        lists = []
        for number, region in enumerate(regions):
            count = region.least + self._count(self.max_num_points + 1 - region.least, rng)
            drawn = [(region.draw(rng), SAMPLED_ORDER) for _ in range(count)]
            if centre_first and drawn and (number == 0 or not self.only_one_first_click):
                drawn[0] = (region.draw_centre(self.sfc_inner_k, rng), 0.0)
            clicks = [(flat, order) for flat, order in drawn if flat is not None]
            if clicks:
                lists.append(clicks)
        if len(lists) <= 1:
            return lists[0] if lists else []
        first = [clicks[0] for clicks in (lists[:1] if self.only_one_first_click else lists)][: self.max_num_points]
        everywhere = _Region([part for region in regions for part in region.parts])
        flats = [everywhere.draw(rng) for _ in range(self._count(self.max_num_points + 1, rng))]
        more = [(flat, SAMPLED_ORDER) for flat in flats if flat is not None]
        room = self.max_num_points - len(first)
        if len(more) > room:
            more = [more[index] for index in sorted(rng.choice(len(more), size=room, replace=False))]
        return first + more

    def _count(self, outcomes: int, rng: np.random.Generator) -> int:
        """Draw a number from the geometric distribution over 0..outcomes-1."""
        return int(rng.choice(outcomes, p=generate_probs(outcomes, self.prob_gamma)))


@dataclass(frozen=True)
class FirstPointSampler(MultiPointSampler):
    """Choose the target of a training sample, and draw one centred click of order 0 for each of its objects.

    This is EMC-Click's sampler; there are no negative clicks. For arguments see ``MultiPointSampler``: those of numbers
    of clicks and of negative ones have no effect.
    """

    def sample_points(self, sample: DSample, target: Target, rng: np.random.Generator) -> np.ndarray:
        width = target.mask.shape[1]
        regions = (_Region([(1.0, mask)]) for mask in target.positive[: self.max_num_points])
        flats = [region.draw_centre(self.sfc_inner_k, rng) for region in regions]
        rows = [(flat // width, flat % width, 0.0) for flat in flats if flat is not None]
        return pad_points(rows, [], self.max_num_points)


@dataclass(frozen=True)
class _Region:
    """Region of clicks: weighted masks (H, W) bool, and the least number of clicks."""

    parts: list[tuple[float, np.ndarray]]
    least: int = 1

    def draw(self, rng: np.random.Generator) -> int | None:
        """Draw the flat index of a random pixel of a part chosen by weight; None if that part is empty."""
        if len(self.parts) == 1:
            return _random_pixel(self.parts[0][1], rng)
        weights = np.array([weight for weight, _ in self.parts])
        return _random_pixel(self.parts[int(rng.choice(len(weights), p=weights / weights.sum()))][1], rng)

    def draw_centre(self, inner_k: float, rng: np.random.Generator) -> int | None:
        """Draw the flat index of a random pixel near the centre of the first part; None if it is empty."""
        mask = self.parts[0][1]
        if not mask.any():
            return None
        candidates = centre_candidates(mask, inner_k)
        return int(candidates[int(rng.integers(len(candidates)))])


def _random_pixel(mask: np.ndarray, rng: np.random.Generator, tries: int = 16) -> int | None:
    """Draw the flat index of a random pixel of a region; None if it is empty.

    Random pixels are tried first, because listing the pixels of a large region takes far longer than a few misses.
    """
    flat = mask.ravel()
    for index in rng.integers(flat.size, size=tries).tolist():
        if flat[index]:
            return index
    inside = np.flatnonzero(flat)
    return int(inside[int(rng.integers(len(inside)))]) if len(inside) else None
