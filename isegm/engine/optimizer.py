"""The optimiser of all methods."""

from __future__ import annotations

import torch
from torch import nn

from isegm.engine.config import TrainConfig
from isegm.model.click_model import ClickModel


def adam(model: ClickModel, config: TrainConfig) -> torch.optim.Adam:
    """Return Adam with one group of parameters for each learning-rate multiplier, which the group holds as "mult"."""
    multipliers = model.lr_multipliers() if config.lr_multipliers is None else config.lr_multipliers
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault(multipliers.get(name, 1.0), []).append(parameter)
    return torch.optim.Adam(
        [{"params": parameters, "mult": mult} for mult, parameters in sorted(groups.items())],
        lr=config.lr,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=next(model.parameters()).is_cuda,
    )
