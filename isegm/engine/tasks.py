"""Training tasks: how a batch becomes losses. Methods differ in nothing else during training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from isegm.clicks import points_in_boxes
from isegm.data.on_device.draws import Draws
from isegm.engine.device_clicks import add_clicks_on_device
from isegm.engine.metrics import RunningIoU
from isegm.engine.random import STATE_BYTES, BatchRNG
from isegm.engine.simulated_clicks import add_simulated_clicks, start_from_masks
from isegm.model.click_model import ClickModel, where_given
from isegm.model.losses import NormalizedFocalLoss
from isegm.utils.device import sent
from isegm.utils.errors import InputError
from isegm.utils.inputs import CALLABLE, CheckedFields
from isegm.utils.schema import Items, Kind, Text

Losses = dict[str, Tensor]
Batch = Mapping[str, Tensor]
Forward = Callable[[Batch, Tensor, Tensor], tuple[Losses, Tensor]]  # batch, previous masks, points -> losses, logits
LOSSES = "TrainLosses/"  # before the names of curves of a training's losses
FEATURE = "feature."  # before the names of what ``encode`` returned, in a batch whose images are encoded


@dataclass(frozen=True)
class LossTerm(CheckedFields):
    """A loss, its weight, and the tensors it compares.

    Attributes:
        criterion: called with the output, the target and ``inputs``; returns one value per sample.
        weight: factor of the mean over samples.
        output: name of the network's output.
        target: key of the batch that the output is compared with.
        inputs: further arguments of the criterion: names of outputs, or else keys of the batch.

    Raises:
        InputError: a field is of another kind.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {
        "criterion": CALLABLE,
        "output": Text(),
        "target": Text(),
        "inputs": Items(Text()),
    }

    criterion: nn.Module
    weight: float = 1.0
    output: str = "instances"
    target: str = "instances"
    inputs: tuple[str, ...] = ()

    def __call__(self, outputs: Mapping[str, Any], batch: Batch) -> Tensor:
        """Return the weighted loss, a scalar.

        Raises:
            InputError: the network has no such output, or the batch no such tensor.
        """
        if self.output not in outputs:
            raise InputError(
                f"a loss of the recipe compares {self.output}, and the network returns {', '.join(outputs)}: "
                "leave that loss out, or let the network return it."
            )
        missing = {self.target, *set(self.inputs).difference(outputs)}.difference(batch)
        if missing:
            raise InputError(
                f"a loss of the recipe reads {', '.join(sorted(missing))}, and a batch has {', '.join(batch)}: name "
                "one of these."
            )
        more = (outputs[name] if name in outputs else batch[name] for name in self.inputs)
        return self.weight * self.criterion(outputs[self.output].float(), batch[self.target], *more).mean()


@dataclass
class Step:
    """The result of one training step's forward pass.

    Attributes:
        losses: weighted losses by name, scalars.
        logits: (B, 1, H, W) the network's prediction without gradient, for metrics and images.
        points: (B, 2N, 3) the clicks that the network saw, see ``isegm.clicks``.
    """

    losses: Losses
    logits: Tensor
    points: Tensor

    @property
    def loss(self) -> Tensor:
        """The sum of the losses."""
        first, *others = self.losses.values()
        return sum(others, start=first)


class BatchSteps(Protocol):
    """The training steps of one batch, to be taken in order.

    Attributes:
        number_of_steps: the same in all processes and in all batches whose gradients are accumulated.
    """

    number_of_steps: int

    def step(self, index: int, forward: Forward) -> Step:
        """Take step ``index``, 0 first: simulate clicks as the task asks for, and call ``forward``.

        The gradients of several calls add up. The weights may change between two steps.
        """

    def state(self) -> dict[str, Tensor]:
        """Return what the next steps depend on besides the batch, as tensors whose first axis runs over samples."""

    def load_state(self, state: Mapping[str, Tensor], losses: Losses) -> Step | None:
        """Go on from a state; return the step that was the last one, with these losses, or None before the first.

        Raises:
            ValueError: the state belongs to another batch.
        """


