"""Residual blocks and small layers that the backbones share, with the parameter names of published weights."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """Convolution without bias and its batch norm; at stride 1 the size stays the same."""
    padding = dilation * (kernel // 2)
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU."""
    return nn.Sequential(*conv_bn(inputs, outputs, kernel, stride, dilation), nn.ReLU(inplace=True))


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear with aligned corners, to ``size`` (H, W)."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """What a residual block adds: its input, projected where channels or size change."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(*conv_bn(inputs, outputs, kernel=1, stride=stride))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Args:
        inputs, planes: channels before and after.
        stride: of the first convolution.
        dilations: of both convolutions.
    """

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int = 1, dilations: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(inputs, planes, stride=stride, dilation=dilations[0])
        self.conv2, self.bn2 = conv_bn(planes, planes, dilation=dilations[1])
        self.downsample = shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += self.downsample(x)
        return F.relu(out, inplace=True)  # (B, planes, H / stride, W / stride)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions to four times ``planes`` channels, and a shortcut.

    Args:
        inputs: channels before.
        planes: a quarter of the channels after.
        stride, dilation: of the 3x3 convolution.
    """

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1, self.bn1 = conv_bn(inputs, planes, kernel=1)
        self.conv2, self.bn2 = conv_bn(planes, planes, stride=stride, dilation=dilation)
        self.conv3, self.bn3 = conv_bn(planes, outputs, kernel=1)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        out += self.downsample(x)
        return F.relu(out, inplace=True)  # (B, 4 * planes, H / stride, W / stride)
