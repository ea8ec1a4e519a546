"""CFR-ICL's training (Sun et al. 2024): simulated clicks behind the sampled ones, and the iterative click loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isegm.clicks import UNUSED, append_simulated_clicks
from isegm.data.on_device.draws import Draws
from isegm.engine.device_clicks import choose_clicks
from isegm.engine.random import BatchRNG
from isegm.engine.simulated_clicks import append_clicks
from isegm.engine.tasks import Batch, BatchSteps, ClickSteps, Forward, IterativeClicks, Losses, Step
from isegm.model.click_model import ClickModel

PASS_WEIGHT = "pass_weight"  # key of the batch: (B,), the weight of all losses of a pass


@dataclass(frozen=True)
class AppendedClicks(IterativeClicks):
    """RITM's training with clicks as CFR-ICL simulates them: one or more, in the free rows of the points.

    The number of simulated clicks is uniform from 1 to ``max_num_next_clicks``; see ``append_simulated_clicks``.

    Args:
        sampled_clicks: start from the clicks of the samples; False: start from one simulated click instead.

    Raises:
        ValueError: ``max_num_next_clicks`` is below 1.
    """

    sampled_clicks: bool = True

    def __post_init__(self) -> None:
        if self.max_num_next_clicks < 1:
            raise ValueError(f"CFR-ICL simulates one click or more, not {self.max_num_next_clicks}")

    @property
    def passes(self) -> tuple[int, int]:
        """The fewest and the most passes of a batch, see ``IterativeClicks``."""
        return 2, self.max_num_next_clicks + 1

    def begin(self, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> BatchSteps:
        """Begin with a batch, see ``IterativeClicks.begin``."""
        return AppendedClickSteps(self, model, batch, batch_rng)


@dataclass(frozen=True)
class IterativeClickLoss(AppendedClicks):
    """The iterative click loss: the prediction of every click is trained, and later ones weigh more.

    A step passes a batch through the network 1 to ``max_num_next_clicks`` times. Each pass gets the mask of the pass
    before it as a constant, and one more click on its errors. The loss is the sum over the passes, each with its
    weight. As no gradient flows from a pass to the one before, gradients are computed pass by pass, so that a step
    takes the memory of one pass.

    Validation simulates as many clicks, and logs the losses of the last pass without a weight.

    Args:
        weights: of the first pass, the second, and so on; ``max_num_next_clicks`` numbers, more are not used.

    Raises:
        ValueError: there are fewer weights, or ``train_every_click`` is given too.
    """

    weights: Sequence[float] = (1.0, 2.0, 3.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train_every_click:
            raise ValueError("the iterative click loss trains every click in one step: leave train_every_click out")
        if len(self.weights) < self.max_num_next_clicks:
            raise ValueError(
                f"the iterative click loss has {len(self.weights)} weights for {self.max_num_next_clicks} clicks: give "
                "one for each"
            )

    @property
    def passes(self) -> tuple[int, int]:
        """The fewest and the most passes of a batch, see ``IterativeClicks``."""
        return 1, self.max_num_next_clicks

    def begin(self, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> BatchSteps:
        """Begin with a batch, see ``IterativeClicks.begin``."""
        if not model.training:
            return super().begin(model, batch, batch_rng)
        return IterativeLossSteps(self, model, batch, batch_rng)

    def forward(self, model: ClickModel, batch: Batch, prev_mask: Tensor, points: Tensor) -> tuple[Losses, Tensor]:
        """Return the losses of a pass by name, weighted, and the logits (B, 1, H, W)."""
        losses, logits = super().forward(model, batch, prev_mask, points)
        if PASS_WEIGHT in batch:
            weight = batch[PASS_WEIGHT].mean()
            losses = {name: weight * loss for name, loss in losses.items()}
        return losses, logits


class AppendedClickSteps(ClickSteps):
    """The training steps of one batch of ``AppendedClicks``."""

    def __init__(self, task: AppendedClicks, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> None:
        super().__init__(task, model, batch, batch_rng)
        if not task.sampled_clicks:
            self.points.fill_(UNUSED)
            self.write_click(0)

    def write_click(self, number: int) -> None:
        """Append a click to those of each sample; see ``ClickSteps``."""
        self.points = self.points.clone()  # passes before keep theirs
        if not self.task.on_device:
            append_clicks(self.points, self.prev_mask, self.labels, self.batch_rng.samples)
            return
        draws = Draws(self.points.device, self.seed, number)
        append_simulated_clicks(
            self.points, *choose_clicks(self.prev_mask, self.batch["instances"], draws, self.task.anywhere)
        )


class IterativeLossSteps(AppendedClickSteps):
    """The one training step of a batch of ``IterativeClickLoss``."""

    def __init__(self, task: IterativeClickLoss, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> None:
        super().__init__(task, model, batch, batch_rng)
        self.weights = task.weights[: self.rounds]

    def step(self, index: int, forward: Forward) -> Step:
        """Pass the batch through the network click by click; see ``BatchSteps``. The step returned shows the last."""
        losses: Losses = {}
        for number, weight in enumerate(self.weights):
            if self.logits is not None:
                self._add_click(number, self.logits)
                self._drop_previous_masks()
            of_pass = torch.full((len(self.points),), float(weight), device=self.points.device)
            found, logits = forward({**self.batch, PASS_WEIGHT: of_pass}, self.prev_mask, self.points)
            losses |= {f"{name}_{number}_{weight:g}": loss for name, loss in found.items()}
            self.logits = logits.detach()
        assert self.logits is not None  # there are one or more passes
        return Step(losses, self.logits, self.points)
