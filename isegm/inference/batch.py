"""Sessions that go through the network together, its input for them and its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.clicks import Click
from isegm.inference.painting import Pasted
from isegm.inference.session import Session, join_rows, take_rows
from isegm.inference.transforms import View, flipped_strokes, with_flipped
from isegm.model.click_model import ClickModel
from isegm.prompts import draw_strokes


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
        compiled: whether the network is compiled, and wants few numbers of rows, see ``in_powers_of_two``.
    """

    members: Sequence[Member]
    clicks: Sequence[Sequence[Click]]
    points: Tensor
    prev_mask: Tensor | None
    strokes: Tensor | None
    features: Mapping[str, Any]
    cache: Any
    flip: bool
    compiled: bool = False

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


def input_rows(crops: Sequence[Tensor], flip: bool) -> Tensor:
    """Rows (B, C, h, w) of a batch from the crops (1, C, h, w) of its sessions, with ``flip`` also flipped."""
    joined = crops[0] if len(crops) == 1 else torch.cat(list(crops))
    return with_flipped(joined) if flip else joined


def kept_rows(trees: Sequence[Any], flip: bool) -> Any:
    """Rows of a batch from the features or caches that its sessions have kept; None where they have none."""
    if len(trees) == 1 or trees[0] is None:
        return trees[0]
    joined, count = join_rows(trees), len(trees)
    return take_rows(joined, [*range(0, 2 * count, 2), *range(1, 2 * count, 2)]) if flip else joined


def stroke_rows(members: Sequence[Member], model: ClickModel, flip: bool, device: torch.device) -> Tensor | None:
    """Draw the prompts of a batch, (B, 2, h, w); None for a network that does not read them, or without any."""
    if not model.reads_strokes or not any(member.session.prompts for member in members):
        return None
    size = model.stroke_size(members[0].view.size)
    strokes = [member.view.strokes(member.session.prompts, size) for member in members]
    if flip:
        strokes += [flipped_strokes(row, size[1]) for row in strokes]
    maps = np.stack([draw_strokes(row, size, model.stroke_radius) for row in strokes])
    return torch.from_numpy(maps).to(device)
