"""How a batch becomes losses: the only thing that differs between methods in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from isegm.clicks import points_in_boxes
from isegm.engine.metrics import RunningIoU
from isegm.engine.random import BatchRNG
from isegm.engine.simulated_clicks import add_simulated_clicks, start_from_masks
from isegm.model.losses import NormalizedFocalLoss

Losses = dict[str, Tensor]
Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class LossTerm:
    """A loss, its weight, and what it looks at.

    Attributes:
        criterion: called with the output, the target and ``inputs``.
        weight: of its mean.
        output: of the network.
        target: what the output is held against, a key of the batch.
        inputs: further arguments of the criterion: names of outputs, or else keys of the batch.
    """

    criterion: nn.Module
    weight: float = 1.0
    output: str = "instances"
    target: str = "instances"
    inputs: tuple[str, ...] = ()

    def __call__(self, outputs: Mapping[str, Any], batch: Batch) -> Tensor:
        """The weighted loss, a scalar."""
        more = (outputs[name] if name in outputs else batch[name] for name in self.inputs)
        return self.weight * self.criterion(outputs[self.output].float(), batch[self.target], *more).mean()


@dataclass
class Step:
    """What one optimiser step needs and shows.

    Attributes:
        losses: weighted losses by name, scalars with gradient.
        logits: (B, 1, H, W) the network's answer, for metrics and images.
        points: (B, 2N, 3) the clicks it saw.
    """

    losses: Losses
    logits: Tensor
    points: Tensor


class TrainingTask(Protocol):
    """Turns a batch into one or more optimiser steps.

    Their number must depend on ``chance.whole`` alone, as all parts of a batch take their steps together.
    """

    def __call__(self, model: nn.Module, batch: Batch, batch_rng: BatchRNG) -> Iterator[Step]: ...

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

    def __call__(self, model: nn.Module, batch: Batch, batch_rng: BatchRNG) -> Iterator[Step]:
        """Yield the steps of a batch: "images" (B, 3, H, W), "points" (B, 2N, 3), "instances" (B, 1, H, W).

        With "start_masks" (B, 1, H, W) in {0, 1}, the first click of samples where these are not empty is where the
        mask is wrong.
        """
        images, labels, points = batch["images"], batch["instances"], batch["points"].clone()
        starts = batch.get("start_masks")
        prev_mask = torch.zeros_like(labels) if starts is None else starts  # (B, 1, H, W)
        fewest = min(2, self.max_num_next_clicks + 1) if self.train_every_click else 1
        rounds = int(batch_rng.whole.integers(fewest, self.max_num_next_clicks + 2))
        simulates = rounds > 1 or starts is not None
        truths = labels[:, 0].cpu().numpy() if simulates else None  # (B, H, W), for simulated clicks
        if starts is not None:
            start_from_masks(points, starts[:, 0].cpu().numpy(), truths, batch_rng.samples)
        for number in range(rounds):
            last = number == rounds - 1
            if self.train_every_click or last:
                if last and number > 0 and self.prev_mask_drop_prob > 0:
                    kept = [rng.random() >= self.prev_mask_drop_prob for rng in batch_rng.samples]
                    prev_mask = prev_mask * torch.tensor(kept, device=labels.device)[:, None, None, None]
                outputs = self._outputs(model, batch, prev_mask, points)
                logits = outputs["instances"]
                losses = {name: term(outputs, batch) for name, term in self.losses.items()}
                yield Step(losses, logits.detach(), points)
            else:
                logits = _without_gradients(model, _network_input(model, images, prev_mask), points)
            if not last:
                prev_mask = logits.detach().float().sigmoid()
                add_simulated_clicks(points, prev_mask, truths, number + 1, batch_rng.samples)

    def log_states(self) -> dict[str, float]:
        """Running values of those losses that have some, such as ``instance_loss_k``."""
        return {
            f"{name}_{letter}": value
            for name, term in self.losses.items()
            if isinstance(term.criterion, NormalizedFocalLoss)
            for letter, value in term.criterion.log_state().items()
        }

    def _outputs(self, model: nn.Module, batch: Batch, prev_mask: Tensor, points: Tensor) -> Mapping[str, Any]:
        """What the losses look at."""
        return model(_network_input(model, batch["images"], prev_mask), points)


@dataclass(frozen=True)
class FocalClicks(IterativeClicks):
    """FocalClick's training (Chen et al. 2022): clicks and a step as above, and in the same step the refiner's answer.

    The refiner sees a crop of each sample: "images_focus" (B, 3, h, w) and "rois" (B, 4), its box in the view: x1, y1,
    x2, y2, with the clicks mapped into it. Its outputs join the network's: see ``ClickModel.refine``. "instances_focus"
    (B, 1, h, w) is their truth. Gradients flow through the crops into the coarse part of the network.

    Attributes:
        crop_ious: IoU within the crops before and after refinement, of this process's training steps alone.
    """

    crop_ious: RunningIoU = field(default_factory=RunningIoU, compare=False)

    def _outputs(self, model: nn.Module, batch: Batch, prev_mask: Tensor, points: Tensor) -> Mapping[str, Any]:
        outputs = super()._outputs(model, batch, prev_mask, points)
        crops, rois = batch["images_focus"], batch["rois"]
        clicks = points_in_boxes(points, rois, (crops.shape[2], crops.shape[3]))  # (B, 2N, 3)
        places = torch.arange(len(rois), device=rois.device, dtype=rois.dtype)[:, None]
        boxes = torch.cat((places, rois), dim=1)  # (B, 5)
        refined = model.refine(crops, clicks, outputs["feature"], outputs["instances"], boxes)
        if model.training and torch.is_grad_enabled():  # neither validation nor a measurement of BatchNorm
            self.crop_ious.update(refined, batch["instances_focus"], ("instances_coarse", "instances_refined"))
        return {**outputs, **refined}

    def log_states(self) -> dict[str, float]:
        """Running values of the losses, and the IoU within the crops before and after refinement."""
        return {**super().log_states(), **self.crop_ious.log_state()}


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
