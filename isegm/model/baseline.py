"""ClickSEG's light baselines: a mobile backbone, LR-ASPP, and two small heads (Chen et al. 2022, FocalClick)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from isegm.model.backbones.efficientnet import EfficientNet
from isegm.model.backbones.mobilenetv2 import MobileNetV2
from isegm.model.backbones.pplcnet import PPLCNet
from isegm.model.backbones.two_scale import TwoScaleBackbone
from isegm.model.click_model import EarlyFusionModel
from isegm.model.initializer import xavier_gluon
from isegm.model.layers import ScaleLayer
from isegm.model.registry import register_model
from isegm.model.segmentors import LightSegmentor
from isegm.utils.errors import InputError

BACKBONES: dict[str, Callable[[], TwoScaleBackbone]] = {
    "MobileNetV2": MobileNetV2,
    "PPLCNet": PPLCNet,
    "EfficientNet": EfficientNet,
}
CLICK_RADIUS = 5  # pixels of the network's input, whatever a stored configuration says


class LightModel(EarlyFusionModel):
    """Base class of networks with a ``LightSegmentor``.

    A subclass makes ``maps_transform``, from ``coord_features`` to the click features that the backbone reads, and
    ``feature_extractor``.
    """

    protocol = "clickseg"
    imagenet_part = "feature_extractor.backbone"
    maps_transform: nn.Module
    feature_extractor: LightSegmentor

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        side = self.maps_transform(coord_features)  # (B, C, H/2, W/2) or (B, C, H, W)
        instances, auxiliary, fused = self.feature_extractor(image, side)
        maps = coord_features[:, -self.dist_maps.channels :]  # (B, 2, H, W)
        outputs = {"instances": instances, "feature": fused, "click_map": maps}
        if self.with_aux_output:
            outputs["instances_aux"] = auxiliary
        return outputs

    @property
    def feature_levels(self) -> dict[str, int]:
        """C is the input of the head; the published f-BRS offers none in these networks."""
        return {"C": self.feature_extractor.head.in_channels}

    def features_at(self, level: str, image: Tensor, coord_features: Tensor) -> tuple[Tensor, None]:
        self._require_level(level)
        return self.backbone_forward(image, coord_features)["feature"], None

    def logits_from(self, level: str, features: Tensor, rest: tuple[Tensor, ...] | None) -> Tensor:
        self._require_level(level)
        return self.feature_extractor.head(features)


@register_model("clickseg_mobilenetv2", backbone="MobileNetV2")
@register_model("clickseg_pplcnet", backbone="PPLCNet")
@register_model("clickseg_efficientnetb0", backbone="EfficientNet")
class BaselineModel(LightModel):
    """A light click network: 1.9 M parameters with MobileNetV2, 3.1 M with PP-LCNet, 6.8 M with EfficientNet-B0.

    Args:
        backbone: name of the backbone, one of ``BACKBONES``.
        use_leaky_relu: slope 0.2 for negative values in the click branch, as in all published models; else ReLU.
        backbone_lr_mult: learning rate of the whole segmentor, backbone and head, relative to the rest
            (docs/fidelity.md#heads-learn-slowly).
        with_aux_output: see ``ClickModel``.
        kwargs: see ``ClickModel``.
    """

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
            raise InputError(f"backbone is {backbone!r}: known are {', '.join(BACKBONES)}.")
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
        return self.rates_of("feature_extractor", self.backbone_lr_mult)
