"""BatchNorm's statistics: measured over all clicks of some batches for use, and shared by processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from isegm.utils import distributed


def batchnorm_layers(model: nn.Module) -> list[nn.BatchNorm2d | nn.SyncBatchNorm]:
    """All BatchNorm layers of a network."""
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm)]


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


@torch.no_grad()
def average_statistics(model: nn.Module) -> None:
    """Give all processes the mean of their running statistics, so that a checkpoint speaks for all of them."""
    statistics = [buffer for layer in batchnorm_layers(model) for buffer in (layer.running_mean, layer.running_var)]
    if distributed.world_size() > 1 and statistics:
        flat = distributed.all_reduce(torch.cat(statistics)).div_(distributed.world_size())
        for buffer, mean in zip(statistics, flat.split([len(buffer) for buffer in statistics]), strict=True):
            buffer.copy_(mean)


def synchronise_batchnorm(model: nn.Module, device: torch.device) -> nn.Module:
    """The network with BatchNorm that normalises by the statistics of all processes' parts of a batch together.

    Parameters, buffers and their names stay. PyTorch's own layer runs on GPUs only; on the CPU another one does.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = CpuSyncBatchNorm
    return model


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """BatchNorm over all processes' parts of a batch, which are of equal size."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or distributed.world_size() == 1:
            return super().forward(x)
        origin = self.running_mean.clone()  # near the mean, so that little is lost where squares are subtracted
        shifted = x.float() - origin[:, None, None]  # (B, C, H, W)
        moments = torch.stack((shifted.mean((0, 2, 3)), shifted.square().mean((0, 2, 3))))  # (2, C)
        mean, square = _SumOverProcesses.apply(moments) / distributed.world_size()
        variance = (square - mean.square()).clamp_min(0)
        with torch.no_grad():
            self.num_batches_tracked += 1
            rate = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            number = x.numel() // x.shape[1] * distributed.world_size()
            self.running_mean.lerp_(origin + mean, rate)
            self.running_var.lerp_(variance * number / (number - 1), rate)
        scale = self.weight * (variance + self.eps).rsqrt()
        return ((shifted - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class _SumOverProcesses(torch.autograd.Function):
    """A sum over processes, whose gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, tensor: Tensor) -> Tensor:
        return distributed.all_reduce(tensor.clone())

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        return distributed.all_reduce(gradient.clone())
