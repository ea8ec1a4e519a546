"""PP-LCNet of width 1 (Cui et al. 2021) at output stride 8, with the layer names of ClickSEG's light baselines."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.backbones.mobile_blocks import ConvBNAct
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
TAIL = ("last_conv.", "fc.")  # keys of the classifier


class SqueezeExcitation(nn.Module):
    """Scales each channel by what its mean says (Hu et al. 2018), with a hard sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // 4, 1)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = F.adaptive_avg_pool2d(x, 1)  # (B, C, 1, 1)
        return x * F.hardsigmoid(self.conv2(F.relu(self.conv1(means), inplace=True)))


class SeparableBlock(nn.Module):
    """A convolution of each channel, squeeze-and-excitation where wanted, and a 1x1 convolution of all channels."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.dw_conv = ConvBNAct(in_channels, in_channels, kernel, stride, groups=in_channels, activation=F.hardswish)
        self.se = SqueezeExcitation(in_channels) if squeeze else nn.Identity()
        self.pw_conv = ConvBNAct(in_channels, out_channels, 1, activation=F.hardswish)

    def forward(self, x: Tensor) -> Tensor:
        return self.pw_conv(self.se(self.dw_conv(x)))


class PPLCNet(nn.Module):
    """Backbone of width 1 that adds click features behind its first block.

    The classifier's layers are there because published files have them; nothing reads them.

    Attributes:
        side_channels: channels that the click features must have.
        channels: channels of the features at stride 4 and at stride 8.
    """

    side_channels = 32
    channels = (64, 512)

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
        """Features of a normalised image (B, 3, H, W) and click features (B, 32, H/2, W/2) at strides 4 and 8."""
        x = self.blocks2(self.conv1(image)) + side  # (B, 32, H/2, W/2)
        low = self.blocks3(x)  # (B, 64, H/4, W/4)
        high = self.blocks6(self.blocks5(self.blocks4(low)))  # (B, 512, H/8, W/8)
        return low, high

    def load_imagenet_weights(self, path: str | Path) -> None:
        """Load ``PPLCNet_x1_0_ssld_pretrained.pth``, whose names are those of this network.

        Raises:
            InputError: the file cannot be read, or is not of this network; the classifier may be missing.
        """
        load_backbone(self, path, lambda key: key, optional=TAIL)
