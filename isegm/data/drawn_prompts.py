"""Boxes and scribbles in place of the first clicks of training samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isegm.clicks import pad_points
from isegm.data.simulated_prompts import simulated_box, simulated_scribble
from isegm.data.train_set import Sample
from isegm.prompts import draw_strokes
from isegm.utils.inputs import CheckedFields
from isegm.utils.schema import Kind, Number

LARGEST_SEED = 1 << 31


@dataclass(frozen=True)
class DrawnPrompts(CheckedFields):
    """Let some samples begin with a box or a scribble instead of clicks, for networks that read strokes.

    Adds strokes (2, H, W) float32 in {0, 1}, empty for the other samples, and replaces the points of those that have
    one by the clicks that stand for it.

    Args:
        p_box, p_scribble: probabilities of a box and of a scribble.
        jitter: how far the sides of boxes lie off the object, see ``simulated_box``.
        radius: of the lines, in pixels: that of the disks of the network's clicks.
    """

    own_kinds: ClassVar[dict[str, Kind]] = {"jitter": Number(0, 10), "radius": Number(above=0, most=1000)}

    p_box: float = 0.25
    p_scribble: float = 0.25
    jitter: float = 0.05
    radius: float = 5.0

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        truth = sample["instances"][0] == 1
        size: tuple[int, int] = truth.shape
        strokes = np.zeros((2, *size), dtype=np.float32)
        drawn = rng.random()
        if not truth.any() or drawn >= self.p_box + self.p_scribble:
            return sample | {"strokes": strokes}
        if drawn < self.p_box:
            prompt = simulated_box(truth, self.jitter, (int(rng.integers(LARGEST_SEED)),))
        else:
            prompt = simulated_scribble(truth)
        clicks: list[Any] = [(*click.coords, order) for order, click in enumerate(prompt.clicks(size))]
        slots = len(sample["points"]) // 2
        points = pad_points(clicks[:slots], [], slots)
        return sample | {"points": points, "strokes": draw_strokes(prompt.strokes(), size, self.radius)}
