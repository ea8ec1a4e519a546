"""ClickSEG's light baselines: a mobile backbone, LR-ASPP, and two small heads (Chen et al. 2022, FocalClick)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.backbones.efficientnet import EfficientNet
from isegm.model.backbones.mobilenetv2 import MobileNetV2
from isegm.model.backbones.pplcnet import PPLCNet
from isegm.model.base import EarlyFusionModel, ScaleLayer
from isegm.model.initializer import xavier_gluon
from isegm.model.registry import register_model

BACKBONES: dict[str, type[nn.Module]] = {"MobileNetV2": MobileNetV2, "PPLCNet": PPLCNet, "EfficientNet": EfficientNet}
CLICK_RADIUS = 5  # pixels of the network's input; these models draw it whatever norm_radius says


class LRASPP(nn.Module):
    """Lite reduced atrous spatial pyramid pooling (Howard et al. 2019, figure 10), with a gate on a 2 x 2 grid."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.b0 = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
        )
        self.b1 = nn.Sequential(
            nn.AdaptiveAvgPool2d((2, 2)), nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        features = self.b0(x)  # (B, C, h, w)
        gate = F.interpolate(self.b1(x), size=features.shape[2:], mode="bilinear", align_corners=True)  # (B, C, h, w)
        return features * gate


class LightSegmentor(nn.Module):
    """Backbone, LR-ASPP at stride 8, and fusion with the features at stride 4."""

    def __init__(self, backbone: nn.Module, aspp_channels: int = 128, channels: int = 16) -> None:
        super().__init__()
        low_channels, high_channels = backbone.channels
        self.backbone = backbone
        self.lraspp = LRASPP(high_channels, aspp_channels)
        self.fusion_conv1 = nn.Conv2d(aspp_channels, channels, 1)
        self.fusion_conv2 = nn.Conv2d(low_channels, channels, 1)
        self.head = nn.Conv2d(channels, 1, 1)
        self.aux_head = nn.Conv2d(channels, 1, 1)

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, auxiliary logits and the fused features, all at stride 4."""
        low, high = self.backbone(image, side)  # (B, C4, H/4, W/4), (B, C8, H/8, W/8)
        context = F.interpolate(self.lraspp(high), size=low.shape[2:], mode="bilinear", align_corners=True)
        context = self.fusion_conv1(context)  # (B, 16, H/4, W/4)
        fused = context + self.fusion_conv2(low)  # (B, 16, H/4, W/4)
        return self.head(fused), self.aux_head(context), fused


@register_model("clickseg_mobilenetv2", backbone="MobileNetV2")
@register_model("clickseg_pplcnet", backbone="PPLCNet")
@register_model("clickseg_efficientnetb0", backbone="EfficientNet")
class BaselineModel(EarlyFusionModel):
    """A light click network: 1.9 M parameters with MobileNetV2, 3.1 M with PP-LCNet, 6.8 M with EfficientNet-B0.

    Args:
        backbone: name of the backbone, one of ``BACKBONES``.
        use_leaky_relu: slope 0.2 for negative values in the click branch, as in all published models; else ReLU.
        backbone_lr_mult: learning-rate multiplier of the whole segmentor (backbone and head, as published).
    """

    protocol = "clickseg"

    def __init__(
        self,
        *,
        backbone: str = "MobileNetV2",
        use_leaky_relu: bool = True,
        backbone_lr_mult: float = 0.1,
        with_aux_output: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(norm_radius=CLICK_RADIUS, use_disks=True, with_aux_output=with_aux_output, **kwargs)
        if backbone not in BACKBONES:
            raise ValueError(f"backbone is {backbone!r}: known are {', '.join(BACKBONES)}")
        network = BACKBONES[backbone]()
        self.maps_transform = nn.Sequential(
            nn.Conv2d(self.coord_channels, 16, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2) if use_leaky_relu else nn.ReLU(),
            nn.Conv2d(16, network.side_channels, 3, padding=1),
            ScaleLayer(0.05),
        )
        self.feature_extractor = LightSegmentor(network)
        self.backbone_lr_mult = backbone_lr_mult
        xavier_gluon(self)

    def lr_multipliers(self) -> dict[str, float]:
        return {
            f"feature_extractor.{name}": self.backbone_lr_mult for name, _ in self.feature_extractor.named_parameters()
        }

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        side = self.maps_transform(coord_features)  # (B, 32, H/2, W/2)
        instances, auxiliary, fused = self.feature_extractor(image, side)
        maps = coord_features[:, -self.dist_maps.channels :]  # (B, 2, H, W)
        outputs = {"instances": instances, "feature": fused, "click_map": maps}
        if self.with_aux_output:
            outputs["instances_aux"] = auxiliary
        return outputs

    @property
    def feature_places(self) -> dict[str, int]:
        """C is what the head reads; the published f-BRS knows no place in these networks."""
        return {"C": self.feature_extractor.head.in_channels}

    def features_at(self, place: str, image: Tensor, coord_features: Tensor) -> tuple[Tensor, None]:
        self._require_place(place)
        return self.backbone_forward(image, coord_features)["feature"], None

    def logits_from(self, place: str, features: Tensor, rest: tuple[Tensor, ...] | None) -> Tensor:
        self._require_place(place)
        return self.feature_extractor.head(features)

    def load_imagenet_weights(self, path: str | Path) -> None:
        """Initialise the backbone; see there for which file it takes."""
        self.feature_extractor.backbone.load_imagenet_weights(path)
