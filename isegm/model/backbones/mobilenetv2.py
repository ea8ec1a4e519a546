"""MobileNetV2 (Sandler et al. 2018) at output stride 8, with the layer names of ClickSEG's light baselines."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from isegm.model.backbones.mobile_blocks import InvertedResidualNet
from isegm.model.pretrained import load_backbone

# For each block its rows (expansion, channels, layers, stride, kernel), and the dilation that replaces the stride.
BLOCKS = (
    (((1, 16, 1, 1, 3),), 1),
    (((6, 24, 2, 2, 3),), 1),
    (((6, 32, 3, 2, 3),), 1),
    (((6, 64, 4, 2, 3), (6, 96, 3, 1, 3)), 2),
    (((6, 160, 3, 2, 3), (6, 320, 1, 1, 3)), 4),
)


class MobileNetV2(InvertedResidualNet):
    """MobileNetV2 of width 1."""

    def __init__(self) -> None:
        super().__init__({f"block{number}": block for number, block in enumerate(BLOCKS, start=1)})

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a normalised image (B, 3, H, W) and click features (B, 32, H/2, W/2) at strides 4 and 8."""
        x = self.conv1(image) + side  # (B, 32, H/2, W/2)
        low = self.block2(self.block1(x))  # (B, 24, H/4, W/4)
        high = self.block5(self.block4(self.block3(low)))  # (B, 320, H/8, W/8)
        return low, high

    def load_imagenet_weights(self, path: str | Path) -> None:
        """Initialise from a file with the parameter names of torchvision's ``mobilenet_v2``.

        Raises:
            InputError: the file cannot be read, or is not of this network.
        """
        load_backbone(self, path, torchvision_key)


_PAIR = ("conv", "bn")
_LAYER_PLACES = [
    (number, layer)
    for number, (settings, _) in enumerate(BLOCKS, start=1)
    for layer in range(sum(count for _, _, count, _, _ in settings))
]


def torchvision_key(key: str) -> str | None:
    """The name here of a parameter of torchvision's ``mobilenet_v2``; None for its classifier and for any other name.

    torchvision counts all layers in one list: features.0 is ``conv1``, 1 to 17 are the blocks' layers, 18 is the last
    convolution of the classification network. Inside a layer, each ConvBNAct is a pair (0, 1) instead of (conv, bn).
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
