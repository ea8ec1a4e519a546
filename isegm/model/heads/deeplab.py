"""DeepLabV3+ (Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution") as RITM builds it.

Parameters have the published names, "concurent" and the repeated "skip_project" included.
"""

import torch
from torch import Tensor, nn

from isegm.model.backbones.blocks import conv_bn_relu, resize
from isegm.model.backbones.resnet import ResNet

_RATES = (12, 24, 36)  # of the dilated branches, at stride 8
_SKIP = 32  # channels of the features at stride 4, projected


class SeparableConv(nn.Module):
    """A 3x3 convolution of each channel, a 1x1 convolution of all, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        each = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.body = nn.Sequential(each, *conv_bn_relu(inputs, outputs, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def separable_head(inputs: int, middle: int, outputs: int, depth: int = 2) -> nn.Sequential:
    """``depth`` separable convolutions to ``middle`` channels and a 1x1 convolution to ``outputs``."""
    separable = [SeparableConv(inputs if number == 0 else middle, middle) for number in range(depth)]
    return nn.Sequential(*separable, nn.Conv2d(middle, outputs, kernel_size=1))


class SeparableHead(nn.Module):
    """Features (B, inputs, H, W) to logits (B, outputs, H, W), see ``separable_head``."""

    def __init__(self, inputs: int, middle: int, outputs: int = 1, depth: int = 2) -> None:
        super().__init__()
        self.layers = separable_head(inputs, middle, outputs, depth)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class GlobalPooling(nn.Module):
    """The mean over all pixels through a 1x1 convolution, spread over the map again."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(inputs, outputs, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        return resize(self.gap(x), x.shape[2:])


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: one 1x1, three dilated 3x3 convolutions and a global mean, joined."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        dilated = [conv_bn_relu(inputs, outputs, dilation=rate) for rate in _RATES]
        branches = [conv_bn_relu(inputs, outputs, kernel=1), *dilated, GlobalPooling(inputs, outputs)]
        self.concurent = nn.ModuleList(branches)
        self.project = nn.Sequential(*conv_bn_relu(len(branches) * outputs, outputs, kernel=1), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """``x`` (B, inputs, h, w) -> (B, outputs, h, w)."""
        return self.project(torch.cat([branch(x) for branch in self.concurent], dim=1))


class DeepLabHead(nn.Module):
    """Joins the features of ASPP and of the skip connection."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.block = separable_head(inputs, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class SkipProject(nn.Module):
    """1x1 convolution of the features at stride 4 to few channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.skip_project = conv_bn_relu(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip_project(x)


class DeepLabV3Plus(nn.Module):
    """From an image to features at stride 4.

    Args:
        backbone: one of ``isegm.model.backbones.resnet.RESNETS``.
        channels: of ASPP and of what comes out.
        aspp_dropout: share of ASPP's outputs that training sets to 0.
    """

    def __init__(self, backbone: str, channels: int, aspp_dropout: float) -> None:
        super().__init__()
        self.backbone = ResNet(backbone)
        low_channels, high_channels = self.backbone.channels
        self.joined_channels = channels + _SKIP
        self.head = DeepLabHead(self.joined_channels, channels)
        self.skip_project = SkipProject(low_channels, _SKIP)
        self.aspp = ASPP(high_channels, channels, aspp_dropout)

    def join(self, low: Tensor, high: Tensor) -> Tensor:
        """Both outputs of the backbone to what ``head`` reads: (B, joined_channels, H/4, W/4)."""
        return self.with_skip(low, self.aspp(high))

    def with_skip(self, low: Tensor, context: Tensor) -> Tensor:
        """ASPP's features (B, channels, H/8, W/8) beside those of the skip connection."""
        context = resize(context, low.shape[2:])  # (B, channels, H/4, W/4)
        return torch.cat((context, self.skip_project(low)), dim=1)

    def forward(self, image: Tensor, side: Tensor | None = None) -> Tensor:
        """Features (B, channels, H/4, W/4).

        Args:
            image: float (B, 3, H, W), normalised.
            side: (B, 64, H/2, W/2) what is added behind the first convolution (click maps); None for nothing.
        """
        return self.head(self.join(*self.backbone(image, side)))
