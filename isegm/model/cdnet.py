"""CDNet (Chen et al. 2021, "Conditional Diffusion for Interactive Segmentation").

Clicks are diffused between features that look alike, and the prediction between pixels of the same colour.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.click_maps import DistMaps
from isegm.model.heads.deeplab import SeparableHead
from isegm.model.heads.pixel_diffusion import PixelDiffusion
from isegm.model.initializer import xavier_gluon
from isegm.model.layers import resize, to_tokens
from isegm.model.registry import register_model
from isegm.model.ritm import DeepLabModel
from isegm.model.segmentors import DeepLabV3Plus

CLICK_RADIUS = 5  # pixels of the network's input, whatever a stored configuration says
WIDE_RADIUS = 24  # of the disks that condition the features
WIDE_CHANNELS = 2
SURE = 0.8  # a gate above this counts like a click
LATENT_PREDICTIONS = 4


class FeatureDiffusion(nn.Module):
    """Diffuse features from clicks and confident regions to similar pixels (the FDM, Chen et al. 2021).

    Attention of each pixel i to all pixels j, softmax(t_i p_j w_j), once with the weights w of the object and once with
    those of the background. A weight of 0 gives the logit 0; it does not exclude a pixel
    (docs/fidelity.md#diffusion-zero-weight).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate_head_pos = SeparableHead(channels, channels, depth=1)
        self.t = nn.Conv2d(channels, channels, 1, bias=False)
        self.p = nn.Conv2d(channels, channels, 1, bias=False)
        self.g = nn.Conv2d(channels, channels, 1, bias=False)
        self.z = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.z2 = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, clicks: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, C, h, w) and the object's gate (B, 1, h, w), probabilities.

        Args:
            x: (B, C, h, w).
            clicks: (B, 2, h, w) wide disks of the positive and the negative clicks.
        """
        if not torch.amp.is_autocast_available(x.device.type):  # the meta device
            return self._forward(x, clicks)
        with torch.autocast(x.device.type, enabled=False):  # the logits have no scale: half precision rounds them away
            return self._forward(x.float(), clicks.float())

    def _forward(self, x: Tensor, clicks: Tensor) -> tuple[Tensor, Tensor]:
        gate = self.gate_head_pos(x).sigmoid()  # (B, 1, h, w)
        gates = torch.cat((gate, 1 - gate), dim=1).detach()  # (B, 2, h, w) of object and background
        weights = clicks + (gates > SURE)  # (B, 2, h, w) in [0, 2]
        query, key, value = (to_tokens(layer(x))[:, None] for layer in (self.t, self.p, self.g))  # (B, 1, hw, C)
        key = key * weights.flatten(2)[..., None]  # (B, 2, hw, C)
        both = (-1, 2, -1, -1)
        taken = F.scaled_dot_product_attention(query.expand(both), key, value.expand(both), scale=1.0)
        taken = taken * gates.flatten(2)[..., None]  # (B, 2, hw, C)
        positive, negative = taken.transpose(2, 3).unflatten(3, x.shape[2:]).unbind(1)  # (B, C, h, w) each
        return self.bn(self.z(positive)) + x + self.bn2(self.z2(negative)), gate


class DiffusedDeepLab(DeepLabV3Plus):
    """DeepLabV3+ with feature diffusion after ASPP."""

    def __init__(self, backbone: str, channels: int, aspp_dropout: float) -> None:
        super().__init__(backbone, channels, aspp_dropout)
        self.FDM = FeatureDiffusion(channels)

    def diffused(self, low: Tensor, high: Tensor, clicks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the input of ``head``, (B, joined_channels, H/4, W/4), and the gate (B, 1, H/8, W/8).

        Args:
            low, high: see ``DeepLabV3Plus.join``.
            clicks: (B, 2, H, W) wide disks.
        """
        context, gate = self.FDM(self.aspp(high), resize(clicks, high.shape[2:]))
        return self.with_skip(low, context), gate

    def join(self, low: Tensor, high: Tensor, *late_clicks: Tensor) -> Tensor:
        return self.diffused(low, high, *late_clicks)[0]


@register_model(
    "cdnet_resnet34", backbone="resnet34", deeplab_ch=128, aspp_dropout=0.2, use_leaky_relu=True, with_prev_mask=False
)
class CDNet(DeepLabModel):
    """ClickSEG's CDNet: RITM's DeepLabV3+ with feature diffusion, four latent predictions, and pixel diffusion.

    Args:
        kwargs: see ``DeepLabModel``; ``norm_radius`` and ``use_disks`` are fixed.
    """

    protocol = "cdnet"
    takes_strokes = False
    has_diffusion = True
    extractor = DiffusedDeepLab
    feature_extractor: DiffusedDeepLab
    resized_outputs = ("instances", "latent_instances", "fdm_instances")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(norm_radius=CLICK_RADIUS, use_disks=True, **kwargs)
        self.wide_maps = DistMaps(WIDE_RADIUS, use_disks=True)
        channels = self.head.inputs
        self.latent_head = SeparableHead(channels, channels // 2, LATENT_PREDICTIONS)
        self.PDM = PixelDiffusion()
        xavier_gluon(self.latent_head)

    @property
    def coord_channels(self) -> int:
        """Number of channels of ``coord_features``."""
        return WIDE_CHANNELS + self.mixed_channels

    def coord_features(
        self, points: Tensor, prev_mask: Tensor | None, size: tuple[int, int], *, strokes: Tensor | None = None
    ) -> Tensor:
        """Concatenate wide disks for the features and the inputs of ``mix``: (B, ``coord_channels``, H, W)."""
        mixed = super().coord_features(points, prev_mask, size, strokes=strokes)
        return torch.cat((self.wide_maps(points, size), mixed), dim=1)

    def mix(self, image: Tensor, coord_features: Tensor) -> tuple[Tensor, Tensor | None]:
        return super().mix(image, coord_features[:, WIDE_CHANNELS:])

    def late_clicks(self, coord_features: Tensor) -> tuple[Tensor]:
        return (coord_features[:, :WIDE_CHANNELS],)

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        """Return the network's outputs by name, before ``decode`` resizes them.

        Returns:
            ``instances``, logits (B, 1, H/4, W/4); ``latent_instances``, logits (B, 4, H/4, W/4) of four predictions;
            ``fdm_instances``, probabilities (B, 1, H/8, W/8) by which features were diffused; ``click_map``, the disks
            (B, 2, H, W) of positive and negative clicks, which are not resized.
        """
        network = self.feature_extractor
        low, high = network.backbone(*self.mix(image, coord_features))  # (B, 64, H/4, W/4), (B, 512, H/8, W/8)
        joined, gate = network.diffused(low, high, *self.late_clicks(coord_features))
        features = network.head(joined)  # (B, deeplab_ch, H/4, W/4)
        return {
            "instances": self.head(features),
            "latent_instances": self.latent_head(features),
            "fdm_instances": gate,
            "click_map": coord_features[:, -self.dist_maps.channels :],
        }

    def diffuse(self, image: Tensor, logits: Tensor, points: Tensor) -> Tensor:
        return self.PDM(image, logits, self.dist_maps(points, (image.shape[2], image.shape[3])))
