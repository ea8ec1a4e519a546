"""Initial weights."""

import math

from torch import nn

_WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


def xavier_gluon(module: nn.Module) -> None:
    """Initialise a network in place as MXNet Gluon's ``Xavier("gaussian", magnitude=2)`` does.

    Weights of convolutions and linear layers are drawn with variance 2 / mean(fan_in, fan_out), biases are 0, norms
    start as the identity; other parameters are left as they are.
    """
    for layer in module.modules():
        if isinstance(layer, _WEIGHTED):
            nn.init.xavier_normal_(layer.weight, gain=math.sqrt(2))
        elif isinstance(layer, _NORMS) and layer.weight is not None:
            nn.init.ones_(layer.weight)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
