"""Small layers and tensor operations that backbones and heads share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Simplifiable(nn.Module, ABC):
    """A module that computes its outputs, or what its caller reads of them, at less cost for inference."""

    @abstractmethod
    def simplify(self) -> None:
        """Change to that form, whose BatchNorm layers are folded already; it cannot be trained or saved."""


class ScaleLayer(nn.Module):
    """Multiply by the absolute value of one learned number (``scale``)."""

    def __init__(self, init_value: float) -> None:
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


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)), inplace=True)


@torch.no_grad()
def composed(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """Return, for inference, the 1x1 convolution that does what two of them do one after the other.

    It also does so where means over pixels are taken between the two, if they are taken before it instead.

    Args:
        first: weights (M, C, 1, 1), with a bias or without.
        second: weights (N, M, 1, 1), the same.

    Returns:
        a convolution with weights (N, C, 1, 1) and a bias, none of which is trained.
    """
    weight = second.weight.flatten(1) @ first.weight.flatten(1)  # (outputs, inputs)
    result = nn.Conv2d(first.in_channels, second.out_channels, 1, device=weight.device, dtype=weight.dtype)
    bias = weight.new_zeros(second.out_channels) if second.bias is None else second.bias
    if first.bias is not None:
        bias = bias + second.weight.flatten(1) @ first.bias
    result.weight = nn.Parameter(weight[..., None, None], requires_grad=False)
    result.bias = nn.Parameter(bias, requires_grad=False)
    return result


def dilated_by_phases(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute a dilated convolution of stride 1 as one without dilation on each of its grids of pixels.

    Pixels that a convolution of dilation d sees together lie d apart: they are gathered to d * d smaller maps. cuDNN
    computes dilated depthwise convolutions many times slower than others, the copies included.

    Args:
        conv: which keeps the size: its padding is the dilation times half of the kernel.
        x: (B, C, H, W).
    """
    steps, height, width = conv.dilation[0], *x.shape[2:]
    x = F.pad(x, (0, -width % steps, 0, -height % steps)).permute(0, 2, 3, 1)
    x = x.unflatten(2, (-1, steps)).unflatten(1, (-1, steps))  # (B, H/d, d, W/d, d, C)
    grids = x.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)  # (d*d*B, C, H/d, W/d)
    grids = F.conv2d(grids, conv.weight, conv.bias, 1, conv.kernel_size[0] // 2, 1, conv.groups)
    x = grids.permute(0, 2, 3, 1).unflatten(0, (steps, steps, -1)).permute(2, 3, 0, 4, 1, 5)
    return x.flatten(3, 4).flatten(1, 2)[:, :height, :width].permute(0, 3, 1, 2)


def resize(x: Tensor, size: Sequence[int], aligned: bool = True) -> Tensor:
    """Resize (B, C, h, w) to ``size`` (H, W), bilinear, with aligned corners or without."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=aligned)


def resized_sum(maps: Iterable[Tensor], size: Sequence[int]) -> Tensor:
    """Resize maps (B, C, h_i, w_i) to ``size`` (H, W) without aligned corners, and add them in their order.

    Where a 1x1 convolution of all maps, resized and concatenated, follows in a paper, run its parts on each map first
    and add the results here: both are linear, so that the result is the same at less than half the MACs.
    """
    same = tuple(size)
    return reduce(torch.add, (x if tuple(x.shape[2:]) == same else resize(x, same, aligned=False) for x in maps))


def to_map(tokens: Tensor, size: Sequence[int]) -> Tensor:
    """Reshape tokens (B, H*W, C), in row-major order, to a map (B, C, H, W) of ``size`` (H, W)."""
    return tokens.transpose(1, 2).unflatten(2, tuple(size))


def to_tokens(maps: Tensor) -> Tensor:
    """Reshape a map (B, C, H, W) to tokens (B, H*W, C) in row-major order."""
    return maps.flatten(2).transpose(1, 2)
