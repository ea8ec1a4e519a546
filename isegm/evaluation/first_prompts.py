"""What the simulated user gives first where that is no click: a box, a scribble or a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isegm.data.sample import DSample
from isegm.data.simulated_prompts import simulated_box, simulated_mask, simulated_scribble
from isegm.inference.session import Session
from isegm.inference.simulation import EvalSettings
from isegm.prompts import Prompt


@dataclass(frozen=True, eq=False)
class FirstPrompt:
    """The first prompt of an object, which is its first interaction; clicks follow.

    Attributes:
        drawn: the box or scribble; None for a mask.
        mask: (H, W) bool or float, the mask; None for a box or scribble.
        seed: of a simulated mask; None where the data set has the mask.
    """

    drawn: Prompt | None = None
    mask: np.ndarray | None = None
    seed: int | None = None

    @classmethod
    def simulated(cls, settings: EvalSettings, sample: DSample, index: int, object_id: int) -> FirstPrompt | None:
        """Simulate the first prompt of an object; None where that is a click.

        It depends on the object, its indices and the settings alone.
        """
        if settings.prompt == "click":
            return None
        key = (settings.seed, index, object_id)
        if settings.prompt == "mask":
            return cls._mask(sample, key)
        truth = sample.get_object_mask(object_id) == 1
        box = settings.prompt == "box"
        return cls(simulated_box(truth, settings.box_jitter, key) if box else simulated_scribble(truth))

    @classmethod
    def of_record(cls, values: Mapping[str, Any], sample: DSample, index: int, object_id: int) -> FirstPrompt:
        """Return the prompt that ``to_record`` wrote."""
        drawn = cls.drawn_in(values)
        return cls._mask(sample, (values.get("seed", 0), index, object_id)) if drawn is None else cls(drawn)

    @staticmethod
    def drawn_in(values: Mapping[str, Any]) -> Prompt | None:
        """Return the box or scribble of a record; None for a mask."""
        if values["kind"] == "mask":
            return None
        return Prompt(values["kind"], tuple((y, x) for x, y in values["points"]))

    @classmethod
    def _mask(cls, sample: DSample, key: tuple[int, int, int]) -> FirstPrompt:
        if sample.init_mask is not None:
            return cls(mask=sample.init_mask)
        return cls(mask=simulated_mask(sample.get_object_mask(key[2]) == 1, key), seed=key[0])

    def to_record(self) -> dict[str, Any]:
        """Return plain data for a record: the kind, and points (x, y) or the seed of a mask."""
        if self.drawn is None:
            return {"kind": "mask"} if self.seed is None else {"kind": "mask", "seed": self.seed}
        return {"kind": self.drawn.kind, "points": [[x, y] for y, x in self.drawn.path]}

    def given_to(self, session: Session) -> Session:
        """Return the session with the prompt, which the network has not seen yet; a mask is the answer itself."""
        if self.drawn is not None:
            return session.with_prompts(self.drawn)
        assert self.mask is not None
        return session.with_prev_mask(self.mask)
