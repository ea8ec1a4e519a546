"""The interface of backbones that return features at two strides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from torch import Tensor, nn


class TwoScaleBackbone(nn.Module, ABC):
    """A backbone whose ``forward(image, side)`` returns fine and coarse features.

    Attributes:
        channels: channels of the fine features (stride 4 in most backbones) and of the coarse ones (stride 8 or 16).
        side_channels: channels of ``side``, the click features that join the image's.
    """

    channels: tuple[int, int]
    side_channels: int

    @abstractmethod
    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features at two strides.

        Args:
            image: float (B, 3, H, W) RGB, normalised by the statistics of ImageNet.
            side: float (B, side_channels, h, w), added to the first features of the image, whose size it has.

        Returns:
            fine and coarse features, (B, channels[0], h1, w1) and (B, channels[1], h2, w2).
        """

    def without_projection(self) -> nn.Conv2d | None:
        """Leave out the 1x1 convolution that the coarse features are the output of, for inference, and return it.

        BatchNorm behind it is folded already. None, and nothing changes, where something else comes last.
        """
        return None

    @abstractmethod
    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load ImageNet weights; see ``ClickModel.load_imagenet_weights``.

        Raises:
            InputError: the weights cannot be read, or are not of this backbone.
        """
