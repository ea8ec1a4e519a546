"""A running average of a network's weights, which often predicts better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from itertools import chain

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from isegm.model.click_model import ClickModel

WARMUP = 10  # steps over which the average follows the weights closely, as the first ones are far from the last


class WeightAverage:
    """The exponential moving average of a network's weights and buffers (Polyak and Juditsky 1992).

    After n steps the average takes 1 - min(decay, (1 + n) / (10 + n)) of the new weights. Nothing is copied to or from
    the device, where PyTorch's ``AveragedModel`` sends its number of steps there at each one.

    Args:
        model: the network.
        decay: share that the average keeps at each step, such as 0.998.

    Attributes:
        model: the network with the averaged weights.
        steps: how many were taken in.
    """

    def __init__(self, model: ClickModel, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.model = deepcopy(model)

    def update(self, model: ClickModel) -> None:
        """Take in the weights after a step; the first ones replace those that the average began with."""
        decay = min(self.decay, (1 + self.steps) / (WARMUP + self.steps)) if self.steps else 0.0
        (averaged, averaged_counts), (current, counts) = _tensors(self.model), _tensors(model)
        get_ema_multi_avg_fn(decay)(averaged, current, self.steps)
        for count, new in zip(averaged_counts, counts, strict=True):
            count.copy_(new)
        self.steps += 1

    def load(self, weights: Mapping[str, Tensor], steps: int) -> None:
        """Go on from an average of ``steps`` steps."""
        self.model.load_state_dict(weights)
        self.steps = steps


def _tensors(model: ClickModel) -> tuple[list[Tensor], list[Tensor]]:
    """Return parameters and buffers: those of floating point, and others such as BatchNorm's numbers of batches."""
    tensors = [tensor.detach() for tensor in chain(model.parameters(), model.buffers())]
    return [x for x in tensors if x.is_floating_point()], [x for x in tensors if not x.is_floating_point()]
