"""FocalClick (Chen et al. 2022, "FocalClick: Towards Practical Interactive Image Segmentation").

A segmentor predicts a coarse mask on a small input; a light refiner then refines, at full resolution, the part of the
image that the last click changed.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.click_maps import DistMaps
from isegm.model.click_model import EarlyFusionModel
from isegm.model.initializer import xavier_gluon
from isegm.model.layers import ConvNorm, ScaleLayer, resize
from isegm.model.registry import register_model
from isegm.model.ritm import HRNetModel
from isegm.model.segmentors import SegFormer
from isegm.utils.errors import InputError

REFINER_CHANNELS = 32
CLICK_RADIUS = 5  # pixels of the network's input, with S2 and in the refiner
PIPELINES = ("s1", "s2")


def crop_boxes(maps: Tensor, boxes: Tensor, frame: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Crop boxes out of maps and resize them by RoIAlign (He et al. 2017, "Mask R-CNN"); gradients flow to ``maps``.

    Each cell of the result is one bilinear sample at its centre, as the adaptive number of samples is one wherever no
    box is larger than the result.

    Args:
        maps: (B, C, h, w), any resolution of the frame.
        boxes: (N, 5) index in the batch, x1, y1, x2, y2 in pixels of the frame, the ends excluded, inside it.
        frame: (H, W).
        size: (height, width) of the result.

    Returns:
        float32 (N, C, height, width).
    """
    from torchvision.ops import roi_align  # takes seconds to import, and most networks do without it

    across, down = maps.shape[3] / frame[1], maps.shape[2] / frame[0]
    index, x1, y1, x2, y2 = boxes.to(maps.device, torch.float32).unbind(1)
    boxes = torch.stack((index, x1 * across, y1 * down, x2 * across, y2 * down), dim=1)  # in pixels of the maps
    return roi_align(maps.float(), boxes, size, sampling_ratio=1, aligned=True)


