"""Activation checkpointing: blocks compute their activations again in the backward pass instead of keeping them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Recomputable(nn.Module):
    """Base class of blocks that can keep their input alone, for about a third more time and much less memory.

    Gradients and BatchNorm's statistics are the same to the last bit. Compiled blocks keep their activations, as
    PyTorch's compiler takes no context around what is computed again.

    Attributes:
        recompute: whether it does so; see ``set_recomputation``.
        always: it does so whatever ``recompute`` says; see ``always_recompute``.
    """

    recompute = False
    always = False

    def run(self, block: nn.Module, x: Tensor) -> Tensor:
        """Call ``block`` with ``x``."""
        if not ((self.recompute or self.always) and torch.is_grad_enabled()) or torch.compiler.is_compiling():
            return block(x)
        output: Tensor = checkpoint(
            block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _with_fixed_statistics(block))
        )
        return output


def set_recomputation(model: nn.Module, recompute: bool) -> None:
    """Switch activation checkpointing on or off in all blocks of a network that have it."""
    for module in model.modules():
        if isinstance(module, Recomputable):
            module.recompute = recompute


def always_recompute(model: nn.Module) -> bool:
    """Switch activation checkpointing on in all blocks that have it, on every device and at every batch size.

    Returns:
        whether there are any.
    """
    blocks = [module for module in model.modules() if isinstance(module, Recomputable)]
    for module in blocks:
        module.always = True
    return bool(blocks)


@contextmanager
def _with_fixed_statistics(block: nn.Module) -> Iterator[None]:
    """Let BatchNorm see the batch once more without counting it twice."""
    layers = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm)]
    kept = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        count = layer.num_batches_tracked
        layer.momentum, layer.num_batches_tracked = 0.0, None if count is None else count.clone()
    try:
        yield
    finally:
        for layer, (momentum, count) in zip(layers, kept, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, count
