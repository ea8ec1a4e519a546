"""The differentiable part of training as one module, and its copies in several processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from isegm.engine.tasks import Batch, Losses, Step, TrainingTask
from isegm.model.click_model import ClickModel
from isegm.utils import distributed

AMP_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TrainingStep(nn.Module):
    """A task's forward pass through a network: from a batch, previous masks and clicks to losses.

    Everything that needs gradients lies inside one ``forward``, as DistributedDataParallel requires. Simulated clicks,
    which need none, call ``model`` directly.
    """

    def __init__(self, model: ClickModel, task: TrainingTask) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.never_used = nn.Parameter(next(model.parameters()).new_zeros(1))  # see ``parallelize``

    def forward(self, batch: Batch, prev_mask: Tensor, points: Tensor) -> tuple[Losses, Tensor]:
        """Return the weighted losses by name, and the logits (B, 1, H, W) without gradient; see ``TrainingTask``."""
        losses, logits = self.task.forward(self.model, batch, prev_mask, points)
        return losses, logits.detach()


def mixed_precision(amp: str | None, device: torch.device) -> tuple[torch.autocast, torch.amp.GradScaler]:
    """Return the context in which a network computes, and what scales its losses.

    Args:
        amp: one of ``AMP_DTYPES``; None for float32.
        device: of the network.
    """
    dtype = torch.float32 if amp is None else AMP_DTYPES[amp]
    # Without a cache of cast weights, as these change between two steps of one batch.
    autocast = torch.autocast(device.type, dtype, enabled=amp is not None, cache_enabled=False)
    return autocast, torch.amp.GradScaler(device.type, enabled=amp == "fp16")


def parallelize(step: TrainingStep, bucket_cap_mb: float = 25) -> TrainingStep | DistributedDataParallel:
    """Average the gradients of ``step`` over all processes, starting from the first one's weights and buffers.

    A single process gets ``step`` back. Unused parameters are searched for in every step, because some published
    networks have parameters that no loss reaches (docs/fidelity.md#parameters-without-use). DDP then also keeps its
    first assignment of parameters to buckets, so that a resumed run adds gradients in the same order. Where it finds
    no unused parameter it prints a warning that cannot be caught; ``step`` therefore has one.

    Args:
        step: network and task of this process.
        bucket_cap_mb: gradients that are sent at once, in MiB.
    """
    if distributed.world_size() == 1:
        return step
    parallel = DistributedDataParallel(step, find_unused_parameters=True, bucket_cap_mb=bucket_cap_mb)
    # Not the constructor's argument: PyTorch renamed it, and it would also keep the first buffers from being sent.
    parallel.broadcast_buffers = False  # processes keep their own BatchNorm statistics until they are averaged
    return parallel


def without_averaging(step: TrainingStep | DistributedDataParallel) -> AbstractContextManager[None]:
    """Keep gradients to this process, where more are accumulated before they are averaged over processes."""
    return step.no_sync() if isinstance(step, DistributedDataParallel) else nullcontext()


def forward_backward(
    step: TrainingStep | DistributedDataParallel,
    backward: Callable[[Step], None],
    batch: Batch,
    prev_mask: Tensor,
    points: Tensor,
    *,
    size: int,
    synchronise: bool,
) -> tuple[Losses, Tensor]:
    """Compute losses and gradients of a batch, ``size`` samples at a time.

    Args:
        step: network and task.
        backward: adds the gradients of a part.
        batch, prev_mask, points: see ``TrainingTask.forward``.
        size: samples of a part.
        synchronise: average the gradients over all processes once they are computed.

    Returns:
        the losses of the batch by name, and logits (B, 1, H, W), all without gradient.
    """
    count = len(points)
    sums: Losses = {}
    logits = []
    for first in range(0, count, size):
        part = slice(first, first + size)
        last = first + size >= count
        with nullcontext() if synchronise and last else without_averaging(step):
            losses, predicted = step(
                {name: value[part] for name, value in batch.items()}, prev_mask[part], points[part]
            )
            if size < count:
                losses = {name: loss * (len(predicted) / count) for name, loss in losses.items()}
            with torch.autocast(points.device.type, enabled=False):
                backward(Step(losses, predicted, points[part]))
        logits.append(predicted)
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.detach()
    return sums, torch.cat(logits)
