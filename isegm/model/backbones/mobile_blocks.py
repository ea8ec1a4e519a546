"""Layers of mobile backbones, with the parameter names of ClickSEG's light baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.backbones.two_scale import TwoScaleBackbone
from isegm.model.layers import dilated_by_phases
from isegm.model.recomputation import Recomputable

Activation = Callable[..., Tensor]
Row = tuple[int, int, int, int, int]  # expansion, channels, blocks, stride of the first block, kernel


class ConvBNAct(nn.Module):
    """Convolution without bias, BatchNorm, activation; stride 1 keeps the size.

    Under autocast on a CPU, depthwise convolutions with stride or dilation stay in float32: their bfloat16 backward
    pass there is three to four times slower. For dilated ones on CUDA see ``dilated_by_phases``.

    Args:
        activation: a function that takes ``inplace``, such as ``F.relu6``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        activation: Activation = F.relu6,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.activation = activation
        self.slow_in_bf16 = groups > 1 and (stride > 1 or dilation > 1)
        self.slow_on_cuda = groups > 1 and stride == 1 and dilation > 1

    def forward(self, x: Tensor) -> Tensor:
        if self.slow_in_bf16 and x.dtype == torch.bfloat16 and x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                x = self.conv(x.float()).to(x.dtype)
        elif self.slow_on_cuda and x.device.type == "cuda":
            x = dilated_by_phases(self.conv, x)
        else:
            x = self.conv(x)
        return self.activation(self.bn(x), inplace=True)


class InvertedResidual(Recomputable):
    """Expansion, depthwise convolution, projection; a shortcut where shapes agree (Sandler et al. 2018, table 1).

    Args:
        expansion: channels of the depthwise convolution, relative to ``in_channels``.
        stride, dilation, kernel: of the depthwise convolution.
        activation: see ``ConvBNAct``.
        gate: called with the number of channels, returns a module to run before the projection; None for none.
        dropout: share of channels that training sets to 0 before the shortcut is added.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int,
        stride: int,
        dilation: int,
        kernel: int = 3,
        activation: Activation = F.relu6,
        gate: Callable[[int], nn.Module] | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        expand = [ConvBNAct(in_channels, hidden, 1, activation=activation)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            ConvBNAct(hidden, hidden, kernel, stride, dilation, groups=hidden, activation=activation),
            *([] if gate is None else [gate(hidden)]),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = stride == 1 and in_channels == out_channels
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        if not self.shortcut:
            return self.run(self.conv, x)
        return x + F.dropout2d(self.run(self.conv, x), self.dropout, self.training)


def inverted_residuals(in_channels: int, settings: Sequence[Row], dilation: int, **options: Any) -> nn.Sequential:
    """Chain inverted residual blocks.

    As published, only the first block of a row is dilated (docs/fidelity.md#dilated-first-block).

    Args:
        settings: see ``Row``.
        dilation: if not 1, all strides become 1, and the first block of each row is dilated instead.
        options: see ``InvertedResidual``.
    """
    blocks = []
    for expansion, channels, count, stride, kernel in settings:
        for index in range(count):
            first = index == 0
            blocks.append(
                InvertedResidual(
                    in_channels,
                    channels,
                    expansion,
                    stride=stride if first and dilation == 1 else 1,
                    dilation=dilation if first else 1,
                    kernel=kernel,
                    **options,
                )
            )
            in_channels = channels
    return nn.Sequential(*blocks)


class InvertedResidualNet(TwoScaleBackbone):
    """A convolution, to whose output click features are added, and stages of inverted residuals.

    Args:
        stages: for each stage, by name, its rows and the dilation that replaces the stride.
        activation: see ``ConvBNAct``.
        options: see ``InvertedResidual``.
    """

    side_channels = 32
    channels = (24, 320)

    def __init__(
        self, stages: Mapping[str, tuple[Sequence[Row], int]], activation: Activation = F.relu6, **options: Any
    ) -> None:
        super().__init__()
        self.last_stage = list(stages)[-1]
        self.conv1 = ConvBNAct(3, self.side_channels, 3, stride=2, activation=activation)
        in_channels = self.side_channels
        for name, (settings, dilation) in stages.items():
            stage = inverted_residuals(in_channels, settings, dilation, activation=activation, **options)
            self.add_module(name, stage)
            in_channels = settings[-1][1]

    def without_projection(self) -> nn.Conv2d | None:
        layer = list(self.get_submodule(self.last_stage).children())[-1]
        assert isinstance(layer, InvertedResidual)
        *kept, projection, norm = layer.conv.children()
        if layer.shortcut or not isinstance(projection, nn.Conv2d) or not isinstance(norm, nn.Identity):
            return None
        layer.conv = nn.Sequential(*kept)
        return projection
