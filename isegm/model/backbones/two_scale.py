"""The interface of backbones that return features at two strides."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn


class TwoScaleBackbone(nn.Module):
    """A backbone whose ``forward(image, side)`` returns fine and coarse features.

    Attributes:
        channels: channels of the fine features (stride 4 in most backbones) and of the coarse ones (stride 8 or 16).
        side_channels: channels of ``side``, the click features that join the image's.
    """

    channels: tuple[int, int]
    side_channels: int

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Return fine and coarse features of a normalised image (B, 3, H, W) and click features (B, C, h, w)."""
        raise NotImplementedError

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load ImageNet weights; see ``isegm.model.pretrained`` for what ``source`` may be."""
        raise NotImplementedError
