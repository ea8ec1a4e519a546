"""Clicks of the simulated user on one object, until its mask is good enough or the clicks are used up."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isegm.clicks import Click
from isegm.data.simulated_prompts import PROMPTS
from isegm.inference.clicker import Clicker
from isegm.utils.errors import InputError
from isegm.utils.inputs import Probability, require, require_fields
from isegm.utils.schema import Number, Text, Whole

CLICKERS = ("centre", "random")
MOST_JITTER = 10.0  # of the sides of boxes
NEVER_STOP = 1.01  # a target IoU that cannot be reached: every object gets all clicks


@dataclass(frozen=True)
class EvalSettings:
    """Stopping rule of an evaluation, and the threshold of the mask.

    Attributes:
        target_iou: clicking stops after the click that reaches this IoU; ``NEVER_STOP`` for always ``max_clicks``.
        max_clicks: largest number of clicks on an object.
        min_clicks: smallest number of clicks on an object.
        threshold: pixels of a strictly greater probability are in the mask (docs/fidelity.md#mask-threshold).
        clicker: where the simulated user clicks, one of ``CLICKERS``: the middle of the largest error, as published, or
            anywhere in it.
        seed: of clicks anywhere, and of what is random in first prompts; they depend on it and on the object alone.
        prompt: what comes first, one of ``PROMPTS``, and counts as a click; clicks follow.
        box_jitter: how far the sides of boxes lie off the object, see ``simulated_box``.

    Raises:
        InputError: a number is out of its range.
    """

    target_iou: float = 0.90
    max_clicks: int = 20
    min_clicks: int = 1
    threshold: float = 0.49
    clicker: str = "centre"
    seed: int = 0
    prompt: str = "click"
    box_jitter: float = 0.0

    def __post_init__(self) -> None:
        require_fields(self, {"clicker": Text(CLICKERS), "seed": Whole(0)})
        require_fields(self, {"prompt": Text(PROMPTS), "box_jitter": Number(0, MOST_JITTER)})
        require_fields(self, {"target_iou": Number(), "max_clicks": Whole(), "min_clicks": Whole()})
        if self.max_clicks < 1 or self.min_clicks < 1:
            raise InputError(
                f"an object gets {self.min_clicks} to {self.max_clicks} clicks: both numbers must be at least 1."
            )
        if not 0 < self.target_iou < 2:
            raise InputError(f"the target IoU is {self.target_iou:g}: give a fraction such as 0.9, not a percentage.")
        require(self.threshold, Probability(), "the mask threshold")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, those of first prompts only where they are not clicks."""
        values = asdict(self)
        if self.prompt == "click":
            del values["prompt"], values["box_jitter"]
        return values


class ClickSimulation:
    """The simulated user clicking one object.

    Args:
        gt_mask: (H, W) integers, 1 on the object, -1 where pixels do not count.
        settings: when to stop, and the threshold of the mask.
        mask: (H, W) bool, the mask before the first click; None for an empty one.
        key: numbers of the object, such as its index in the data set, for clicks anywhere in errors.

    Attributes:
        clicker: holds the clicks and chooses the next one.
        ious: IoU after each click, rounded to float32 (docs/fidelity.md#iou-thresholds).
        finished: the target is reached or the clicks are used up.
    """

    def __init__(
        self, gt_mask: np.ndarray, settings: EvalSettings, mask: np.ndarray | None = None, key: tuple[int, ...] = ()
    ) -> None:
        self.gt_mask = gt_mask
        self.settings = settings
        rng = None if settings.clicker == "centre" else np.random.default_rng((settings.seed, *key))
        self.clicker = self.new_clicker(gt_mask, rng)
        self.mask = np.zeros(gt_mask.shape, dtype=bool) if mask is None else mask
        self.ious: list[float] = []
        self.finished = False

    @staticmethod
    def new_clicker(gt_mask: np.ndarray, rng: np.random.Generator | None) -> Clicker:
        """Make the clicker of an object, see ``Clicker``."""
        return Clicker(gt_mask, rng=rng)

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool, the mask that the next click corrects."""
        return self._mask

    @mask.setter
    def mask(self, mask: np.ndarray) -> None:
        self._mask, self._errors = mask, self.clicker.errors(mask)

    def next_click(self) -> Click:
        """Add the next click and return it, see ``Clicker.make_next_click``."""
        return self.clicker.click_on(self._errors)

    def update(self, mask: np.ndarray) -> float:
        """Take the mask (H, W) bool that followed from the last click; returns its IoU."""
        self.mask = mask
        iou = self.clicker.iou(self._errors)
        self.ious.append(float(np.float32(iou)))
        made = len(self.ious)
        reached = iou >= self.settings.target_iou and made >= self.settings.min_clicks
        self.finished = reached or made >= self.settings.max_clicks
        return iou
