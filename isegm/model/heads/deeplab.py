"""DeepLabV3+'s head (Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution") as RITM builds it.

Parameters have the published names, "concurent" and the repeated "skip_project" included
(docs/fidelity.md#parameters-without-use).
"""

import torch
from torch import Tensor, nn

from isegm.model.layers import conv_bn_relu, resize

_RATES = (12, 24, 36)  # of the dilated branches, at stride 8


class SeparableConv(nn.Module):
    """Depthwise 3x3 convolution, 1x1 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        each = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.body = nn.Sequential(each, *conv_bn_relu(inputs, outputs, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def separable_head(inputs: int, middle: int, outputs: int, depth: int = 2) -> nn.Sequential:
    """Chain ``depth`` separable convolutions to ``middle`` channels and a 1x1 convolution to ``outputs``."""
    separable = [SeparableConv(inputs if number == 0 else middle, middle) for number in range(depth)]
    return nn.Sequential(*separable, nn.Conv2d(middle, outputs, kernel_size=1))


class SeparableHead(nn.Module):
    """Predict logits (B, outputs, H, W) from features (B, inputs, H, W); see ``separable_head``."""

    def __init__(self, inputs: int, middle: int, outputs: int = 1, depth: int = 2) -> None:
        super().__init__()
        self.inputs = inputs
        self.layers = separable_head(inputs, middle, outputs, depth)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class GlobalPooling(nn.Module):
    """Mean over all pixels and a 1x1 convolution of it, repeated at every pixel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(inputs, outputs, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        return resize(self.gap(x), x.shape[2:])


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: one 1x1, three dilated 3x3 convolutions and a global mean, concatenated."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        dilated = [conv_bn_relu(inputs, outputs, dilation=rate) for rate in _RATES]
        branches = [conv_bn_relu(inputs, outputs, kernel=1), *dilated, GlobalPooling(inputs, outputs)]
        self.concurent = nn.ModuleList(branches)
        self.project = nn.Sequential(*conv_bn_relu(len(branches) * outputs, outputs, kernel=1), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, h, w) from ``x`` (B, inputs, h, w)."""
        return self.project(torch.cat([branch(x) for branch in self.concurent], dim=1))


class DeepLabHead(nn.Module):
    """Mix the features of ASPP and of the skip connection."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.block = separable_head(inputs, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class SkipProject(nn.Module):
    """Project the features at stride 4 to few channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.skip_project = conv_bn_relu(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip_project(x)
