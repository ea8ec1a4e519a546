"""BatchNorm's running statistics: measured precisely over some batches, and averaged or shared over processes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from isegm.engine.loading import EpochBatches
from isegm.engine.random import BatchRNG
from isegm.engine.tasks import Batch, run_all_steps
from isegm.engine.training_step import TrainingStep
from isegm.model.click_model import ClickModel
from isegm.utils import distributed
from isegm.utils.errors import InputError

PRECISE_BN = 3  # in the key of random numbers, apart from training and validation


def batchnorm_layers(model: nn.Module) -> list[nn.BatchNorm2d | nn.SyncBatchNorm]:
    """Return all BatchNorm layers of a network."""
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm)]


@torch.no_grad()
def measure_statistics(
    step: TrainingStep, parts: EpochBatches, batches: Iterable[Batch], seed: int, autocast: torch.autocast
) -> None:
    """Set the running statistics to their plain average over all clicks of some batches (Wu & Johnson 2021).

    The running average that training keeps belongs to weights of the past, and most to the last steps. Where
    consecutive steps see the same number of clicks, first clicks would be normalised by the statistics of late ones.

    Args:
        step: the network, in training mode, and its task.
        parts: this process's parts of the batches.
        batches: the samples of the first of these parts, on the device.
        seed: seed of simulated clicks and of dropout; PyTorch's generators are left as they were.
        autocast: precision of the network.
    """
    layers = batchnorm_layers(step.model)
    momenta = [layer.momentum for layer in layers]
    devices = sorted({p.device for p in step.model.parameters() if p.device.type == "cuda"}, key=str)
    for layer in layers:
        if layer.num_batches_tracked is not None:
            layer.num_batches_tracked.zero_()  # the first pass then overwrites the old statistics
        layer.momentum = None  # PyTorch then takes the plain average
    try:
        # A layer that takes the plain average reads a counter, which would end a compiled graph in each layer.
        with torch.random.fork_rng(devices), torch.compiler.set_stance("force_eager"):
            torch.manual_seed(seed)
            for number, (batch, start) in enumerate(zip(batches, parts.starts, strict=False)):
                batch_rng = BatchRNG(seed, number, PRECISE_BN, first=start, count=len(batch["instances"]))
                with autocast:
                    run_all_steps(step.task.begin(step.model, batch, batch_rng), step)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


@torch.no_grad()
def average_statistics(model: nn.Module) -> None:
    """Give all processes the mean of their running statistics, so that the checkpoint of one holds for all."""
    if distributed.world_size() == 1:
        return
    layers = batchnorm_layers(model)
    statistics = [x for layer in layers for x in (layer.running_mean, layer.running_var) if x is not None]
    if statistics:
        flat = distributed.all_reduce(torch.cat(statistics)).div_(distributed.world_size())
        for buffer, mean in zip(statistics, flat.split([len(buffer) for buffer in statistics]), strict=True):
            buffer.copy_(mean)


def synchronise_batchnorm(model: ClickModel, device: torch.device) -> ClickModel:
    """Let BatchNorm normalise by the statistics of the whole batch, all processes' parts together.

    Parameters, buffers and their names stay.

    Raises:
        InputError: ``device`` is no GPU; PyTorch's ``SyncBatchNorm`` runs on GPUs only.
    """
    if device.type != "cuda":
        raise InputError("--sync-bn works on GPUs only: leave it out, or train without --cpu.")
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)
