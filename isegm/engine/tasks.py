"""How a batch becomes losses: the only thing that differs between methods in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from isegm.engine.chance import Chance
from isegm.engine.clicks import add_simulated_clicks
from isegm.model.losses import NormalizedFocalLoss

Losses = dict[str, Tensor]
Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class LossTerm:
    """A loss, its weight, and the output of the network that it looks at."""

    criterion: nn.Module
    weight: float = 1.0
    output: str = "instances"


@dataclass
class Step:
    """What one optimiser step needs and shows.

    Attributes:
        losses: weighted losses by name, scalars with gradient.
        logits: (B, 1, H, W) the network's answer, for metrics and pictures.
        points: (B, 2N, 3) the clicks it saw.
    """

    losses: Losses
    logits: Tensor
    points: Tensor


class TrainingTask(Protocol):
    """Turns a batch into one or more optimiser steps.

    Their number must depend on ``chance.whole`` alone, as all parts of a batch take their steps together.
    """

    def __call__(self, model: nn.Module, batch: Batch, chance: Chance) -> Iterator[Step]: ...

    def log_states(self) -> dict[str, float]:
        """Running values of the losses, for logs."""


@dataclass(frozen=True)
class IterativeClicks:
    """RITM's training: some simulated clicks without gradients, then one step (Sofiiuk et al. 2021, section 3.3).

    Args:
        losses: terms by name; a term whose output the network does not have is an error.
        max_num_next_clicks: the number of simulated clicks is uniform from 0 to this, one number for a batch.
        prev_mask_drop_prob: how often a sample's previous mask is erased after simulation.
        train_every_click: every simulated click is an optimiser step of its own, fed with the mask that the step before
            it gave, instead of the last one only. The number of steps is uniform from 2 to ``max_num_next_clicks + 1``.
    """

    losses: Mapping[str, LossTerm]
    max_num_next_clicks: int = 3
    prev_mask_drop_prob: float = 0.0
    train_every_click: bool = False

    def __call__(self, model: nn.Module, batch: Batch, chance: Chance) -> Iterator[Step]:
        """Yield the steps of a batch: "images" (B, 3, H, W), "points" (B, 2N, 3), "instances" (B, 1, H, W)."""
        images, labels, points = batch["images"], batch["instances"], batch["points"].clone()
        prev_mask = torch.zeros_like(labels)  # (B, 1, H, W)
        fewest = min(2, self.max_num_next_clicks + 1) if self.train_every_click else 1
        rounds = int(chance.whole.integers(fewest, self.max_num_next_clicks + 2))
        truths = labels[:, 0].cpu().numpy() if rounds > 1 else None  # (B, H, W), for simulated clicks
        for number in range(rounds):
            last = number == rounds - 1
            if self.train_every_click or last:
                if last and number > 0 and self.prev_mask_drop_prob > 0:
                    kept = [rng.random() >= self.prev_mask_drop_prob for rng in chance.samples]
                    prev_mask = prev_mask * torch.tensor(kept, device=labels.device)[:, None, None, None]
                outputs = model(_network_input(model, images, prev_mask), points)
                logits = outputs["instances"]
                yield Step(self._weighted(outputs, labels), logits.detach(), points)
            else:
                logits = _without_gradients(model, _network_input(model, images, prev_mask), points)
            if not last:
                prev_mask = logits.detach().float().sigmoid()
                add_simulated_clicks(points, prev_mask, truths, number + 1, chance.samples)

    def log_states(self) -> dict[str, float]:
        """Running values of those losses that have some, such as ``instance_loss_k``."""
        return {
            f"{name}_{letter}": value
            for name, term in self.losses.items()
            if isinstance(term.criterion, NormalizedFocalLoss)
            for letter, value in term.criterion.log_state().items()
        }

    def _weighted(self, outputs: Mapping[str, Tensor], labels: Tensor) -> Losses:
        return {
            name: term.weight * term.criterion(outputs[term.output].float(), labels).mean()
            for name, term in self.losses.items()
        }


def _network_input(model: nn.Module, images: Tensor, prev_mask: Tensor) -> Tensor:
    """Images, with the previous mask behind them where the network reads one: (B, 3 or 4, H, W)."""
    return torch.cat((images, prev_mask), dim=1) if model.with_prev_mask else images


@torch.no_grad()
def _without_gradients(model: nn.Module, image: Tensor, points: Tensor) -> Tensor:
    """Logits of the network in eval mode: (B, 1, H, W)."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    logits = model(image, points)["instances"]
    for module, training in modes:  # not model.train(): layers may be frozen one by one
        module.training = training
    return logits
