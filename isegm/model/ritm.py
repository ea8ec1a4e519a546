"""RITM: click maps added after the first convolution of HRNet with OCR, or of a ResNet with DeepLabV3+.

Sofiiuk et al. 2021, "Reviving Iterative Training with Mask Guidance for Interactive Segmentation"; the DeepLab networks
are those of f-BRS (Sofiiuk et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isegm.click_maps import GroupedDistMaps
from isegm.model.backbones.resnet import RESNETS
from isegm.model.click_model import EarlyFusionModel
from isegm.model.heads.deeplab import SeparableHead
from isegm.model.initializer import xavier_gluon
from isegm.model.layers import ScaleLayer
from isegm.model.registry import register_model
from isegm.model.segmentors import DeepLabV3Plus, HRNetOCR
from isegm.utils.errors import InputError

CONV_EXTEND_LR_MULT = 0.1
FULL_RATE = ("feature_extractor.conv3x3_ocr.", "feature_extractor.ocr_distri_head.")  # parts of HRNetOCR

# What register_model presets for all published networks, and for those on HRNet and with DeepLabV3+.
_PUBLISHED: dict[str, Any] = dict(use_leaky_relu=True, use_disks=True, norm_radius=5)
_HRNET: dict[str, Any] = dict(with_prev_mask=True, with_aux_output=True, **_PUBLISHED)
_DEEPLAB: dict[str, Any] = dict(with_prev_mask=False, aspp_dropout=0.2, **_PUBLISHED)


class RitmModel(EarlyFusionModel):
    """Base class of networks that add features of the click maps after the first convolution of the backbone (3.1).

    Args:
        use_leaky_relu: leaky ReLU (0.2) between the convolutions of the click maps; else ReLU.
        use_rgb_conv: mix image and maps into three channels before the backbone instead, as f-BRS does.
        conv_extend: a single convolution of the maps, at a tenth of the learning rate.
        clicks_groups: radii of the groups of clicks, two maps each: the first click is the first group, and so on, and
            all later ones are the last; None for one group of all clicks with ``norm_radius``.
        use_disks: disks around the clicks; else distance maps.
        kwargs: see ``EarlyFusionModel`` and ``ClickModel``.
    """

    def __init__(
        self,
        *,
        use_leaky_relu: bool = False,
        use_rgb_conv: bool = False,
        conv_extend: bool = False,
        clicks_groups: Sequence[float] | None = None,
        use_disks: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(use_disks=use_disks, **kwargs)
        if clicks_groups is not None:
            if len(clicks_groups) == 0:
                raise InputError("clicks_groups is empty: give one radius for each group of clicks, or None.")
            self.dist_maps = GroupedDistMaps(clicks_groups, use_disks)
            if self.reads_strokes:
                raise self._no_strokes()
        self.use_rgb_conv = use_rgb_conv
        self.conv_extend = conv_extend
        activation = nn.LeakyReLU(0.2, inplace=True) if use_leaky_relu else nn.ReLU(inplace=True)
        maps = self.mixed_channels
        if use_rgb_conv:
            self.rgb_conv = nn.Sequential(
                nn.Conv2d(3 + maps, 6 + maps, 1), nn.BatchNorm2d(6 + maps), activation, nn.Conv2d(6 + maps, 3, 1)
            )
        elif conv_extend:
            self.maps_transform: nn.Module = nn.Conv2d(maps, 64, 3, stride=2, padding=1)
        else:
            self.maps_transform = nn.Sequential(
                nn.Conv2d(maps, 16, 1), activation, nn.Conv2d(16, 64, 3, stride=2, padding=1), ScaleLayer(0.05)
            )

    @property
    def mixed_channels(self) -> int:
        """Number of channels that ``mix`` reads: previous mask and click maps."""
        return super().coord_channels

    def mix(self, image: Tensor, coord_features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the two inputs of the backbone: three channels, and the click features after its first convolution.

        Args:
            image: (B, 3, H, W), normalised.
            coord_features: (B, ``coord_channels``, H, W), see ``coord_features``.

        Returns:
            (B, 3, H, W), and (B, 64, H/2, W/2) or None.
        """
        if self.use_rgb_conv:
            return self.rgb_conv(torch.cat((image, coord_features), dim=1)), None
        return image, self.maps_transform(coord_features)

    def lr_multipliers(self) -> dict[str, float]:
        if self.use_rgb_conv or not self.conv_extend:
            return {}
        return self.rates_of("maps_transform", CONV_EXTEND_LR_MULT)


