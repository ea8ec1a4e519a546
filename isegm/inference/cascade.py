"""Cascade-Forward Refinement (Sun et al. 2023, "CFR-ICL", section 3): a click is answered several times over.

Each pass after the first starts from the answer of the one before, with the same clicks. Nothing of the network
changes, so that every network that reads a previous mask can be used in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral

from isegm.inference.session import Session
from isegm.model.base import ClickModel
from isegm.utils.errors import InputError

SETTLED_PIXELS = 20  # the mask has settled when a pass has changed no more of them
MASK_THRESH = 0.49  # [KEEP] trap 17: probability of such a pixel, whatever the threshold of the mask that people see


@dataclass(frozen=True)
class Cascade:
    """How often a click is answered.

    Args:
        steps: passes after the first one.
        adaptive: leave out the rest of them when a pass has changed hardly any pixel of the mask.
        clicks: passes are repeated up to this number of clicks, of which the network may be shown fewer; later clicks
            get a single one.

    Raises:
        InputError: a number is below 1.
    """

    steps: int
    adaptive: bool = False
    clicks: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "clicks"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} of the cascade is {value}: give a whole number of at least 1.")

    def check(self, model: ClickModel) -> None:
        """Raise InputError, in one sentence, if repeated passes of the network would all be the same."""
        if not model.with_prev_mask:
            raise InputError(
                f"{type(model).__name__} reads no previous mask, which Cascade-Forward Refinement improves in each "
                "pass: leave it off, or take another network."
            )

    def repeated(
        self, first: Sequence[Session], once_more: Callable[[Sequence[int], Sequence[Session]], Sequence[Session]]
    ) -> list[Session]:
        """The sessions after all passes.

        Args:
            first: after the first pass.
            once_more: given the places of some sessions in ``first`` and what they have become, answers them again.
        """
        sessions = list(first)
        going = [i for i, session in enumerate(sessions) if len(session.clicks) <= self.clicks]
        for _ in range(self.steps if going else 0):
            last = [sessions[i] for i in going]
            for i, session in zip(going, once_more(going, last), strict=True):
                sessions[i] = session
            if self.adaptive:
                going = [i for i, before in zip(going, last, strict=True) if not _settled(before, sessions[i])]
            if not going:
                break
        return sessions


def _settled(before: Session, after: Session) -> bool:
    changed = (before.prev_probs > MASK_THRESH) != (after.prev_probs > MASK_THRESH)
    return int(changed.sum()) <= SETTLED_PIXELS