class XConv(nn.Module):
    """Depthwise 3x3 convolution, 1x1 convolution, batch norm, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv3x3 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.conv1x1 = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv1x1(self.conv3x3(x))), inplace=True)


class Refiner(nn.Module):
    """Refine a crop from its pixels, clicks, coarse logits and coarse features.

    Args:
        feature_channels: of the coarse features.
        with_gate: have the parameters of a gate on features, which files of the SegFormer networks hold and nothing
            reads (docs/fidelity.md#parameters-without-use).
    """

    def __init__(self, feature_channels: int, with_gate: bool = False) -> None:
        super().__init__()
        width = REFINER_CHANNELS
        self.image_conv1 = ConvNorm(6, width, kernel=3, stride=2)
        self.image_conv2 = XConv(width)
        self.image_conv3 = XConv(width)
        self.refine_fusion = ConvNorm(feature_channels, width, kernel=1)
        self.refine_fusion2 = XConv(width)
        self.refine_fusion3 = XConv(width)
        if with_gate:
            self.feature_gate = nn.Sequential(nn.Conv2d(width, 1, 1), nn.Sigmoid())
        self.refine_pred = nn.Conv2d(width, 1, 3, padding=1)
        self.refine_trimap = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, image: Tensor, click_maps: Tensor, features: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Return refined logits, and logits of where they replace the coarse ones, each (N, 1, h, w).

        Args:
            image: (N, 3, h, w) RGB in 0..1.
            click_maps: (N, 2, h, w), positive and negative disks.
            features: (N, feature_channels, h', w') in the crop.
            coarse: (N, 1, h, w) logits in the crop.
        """
        x = torch.cat((image, click_maps, coarse.sigmoid()), dim=1)  # (N, 6, h, w)
        x = self.image_conv3(self.image_conv2(self.image_conv1(x)))  # (N, 32, h/2, w/2)
        x = x + resize(self.refine_fusion(features), x.shape[2:])
        x = self.refine_fusion3(self.refine_fusion2(x))
        fine, trimap = (resize(layer(x), image.shape[2:]) for layer in (self.refine_pred, self.refine_trimap))
        weight = trimap.sigmoid()  # (N, 1, h, w)
        return fine * weight + coarse * (1 - weight), trimap


class FocalClickModel(EarlyFusionModel):
    """Base class of FocalClick's networks: the two pipelines and the refinement of crops.

    A subclass makes ``refiner`` and ``feature_extractor``, runs the latter on the output of ``scaled``, and adds
    ``feature`` to its outputs.

    Args:
        pipeline_version: "s1" runs the backbone at half the size of the network's input, "s2" at its size.
        kwargs: see ``ClickModel``; the radius of clicks depends on the pipeline alone, whatever a configuration says
            (docs/fidelity.md#focalclick-radii).

    Attributes:
        half_radius: of the clicks with "s1", in pixels of the network's input, before it is halved.

    Raises:
        InputError: no such pipeline.
    """

    protocol = "focalclick"
    has_refiner = True
    half_radius: int
    refiner: Refiner

    def __init__(self, *, pipeline_version: str = "s2", **kwargs: Any) -> None:
        if pipeline_version not in PIPELINES:
            raise InputError(f"pipeline_version is {pipeline_version!r}: known are {' and '.join(PIPELINES)}.")
        radius = self.half_radius if pipeline_version == "s1" else CLICK_RADIUS
        super().__init__(norm_radius=radius, use_disks=True, **kwargs)
        self.pipeline_version = pipeline_version
        self.dist_maps_refine = DistMaps(CLICK_RADIUS, use_disks=True)

    def scaled(self, image: Tensor, coord_features: Tensor) -> tuple[Tensor, Tensor]:
        """Resize the normalised image and ``coord_features`` for the backbone: to half the size with "s1"."""
        if self.pipeline_version == "s2":
            return image, coord_features
        size = [side // 2 for side in image.shape[2:]]
        return resize(image, size), resize(coord_features, size)

    def refine(
        self, image: Tensor, points: Tensor, features: Tensor, logits: Tensor, boxes: Tensor
    ) -> dict[str, Tensor]:
        frame = (logits.shape[2], logits.shape[3])
        size = (image.shape[2], image.shape[3])
        coarse = crop_boxes(logits, boxes, frame, size)  # (N, 1, h, w)
        inside = crop_boxes(features, boxes, frame, (features.shape[2], features.shape[3]))  # (N, C, ...)
        # the refiner reads RGB in 0..1 (docs/fidelity.md#rgb-not-normalised)
        refined, trimap = self.refiner(image, self.dist_maps_refine(points, size), inside, coarse)
        return {"instances_refined": refined, "trimap": trimap, "instances_coarse": coarse}


_PUBLISHED: dict[str, Any] = dict(with_prev_mask=True, with_aux_output=True)
_HRNET18S: dict[str, Any] = dict(width=18, ocr_width=48, small=True, use_leaky_relu=True, **_PUBLISHED)
_HRNET32: dict[str, Any] = dict(width=32, ocr_width=128, use_leaky_relu=True, **_PUBLISHED)


@register_model("focalclick_hrnet18s_s1", pipeline_version="s1", **_HRNET18S)
@register_model("focalclick_hrnet18s_s2", pipeline_version="s2", **_HRNET18S)
@register_model("focalclick_hrnet32_s1", pipeline_version="s1", **_HRNET32)
@register_model("focalclick_hrnet32_s2", pipeline_version="s2", **_HRNET32)
class FocalClickHRNet(FocalClickModel, HRNetModel):
    """FocalClick with HRNet and OCR.

    Args:
        backbone_lr_mult: learning rate of the whole ``feature_extractor`` relative to the rest; the published networks
            were trained with 2 (docs/fidelity.md#focalclick-learning-rates).
        kwargs: see ``FocalClickModel``, ``isegm.model.ritm.HRNetModel`` and ``ClickModel``.
    """

    half_radius = 2
    returns_feature = True

    def __init__(self, *, backbone_lr_mult: float = 2.0, **kwargs: Any) -> None:
        super().__init__(backbone_lr_mult=backbone_lr_mult, **kwargs)
        network = self.feature_extractor
        self.refiner = Refiner(2 * network.ocr_width or network.channels)
        xavier_gluon(self.refiner)

    def mix(self, image: Tensor, coord_features: Tensor) -> tuple[Tensor, Tensor | None]:
        return super().mix(*self.scaled(image, coord_features))

    def lr_multipliers(self) -> dict[str, float]:
        return self.rates_of("feature_extractor", self.backbone_lr_mult)


@register_model("focalclick_segformerb0_s1", model_version="b0", pipeline_version="s1", **_PUBLISHED)
@register_model("focalclick_segformerb3_s1", model_version="b3", pipeline_version="s1", **_PUBLISHED)
@register_model("focalclick_segformerb0_s2", model_version="b0", pipeline_version="s2", **_PUBLISHED)
@register_model("focalclick_segformerb1_s2", model_version="b1", pipeline_version="s2", **_PUBLISHED)
@register_model("focalclick_segformerb2_s2", model_version="b2", pipeline_version="s2", **_PUBLISHED)
@register_model("focalclick_segformerb3_s2", model_version="b3", pipeline_version="s2", **_PUBLISHED)
@register_model("focalclick_segformerb4_s2", model_version="b4", pipeline_version="s2", **_PUBLISHED)
@register_model("focalclick_segformerb5_s2", model_version="b5", pipeline_version="s2", **_PUBLISHED)
class FocalClickSegFormer(FocalClickModel):
    """FocalClick with SegFormer; its auxiliary output is the output (docs/fidelity.md#auxiliary-output-of-segformer).

    Args:
        model_version: size of SegFormer, "b0" to "b5".
        backbone_lr_mult: learning rate of the backbone, the embedding of click maps included, relative to the rest.
        kwargs: see ``FocalClickModel`` and ``ClickModel``.
    """

    half_radius = 3
    imagenet_part = "feature_extractor.backbone"

    def __init__(self, *, model_version: str = "b0", backbone_lr_mult: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backbone_lr_mult = backbone_lr_mult
        # published files have it; nothing reads it, as the backbone embeds the click maps
        self.maps_transform = nn.Sequential(
            nn.Conv2d(self.coord_channels, 16, 3), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 3), ScaleLayer(0.05)
        )
        self.feature_extractor = SegFormer(model_version, self.coord_channels)
        self.refiner = Refiner(self.feature_extractor.channels, with_gate=True)

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        instances, feature = self.feature_extractor(*self.scaled(image, coord_features))
        return {"instances": instances, "feature": feature}

    def decode(self, *given: Any, **further: Any) -> dict[str, Any]:
        outputs = super().decode(*given, **further)
        return {**outputs, "instances_aux": outputs["instances"]} if self.with_aux_output else outputs

    def lr_multipliers(self) -> dict[str, float]:
        return self.rates_of(self.imagenet_part, self.backbone_lr_mult)
