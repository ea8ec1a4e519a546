"""MobileNetV2 (Sandler et al. 2018) at output stride 8, with the layer names of ClickSEG's light baselines."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

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

    block1: nn.Sequential
    block2: nn.Sequential
    block3: nn.Sequential
    block4: nn.Sequential
    block5: nn.Sequential

    def __init__(self) -> None:
        super().__init__({f"block{number}": block for number, block in enumerate(BLOCKS, start=1)})

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at strides 4 and 8; ``image`` (B, 3, H, W) is normalised, ``side`` is (B, 32, H/2, W/2)."""
        x = self.conv1(image) + side  # (B, 32, H/2, W/2)
        low = self.block2(self.block1(x))  # (B, 24, H/4, W/4)
        high = self.block5(self.block4(self.block3(low)))  # (B, 320, H/8, W/8)
        return low, high

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load weights with the parameter names of torchvision's ``mobilenet_v2`` or of timm's ``mobilenetv2_100``.

        Raises:
            InputError: the weights cannot be read, or are not of this network.
        """
        load_backbone(self, source, lambda key: torchvision_key(key) or timm_key(key), timm_name="mobilenetv2_100")


_PAIR = ("conv", "bn")
_LAYERS = [
    (number, layer, expansion != 1)
    for number, (rows, _) in enumerate(BLOCKS, start=1)
    for layer, expansion in enumerate(expansion for expansion, _, count, _, _ in rows for _ in range(count))
]
_TIMM_STAGES = [count for rows, _ in BLOCKS for _, _, count, _, _ in rows]  # timm has one stage for each row


def torchvision_key(key: str) -> str | None:
    """Return the name here of a parameter of torchvision's ``mobilenet_v2``; None for its classifier and other names.

    torchvision numbers all layers in one list: features.0 is ``conv1``, 1 to 17 are the blocks' layers, 18 is the last
    convolution of the classification network. Inside a layer, each ConvBNAct is a pair (0, 1) instead of (conv, bn).
    """
    first = re.fullmatch(r"features\.0\.([01])\.(\w+)", key)
    if first is not None:
        return f"conv1.{_PAIR[int(first[1])]}.{first[2]}"
    inner = re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(?:([01])\.)?(\w+)", key)
    if inner is None or not 1 <= int(inner[1]) <= len(_LAYERS):
        return None
    block, layer, _ = _LAYERS[int(inner[1]) - 1]
    of_pair = "" if inner[3] is None else f"{_PAIR[int(inner[3])]}."
    return f"block{block}.{layer}.conv.{inner[2]}.{of_pair}{inner[4]}"


# Modules of timm's two kinds of blocks, without and with expansion, and their positions in ``InvertedResidual.conv``.
_TIMM_MODULES = (
    {"conv_dw": "0.conv", "bn1": "0.bn", "conv_pw": "1", "bn2": "2"},
    {"conv_pw": "0.conv", "bn1": "0.bn", "conv_dw": "1.conv", "bn2": "1.bn", "conv_pwl": "2", "bn3": "3"},
)


def timm_key(key: str) -> str | None:
    """Return the name here of a parameter of timm's ``mobilenetv2_100``; None for its classifier and other names."""
    stem = re.fullmatch(r"(conv_stem|bn1)\.(\w+)", key)
    if stem is not None:
        return f"conv1.{'conv' if stem[1] == 'conv_stem' else 'bn'}.{stem[2]}"
    inner = re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", key)
    if inner is None or int(inner[1]) >= len(_TIMM_STAGES):
        return None
    index = sum(_TIMM_STAGES[: int(inner[1])]) + int(inner[2])
    if index >= len(_LAYERS):
        return None
    block, layer, expanded = _LAYERS[index]
    module = _TIMM_MODULES[expanded].get(inner[3])
    return None if module is None else f"block{block}.{layer}.conv.{module}.{inner[4]}"
