"""RITM with DeepLabV3+ on ResNets (Sofiiuk et al. 2020, "f-BRS"; 2021, "Reviving Iterative Training ...")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from isegm.model.backbones.resnet import RESNETS
from isegm.model.heads.deeplab import DeepLabV3Plus, SeparableHead
from isegm.model.initializer import xavier_gluon
from isegm.model.registry import register_model
from isegm.model.ritm import PUBLISHED, RitmModel
from isegm.utils.errors import InputError

_PUBLISHED: dict[str, Any] = dict(with_prev_mask=False, aspp_dropout=0.2, **PUBLISHED)


@register_model("ritm_resnet34", backbone="resnet34", deeplab_ch=128, **_PUBLISHED)
@register_model("ritm_resnet50", backbone="resnet50", deeplab_ch=256, **_PUBLISHED)
@register_model("ritm_resnet101", backbone="resnet101", deeplab_ch=256, **_PUBLISHED)
class DeepLabModel(RitmModel):
    """RITM's click network on a ResNet with DeepLabV3+; logits at stride 4, no auxiliary output.

    Args:
        backbone: one of ``isegm.model.backbones.resnet.RESNETS``.
        deeplab_ch: channels of ASPP and of the decoder.
        aspp_dropout: share of ASPP's outputs that training sets to 0.
        backbone_lr_mult: learning rate of the ResNet relative to the rest.
        kwargs: see ``RitmModel``, ``EarlyFusionModel`` and ``ClickModel``.
    """

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
        """Logits (B, 1, H/4, W/4) by name.

        Args:
            image: (B, 3, H, W), normalised.
            coord_features: (B, ``coord_channels``, H, W), see ``coord_features``.
        """
        return {"instances": self.head(self.feature_extractor(*self.mix(image, coord_features)))}

    def late_clicks(self, coord_features: Tensor) -> tuple[Tensor, ...]:
        """Click maps that the network reads behind the backbone: none here."""
        return ()

    @property
    def feature_places(self) -> dict[str, int]:
        """A: the ResNet's last features, at stride 8; B: joined with the skip connection; C: before the last head."""
        network = self.feature_extractor
        channels = self.head.layers[0].body[0].in_channels
        return {"A": network.backbone.channels[1], "B": network.joined_channels, "C": channels}

    def features_at(
        self, place: str, image: Tensor, coord_features: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        self._require_place(place)
        network = self.feature_extractor
        low, high = network.backbone(*self.mix(image, coord_features))  # (B, C4, H/4, W/4), (B, C8, H/8, W/8)
        late = self.late_clicks(coord_features)
        if place == "A":
            return high, (low, *late)
        joined = network.join(low, high, *late)  # (B, deeplab_ch + 32, H/4, W/4)
        return (joined if place == "B" else network.head(joined)), None

    def logits_from(self, place: str, features: Tensor, rest: tuple[Tensor, ...] | None) -> Tensor:
        self._require_place(place)
        network = self.feature_extractor
        if place == "A":
            low, *late = rest or ()
            features = network.join(low, features, *late)
        if place != "C":
            features = network.head(features)
        return self.head(features)

    def lr_multipliers(self) -> dict[str, float]:
        """Learning-rate multipliers by parameter name, for parameters whose multiplier is not 1."""
        backbone = self.feature_extractor.backbone.named_parameters()
        return {
            **super().lr_multipliers(),
            **{f"feature_extractor.backbone.{name}": self.backbone_lr_mult for name, _ in backbone},
        }

    def load_imagenet_weights(self, path: str | Path) -> None:
        """Start the ResNet from ImageNet weights; see ``ResNet.load_imagenet_weights``."""
        self.feature_extractor.backbone.load_imagenet_weights(path)
