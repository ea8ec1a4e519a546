"""EfficientNet-B0 (Tan and Le 2019) at output stride 8, as ClickSEG changed it for its light baselines.

The published class cannot run, as its backbone returns two outputs where the network takes four; here it does
(docs/fidelity.md#efficientnet). The layers are those of the published code; nobody has published weights or scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.backbones.mobile_blocks import InvertedResidualNet
from isegm.utils.errors import InputError

# For each layer its rows (expansion, channels, blocks, stride, kernel), and the dilation that replaces the stride.
LAYERS = (
    (((1, 16, 1, 1, 3),), 1),
    (((6, 24, 2, 2, 3),), 1),
    (((6, 40, 2, 2, 5), (6, 80, 3, 1, 3)), 1),
    (((6, 112, 3, 2, 5),), 2),
    (((6, 192, 4, 2, 5),), 2),
    (((6, 320, 1, 1, 3),), 1),
)
DROPOUT = 0.2  # of whole channels, in blocks with a shortcut


class SwishGate(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018) with swish and without biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1, bias=False),
            nn.SiLU(inplace=True),
            nn.Conv2d(channels // 4, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(F.adaptive_avg_pool2d(x, 1))


class EfficientNet(InvertedResidualNet):
    """EfficientNet-B0 at output stride 8, with random weights: no ImageNet weights are published for it."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential
    layer5: nn.Sequential
    layer6: nn.Sequential

    def __init__(self) -> None:
        super().__init__(
            {f"layer{number}": layer for number, layer in enumerate(LAYERS, start=1)},
            F.hardswish,
            gate=SwishGate,
            dropout=DROPOUT,
        )

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at strides 4 and 8; ``image`` (B, 3, H, W) is normalised, ``side`` is (B, 32, H/2, W/2)."""
        x = self.conv1(image) + side  # (B, 32, H/2, W/2)
        low = self.layer2(self.layer1(x))  # (B, 24, H/4, W/4)
        high = self.layer6(self.layer5(self.layer4(self.layer3(low))))  # (B, 320, H/8, W/8)
        return low, high

    def load_imagenet_weights(self, source: str | Path) -> NoReturn:
        """Refuse: no ImageNet weights of this variant are published.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{source} cannot start ClickSEG's EfficientNet: nobody has published ImageNet weights of this variant; "
            "train it from scratch."
        )
