"""The optimiser of all methods."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from isegm.engine.config import TrainConfig
from isegm.model.click_model import ClickModel


def adam(model: ClickModel, config: TrainConfig) -> torch.optim.Adam:
    """Return Adam with a group of parameters for each pair of learning-rate multiplier and weight decay.

    A group holds its multiplier as "mult". A step counts in the versions of the weights, by which networks know that
    what they have computed from these is out of date; PyTorch's fused step, which CUDA takes, does not count by itself.
    """
    multipliers = model.lr_multipliers() if config.lr_multipliers is None else config.lr_multipliers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        group = multipliers.get(name, 1.0), config.weight_decays.get(name, 0.0)
        groups.setdefault(group, []).append(parameter)
    optimizer = torch.optim.Adam(
        [{"params": groups[mult, decay], "mult": mult, "weight_decay": decay} for mult, decay in sorted(groups)],
        lr=config.lr,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=next(model.parameters()).is_cuda,
    )
    optimizer.register_step_post_hook(_count)
    return optimizer


def _count(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Count a step in the versions of the weights."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            torch.autograd.graph.increment_version(parameter)