@register_model("ritm_hrnet18s", width=18, ocr_width=48, small=True, **_HRNET)
@register_model("ritm_hrnet18", width=18, ocr_width=64, **_HRNET)
@register_model("ritm_hrnet32", width=32, ocr_width=128, **_HRNET)
class HRNetModel(RitmModel):
    """RITM on HRNet with an OCR head; logits at stride 4.

    Args:
        width: channels of HRNet's branch at stride 4.
        ocr_width: half the channels of the OCR head; 0 for a head without OCR and without auxiliary output.
        small: HRNet's "small v2" variant.
        backbone_lr_mult: learning rate of the backbone, ``cls_head`` and ``aux_head`` relative to the rest.
        kwargs: see ``RitmModel``, ``EarlyFusionModel`` and ``ClickModel``.

    Attributes:
        returns_feature: ``backbone_forward`` also returns ``feature``, the input of ``cls_head``.
    """

    imagenet_part = "feature_extractor"
    returns_feature = False

    def __init__(
        self,
        *,
        width: int = 48,
        ocr_width: int = 256,
        small: bool = False,
        backbone_lr_mult: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.with_aux_output and ocr_width == 0:
            raise InputError("with_aux_output needs the OCR head: give an ocr_width above 0 or with_aux_output=False.")
        self.backbone_lr_mult = backbone_lr_mult
        self.feature_extractor = HRNetOCR(width, ocr_width, small)
        xavier_gluon(self)

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        """Return logits (B, 1, H/4, W/4) by name.

        Args:
            image: (B, 3, H, W), normalised.
            coord_features: (B, ``coord_channels``, H, W), see ``coord_features``.
        """
        instances, aux, feature = self.feature_extractor(*self.mix(image, coord_features))
        outputs = {"instances": instances}
        if self.returns_feature:
            outputs["feature"] = feature  # (B, 2 * ocr_width, H/4, W/4)
        if self.with_aux_output:
            outputs["instances_aux"] = aux
        return outputs

    @property
    def feature_levels(self) -> dict[str, int]:
        """A and B are both the maps of all resolutions, before the auxiliary head and OCR; C is after OCR."""
        network = self.feature_extractor
        levels = {"A": network.channels, "B": network.channels}
        return {**levels, "C": 2 * network.ocr_width} if network.ocr_width else levels

    def features_at(self, level: str, image: Tensor, coord_features: Tensor) -> tuple[Tensor, None]:
        self._require_level(level)
        network = self.feature_extractor
        maps = network.forward_maps(*self.mix(image, coord_features))
        return (network.features_of(maps)[0] if level == "C" else network.aggregate(maps)), None

    def logits_from(self, level: str, features: Tensor, rest: tuple[Tensor, ...] | None) -> Tensor:
        self._require_level(level)
        network = self.feature_extractor
        return network.cls_head(features if level == "C" else network.forward_features(features)[0])

    def lr_multipliers(self) -> dict[str, float]:
        """Return learning-rate multipliers by parameter name, where they are not 1.

        ``cls_head`` and ``aux_head`` learn as slowly as the backbone, although they start from random weights
        (docs/fidelity.md#heads-learn-slowly).
        """
        rates = self.rates_of("feature_extractor", self.backbone_lr_mult)
        slow = {name: rate for name, rate in rates.items() if not name.startswith(FULL_RATE)}
        return {**super().lr_multipliers(), **slow}


@register_model("ritm_resnet34", backbone="resnet34", deeplab_ch=128, **_DEEPLAB)
@register_model("ritm_resnet50", backbone="resnet50", deeplab_ch=256, **_DEEPLAB)
@register_model("ritm_resnet101", backbone="resnet101", deeplab_ch=256, **_DEEPLAB)
class DeepLabModel(RitmModel):
    """RITM on a ResNet with DeepLabV3+; logits at stride 4, no auxiliary output.

    Args:
        backbone: one of ``isegm.model.backbones.resnet.RESNETS``.
        deeplab_ch: channels of ASPP and of the decoder.
        aspp_dropout: share of ASPP's outputs that training sets to 0.
        backbone_lr_mult: learning rate of the ResNet relative to the rest.
        kwargs: see ``RitmModel``, ``EarlyFusionModel`` and ``ClickModel``.
    """

    imagenet_part = "feature_extractor.backbone"
    extractor: type[DeepLabV3Plus] = DeepLabV3Plus

    def __init__(
        self,
        *,
        backbone: str = "resnet50",
        deeplab_ch: int = 256,
        aspp_dropout: float = 0.5,
        backbone_lr_mult: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if backbone not in RESNETS:
            raise InputError(f"there is no backbone named {backbone!r}: known are {', '.join(RESNETS)}.")
        if self.with_aux_output:
            raise InputError("DeepLabV3+ has no auxiliary output: give with_aux_output=False.")
        self.backbone_lr_mult = backbone_lr_mult
        self.feature_extractor = self.extractor(backbone, deeplab_ch, aspp_dropout)
        self.head = SeparableHead(deeplab_ch, deeplab_ch // 2)
        xavier_gluon(self)

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        """Return logits (B, 1, H/4, W/4) by name.

        Args:
            image: (B, 3, H, W), normalised.
            coord_features: (B, ``coord_channels``, H, W), see ``coord_features``.
        """
        return {"instances": self.head(self.feature_extractor(*self.mix(image, coord_features)))}

    def late_clicks(self, coord_features: Tensor) -> tuple[Tensor, ...]:
        """Return the click maps that the network reads after the backbone: none here."""
        return ()

    @property
    def feature_levels(self) -> dict[str, int]:
        """A: the ResNet's last features, at stride 8; B: joined with the skip connection; C: before the last head."""
        network = self.feature_extractor
        return {"A": network.backbone.channels[1], "B": network.joined_channels, "C": self.head.inputs}

    def features_at(
        self, level: str, image: Tensor, coord_features: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        self._require_level(level)
        network = self.feature_extractor
        low, high = network.backbone(*self.mix(image, coord_features))  # (B, C4, H/4, W/4), (B, C8, H/8, W/8)
        late = self.late_clicks(coord_features)
        if level == "A":
            return high, (low, *late)
        joined = network.join(low, high, *late)  # (B, deeplab_ch + 32, H/4, W/4)
        return (joined if level == "B" else network.head(joined)), None

    def logits_from(self, level: str, features: Tensor, rest: tuple[Tensor, ...] | None) -> Tensor:
        self._require_level(level)
        network = self.feature_extractor
        if level == "A":
            low, *late = rest or ()
            features = network.join(low, features, *late)
        if level != "C":
            features = network.head(features)
        return self.head(features)

    def lr_multipliers(self) -> dict[str, float]:
        return {**super().lr_multipliers(), **self.rates_of(self.imagenet_part, self.backbone_lr_mult)}
