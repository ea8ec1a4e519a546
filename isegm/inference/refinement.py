"""The interface of refinements (test-time optimisation of the logits), and their registry by mode name.

A refinement runs on one session at a time. Its state from click to click is kept in ``Session.refinement`` and is never
changed in place, so that undo can return to the older session.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor

from isegm.clicks import Click
from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """The network's input for one session: one row, or with flip two, the second one flipped.

    Attributes:
        features: the return value of ``model.encode``.
        points: float (B, 2N, 3) clicks that the network is shown, see ``isegm.clicks``.
        prev_mask: float (B, 1, h, w) probabilities; None where the network reads none.
        clicks: all clicks of each row, in pixels of the network's input; they may lie outside it.
        all_shown: whether the network is shown all of them, i.e. none exceeds the limit of clicks.
        flip: whether there is a second, flipped row.
        threshold: pixels of a greater probability are in the mask.
        strokes: float (B, 2, h, w), prompts drawn into click maps; None where the network reads none.
    """

    features: Mapping[str, Tensor]
    points: Tensor
    prev_mask: Tensor | None
    clicks: Sequence[Sequence[Click]]
    all_shown: bool
    flip: bool
    threshold: float
    strokes: Tensor | None = None


class Refinement(Protocol):
    """Test-time optimisation of the network's logits.

    Attributes:
        mode: its name on the command line.
        clicks_limit: default for the number of clicks that the network is shown; None for all.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]  # a dataclass, so that records can tell its parameters

    @property
    def mode(self) -> str: ...

    @property
    def clicks_limit(self) -> int | None: ...

    def check(self, model: ClickModel) -> None:
        """Raise InputError, in one sentence, if the network does not support the refinement."""

    def in_new_view(self, state: Any) -> Any:
        """Return the part of a state (None for none) that stays valid when the view of the image changes."""

    def refine(self, model: ClickModel, given: NetworkInput, state: Any) -> tuple[Tensor, Any]:
        """Compute logits.

        Args:
            model: a network that passed ``check``.
            given: its input.
            state: the state that the last call for this session returned; None before the first click.

        Returns:
            logits: (B, 1, h, w) at the size of the network's input.
            state: for the next click.
        """


_REFINEMENTS: dict[str, tuple[Callable[..., Refinement], dict[str, Any]]] = {}


def register_refinement(mode: str, **fixed: Any) -> Callable:
    """Class decorator: register the class with these arguments (and ``mode``) under the name of a mode."""

    def register(strategy: Callable[..., Refinement]) -> Callable[..., Refinement]:
        _REFINEMENTS[mode] = (strategy, {"mode": mode, **fixed})
        return strategy

    return register


def list_refinements() -> list[str]:
    """Return the names of all refinement modes, in alphabetical order."""
    return sorted(_REFINEMENTS)


def build_refinement(mode: str, **params: Any) -> Refinement:
    """Build the refinement of a mode, with its published parameters unless others are given.

    Raises:
        InputError: there is no such mode, or it takes no such parameter.
    """
    if not isinstance(mode, str) or mode not in _REFINEMENTS:
        raise InputError(f"there is no refinement mode {mode}: known are {', '.join(list_refinements())}.")
    strategy, fixed = _REFINEMENTS[mode]
    known = set(inspect.signature(strategy).parameters) - set(fixed)
    if unknown := sorted(set(params) - known):
        raise InputError(f"{mode} takes no parameter {', '.join(unknown)}: known are {', '.join(sorted(known))}.")
    return strategy(**fixed, **params)
