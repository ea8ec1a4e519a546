"""The form in which predictors run a network: the same function of images and clicks in less time.

Each BatchNorm layer, and each factor (``ScaleLayer``), is folded into the convolution before it; modules that have a
cheaper form change to it (``Simplifiable``); weights of convolutions lie in memory with their channels last. Outputs
change in their last digits only.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain, pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from isegm.model.aggregation import ConvOfMaps
from isegm.model.click_model import ClickModel
from isegm.model.layers import ScaleLayer, Simplifiable


def in_inference_form(network: ClickModel) -> ClickModel:
    """Return a network for inference with the weights that ``network`` has now.

    Weights of convolutions are copied, all others are shared. A network without BatchNorm, or one that is in this form
    already, is returned as it is.

    Args:
        network: in evaluation mode; it stays as it is.
    """
    if network.inference_form or not any(type(module) is nn.BatchNorm2d for module in network.modules()):
        return network
    tensors = chain(network.parameters(), network.buffers())
    fast = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})  # other layers with the same tensors
    fast.inference_form = True
    with torch.no_grad():
        for parent in list(fast.modules()):
            for first, second in _pairs(parent):
                _fold(first, second)
        for module in list(fast.modules()):
            if isinstance(module, Simplifiable):
                module.simplify()
        for module in fast.modules():
            if isinstance(module, nn.Conv2d):
                weight = module.weight.detach().to(memory_format=torch.channels_last, copy=True)
                module.weight = nn.Parameter(weight, requires_grad=False)
    return fast


def _pairs(parent: nn.Module) -> Iterator[tuple[tuple[nn.Module, str], tuple[nn.Module, str]]]:
    """Yield the places of a convolution and of the layer behind it, also in a sequence, that is folded into it."""
    children = list(parent.named_children())
    for (name, module), (next_name, following) in pairwise(children):
        place = (parent, next_name)
        if isinstance(following, nn.Sequential) and len(following):
            place, following = (following, "0"), following[0]
        if type(module) in (nn.Conv2d, ConvOfMaps) and type(following) in (nn.BatchNorm2d, ScaleLayer):
            yield (parent, name), place


def _fold(conv_place: tuple[nn.Module, str], layer_place: tuple[nn.Module, str]) -> None:
    """Put a convolution with the layer behind it in the place of the first, and nothing in that of the second."""
    conv, layer = (parent.get_submodule(name) for parent, name in (conv_place, layer_place))
    assert isinstance(conv, nn.Conv2d)
    if isinstance(layer, nn.BatchNorm2d):
        folded = fuse_conv_bn_eval(conv, layer)
    else:
        folded = copy.deepcopy(conv)
        for parameter in folded.parameters():
            parameter.copy_(layer(parameter))
    setattr(*conv_place, folded)
    setattr(*layer_place, nn.Identity())
