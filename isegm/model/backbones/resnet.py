"""Dilated ResNets at stride 8 in MXNet Gluon's variants v1b and v1s (He et al. 2016; He et al. 2019, "Bag of Tricks").

Parameters have the names of Gluon's ImageNet weights in PyTorch format, which are also those of torchvision and timm.
"""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.backbones.blocks import BasicBlock, Bottleneck, conv_bn, conv_bn_relu
from isegm.model.pretrained import load_backbone

# blocks of the four layers, and whether these are bottlenecks behind a stem of three convolutions (v1s)
RESNETS: dict[str, tuple[tuple[int, int, int, int], bool]] = {
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
    "resnet152": ((3, 8, 36, 3), True),
}
_PLANES, _STRIDES, _DILATIONS = (64, 128, 256, 512), (1, 2, 1, 1), (1, 1, 2, 4)


class ResNet(nn.Module):
    """Backbone from an image to the features of its first and its last layer.

    Args:
        name: one of ``RESNETS``.

    Attributes:
        channels: of the features at stride 4 and of those at stride 8.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        counts, self.bottlenecks = RESNETS[name]
        expansion = Bottleneck.expansion if self.bottlenecks else BasicBlock.expansion
        self.channels = (_PLANES[0] * expansion, _PLANES[3] * expansion)
        stem = 128 if self.bottlenecks else 64
        self.conv1: nn.Module
        if self.bottlenecks:
            last = nn.Conv2d(64, stem, 3, padding=1, bias=False)
            self.conv1 = nn.Sequential(*conv_bn_relu(3, 64, stride=2), *conv_bn_relu(64, 64), last)
            self.bn1 = nn.BatchNorm2d(stem)
        else:
            self.conv1, self.bn1 = conv_bn(3, stem, kernel=7, stride=2)
        inputs = [stem, *(planes * expansion for planes in _PLANES)]
        for index, count in enumerate(counts):
            setattr(self, f"layer{index + 1}", self._layer(index, inputs[index], count))

    def _layer(self, index: int, inputs: int, count: int) -> nn.Sequential:
        """In dilated layers the first block's first 3x3 convolution still has the dilation of the layer before."""
        planes, dilation = _PLANES[index], _DILATIONS[index]
        blocks: list[nn.Module] = []
        for number in range(count):
            stride = _STRIDES[index] if number == 0 else 1
            first = max(1, dilation // 2) if number == 0 else dilation
            if self.bottlenecks:
                blocks.append(Bottleneck(inputs, planes, stride, first))
            else:
                blocks.append(BasicBlock(inputs, planes, stride, (first, dilation)))
            inputs = planes * blocks[-1].expansion
        return nn.Sequential(*blocks)

    def forward(self, image: Tensor, side: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features of ``layer1`` (B, channels[0], H/4, W/4) and of ``layer4`` (B, channels[1], H/8, W/8).

        Args:
            image: float (B, 3, H, W), normalised.
            side: (B, 64, H/2, W/2) what is added to the first 64 channels of the stem (click maps); None for nothing.
        """
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)  # (B, 64 or 128, H/2, W/2)
        if side is not None:
            x = x + F.pad(side, (0, 0, 0, 0, 0, x.shape[1] - side.shape[1]))
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # (B, 64 or 128, H/4, W/4)
        low = self.layer1(x)  # (B, channels[0], H/4, W/4)
        return low, self.layer4(self.layer3(self.layer2(low)))  # (B, channels[1], H/8, W/8)

    def load_imagenet_weights(self, path: str | Path) -> None:
        """Load Gluon's weights of this variant (``gluon_resnet34_v1b``, ``gluon_resnet50_v1s`` ...), timm's files too.

        Raises:
            InputError: the file cannot be read, or is not of a ResNet of this depth and variant.
        """
        load_backbone(self, path, lambda key: None if key.startswith("fc.") else key)
