"""PP-LCNet of width 1 (Cui et al. 2021) at output stride 8, with the layer names of ClickSEG's light baselines."""

from __future__ import annotations

import re
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.backbones.mobile_blocks import ConvBNAct
from isegm.model.backbones.two_scale import TwoScaleBackbone
from isegm.model.pretrained import load_backbone

STEM = 16
# For each group of blocks: (kernel, channels, stride, with squeeze-and-excitation). The first blocks of blocks5 and
# blocks6 have stride 1 instead of 2, and nothing is dilated in return.
BLOCKS = {
    "blocks2": ((3, 32, 1, False),),
    "blocks3": ((3, 64, 2, False), (3, 64, 1, False)),
    "blocks4": ((3, 128, 2, False), (3, 128, 1, False)),
    "blocks5": ((3, 256, 1, False), *[(5, 256, 1, False)] * 5),
    "blocks6": ((5, 512, 1, True), (5, 512, 1, True)),
}
TAIL = ("last_conv.", "fc.")  # how parameters of the classifier begin


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018) with a hard sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // 4, 1)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = F.adaptive_avg_pool2d(x, 1)  # (B, C, 1, 1)
        return x * F.hardsigmoid(self.conv2(F.relu(self.conv1(means), inplace=True)))


class SeparableBlock(nn.Module):
    """Depthwise convolution, squeeze-and-excitation where ``squeeze`` is True, and a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.dw_conv = ConvBNAct(in_channels, in_channels, kernel, stride, groups=in_channels, activation=F.hardswish)
        self.se = SqueezeExcitation(in_channels) if squeeze else nn.Identity()
        self.pw_conv = ConvBNAct(in_channels, out_channels, 1, activation=F.hardswish)

    def forward(self, x: Tensor) -> Tensor:
        return self.pw_conv(self.se(self.dw_conv(x)))


class PPLCNet(TwoScaleBackbone):
    """PP-LCNet of width 1, with click features added after its first block.

    The classifier's layers exist because published files have them; nothing reads them
    (docs/fidelity.md#parameters-without-use).
    """

    side_channels = 32
    channels = (64, 512)
    blocks2: nn.Sequential
    blocks3: nn.Sequential
    blocks4: nn.Sequential
    blocks5: nn.Sequential
    blocks6: nn.Sequential

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBNAct(3, STEM, 3, stride=2, activation=F.hardswish)
        in_channels = STEM
        for name, settings in BLOCKS.items():
            blocks = []
            for kernel, channels, stride, squeeze in settings:
                blocks.append(SeparableBlock(in_channels, channels, kernel, stride, squeeze))
                in_channels = channels
            self.add_module(name, nn.Sequential(*blocks))
        self.last_conv = nn.Conv2d(in_channels, 1280, 1, bias=False)
        self.fc = nn.Linear(1280, 1000)

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at strides 4 and 8; ``image`` (B, 3, H, W) is normalised, ``side`` is (B, 32, H/2, W/2)."""
        x = self.blocks2(self.conv1(image)) + side  # (B, 32, H/2, W/2)
        low = self.blocks3(x)  # (B, 64, H/4, W/4)
        high = self.blocks6(self.blocks5(self.blocks4(low)))  # (B, 512, H/8, W/8)
        return low, high

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load ``PPLCNet_x1_0_ssld_pretrained.pth``, whose names are this network's, or timm's ``lcnet_100``.

        Raises:
            InputError: the weights cannot be read, or are not of this network; the classifier may be missing.
        """
        load_backbone(self, source, own_key, optional=TAIL, timm_name="lcnet_100")


_TIMM_MODULES = {
    "conv_dw": "dw_conv.conv",
    "bn1": "dw_conv.bn",
    "se.conv_reduce": "se.conv1",
    "se.conv_expand": "se.conv2",
    "conv_pw": "pw_conv.conv",
    "bn2": "pw_conv.bn",
}
# The group here of each stage of timm, and the index in it of the stage's first block.
_TIMM_STAGES = (("blocks2", 0), ("blocks3", 0), ("blocks4", 0), ("blocks5", 0), ("blocks5", 2), ("blocks6", 0))
_TIMM_TAIL = ("conv_head.", "classifier.")


def own_key(key: str) -> str | None:
    """Return the name here of a parameter of timm's ``lcnet_100``; other names stay, its classifier gives None."""
    stem = re.fullmatch(r"(conv_stem|bn1)\.(\w+)", key)
    if stem is not None:
        return f"conv1.{'conv' if stem[1] == 'conv_stem' else 'bn'}.{stem[2]}"
    inner = re.fullmatch(r"blocks\.([0-5])\.(\d)\.([a-z_0-9.]+)\.(\w+)", key)
    if inner is not None and inner[3] in _TIMM_MODULES:
        stage, first = _TIMM_STAGES[int(inner[1])]
        return f"{stage}.{first + int(inner[2])}.{_TIMM_MODULES[inner[3]]}.{inner[4]}"
    return None if key.startswith(_TIMM_TAIL) else key
