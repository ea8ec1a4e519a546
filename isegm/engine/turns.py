"""Batches that are trained a step each in turn, and a checkpoint's state in the middle of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from isegm.engine.tasks import BatchSteps, Step
from isegm.utils.errors import InputError


class Turns:
    """The steps of some batches: the first step of each batch, then the second of each, and so on.

    Args:
        batches: the steps of each batch.
        accumulate: batches that share one optimiser step; they have the same number of steps.

    Attributes:
        order: for each optimiser step the number of the training step, 0 for a batch's first, and the positions of
            the batches that take it.
        done: optimiser steps taken so far.
        last: the last step that each batch has taken, by its position.
    """

    def __init__(self, batches: Sequence[BatchSteps], accumulate: int) -> None:
        self.batches = batches
        starts = range(0, len(batches), accumulate)
        self.order = [
            (index, range(first, min(first + accumulate, len(batches))))
            for index in range(max(steps.number_of_steps for steps in batches))
            for first in starts
            if index < batches[first].number_of_steps
        ]
        self.done = 0
        self.last: dict[int, Step] = {}

    @property
    def finished(self) -> bool:
        """Whether all steps have been taken."""
        return self.done == len(self.order)

    @property
    def batches_done(self) -> float:
        """The share of the steps that have been taken, in batches."""
        return len(self.batches) * self.done / len(self.order)

    def state(self) -> dict[str, Any]:
        """Return the state of unfinished turns, which ``load_state`` reads, as plain data and tensors."""
        return {
            "done": self.done,
            "batches": [steps.state() for steps in self.batches],
            "losses": [
                {name: float(loss) for name, loss in self.last[position].losses.items()}
                if position in self.last
                else {}
                for position in range(len(self.batches))
            ],
        }

    def load_state(self, state: dict[str, Any], path: Path) -> None:
        """Go on from a state of the same batches.

        Args:
            state: what ``state`` returned.
            path: the checkpoint that holds it, for messages.

        Raises:
            InputError: it belongs to another number of batches.
        """
        if len(state["batches"]) != len(self.batches) or not 0 < state["done"] < len(self.order):
            raise InputError(
                f"{path} was written while {len(state['batches'])} batches took turns, and {len(self.batches)} do so "
                "here: resume it with the same script and data, or start a new run with --weights."
            )
        self.done = state["done"]
        for position, (steps, saved, losses) in enumerate(
            zip(self.batches, state["batches"], state["losses"], strict=True)
        ):
            if saved:
                tensors = {name: torch.tensor(loss) for name, loss in losses.items()}
                self.last[position] = steps.load_state(saved, tensors)
