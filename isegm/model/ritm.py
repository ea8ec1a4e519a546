"""How RITM's networks take in clicks (Sofiiuk et al. 2021, "Reviving Iterative Training with Mask Guidance", 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isegm.clicks import GroupedDistMaps
from isegm.model.base import EarlyFusionModel, ScaleLayer
from isegm.utils.errors import InputError

CONV_EXTEND_LR_MULT = 0.1

# What register_model presets for all published networks.
PUBLISHED: dict[str, Any] = dict(use_leaky_relu=True, use_disks=True, norm_radius=5)


class RitmModel(EarlyFusionModel):
    """Networks that add a transform of the click maps behind the first convolution of the backbone.

    Args:
        use_leaky_relu: leaky ReLU (0.2) between the convolutions of the click maps; else ReLU.
        use_rgb_conv: mix image and maps into three channels before the backbone instead, as f-BRS did.
        conv_extend: a single convolution of the maps, at a tenth of the learning rate.
        clicks_groups: one radius for each group of clicks, the first click's first, the last for all later ones: two
            maps for each; None for one group of all clicks with ``norm_radius``.
        kwargs: see ``EarlyFusionModel`` and ``ClickModel``.
    """

    def __init__(
        self,
        *,
        use_leaky_relu: bool = False,
        use_rgb_conv: bool = False,
        conv_extend: bool = False,
        clicks_groups: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if clicks_groups is not None:
            if len(clicks_groups) == 0:
                raise InputError("clicks_groups is empty: give one radius for each group of clicks, or None.")
            self.dist_maps = GroupedDistMaps(clicks_groups, self.dist_maps.use_disks)
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
        """What the backbone reads: three channels, and what is added behind its first convolution.

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
        return {f"maps_transform.{name}": CONV_EXTEND_LR_MULT for name, _ in self.maps_transform.named_parameters()}
