"""The optimiser of all methods."""

from __future__ import annotations

import torch
from torch import nn

from isegm.engine.config import TrainConfig
from isegm.model.click_model import ClickModel


def adam(model: ClickModel, config: TrainConfig) -> torch.optim.Adam:
    """Return Adam with a group of parameters for each pair of learning-rate multiplier and weight decay.

    A group holds its multiplier as "mult".
    """
    multipliers = model.lr_multipliers() if config.lr_multipliers is None else config.lr_multipliers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        group = multipliers.get(name, 1.0), config.weight_decays.get(name, 0.0)
        groups.setdefault(group, []).append(parameter)
    return torch.optim.Adam(
        [{"params": groups[mult, decay], "mult": mult, "weight_decay": decay} for mult, decay in sorted(groups)],
        lr=config.lr,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=next(model.parameters()).is_cuda,
    )
