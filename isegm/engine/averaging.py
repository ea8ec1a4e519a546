"""A running average of a network's weights, which often predicts better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from isegm.model.click_model import ClickModel

WARMUP = 10  # steps over which the average follows the weights closely, as the first ones are far from the last


class WeightAverage:
    """The exponential moving average of a network's weights and buffers (Polyak and Juditsky 1992).

    After n steps the average takes 1 - min(decay, (1 + n) / (10 + n)) of the new weights. Nothing is read from the
    device.

    Args:
        model: the network.
        decay: share that the average keeps at each step, such as 0.998.
    """

    def __init__(self, model: ClickModel, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._average = AveragedModel(model, multi_avg_fn=self._merge, use_buffers=True)

    @property
    def model(self) -> ClickModel:
        """The network with the averaged weights."""
        return cast(ClickModel, self._average.module)

    def update(self, model: ClickModel) -> None:
        """Take in the weights after a step."""
        self._average.update_parameters(model)
        self.steps += 1

    def load(self, weights: Mapping[str, Tensor], steps: int) -> None:
        """Go on from an average of ``steps`` steps."""
        self.model.load_state_dict(weights)
        self.steps = steps
        self._average.n_averaged.fill_(steps)

    def _merge(self, averaged: Sequence[Tensor], current: Sequence[Tensor], _: Tensor | int) -> None:
        decay = min(self.decay, (1 + self.steps) / (WARMUP + self.steps))
        if averaged[0].is_floating_point():
            get_ema_multi_avg_fn(decay)(averaged, current, self.steps)
        else:  # numbers of batches
            torch._foreach_copy_(list(averaged), list(current))
