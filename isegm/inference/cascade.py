"""Cascade-Forward Refinement (Sun et al. 2023, "CFR-ICL", section 3): several network passes at each click.

Each pass after the first reads the prediction of the pass before as its previous mask, with the same clicks. It works
with every network that reads a previous mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isegm.inference.session import Session
from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError
from isegm.utils.inputs import require_fields
from isegm.utils.schema import Flag, Whole, shown

# The mask has settled when a pass changes at most 20 pixels. They are counted at a threshold of their own, whatever the
# threshold of the predictor (docs/fidelity.md#cascade-threshold).
SETTLED_PIXELS = 20
MASK_THRESH = 0.49
MOST_STEPS = 1000  # as many as the published program takes
MOST_CLICKS = 10_000


@dataclass(frozen=True)
class Cascade:
    """Number of network passes at each click.

    Args:
        steps: passes after the first one.
        adaptive: stop as soon as a pass changes hardly any pixel of the mask.
        clicks: number of clicks up to which passes are repeated, counted before any limit on the clicks that the
            network is shown; later clicks get one pass. A box, scribble or polygon counts as one click.

    Raises:
        InputError: a value is of another kind, or a number is below 1 or above ``MOST_STEPS`` or ``MOST_CLICKS``.
    """

    steps: int
    adaptive: bool = False
    clicks: int = 1

    def __post_init__(self) -> None:
        for name, most in (("steps", MOST_STEPS), ("clicks", MOST_CLICKS)):
            value = getattr(self, name)
            if not Whole(1, most).fits(value):
                raise InputError(f"{name} of the cascade is {shown(value)}: give a whole number from 1 to {most}.")
        require_fields(self, {"adaptive": Flag()})

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
        """Return the sessions after all passes.

        Args:
            first: the sessions after the first pass.
            once_more: runs one more pass, given the indices of some sessions in ``first`` and their present states.
        """
        sessions = list(first)
        going = [i for i, session in enumerate(sessions) if session.interactions <= self.clicks]
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
