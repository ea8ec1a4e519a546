"""Dilated ResNets at stride 8 in MXNet Gluon's variants v1b and v1s (He et al. 2016; He et al. 2019, "Bag of Tricks").

The layers are timm's, whose parameters have the names and shapes of Gluon's ImageNet weights and of published click
weights. This module adds the click features behind the stem and returns features at two strides.
"""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.backbones.two_scale import TwoScaleBackbone
from isegm.model.pretrained import load_backbone

# timm's names: resnet34 is Gluon's v1b; the others are v1s, with bottlenecks and a stem of three convolutions.
RESNETS = {
    "resnet34": "resnet34.gluon_in1k",
    "resnet50": "resnet50s.gluon_in1k",
    "resnet101": "resnet101s.gluon_in1k",
    "resnet152": "resnet152s.gluon_in1k",
}


class ResNet(TwoScaleBackbone):
    """A dilated ResNet that returns the features of its first layer (stride 4) and of its last one (stride 8).

    Args:
        name: one of ``RESNETS``.
    """

    side_channels = 64
    conv1: nn.Module
    bn1: nn.Module
    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module
    layer4: nn.Module

    def __init__(self, name: str) -> None:
        import timm  # takes seconds to import, and most networks do without it

        super().__init__()
        self.timm_name = RESNETS[name]
        self.channels = (64, 512) if name == "resnet34" else (256, 2048)
        network = timm.create_model(self.timm_name, num_classes=0, output_stride=8)
        for part in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4"):
            self.add_module(part, network.get_submodule(part))

    def forward(self, image: Tensor, side: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return features of ``layer1`` (B, channels[0], H/4, W/4) and of ``layer4`` (B, channels[1], H/8, W/8).

        Args:
            image: float (B, 3, H, W), normalised.
            side: click features (B, 64, H/2, W/2), added to the first 64 channels of the stem; None for none.
        """
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)  # (B, 64 or 128, H/2, W/2)
        if side is not None:
            x = x + F.pad(side, (0, 0, 0, 0, 0, x.shape[1] - side.shape[1]))
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # (B, 64 or 128, H/4, W/4)
        low = self.layer1(x)  # (B, channels[0], H/4, W/4)
        return low, self.layer4(self.layer3(self.layer2(low)))  # (B, channels[1], H/8, W/8)

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load Gluon's weights of this variant: a file (``gluon_resnet34_v1b-*.pth`` ...) or timm's by name.

        Raises:
            InputError: the weights cannot be read, or are not of a ResNet of this depth and variant.
        """
        load_backbone(self, source, lambda key: None if key.startswith("fc.") else key, timm_name=self.timm_name)
