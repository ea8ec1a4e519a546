"""MobileNetV2 (Sandler et al. 2018) at output stride 8, with the layer names of ClickSEG's light baselines."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# For each block its settings: (expansion, channels, layers, stride), and the dilation that replaces the stride.
BLOCKS = (
    (((1, 16, 1, 1),), 1),
    (((6, 24, 2, 2),), 1),
    (((6, 32, 3, 2),), 1),
    (((6, 64, 4, 2), (6, 96, 3, 1)), 2),
    (((6, 160, 3, 2), (6, 320, 1, 1)), 4),
)


class ConvBNReLU6(nn.Module):
    """Convolution without bias, BatchNorm, ReLU6.

    Under autocast on a CPU, depthwise convolutions with stride or dilation stay in float32: their bfloat16 backward
    pass there is three to four times slower.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.slow_in_bf16 = groups > 1 and (stride > 1 or dilation > 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.slow_in_bf16 and x.dtype == torch.bfloat16 and x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                x = self.conv(x.float()).to(x.dtype)
        else:
            x = self.conv(x)
        return F.relu6(self.bn(x), inplace=True)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; a shortcut where the shape allows one (Sandler et al. 2018, table 1)."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        expand = [ConvBNReLU6(in_channels, hidden, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            ConvBNReLU6(hidden, hidden, 3, stride, dilation, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


def _block(in_channels: int, settings: tuple[tuple[int, int, int, int], ...], dilation: int) -> nn.Sequential:
    layers = []
    for expansion, channels, count, stride in settings:
        for index in range(count):
            first = index == 0
            layers.append(
                InvertedResidual(
                    in_channels,
                    channels,
                    expansion,
                    stride=stride if first and dilation == 1 else 1,
                    dilation=dilation if first else 1,  # only the first layer of a setting is dilated, as published
                )
            )
            in_channels = channels
    return nn.Sequential(*layers)


class MobileNetV2(nn.Module):
    """Backbone of width 1 that adds click features to its first stage.

    Attributes:
        side_channels: channels that the click features must have.
        channels: channels of the features at stride 4 and at stride 8.
    """

    side_channels = 32
    channels = (24, 320)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBNReLU6(3, self.side_channels, 3, stride=2)
        in_channels = self.side_channels
        for number, (settings, dilation) in enumerate(BLOCKS, start=1):
            self.add_module(f"block{number}", _block(in_channels, settings, dilation))
            in_channels = settings[-1][1]

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a normalised image (B, 3, H, W) and click features (B, 32, H/2, W/2) at strides 4 and 8."""
        x = self.conv1(image) + side  # (B, 32, H/2, W/2)
        low = self.block2(self.block1(x))  # (B, 24, H/4, W/4)
        high = self.block5(self.block4(self.block3(low)))  # (B, 320, H/8, W/8)
        return low, high


_PAIR = ("conv", "bn")
_LAYER_PLACES = [
    (number, layer)
    for number, (settings, _) in enumerate(BLOCKS, start=1)
    for layer in range(sum(count for _, _, count, _ in settings))
]


def torchvision_key(key: str) -> str | None:
    """The name here of a parameter of torchvision's ``mobilenet_v2``; None for its classifier and for any other name.

    torchvision counts all layers in one list: features.0 is ``conv1``, 1 to 17 are the blocks' layers, 18 is the last
    convolution of the classification network. Inside a layer, each ConvBNReLU6 is a pair (0, 1) instead of (conv, bn).
    """
    first = re.fullmatch(r"features\.0\.([01])\.(\w+)", key)
    if first is not None:
        return f"conv1.{_PAIR[int(first[1])]}.{first[2]}"
    inner = re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(?:([01])\.)?(\w+)", key)
    if inner is None or not 1 <= int(inner[1]) <= len(_LAYER_PLACES):
        return None
    block, layer = _LAYER_PLACES[int(inner[1]) - 1]
    of_pair = "" if inner[3] is None else f"{_PAIR[int(inner[3])]}."
    return f"block{block}.{layer}.conv.{inner[2]}.{of_pair}{inner[4]}"
