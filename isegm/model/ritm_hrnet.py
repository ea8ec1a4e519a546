"""RITM with HRNet and OCR (Sofiiuk et al. 2021, "Reviving Iterative Training with Mask Guidance")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from isegm.model.heads.ocr import HRNetOCR
from isegm.model.initializer import xavier_gluon
from isegm.model.registry import register_model
from isegm.model.ritm import PUBLISHED, RitmModel
from isegm.utils.errors import InputError

_FULL_RATE = ("feature_extractor.conv3x3_ocr.", "feature_extractor.ocr_distri_head.")

_PUBLISHED: dict[str, Any] = dict(with_prev_mask=True, with_aux_output=True, **PUBLISHED)


@register_model("ritm_hrnet18s", width=18, ocr_width=48, small=True, **_PUBLISHED)
@register_model("ritm_hrnet18", width=18, ocr_width=64, **_PUBLISHED)
@register_model("ritm_hrnet32", width=32, ocr_width=128, **_PUBLISHED)
class HRNetModel(RitmModel):
    """RITM's click network on HRNet with an OCR head; logits at stride 4.

    Args:
        width: channels of HRNet's branch at stride 4.
        ocr_width: half the channels of the OCR head; 0 for a head without OCR and without auxiliary output.
        small: HRNet's "small v2" variant.
        backbone_lr_mult: learning rate of the backbone, ``cls_head`` and ``aux_head`` relative to the rest.
        kwargs: see ``RitmModel``, ``EarlyFusionModel`` and ``ClickModel``.
    """

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
        """Logits at stride 4.

        Args:
            image: (B, 3, H, W), normalised.
            coord_features: (B, ``coord_channels``, H, W), see ``coord_features``.
        """
        instances, aux, _ = self.feature_extractor(*self.mix(image, coord_features))  # (B, 1, H/4, W/4) each
        return {"instances": instances, "instances_aux": aux} if self.with_aux_output else {"instances": instances}

    @property
    def feature_places(self) -> dict[str, int]:
        """A and B are both the maps of all resolutions, before the auxiliary head and OCR; C is behind OCR."""
        network = self.feature_extractor
        places = {"A": network.channels, "B": network.channels}
        return {**places, "C": 2 * network.ocr_width} if network.ocr_width else places

    def features_at(self, place: str, image: Tensor, coord_features: Tensor) -> tuple[Tensor, None]:
        self._require_place(place)
        network = self.feature_extractor
        maps = network.forward_maps(*self.mix(image, coord_features))
        aggregated = network.aggregate(maps)  # (B, 15 * width, H/4, W/4)
        return (network.forward_features(aggregated)[0] if place == "C" else aggregated), None

    def logits_from(self, place: str, features: Tensor, rest: tuple[Tensor, ...] | None) -> Tensor:
        self._require_place(place)
        network = self.feature_extractor
        return network.cls_head(features if place == "C" else network.forward_features(features)[0])

    def lr_multipliers(self) -> dict[str, float]:
        """Learning-rate multipliers by parameter name, for parameters whose multiplier is not 1.

        ``cls_head`` and ``aux_head`` count as backbone although they start from random weights, as published.
        """
        names = [f"feature_extractor.{name}" for name, _ in self.feature_extractor.named_parameters()]
        slow = {name: self.backbone_lr_mult for name in names if not name.startswith(_FULL_RATE)}
        return {**super().lr_multipliers(), **slow}

    def load_imagenet_weights(self, path: str | Path) -> None:
        """Start the backbone from an official HRNet weights file; see ``HRNet.load_imagenet_weights``."""
        self.feature_extractor.load_imagenet_weights(path)
