"""Training on samples with different numbers of clicks in one batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isegm.data.on_device.draws import Draws
from isegm.engine.device_clicks import add_clicks_on_device
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import Batch, BatchSteps, Forward, IterativeClicks, Losses, Step
from isegm.model.click_model import ClickModel


@dataclass
class Pool:
    """The samples that are being clicked, oldest parts first.

    Attributes:
        batch: their tensors by name, (P, ...).
        prev_mask: (P, 1, H, W) probabilities.
        points: (P, 2N, 3).
        clicks: (P,) int64, simulated clicks so far.
        parts: samples of each part.
    """

    batch: dict[str, Tensor] = field(default_factory=dict)
    prev_mask: Tensor | None = None
    points: Tensor | None = None
    clicks: Tensor | None = None
    parts: list[int] = field(default_factory=list)

    def add(self, batch: Batch, most: int) -> None:
        """Put new samples in the place of the oldest part; a pool that begins holds them in all of its ``most`` parts.

        So all steps have one size, for which a GPU chooses its kernels once. Samples of another size begin a new pool.
        """
        new = {name: value for name, value in batch.items() if name != "points"}
        prev_mask, points = torch.zeros_like(batch["instances"]), batch["points"].clone()
        clicks = torch.zeros(len(points), dtype=torch.int64, device=points.device)
        if self.points is not None and self.batch["images"].shape[1:] == new["images"].shape[1:]:
            gone = self.parts.pop(0)
            new = {name: torch.cat((self.batch[name][gone:], value)) for name, value in new.items()}
            assert self.prev_mask is not None and self.clicks is not None
            prev_mask = torch.cat((self.prev_mask[gone:], prev_mask))
            points = torch.cat((self.points[gone:], points))
            clicks = torch.cat((self.clicks[gone:], clicks))
            self.parts.append(len(batch["points"]))
        else:
            self.parts = [len(points)] * most
            new = {name: torch.cat([value] * most) for name, value in new.items()}
            prev_mask, points, clicks = (torch.cat([value] * most) for value in (prev_mask, points, clicks))
        self.batch, self.prev_mask, self.points, self.clicks = new, prev_mask, points, clicks


@dataclass(frozen=True)
class MixedClicks(IterativeClicks):
    """Every click is trained, with samples of all click numbers in each step.

    A pool holds ``max_num_next_clicks + 1`` batches of different ages. A step adds a new batch, drops the oldest,
    trains on all samples of the pool at once and gives each another simulated click on its errors. So BatchNorm sees
    all click numbers together, as its running statistics do, and the optimiser takes one step for each new batch.

    Validation clicks one batch after the other. A resumed run begins with a new pool.
    """

    pool: Pool = field(default_factory=Pool, compare=False)

    def begin(self, model: ClickModel, batch: Batch, batch_rng: BatchRNG) -> BatchSteps:
        """Begin with a batch of new samples, which is one step, where gradients are computed."""
        return MixedStep(self, batch, batch_rng) if torch.is_grad_enabled() else super().begin(model, batch, batch_rng)


class MixedStep:
    """The one step of ``MixedClicks`` that a new batch brings."""

    number_of_steps = 1

    def __init__(self, task: MixedClicks, batch: Batch, batch_rng: BatchRNG) -> None:
        self.task, self.batch = task, batch
        self.key = int(batch_rng.samples[0].integers(1 << 31)) if batch_rng.samples else 0

    def step(self, index: int, forward: Forward) -> Step:
        """Train on the pool with the new batch in it; see ``BatchSteps``. The step returned shows the new samples."""
        pool = self.task.pool
        pool.add(self.batch, self.task.max_num_next_clicks + 1)
        assert pool.prev_mask is not None and pool.points is not None and pool.clicks is not None
        seen = pool.points.clone()
        losses, logits = forward(pool.batch, pool.prev_mask, seen)
        new = slice(-pool.parts[-1], None)
        logits = logits.detach()
        pool.prev_mask = logits.float().sigmoid()
        pool.clicks = pool.clicks + 1
        draws = Draws(seen.device, self.key)
        add_clicks_on_device(
            pool.points, pool.prev_mask, pool.batch["instances"], pool.clicks, draws, self.task.anywhere
        )
        return Step(losses, logits[new], seen[new])

    def state(self) -> dict[str, Tensor]:
        """Return nothing: the step is taken, or it is not."""
        return {}

    def load_state(self, state: Mapping[str, Tensor], losses: Losses) -> Step | None:
        """Begin anew; see ``BatchSteps``."""
        return None
