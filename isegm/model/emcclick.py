"""EMC-Click (Du et al. 2023, "Efficient Mask Correction for Click-Based Interactive Image Segmentation").

The whole network runs at the first click only. From then on a light network corrects the mask of the click before, from
the features of the first click and all clicks.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isegm.clicks import first_clicks
from isegm.model.click_model import EarlyFusionModel
from isegm.model.heads.mask_correction import STRIDE, MaskCorrection
from isegm.model.initializer import xavier_gluon
from isegm.model.layers import resize
from isegm.model.registry import register_model
from isegm.model.ritm import HRNetModel
from isegm.model.segmentors import SegFormer

CLICK_RADIUS = 5  # pixels of the network's input


class EMCClickModel(EarlyFusionModel):
    """Base class of EMC-Click's networks: the first pass, and the correction at each click.

    A subclass makes ``refiner``, and its ``backbone_forward`` adds ``feature`` to its outputs. The backbone sees one
    map: disks of the positive clicks of order 0 (docs/fidelity.md#emc-first-click). No previous mask is read, but that
    of the cache is corrected.

    Args:
        kwargs: see ``ClickModel``; the radius of clicks is 5, whatever a configuration says.

    Attributes:
        first_pass_alone: ``decode`` returns the first pass's logits, see ``coarse``.
    """

    protocol = "emcclick"
    takes_strokes = False
    corrects_masks = True
    input_multiple = STRIDE
    first_pass_alone = False
    refiner: MaskCorrection

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(with_prev_mask=False, norm_radius=CLICK_RADIUS, use_disks=True, **kwargs)

    @property
    def coord_channels(self) -> int:
        return 1

    @property
    def feature_levels(self) -> dict[str, int]:
        """None: what f-BRS changed before the first pass would not reach the correction."""
        return {}

    def coord_features(
        self, points: Tensor, prev_mask: Tensor | None, size: tuple[int, int], *, strokes: Tensor | None = None
    ) -> Tensor:
        """Draw the positive first clicks: (B, 1, H, W); there are no strokes."""
        return self.dist_maps(first_clicks(points), size)[:, :1]

    def coarse(self) -> EMCClickModel:
        """Return the first pass alone, which runs at every click and sees no more than the first ones."""
        network = copy.copy(self)
        network.first_pass_alone = True
        return network

    def decode(
        self,
        features: Mapping[str, Any],
        points: Tensor,
        prev_mask: Tensor | None = None,
        cache: Mapping[str, Tensor] | None = None,
        *,
        strokes: Tensor | None = None,
    ) -> dict[str, Any]:
        """Predict logits; see ``ClickModel``.

        Args:
            features, points: see ``ClickModel``.
            prev_mask, strokes: are not read.
            cache: of the click before. Without ``feature`` in it the backbone runs; without ``logits`` the first pass's
                own logits are corrected.

        Returns:
            instances: corrected logits (B, 1, H, W).
            instances_coarse, instances_aux: logits (B, 1, H, W) of the first pass, the latter with
                ``with_aux_output``; where the backbone ran.
            cache: ``feature`` (B, mid_dims, H/4, W/4), what the correction reads of the first pass; and ``logits``
                (B, 1, H/4, W/4) of this click, without gradient.
        """
        image, cache = features["image"], cache or {}
        size = (image.shape[2], image.shape[3])
        outputs: dict[str, Any] = {}
        feature, logits = cache.get("feature"), cache.get("logits")
        if feature is None:
            first = self.backbone_forward(image, self.coord_features(points, None, size))
            feature = self.refiner.adapt(first["feature"], size)  # (B, mid_dims, H/4, W/4)
            if logits is None:
                logits = first["instances"].detach()
            outputs["instances_coarse"] = resize(first["instances"], size)
            if self.first_pass_alone:
                return {"instances": outputs["instances_coarse"]}
            if self.with_aux_output:
                # SegFormer has no other output (docs/fidelity.md#auxiliary-output-of-segformer)
                aux = first.get("instances_aux")
                outputs["instances_aux"] = outputs["instances_coarse"] if aux is None else resize(aux, size)
        corrected = self.refiner(image, self.dist_maps(points, size), points, feature, logits)  # (B, 1, H/4, W/4)
        return {
            "instances": resize(corrected, size),
            **outputs,
            "cache": {"feature": feature, "logits": corrected.detach()},
        }


def _published(mid_dims: int) -> dict[str, Any]:
    return dict(mid_dims=mid_dims, corr_channel=mid_dims, with_aux_output=True)


@register_model("emcclick_hrnet18s", width=18, ocr_width=48, small=True, use_leaky_relu=True, **_published(64))
@register_model("emcclick_hrnet18", width=18, ocr_width=64, use_leaky_relu=True, **_published(96))
@register_model("emcclick_hrnet32", width=32, ocr_width=128, use_leaky_relu=True, **_published(96))
class EMCClickHRNet(EMCClickModel, HRNetModel):
    """EMC-Click with HRNet and OCR.

    Args:
        mid_dims, corr_channel: see ``MaskCorrection``.
        kwargs: see ``isegm.model.ritm.HRNetModel`` and ``EMCClickModel``.
    """

    returns_feature = True

    def __init__(self, *, mid_dims: int = 64, corr_channel: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        network = self.feature_extractor
        self.refiner = MaskCorrection(2 * network.ocr_width or network.channels, mid_dims, corr_channel)
        xavier_gluon(self.refiner)

    @property
    def mixed_channels(self) -> int:
        return self.coord_channels


@register_model("emcclick_segformerb0", model_version="b0", **_published(64))
@register_model("emcclick_segformerb3", model_version="b3", **_published(96))
@register_model("emcclick_segformerb4", model_version="b4", **_published(96))
class EMCClickSegFormer(EMCClickModel):
    """EMC-Click with SegFormer.

    Args:
        model_version: size of SegFormer, "b0" to "b5".
        backbone_lr_mult: learning rate of the backbone, the embedding of the click map included, relative to the rest.
        mid_dims, corr_channel: see ``MaskCorrection``.
        kwargs: see ``EMCClickModel``.
    """

    imagenet_part = "feature_extractor.backbone"

    def __init__(
        self,
        *,
        model_version: str = "b0",
        backbone_lr_mult: float = 0.1,
        mid_dims: int = 64,
        corr_channel: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.backbone_lr_mult = backbone_lr_mult
        self.feature_extractor = SegFormer(model_version, self.coord_channels, with_norm_add=True)
        self.refiner = MaskCorrection(self.feature_extractor.channels, mid_dims, corr_channel)

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        instances, feature = self.feature_extractor(image, coord_features)
        return {"instances": instances, "feature": feature}

    def lr_multipliers(self) -> dict[str, float]:
        return self.rates_of(self.imagenet_part, self.backbone_lr_mult)
