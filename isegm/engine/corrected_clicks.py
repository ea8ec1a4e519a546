"""EMC-Click's training (Du et al. 2023): a first pass, and corrections of its mask by simulated clicks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from isegm.data.points_sampler import generate_probs
from isegm.engine.metrics import RunningIoU
from isegm.engine.random import BatchRNG
from isegm.engine.simulated_clicks import add_clicks_of_random_sign
from isegm.engine.tasks import Batch, BatchSteps, ClickSteps, Forward, IterativeClicks, Step, predicting
from isegm.model.click_model import ClickModel


@dataclass(frozen=True)
class CorrectedClicks(IterativeClicks):
    """Some simulated clicks without gradients, then one step that trains the first pass and the last correction.

    The simulated clicks are corrected as in evaluation: the backbone runs at the first of them only. In the step it
    runs again, with the first clicks, and the correction starts from the last logits of the simulation, if there are
    some.

    Args:
        ratio: the number of simulated clicks, one for a batch, is k from 0 to ``max_num_next_clicks`` with probability
            proportional to ``ratio`` to the power of k.

    Attributes:
        clicks_on_device: False; clicks are simulated on the CPU, wherever the batch is.
        ious: IoU of the first pass and of the correction, of this process's training steps alone.
    """

    clicks_on_device: ClassVar[bool] = False

    ratio: float = 0.8
    ious: RunningIoU = field(default_factory=RunningIoU, compare=False)

    def draw_passes(self, rng: np.random.Generator) -> int:
        return 1 + int(rng.choice(self.passes[1], p=generate_probs(self.passes[1], self.ratio)))

    def begin(self, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> BatchSteps:
        """Begin with a batch: "images" (B, 3, H, W), "points" (B, 2N, 3) of order 0, "instances" (B, 1, H, W)."""
        return CorrectionSteps(self, model, batch, batch_rng)

    def log_states(self) -> dict[str, float]:
        """Return running values of the losses, and the IoU of the first pass and after the correction."""
        return {**super().log_states(), **self.ious.log_state()}

    def _outputs(self, model: ClickModel, batch: Batch, prev_mask: Tensor, points: Tensor) -> Mapping[str, Any]:
        cache = {"logits": batch["logits"]} if "logits" in batch else None
        outputs = model.decode(model.encode(batch["images"]), points, None, cache)
        if model.training and outputs["instances"].requires_grad:  # neither validation nor a measurement of BatchNorm
            self.ious.update(outputs, batch["instances"], ("instances_coarse", "instances"))
        return outputs


class CorrectionSteps(ClickSteps):
    """The one training step of a batch of ``CorrectedClicks``, and the clicks before it."""

    def step(self, index: int, forward: Forward) -> Step:
        """Take the step; see ``BatchSteps``."""
        batch, cache = dict(self.batch), None
        with predicting(self.model):
            features = self.model.encode(self.batch["images"])
            for click in range(1, self.rounds):
                outputs = self.model.decode(features, self.points, None, cache)
                cache = outputs["cache"]
                self._add_click(click, outputs["instances"])
        if cache is not None:
            batch["logits"] = cache["logits"].float()  # (B, 1, H/4, W/4)
        losses, logits = forward(batch, self.prev_mask, self.points)
        self.logits = logits.detach()
        return Step(losses, self.logits, self.points)

    def write_click(self, number: int) -> None:
        """Write clicks whose sign is random; see ``ClickSteps``."""
        add_clicks_of_random_sign(self.points, self.prev_mask, self.labels, self.batch_rng.samples)
