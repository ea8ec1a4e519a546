"""Sessions that go through the network together, its input for them and its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from isegm.clicks import Click
from isegm.inference.painting import Pasted
from isegm.inference.session import Session
from isegm.inference.transforms import View


@dataclass(frozen=True, eq=False)
class Member:
    """One session of a batch.

    Attributes:
        session: its clicks, and the mask that the network reads in this pass.
        given: the session before the first pass with these clicks; a postprocess compares its mask with the output.
        view: the part of the image that the network sees, which is ``session.view``.
    """

    session: Session
    given: Session
    view: View


@dataclass(frozen=True, eq=False)
class Batch:
    """Input of one network pass.

    Its N sessions fill B rows: B = N, or B = 2N with the flipped rows behind the others.

    Attributes:
        members: the sessions, of equal ``view.size`` (h, w).
        clicks: for each row all clicks in pixels of the network's input; some may lie outside it.
        points: float (B, 2M, 3), the clicks that the network is shown, see ``isegm.clicks``.
        prev_mask: float (B, 1, h, w) probabilities; None for a network that reads none.
        strokes: float (B, 2, h, w), prompts drawn into click maps; None for a network that reads none, and where there
            are none.
        features: the return value of ``model.encode``, B rows.
        cache: the ``cache`` of an earlier ``model.decode``, B rows; None at the first click of a view.
        flip: whether the second half of the rows is flipped.
    """

    members: Sequence[Member]
    clicks: Sequence[Sequence[Click]]
    points: Tensor
    prev_mask: Tensor | None
    strokes: Tensor | None
    features: Mapping[str, Any]
    cache: Any
    flip: bool

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the network's input."""
        return self.members[0].view.size

    def rows(self, index: int) -> tuple[int, ...]:
        """Rows of the member at ``index``."""
        return (index, len(self.members) + index) if self.flip else (index,)


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """Output of one network pass.

    Attributes:
        batch: its input.
        logits: (N, 1, h, w), with flip the mean of both rows of a session.
        outputs: the return value of ``model.decode``, B rows; empty with a refinement.
        refinement: the state that the refinement keeps for the next click; None without one.
    """

    batch: Batch
    logits: Tensor
    outputs: Mapping[str, Any]
    refinement: Any = None

    def pasted(self, logits: Tensor | None = None) -> list[Pasted]:
        """For each session the probabilities in its view, which are 0 outside the crop.

        Probabilities, not logits, are resized to the image (docs/fidelity.md#probabilities-resized).

        Args:
            logits: (N, 1, h, w) in place of those of the output.
        """
        probs = torch.sigmoid(self.logits if logits is None else logits)
        return [Pasted(member.view, row[None]) for member, row in zip(self.batch.members, probs, strict=True)]
