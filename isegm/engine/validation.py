"""Losses and IoU on validation samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from isegm.engine.loading import EpochBatches
from isegm.engine.metrics import AdaptiveIoU
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import Batch, run_all_steps
from isegm.engine.training_step import TrainingStep
from isegm.utils import distributed

VALIDATION = 2  # in the key of random numbers, apart from those of training


@torch.no_grad()
def validate(
    step: TrainingStep,
    parts: EpochBatches,
    batches: Iterator[Batch],
    seed: int,
    autocast: torch.autocast,
    before_batch: Callable[[], None],
) -> tuple[dict[str, float], float]:
    """Take all steps of each batch without training; the last step of each counts.

    Args:
        step: the network, in eval mode, and its task.
        parts: this process's parts of the batches; the part of a last, small batch may be empty.
        batches: the samples of each part that is not empty, on the device.
        seed: seed of simulated clicks, which are the same in every epoch.
        autocast: precision of the network.
        before_batch: called in all processes before each batch, such as to end the run.

    Returns:
        the mean losses over all samples of all processes by name, and the mean IoU.
    """
    metric = AdaptiveIoU()
    seen: list[tuple[dict[str, torch.Tensor], int]] = []
    empty = torch.zeros(0, 1, 1, 1, device=next(step.parameters()).device)
    for number, (part, start) in enumerate(zip(parts.parts, parts.starts, strict=True)):
        before_batch()
        if not part:
            metric.update(empty, empty)
            continue
        batch = next(batches)
        batch_rng = BatchRNG(seed, number, VALIDATION, first=start, count=len(part))
        with autocast:
            last = run_all_steps(step.task.begin(step.model, batch, batch_rng), step)
        seen.append((last.losses, len(part)))
        metric.update(last.logits.float(), batch["instances"])
    sums: dict[str, float] = {}
    for losses_of_batch, count in seen:  # read now, as each reading waits for the device
        for name, loss in losses_of_batch.items():
            sums[name] = sums.get(name, 0.0) + loss.item() * count
    gathered = distributed.all_gather((sums, sum(map(len, parts.parts))))
    samples = sum(count for _, count in gathered)
    losses = {name: sum(other.get(name, 0.0) for other, _ in gathered) / samples for name in gathered[0][0]}
    return losses, metric.epoch_value
