"""A light click network on any timm backbone: features at two strides, LR-ASPP, two small heads.

It has the head of ClickSEG's light baselines. No click weights are published: start the backbone from timm's ImageNet
weights (``load_imagenet_weights("timm")``) and train.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from isegm.model.backbones.timm_features import ClickConv, TimmBackbone
from isegm.model.baseline import LightModel
from isegm.model.click_model import IMAGENET_MEAN, IMAGENET_STD
from isegm.model.initializer import xavier_gluon
from isegm.model.layers import ScaleLayer
from isegm.model.pretrained import check_timm_name
from isegm.model.registry import register_model
from isegm.model.segmentors import LightSegmentor

CLICK_CHANNELS = 16  # of the click features that the backbone reads beside the image


@register_model("timm_lraspp", backbone="resnet18")
class TimmLRASPP(LightModel):
    """A light click network on any timm backbone.

    Args:
        backbone: name of a network in timm that returns features, such as "convnext_tiny"; see ``TimmBackbone``.
        norm_radius: radius of the clicks' disks, in pixels of the network's input.
        norm_mean_std: mean and standard deviation of the normalised image; None for those of timm's weights.
        backbone_lr_mult: learning rate of the backbone relative to the rest.
        with_aux_output: see ``ClickModel``.
        kwargs: see ``ClickModel``.

    Raises:
        InputError: timm has no such backbone, or it cannot be used; the message says why.
    """

    def __init__(
        self,
        *,
        backbone: str = "resnet18",
        norm_radius: float = 5,
        norm_mean_std: Sequence[Sequence[float]] | None = None,
        backbone_lr_mult: float = 0.1,
        with_aux_output: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            norm_radius=norm_radius,
            norm_mean_std=norm_mean_std or statistics_of(backbone),
            with_aux_output=with_aux_output,
            **kwargs,
        )
        self.backbone_lr_mult = backbone_lr_mult
        self.maps_transform = nn.Sequential(
            nn.Conv2d(self.coord_channels, CLICK_CHANNELS, 1), nn.LeakyReLU(0.2), ScaleLayer(1.0)
        )
        self.feature_extractor = LightSegmentor(TimmBackbone(backbone, CLICK_CHANNELS))
        xavier_gluon(self.maps_transform)
        for name, part in self.feature_extractor.named_children():
            if name != "backbone":
                xavier_gluon(part)

    def lr_multipliers(self) -> dict[str, float]:
        """Return learning-rate multipliers by parameter name: the backbone's, but not of its click convolutions."""
        modules = self.feature_extractor.backbone.named_modules(prefix=self.imagenet_part)
        new = {f"{name}.side.weight" for name, module in modules if isinstance(module, ClickConv)}
        rates = self.rates_of(self.imagenet_part, self.backbone_lr_mult)
        return {name: rate for name, rate in rates.items() if name not in new}


def statistics_of(backbone: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return the mean and standard deviation that timm's weights of a network expect of images in 0..1.

    Raises:
        InputError: timm has no such network (the nearest is suggested).
    """
    import timm  # takes seconds to import, and most networks do without it

    check_timm_name(backbone)
    mean = timm.get_pretrained_cfg_value(backbone, "mean") or IMAGENET_MEAN
    return mean, timm.get_pretrained_cfg_value(backbone, "std") or IMAGENET_STD
