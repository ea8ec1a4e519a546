"""Simple feature pyramid on the map of a plain ViT (Li et al. 2022), and the head that reads it (Liu et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.layers import resized_sum
from isegm.utils.schema import Items, Number, Whole

ARGUMENTS = {  # of networks with both, by the names of constructors
    "out_dims": Items(Whole(1, 1 << 16), 4, 4),
    "head_channels": Whole(1, 1 << 14),
    "dropout_ratio": Number(0, 1),
}
UPSAMPLING = {"x1": 1, "x2": 2, "x4": 4}  # of the head's logits over the pyramid's first map


def norm(channels: int) -> nn.GroupNorm:
    """Normalise all channels of a map together."""
    return nn.GroupNorm(1, channels)


class SimpleFPN(nn.Module):
    """Maps at 4, 2, 1 and 1/2 times the resolution of one map, each from it alone.

    Args:
        inputs: channels of the map.
        outputs: channels of the four maps, highest resolution first.
    """

    def __init__(self, inputs: int, outputs: Sequence[int]) -> None:
        super().__init__()
        first, second, third, last = outputs
        fine, middle, coarse = max(2 * first, inputs // 2), max(second, inputs // 2), max(last, 2 * inputs)
        self.down_4 = nn.Sequential(
            nn.ConvTranspose2d(inputs, fine, 2, stride=2),
            norm(fine),
            nn.GELU(),
            nn.ConvTranspose2d(fine, fine // 2, 2, stride=2),
            norm(fine // 2),
            nn.Conv2d(fine // 2, first, 1),
            norm(first),
            nn.GELU(),
        )
        self.down_8 = nn.Sequential(
            nn.ConvTranspose2d(inputs, middle, 2, stride=2),
            norm(middle),
            nn.Conv2d(middle, second, 1),
            norm(second),
            nn.GELU(),
        )
        self.down_16 = nn.Sequential(nn.Conv2d(inputs, third, 1), norm(third), nn.GELU())
        self.down_32 = nn.Sequential(
            nn.Conv2d(inputs, coarse, 2, stride=2), norm(coarse), nn.Conv2d(coarse, last, 1), norm(last), nn.GELU()
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return (B, outputs[i], 4H, 4W), (.., 2H, 2W), (.., H, W), (.., H/2, W/2) of ``x`` (B, inputs, H, W)."""
        return [self.down_4(x), self.down_8(x), self.down_16(x), self.down_32(x)]


def _kaiming(conv: nn.Conv2d) -> nn.Conv2d:
    """Initialise a convolution in front of a ReLU: He (fan out), no bias."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class ConvReLU(nn.Module):
    """1x1 convolution, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _kaiming(nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x), inplace=True)


class Fusion(nn.Module):
    """Resize maps to the first one's size; one 1x1 convolution of all, ReLU.

    The convolution runs on each map before it is resized, see ``resized_sum``.

    Args:
        inputs: channels of all maps together.
        outputs: channels of the result.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _kaiming(nn.Conv2d(inputs, outputs, 1))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse ``maps`` (B, C, h_i, w_i), largest first, to (B, outputs, h_0, w_0)."""
        weight = self.conv.weight.permute(0, 2, 3, 1).flatten(1)  # whose gradient has the strides of channels-last
        weights = weight.expand(maps[0].shape[0], -1, -1).chunk(len(maps), dim=2)  # (B, outputs, C)
        parts = (torch.bmm(w, x.flatten(2)).unflatten(2, x.shape[2:]) for x, w in zip(maps, weights, strict=True))
        fused = resized_sum(parts, maps[0].shape[2:])
        if self.conv.bias is not None:
            fused = fused + self.conv.bias[:, None, None]
        return F.relu(fused, inplace=True)


def doubled(inputs: int, outputs: int) -> nn.Sequential:
    """Double the resolution of a map."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 2, stride=2),
        norm(outputs),
        nn.Conv2d(outputs, outputs, 1),
        norm(outputs),
        nn.GELU(),
    )


class PyramidHead(nn.Module):
    """Fuse the maps of a pyramid at the size of the first, and predict logits.

    ``up_conv1`` and ``up_conv2`` are in every published file; what ``upsample`` leaves out of them is not trained.

    Args:
        inputs: channels of the maps, highest resolution first.
        channels: that the logits are made of.
        upsample: resolution of the logits over the first map's, one of ``UPSAMPLING``.
        dropout: of whole channels in training.
    """

    def __init__(self, inputs: Sequence[int], channels: int, upsample: str = "x1", dropout: float = 0.1) -> None:
        super().__init__()
        factor = UPSAMPLING[upsample]
        width = factor * channels
        self.conv_seg = nn.Conv2d(channels, 1, 1)
        self.dropout = nn.Dropout2d(dropout)
        self.convs = nn.ModuleList(ConvReLU(count, width) for count in inputs)
        self.fusion_conv = Fusion(len(inputs) * width, width)
        self.up_conv1 = doubled(width, width // 2).requires_grad_(factor > 1)
        self.up_conv2 = doubled(width // 2, width // 4).requires_grad_(factor > 2)
        self.used = (self.up_conv1, self.up_conv2)[: factor // 2]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return logits (B, 1, h, w), of ``UPSAMPLING[upsample]`` times the size of the first map."""
        x = self.fusion_conv([conv(x) for conv, x in zip(self.convs, maps, strict=True)])  # (B, width, 4H, 4W)
        for double in self.used:
            x = double(x)
        return self.conv_seg(self.dropout(x))


class PlainHead(nn.Module):
    """Fuse the maps of a pyramid at the size of the first, and predict logits there; SegNext's, with its names.

    Args:
        inputs: channels of the maps, highest resolution first.
        channels: that the logits are made of.
        dropout: of whole channels in training.
    """

    def __init__(self, inputs: Sequence[int], channels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ConvReLU(count, channels) for count in inputs)
        self.fusion_conv = Fusion(len(inputs) * channels, channels)
        self.dropout = nn.Dropout2d(dropout)
        self.seg_conv = nn.Conv2d(channels, 1, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return logits (B, 1, h, w) of the size of the first map."""
        x = self.fusion_conv([conv(x) for conv, x in zip(self.convs, maps, strict=True)])
        return self.seg_conv(self.dropout(x))
