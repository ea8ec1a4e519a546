"""What a refinement strategy is: another way from the network's input to its logits, and the strategies by mode name.

A strategy looks at one session at a time. What it has to know at the next click is a state that lives in the session
(``Session.refinement``) and is never changed in place, so that undo is keeping the older session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor

from isegm.clicks import Click
from isegm.model.base import ClickModel
from isegm.utils.errors import InputError


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """What the network is given for one session: one row, or (straight, flipped) where the settings say flip.

    Attributes:
        features: what ``model.encode`` returned.
        points: float (B, 2N, 3) clicks that the network is shown, see ``isegm.clicks``.
        prev_mask: float (B, 1, h, w) probabilities; None where the network reads none.
        clicks: all clicks of each row, in pixels of the network's input; they may lie outside it.
        all_shown: the network is shown all of them, none is beyond the limit.
        flip: the second row is the flipped image of the first.
        threshold: probability above which a pixel is in the mask.
    """

    features: Mapping[str, Tensor]
    points: Tensor
    prev_mask: Tensor | None
    clicks: Sequence[Sequence[Click]]
    all_shown: bool
    flip: bool
    threshold: float


class Refinement(Protocol):
    """How logits come about where the network's answer is improved upon at test time.

    Attributes:
        mode: its name on the command line.
        clicks_limit: clicks that the network is shown where the caller sets no limit; None for all.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]  # a dataclass, so that records can tell its parameters

    @property
    def mode(self) -> str: ...

    @property
    def clicks_limit(self) -> int | None: ...

    def check(self, model: ClickModel) -> None:
        """Raise InputError, in one sentence, if the network cannot be refined in this way."""

    def in_new_view(self, state: Any) -> Any:
        """What remains of a state (None for none) when the network is to see another part of the image."""

    def refine(self, model: ClickModel, given: NetworkInput, state: Any) -> tuple[Tensor, Any]:
        """Logits (B, 1, h, w) at the size of the network's input, and the state for the next click.

        Args:
            model: a network that passed ``check``.
            given: its input.
            state: what the last call for this session returned; None before the first click.
        """


_REFINEMENTS: dict[str, tuple[Callable[..., Refinement], dict[str, Any]]] = {}


def register_refinement(mode: str, **fixed: Any) -> Callable:
    """Class decorator: the strategy of a mode is the class with these arguments (and ``mode``)."""

    def register(strategy: Callable[..., Refinement]) -> Callable[..., Refinement]:
        _REFINEMENTS[mode] = (strategy, {"mode": mode, **fixed})
        return strategy

    return register


def list_refinements() -> list[str]:
    """Names of all modes that refine, in alphabetical order."""
    return sorted(_REFINEMENTS)


def build_refinement(mode: str, **params: Any) -> Refinement:
    """The strategy of a mode with its published parameters, or with others in their place.

    Raises:
        InputError: there is no such mode.
    """
    if mode not in _REFINEMENTS:
        raise InputError(f"there is no refinement mode {mode}: known are {', '.join(list_refinements())}.")
    strategy, fixed = _REFINEMENTS[mode]
    return strategy(**fixed, **params)
