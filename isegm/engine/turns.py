"""Batches that are trained a step each in turn, and a checkpoint's state in the middle of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isegm.engine.batchnorm import batchnorm_layers
from isegm.engine.tasks import BatchSteps, Step
from isegm.utils import distributed
from isegm.utils.errors import InputError


class Turns:
    """The steps of some batches: the first step of each batch, then the second of each, and so on.

    Args:
        batches: the steps of each batch.
        accumulate: batches that share one optimiser step; they have the same number of steps.
        model: the network, whose statistics of BatchNorm differ between processes until all steps are taken.

    Attributes:
        order: for each optimiser step the number of the training step, 0 for a batch's first, and the positions of
            the batches that take it.
        done: optimiser steps taken so far.
        last: the last step that each batch has taken, by its position.
    """

    def __init__(self, batches: Sequence[BatchSteps], accumulate: int, model: nn.Module) -> None:
        self.batches, self.model = batches, model
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
        """Return the state of unfinished turns, which ``load_state`` reads, as plain data and tensors.

        It holds the whole batches, all processes' parts together, so that any number of processes can go on.
        """
        mine = [{name: value.cpu() for name, value in steps.state().items()} for steps in self.batches]
        parts = distributed.all_gather(mine)
        whole = [{name: torch.cat([part[i][name] for part in parts]) for name in mine[i]} for i in range(len(mine))]
        losses = [mean_losses(self.last[i]) if i in self.last else {} for i in range(len(mine))]
        statistics = {name: value.cpu() for name, value in self._statistics().items()}
        return {
            "done": self.done,
            "batches": whole,
            "losses": losses,
            "statistics": distributed.all_gather(statistics),
        }

    def load_state(self, state: Mapping[str, Any], path: Path) -> None:
        """Go on from a state of the same batches.

        Args:
            state: what ``state`` returned.
            path: the checkpoint that holds it, for messages.

        Raises:
            InputError: it belongs to other batches.
        """
        saved, losses = state["batches"], state["losses"]
        if len(saved) != len(self.batches) or len(losses) != len(saved) or state["done"] >= len(self.order):
            raise InputError(
                f"{path} was written while {len(saved)} batches took turns, and {len(self.batches)} do so "
                "here: resume it with the same script and data, or start a new run with --weights."
            )
        try:
            self._load(saved, losses, state["done"])
            if len(state["statistics"]) == distributed.world_size():
                self._load_statistics(state["statistics"][distributed.rank()])
        except ValueError as error:
            raise InputError(
                f"{path}: training.turns is of other batches ({error}): resume it with the same script and data, or "
                "start a new run with --weights."
            ) from error

    def _load(self, saved: Sequence[Mapping[str, Tensor]], losses: Sequence[Mapping[str, float]], done: int) -> None:
        rank, count = distributed.rank(), distributed.world_size()
        for position, (steps, whole) in enumerate(zip(self.batches, saved, strict=True)):
            mine = {name: _part_of(value, rank, count) for name, value in whole.items()}
            step = steps.load_state(mine, {name: torch.tensor(loss) for name, loss in losses[position].items()})
            if step is not None and step.losses:
                self.last[position] = step
        self.done = done
        if {position for _, group in self.order[:done] for position in group} != set(self.last):
            raise ValueError(f"{len(self.last)} of them with a last step")

    def _statistics(self) -> dict[str, Tensor]:
        """Buffers of BatchNorm, which differ between several processes; none where there is one process."""
        layers = batchnorm_layers(self.model) if distributed.world_size() > 1 else []
        return {f"{i}.{name}": value for i, layer in enumerate(layers) for name, value in layer.named_buffers()}

    def _load_statistics(self, saved: Mapping[str, Tensor]) -> None:
        for name, value in self._statistics().items():
            if name not in saved or saved[name].shape != value.shape:
                raise ValueError(f"without statistics of {name}")
            value.copy_(saved[name])


def mean_losses(step: Step) -> dict[str, float]:
    """Return the losses of a step by name, as means over all processes' parts of the batch."""
    return dict(zip(step.losses, mean_loss_values(step).tolist(), strict=True))


def mean_loss_values(step: Step) -> Tensor:
    """Return the losses of a step in order, (K,), as means over all processes' parts of the batch."""
    return distributed.all_reduce(torch.stack(list(step.losses.values())).detach() / distributed.world_size())


def _part_of(batch: Tensor, rank: int, count: int) -> Tensor:
    """Return one process's part of a whole batch's tensor."""
    size = len(batch) // count
    return batch[rank * size : (rank + 1) * size]
