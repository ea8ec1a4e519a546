"""Small layers and tensor operations that backbones and heads share."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ScaleLayer(nn.Module):
    """Multiply by the absolute value of one learned number (``scale``)."""

    def __init__(self, init_value: float = 0.05) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), init_value))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.abs()


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """Convolution without bias and its batch norm; stride 1 keeps the size."""
    padding = dilation * (kernel // 2)
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU."""
    return nn.Sequential(*conv_bn(inputs, outputs, kernel, stride, dilation), nn.ReLU(inplace=True))


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (B, C, h, w) to ``size`` (H, W), bilinear with aligned corners."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


def to_map(tokens: Tensor, size: Sequence[int]) -> Tensor:
    """Reshape tokens (B, H*W, C), in row-major order, to a map (B, C, H, W) of ``size`` (H, W)."""
    return tokens.transpose(1, 2).unflatten(2, tuple(size))


def to_tokens(maps: Tensor) -> Tensor:
    """Reshape a map (B, C, H, W) to tokens (B, H*W, C) in row-major order."""
    return maps.flatten(2).transpose(1, 2)
