"""Convolutions of maps that are resized to one size and concatenated, at fewer multiplications.

Resizing is linear, and so is a convolution. What a convolution makes of a coarse map can therefore be computed on the
coarse map and resized afterwards. The result is the same but for its last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.layers import resize

COARSE = 4  # times smaller than the first map: from there on a 3x3 convolution is cheaper on the map itself


class ConvOfMaps(nn.Conv2d):
    """A convolution of one map or of several, which keeps the size.

    Args:
        inputs: channels of all maps together.
        outputs: channels of the result.
        kernel: width of the square kernel.
        bias: whether it has one.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Literal[1, 3], bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)

    def forward(self, input: Tensor | Sequence[Tensor]) -> Tensor:
        """Return (B, outputs, H, W).

        Args:
            input: (B, C, H, W); or maps (B, C_i, h_i, w_i), which count as resized to the size of the first, (H, W),
                bilinearly with aligned corners, and concatenated.
        """
        if isinstance(input, Tensor):
            return super().forward(input)
        return _conv1x1(self, input) if self.kernel_size == (1, 1) else _conv3x3(self, input)


def _conv1x1(conv: nn.Conv2d, maps: Sequence[Tensor]) -> Tensor:
    """See ``ConvOfMaps``: convolve each map, then resize and add the results."""
    weights = conv.weight.split([x.shape[1] for x in maps], dim=1)
    result = F.conv2d(maps[0], weights[0], conv.bias)
    for x, weight in zip(maps[1:], weights[1:], strict=True):
        result += resize(F.conv2d(x, weight), result.shape[2:])
    return result


def _conv3x3(conv: nn.Conv2d, maps: Sequence[Tensor]) -> Tensor:
    """See ``ConvOfMaps``; maps at least ``COARSE`` times smaller than the first go through ``_conv3x3_of_coarse``."""
    first, *others = maps
    height, width = first.shape[2:]
    weight, *weights = conv.weight.split([x.shape[1] for x in maps], dim=1)
    fine, fine_weights, coarse = [first], [weight], []
    for x, weight in zip(others, weights, strict=True):
        if COARSE * x.shape[2] < height + COARSE and COARSE * x.shape[3] < width + COARSE:  # sizes are rounded up
            coarse.append((x, weight))
        else:
            fine.append(resize(x, (height, width)))
            fine_weights.append(weight)
    weight = torch.cat(fine_weights, dim=1).contiguous(memory_format=torch.channels_last)
    result = F.conv2d(torch.cat(fine, dim=1), weight, conv.bias, padding=1)
    for x, weight in coarse:
        result += _conv3x3_of_coarse(x, weight, (height, width))
    return result


def _conv3x3_of_coarse(x: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
    """Convolve a map resized to ``size``: mix its channels, then interpolate columns and rows.

    Each of the nine taps of the filter is a 1x1 convolution of the resized map, moved by a pixel. Columns of the result
    are interpolated from those of three taps in a row by one matrix, which moves each tap by its pixel; then rows in
    the same way.

    Args:
        x: (B, C, h, w).
        weight: (outputs, C, 3, 3).
        size: (H, W).

    Returns:
        (B, outputs, H, W), zero-padded as a convolution with padding 1 is, channels last in memory.
    """
    batch, _, height, width = x.shape
    outputs = len(weight)
    tokens = x.permute(0, 2, 3, 1).flatten(0, 2)  # (B*h*w, C)
    columns = _moved_interpolation(width, size[1], x)  # (W, w*3)
    lines = []
    for row_of_taps in weight.unbind(2):  # (outputs, C, 3)
        taps = tokens @ row_of_taps.permute(1, 2, 0).flatten(1)  # (B*h*w, 3*outputs)
        lines.append(columns @ taps.view(batch * height, width * 3, outputs))  # (B*h, W, outputs)
    stacked = torch.stack([line.view(batch, height, size[1] * outputs) for line in lines], dim=2)
    result = _moved_interpolation(height, size[0], x) @ stacked.flatten(1, 2)  # (B, H, W*outputs)
    return result.view(batch, *size, outputs).permute(0, 3, 1, 2)


def _moved_interpolation(source: int, target: int, like: Tensor) -> Tensor:
    """Matrix (target, source * 3) that interpolates a line with aligned corners and adds its neighbours' taps.

    Column 3 * i + j holds the share of source pixel i in the resized pixel before (j = 0), at (1) or behind (2) the
    target pixel; a pixel outside has none.

    Args:
        source, target: numbers of pixels.
        like: whose device and dtype the matrix gets.
    """
    identity = torch.eye(source, device=like.device, dtype=like.dtype)
    shares = F.interpolate(identity[None], size=target, mode="linear", align_corners=True)[0].T  # (target, source)
    moved = (F.pad(shares, (0, 0, 1, 0))[:-1], shares, F.pad(shares, (0, 0, 0, 1))[1:])
    return torch.stack(moved, dim=2).flatten(1)
