"""BatchNorm's statistics for use: measured over all clicks of some batches, instead of followed while training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn


def batchnorm_layers(model: nn.Module) -> list[nn.BatchNorm2d]:
    """All BatchNorm layers of a network."""
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def measure_statistics(model: nn.Module, passes: Iterable[Callable[[], Iterator[object]]], seed: int) -> None:
    """Set the running statistics to their plain average over forward passes in training mode (Wu & Johnson 2021).

    The running average that training keeps belongs to weights of the past, and most to the last steps; where
    consecutive steps see the same number of clicks, the first click is then answered with the statistics of late ones.

    Args:
        model: in training mode.
        passes: each is called and its iterator exhausted, with the forward passes of one batch as its side effect.
        seed: of what the passes draw from PyTorch's generators (dropout), which are left as they were.
    """
    layers = batchnorm_layers(model)
    momenta = [layer.momentum for layer in layers]
    devices = sorted({p.device for p in model.parameters() if p.device.type == "cuda"}, key=str)
    for layer in layers:
        layer.num_batches_tracked.zero_()  # the first pass overwrites what was there
        layer.momentum = None  # PyTorch's way to ask for the plain average
    try:
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            for forward in passes:
                for _ in forward():
                    pass
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