class TrainingTask(Protocol):
    """Turns a batch into one or more training steps.

    Attributes:
        clicks_on_device: the task is a dataclass whose field ``on_device`` lets it simulate clicks on the device that
            holds the batch. A class that lacks the attribute does not.
    """

    clicks_on_device: ClassVar[bool] = False

    def begin(self, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> BatchSteps:
        """Begin with a batch. The number of steps may depend on ``batch_rng.whole`` and on nothing else."""

    def forward(self, model: ClickModel, batch: Batch, prev_mask: Tensor, points: Tensor) -> tuple[Losses, Tensor]:
        """Run everything that needs gradients.

        Args:
            model: the network.
            batch: at least "images" (B, 3, H, W) and "instances" (B, 1, H, W).
            prev_mask: (B, 1, H, W) probabilities of the previous masks.
            points: (B, 2N, 3), see ``isegm.clicks``.

        Returns:
            weighted losses by name, scalars, and logits (B, 1, H, W).
        """

    def log_states(self) -> dict[str, float]:
        """Return running values of the losses by the names of their curves, for logs."""


def run_all_steps(steps: BatchSteps, forward: Forward) -> Step:
    """Take all steps of a batch without training in between; return the last one."""
    for index in range(steps.number_of_steps):
        step = steps.step(index, forward)
    return step


@dataclass(frozen=True)
class IterativeClicks:
    """RITM's training: some simulated clicks without gradients, then one step (Sofiiuk et al. 2021, section 3.3).

    A network that ``encodes_once`` encodes the images of a step once, with gradients and in training mode; simulated
    clicks and the step decode these features, as in SegNext's training (Liu et al. 2024).

    Args:
        losses: terms by name; a term whose output the network does not have is an error.
        max_num_next_clicks: the number of simulated clicks is uniform from 0 to this, one number for a batch.
        prev_mask_drop_prob: probability that a sample's previous mask is erased after simulation.
        train_every_click: make every simulated click a training step of its own, which gets the mask that the step
            before it predicted, instead of the last click only. The number of steps is uniform from 2 to
            ``max_num_next_clicks + 1``.
        on_device: simulate clicks on the device that holds the batch, by exact distances, see
            ``isegm.engine.device_clicks``; otherwise as published, on the CPU.
        anywhere: share of simulated clicks on the device that lie anywhere in an error.

    Attributes:
        clicks_on_device: see ``TrainingTask``.
    """

    clicks_on_device: ClassVar[bool] = True

    losses: Mapping[str, LossTerm]
    max_num_next_clicks: int = 3
    prev_mask_drop_prob: float = 0.0
    train_every_click: bool = False
    on_device: bool = False
    anywhere: float = 0.0

    @property
    def passes(self) -> tuple[int, int]:
        """The fewest and the most passes of a batch, of which each but the first one sees a new simulated click."""
        most = self.max_num_next_clicks + 1
        return (min(2, most) if self.train_every_click else 1), most

    def draw_passes(self, rng: np.random.Generator) -> int:
        """Draw the number of passes of a batch."""
        fewest, most = self.passes
        return int(rng.integers(fewest, most + 1))

    def begin(self, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> BatchSteps:
        """Begin with a batch: "images" (B, 3, H, W), "points" (B, 2N, 3), "instances" (B, 1, H, W).

        With "start_masks" (B, 1, H, W) in {0, 1}, the first click of each sample whose start mask is not empty lies on
        an error of that mask. A network that reads strokes gets "strokes" (B, 2, H, W) in {0, 1} in every pass.
        """
        return ClickSteps(self, model, batch, batch_rng)

    def forward(self, model: ClickModel, batch: Batch, prev_mask: Tensor, points: Tensor) -> tuple[Losses, Tensor]:
        """Return the weighted losses by name, and the logits (B, 1, H, W)."""
        outputs = self._outputs(model, batch, prev_mask, points)
        return {name: term(outputs, batch) for name, term in self.losses.items()}, outputs["instances"]

    def log_states(self) -> dict[str, float]:
        """Return running values of those losses that have some, such as ``TrainLosses/instance_loss_k``."""
        return {
            f"{LOSSES}{name}_{letter}": value
            for name, term in self.losses.items()
            if isinstance(term.criterion, NormalizedFocalLoss)
            for letter, value in term.criterion.log_state().items()
        }

    def _outputs(self, model: ClickModel, batch: Batch, prev_mask: Tensor, points: Tensor) -> Mapping[str, Any]:
        """Return the outputs that the losses read."""
        return _predict(model, batch, prev_mask, points)


class ClickSteps:
    """The training steps of one batch of ``IterativeClicks``: its clicks and previous masks so far."""

    def __init__(self, task: IterativeClicks, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> None:
        self.task, self.model, self.batch, self.batch_rng = task, model, batch, batch_rng
        self.rounds = task.draw_passes(batch_rng.whole)
        self.number_of_steps = self.rounds if task.train_every_click else 1
        self.points = batch["points"].clone()  # (B, 2N, 3)
        start_masks = batch.get("start_masks")
        self.prev_mask = torch.zeros_like(batch["instances"]) if start_masks is None else start_masks  # (B, 1, H, W)
        self.logits: Tensor | None = None  # (B, 1, H, W) of the step before
        self.seed = int(batch_rng.samples[0].integers(1 << 31)) if task.on_device and batch_rng.samples else 0
        if start_masks is not None:
            start_from_masks(self.points, start_masks[:, 0].cpu().numpy(), self.labels, batch_rng.samples)

    @cached_property
    def labels(self) -> np.ndarray:
        """The batch's labels in main memory, (B, H, W) in {1, 0, -1}, for simulated clicks."""
        return self.batch["instances"][:, 0].cpu().numpy()

    def step(self, index: int, forward: Forward) -> Step:
        """Take step ``index``; see ``BatchSteps``."""
        batch = self.batch
        if not self.task.train_every_click:
            if self.model.encodes_once and self.rounds > 1:
                features = self.model.encode(batch["images"])
                batch = {**batch, **{f"{FEATURE}{name}": value for name, value in features.items()}}
            for click in range(1, self.rounds):
                with predicting(self.model):
                    logits = _predict(self.model, batch, self.prev_mask, self.points)["instances"]
                self._add_click(click, logits)
        elif self.logits is not None:
            self._add_click(index, self.logits)
        if index == self.number_of_steps - 1 and self.rounds > 1:
            self._drop_previous_masks()
        losses, logits = forward(batch, self.prev_mask, self.points)
        self.logits = logits.detach()
        return Step(losses, self.logits, self.points)

    def state(self) -> dict[str, Tensor]:
        """Return the clicks (B, 2N, 3), the generators' states, and the last logits (B, 1, H, W) if there are some."""
        state = {"points": self.points, "random": self.batch_rng.state()}
        return state if self.logits is None else {**state, "logits": self.logits}

    def load_state(self, state: Mapping[str, Tensor], losses: Losses) -> Step | None:
        """Go on from a state; see ``BatchSteps``."""
        wanted = {
            "points": tuple(self.points.shape),
            "random": (len(self.points), STATE_BYTES),
            "logits": tuple(self.batch["instances"].shape),
        }
        found = {name: tuple(value.shape) for name, value in state.items()}
        if not {"points", "random"} <= set(found) or any(wanted.get(name) != shape for name, shape in found.items()):
            raise ValueError(f"{found} instead of {wanted}")
        self.points = state["points"].to(self.points)
        self.batch_rng.load_state(state["random"])
        self.logits = state["logits"].to(self.points.device) if "logits" in state else None
        return None if self.logits is None else Step(losses, self.logits, self.points)

    def _add_click(self, number: int, logits: Tensor) -> None:
        """Make a prediction the previous mask, and simulate the click that corrects it, 1 for the first one."""
        self.prev_mask = logits.detach().float().sigmoid()
        self.write_click(number)

    def write_click(self, number: int) -> None:
        """Write the click that corrects the previous mask of each sample, as the ``number``-th of them."""
        if self.task.on_device:
            draws = Draws(self.points.device, self.seed, number)
            order = torch.full((len(self.points),), number, device=self.points.device)
            add_clicks_on_device(self.points, self.prev_mask, self.batch["instances"], order, draws, self.task.anywhere)
            return
        add_simulated_clicks(self.points, self.prev_mask, self.labels, number, self.batch_rng.samples)

    def _drop_previous_masks(self) -> None:
        """Erase the previous masks of some samples."""
        if self.task.prev_mask_drop_prob > 0:
            kept = [rng.random() >= self.task.prev_mask_drop_prob for rng in self.batch_rng.samples]
            self.prev_mask = self.prev_mask * sent(torch.tensor(kept), self.prev_mask.device)[:, None, None, None]


@dataclass(frozen=True)
class FocalClicks(IterativeClicks):
    """FocalClick's training (Chen et al. 2022): iterative clicks, with a refined prediction in the same step.

    The refiner sees a crop of each sample: "images_focus" (B, 3, h, w) and "rois" (B, 4), its box in the image: x1, y1,
    x2, y2, with the clicks mapped into it. Its outputs join the network's: see ``ClickModel.refine``. "instances_focus"
    (B, 1, h, w) are the labels of the crops. Gradients flow through the crops into the coarse part of the network.

    Attributes:
        crop_ious: IoU within the crops before and after refinement, of this process's training steps alone.
    """

    crop_ious: RunningIoU = field(default_factory=RunningIoU, compare=False)

    def _outputs(self, model: ClickModel, batch: Batch, prev_mask: Tensor, points: Tensor) -> Mapping[str, Any]:
        outputs = super()._outputs(model, batch, prev_mask, points)
        crops, rois = batch["images_focus"], batch["rois"]
        clicks = points_in_boxes(points, rois, (crops.shape[2], crops.shape[3]))  # (B, 2N, 3)
        indices = torch.arange(len(rois), device=rois.device, dtype=rois.dtype)[:, None]
        boxes = torch.cat((indices, rois), dim=1)  # (B, 5)
        refined = model.refine(crops, clicks, outputs["feature"], outputs["instances"], boxes)
        if model.training and torch.is_grad_enabled():  # neither validation nor a measurement of BatchNorm
            self.crop_ious.update(refined, batch["instances_focus"], ("instances_coarse", "instances_refined"))
        return {**outputs, **refined}

    def log_states(self) -> dict[str, float]:
        """Return running values of the losses, and the IoU within the crops before and after refinement."""
        return {**super().log_states(), **self.crop_ious.log_state()}


def _predict(model: ClickModel, batch: Batch, prev_mask: Tensor, points: Tensor) -> Mapping[str, Any]:
    """Return the network's outputs, from features of the images where the batch has them."""
    mask = prev_mask if model.with_prev_mask else None
    strokes = where_given(batch["strokes"] if "strokes" in batch and model.reads_strokes else None)
    features = {name.removeprefix(FEATURE): value for name, value in batch.items() if name.startswith(FEATURE)}
    if features:
        return model.decode(features, points, mask, **strokes)
    images = batch["images"] if mask is None else torch.cat((batch["images"], mask), dim=1)  # (B, 3 or 4, H, W)
    return model(images, points, **strokes)


@contextmanager
def predicting(model: ClickModel) -> Iterator[None]:
    """Put a network into eval mode, without gradients, for a while."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:  # not model.train(): layers may be frozen one by one
            module.training = training
