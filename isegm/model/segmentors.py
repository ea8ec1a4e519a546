"""Backbones and heads joined, with the parameter names of published weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from isegm.model.aggregation import ConvOfMaps
from isegm.model.backbones.hrnet import HRNet
from isegm.model.backbones.resnet import ResNet
from isegm.model.backbones.segformer import VERSIONS, MixTransformer
from isegm.model.backbones.two_scale import TwoScaleBackbone
from isegm.model.heads.deeplab import ASPP, DeepLabHead, SkipProject
from isegm.model.heads.lraspp import LRASPP
from isegm.model.heads.ocr import SpatialOCR, bn_relu, spatial_gather
from isegm.model.heads.segformer_head import DecodeHead
from isegm.model.layers import Simplifiable, resize
from isegm.utils.errors import InputError

LRASPP_CHANNELS, FUSED_CHANNELS = 128, 16  # of LightSegmentor
SKIP_CHANNELS = 32  # of DeepLabV3+'s skip connection from stride 4


class HRNetOCR(HRNet):
    """HRNet with an OCR head for one object, at stride 4.

    The first convolutions of the head read coarse maps before they are resized, at fewer multiplications (but not in
    half precision), see ``isegm.model.aggregation``.

    Args:
        width, small: see ``HRNet``.
        ocr_width: half the channels of the head's features; 0 for a plain head without auxiliary output.
    """

    cls_head: nn.Module

    def __init__(self, width: int = 48, ocr_width: int = 256, small: bool = False) -> None:
        super().__init__(width, small)
        self.ocr_width = ocr_width
        if ocr_width == 0:
            self.cls_head = self._plain_head(kernel=3)
            return
        features = 2 * ocr_width
        self.conv3x3_ocr = nn.Sequential(ConvOfMaps(self.channels, features, 3), *bn_relu(features))
        self.ocr_distri_head = SpatialOCR(features, ocr_width)
        self.cls_head = nn.Conv2d(features, 1, 1)
        self.aux_head = self._plain_head(kernel=1)

    def _plain_head(self, kernel: Literal[1, 3]) -> nn.Sequential:
        convolution = ConvOfMaps(self.channels, self.channels, kernel)
        return nn.Sequential(convolution, *bn_relu(self.channels), nn.Conv2d(self.channels, 1, 1))

    def forward_features(self, maps: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return the input of ``cls_head``, (B, 2 * ocr_width, H/4, W/4), and auxiliary logits (B, 1, H/4, W/4).

        With ``ocr_width`` 0 they are the joined maps, (B, channels, H/4, W/4), and None.

        Args:
            maps: of ``forward_maps``, with OCR; or ``aggregate`` of them.
        """
        if self.ocr_width == 0:
            assert isinstance(maps, Tensor)
            return maps, None
        aux = self.aux_head(maps)  # (B, 1, H/4, W/4)
        features = self.conv3x3_ocr(maps)  # (B, 2 * ocr_width, H/4, W/4)
        return self.ocr_distri_head(features, spatial_gather(features, aux)), aux

    def features_of(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return ``forward_features`` of ``maps``, see ``forward_maps``."""
        apart = self.ocr_width > 0 and maps[0].dtype.itemsize >= 4  # sums of parts in half precision lose digits
        return self.forward_features(maps if apart else self.aggregate(maps))

    def forward(self, image: Tensor, side: Tensor | None = None) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return logits and auxiliary logits, each (B, 1, H/4, W/4), and the input of ``cls_head``.

        The auxiliary logits are None with ``ocr_width`` 0.

        Args:
            image: float (B, 3, H, W), normalised.
            side: click features (B, 64, H/2, W/2), added after the first convolution; None for none.
        """
        features, aux = self.features_of(self.forward_maps(image, side))
        return self.cls_head(features), aux, features


class DeepLabV3Plus(nn.Module):
    """ResNet and DeepLabV3+ from an image to features at stride 4.

    Args:
        backbone: one of ``isegm.model.backbones.resnet.RESNETS``.
        channels: of ASPP and of the output.
        aspp_dropout: share of ASPP's outputs that training sets to 0.
    """

    def __init__(self, backbone: str, channels: int, aspp_dropout: float) -> None:
        super().__init__()
        self.backbone = ResNet(backbone)
        low_channels, high_channels = self.backbone.channels
        self.joined_channels = channels + SKIP_CHANNELS
        self.head = DeepLabHead(self.joined_channels, channels)
        self.skip_project = SkipProject(low_channels, SKIP_CHANNELS)
        self.aspp = ASPP(high_channels, channels, aspp_dropout)

    def join(self, low: Tensor, high: Tensor, *late_clicks: Tensor) -> Tensor:
        """Return the input of ``head``, (B, joined_channels, H/4, W/4).

        Args:
            low: (B, C4, H/4, W/4), the backbone's fine features.
            high: (B, C8, H/8, W/8), the backbone's coarse features.
            late_clicks: click maps for networks that read some after the backbone; none here.
        """
        return self.with_skip(low, self.aspp(high))

    def with_skip(self, low: Tensor, context: Tensor) -> Tensor:
        """Concatenate ASPP's features (B, channels, H/8, W/8) with those of the skip connection."""
        context = resize(context, low.shape[2:])  # (B, channels, H/4, W/4)
        return torch.cat((context, self.skip_project(low)), dim=1)

    def forward(self, image: Tensor, side: Tensor | None = None) -> Tensor:
        """Return features (B, channels, H/4, W/4).

        Args:
            image: float (B, 3, H, W), normalised.
            side: click features (B, 64, H/2, W/2), added after the first convolution; None for none.
        """
        return self.head(self.join(*self.backbone(image, side)))


class LightSegmentor(Simplifiable):
    """Backbone, LR-ASPP on its coarse features, and fusion with its fine features.

    For inference the last convolution of the backbone and the first ones of LR-ASPP are one.

    Args:
        backbone: see ``TwoScaleBackbone``.
    """

    def __init__(self, backbone: TwoScaleBackbone) -> None:
        super().__init__()
        low_channels, high_channels = backbone.channels
        self.backbone = backbone
        self.lraspp = LRASPP(high_channels, LRASPP_CHANNELS)
        self.fusion_conv1 = nn.Conv2d(LRASPP_CHANNELS, FUSED_CHANNELS, 1)
        self.fusion_conv2 = nn.Conv2d(low_channels, FUSED_CHANNELS, 1)
        self.head = nn.Conv2d(FUSED_CHANNELS, 1, 1)
        self.aux_head = nn.Conv2d(FUSED_CHANNELS, 1, 1)

    def context_of(self, high: Tensor, size: Sequence[int]) -> Tensor:
        """Return LR-ASPP's features (B, 16, h, w) of ``high`` (B, C_high, h', w'); ``size`` is (h, w)."""
        return resize(self.fusion_conv1(self.lraspp(high)), size)  # of fewer channels than in front of the convolution

    def simplify(self) -> None:
        projection = self.backbone.without_projection()
        if projection is not None:
            self.lraspp.behind(projection)

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, auxiliary logits and the fused features, all at the stride of the fine features."""
        low, high = self.backbone(image, side)  # (B, C_low, h, w), (B, C_high, h', w')
        context = self.context_of(high, low.shape[2:])  # (B, 16, h, w)
        fused = context + self.fusion_conv2(low)  # (B, 16, h, w)
        return self.head(fused), self.aux_head(context), fused


class SegFormer(nn.Module):
    """Mix Transformer and decode head.

    Args:
        version: name of its size, "b0" to "b5".
        side_channels, with_norm_add: see ``MixTransformer``.

    Raises:
        InputError: no such version.
    """

    def __init__(self, version: str, side_channels: int, with_norm_add: bool = False) -> None:
        super().__init__()
        if version not in VERSIONS:
            raise InputError(f"there is no SegFormer {version!r}: known are {', '.join(VERSIONS)}.")
        size = VERSIONS[version]
        self.channels = size.head  # of the fused map
        self.backbone = MixTransformer(size, side_channels, with_norm_add)
        self.decode_head = DecodeHead(size.channels, size.head)

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and fused map at stride 4; for ``image`` and ``side`` see ``MixTransformer.forward``."""
        return self.decode_head(self.backbone(image, side))
