"""SegFormer (Xie et al. 2021, "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers").

The Mix Transformer backbones B0 to B5, with a side input for click maps, and the decode head for one object.
Parameters have the names of the published ImageNet and click weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.pretrained import load_backbone
from isegm.utils.errors import InputError

HEADS = (1, 2, 5, 8)  # of the four stages
REDUCTIONS = (8, 4, 2, 1)  # sides of the squares of tokens that are one key and value
BLOCK_EPS = 1e-6  # [KEEP] A16: of the norms before attention and MLP and behind the stages; the others have 1e-5
DROP_PATH = 0.1  # of the last block; from 0 at the first one it grows linearly
LEAST_SIDE = 32  # pixels; below it the first stage has fewer tokens than one key stands for


@dataclass(frozen=True)
class Version:
    """Size of a Mix Transformer: channels and blocks of its four stages, and channels of the head it is used with."""

    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    head: int


_WIDE = (64, 128, 320, 512)
VERSIONS = {
    "b0": Version((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b1": Version(_WIDE, (2, 2, 2, 2), 512),
    "b2": Version(_WIDE, (3, 4, 6, 3), 512),
    "b3": Version(_WIDE, (3, 4, 18, 3), 512),
    "b4": Version(_WIDE, (3, 8, 27, 3), 512),
    "b5": Version(_WIDE, (3, 6, 40, 3), 512),
}


def to_map(tokens: Tensor, size: Sequence[int]) -> Tensor:
    """Tokens (B, H*W, C) in rows as a map (B, C, H, W) of ``size`` (H, W)."""
    return tokens.transpose(1, 2).unflatten(2, tuple(size))


def to_tokens(maps: Tensor) -> Tensor:
    """A map (B, C, H, W) as tokens (B, H*W, C)."""
    return maps.flatten(2).transpose(1, 2)


class PatchEmbedding(nn.Module):
    """Overlapping patches: a convolution with a stride, then a norm over channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """``x`` (B, inputs, H, W) -> tokens (B, H/s * W/s, outputs), and (H/s, W/s)."""
        x = self.proj(x)
        return self.norm(to_tokens(x)), (x.shape[2], x.shape[3])


class EfficientAttention(nn.Module):
    """Attention of every token to keys and values of a smaller map.

    Args:
        channels: of the tokens.
        heads: of the attention.
        reduction: side of the squares of tokens that become one key and value; 1 for all tokens.
    """

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.reduction = reduction
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, stride=reduction)
            self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        query = self.q(x).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, C / heads)
        source = x
        if self.reduction > 1:
            source = self.norm(to_tokens(self.sr(to_map(x, size))))  # (B, M, C)
        pairs = self.kv(source).unflatten(2, (2, self.heads, -1))  # (B, M, 2, heads, C / heads)
        key, value = pairs.permute(2, 0, 3, 1, 4)  # (B, heads, M, C / heads) each
        x = F.scaled_dot_product_attention(query, key, value)  # (B, heads, N, C / heads)
        return self.proj(x.transpose(1, 2).flatten(2))  # (B, N, C)


class DepthwiseConv(nn.Module):
    """3x3 convolution of each channel on the map of the tokens."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return to_tokens(self.dwconv(to_map(x, size)))


class MixFFN(nn.Module):
    """MLP with a depthwise convolution behind its first layer, which tells tokens where they are."""

    def __init__(self, channels: int, ratio: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, ratio * channels)
        self.dwconv = DepthwiseConv(ratio * channels)
        self.fc2 = nn.Linear(ratio * channels, channels)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return self.fc2(F.gelu(self.dwconv(self.fc1(x), size)))


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training, nothing passes for a sample with ``probability``.

    What passes is scaled, so that the mean stays.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return x
        kept = x.new_empty(len(x), *(1 for _ in x.shape[1:])).bernoulli_(1 - self.probability)
        return x * kept / (1 - self.probability)


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to its input."""

    def __init__(self, channels: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.attn = EfficientAttention(channels, heads, reduction)
        self.norm2 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.mlp = MixFFN(channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), size))
        return x + self.drop_path(self.mlp(self.norm2(x), size))  # (B, N, C)


class MixTransformer(nn.Module):
    """Backbone from an image at stride 1 to maps at strides 4, 8, 16 and 32.

    Args:
        version: its size, one of ``VERSIONS``.
        side_channels: of the maps that are embedded beside the image.
    """

    def __init__(self, version: Version, side_channels: int) -> None:
        super().__init__()
        sources = (3, *version.channels[:-1])
        for stage, (inputs, outputs) in enumerate(zip(sources, version.channels, strict=True), start=1):
            kernel, stride = (7, 4) if stage == 1 else (3, 2)
            setattr(self, f"patch_embed{stage}", PatchEmbedding(inputs, outputs, kernel, stride))
        self.patch_embed_side1 = PatchEmbedding(side_channels, version.channels[0], kernel=7, stride=4)
        total, place = sum(version.blocks), 0
        for stage, (channels, count) in enumerate(zip(version.channels, version.blocks, strict=True), start=1):
            heads, reduction = HEADS[stage - 1], REDUCTIONS[stage - 1]
            rates = [DROP_PATH * (place + i) / (total - 1) for i in range(count)]
            setattr(self, f"block{stage}", nn.ModuleList(Block(channels, heads, reduction, rate) for rate in rates))
            setattr(self, f"norm{stage}", nn.LayerNorm(channels, eps=BLOCK_EPS))
            place += count
        self.apply(_initialise)

    def forward(self, image: Tensor, side: Tensor) -> list[Tensor]:
        """Maps at strides 4, 8, 16 and 32: (B, C_i, H / 2^(i+2), W / 2^(i+2)).

        Args:
            image: float (B, 3, H, W), normalised.
            side: float (B, side_channels, H, W), what stage 2 and later see beside the image.

        Raises:
            InputError: a side of the image has fewer than 32 pixels.
        """
        if min(image.shape[2:]) < LEAST_SIDE:
            height, width = image.shape[2:]
            raise InputError(
                f"SegFormer's backbone was given {height}x{width} pixels: make the network's input larger, so that it "
                f"gets {LEAST_SIDE} or more on each side."
            )
        x, maps = image, []
        for stage in range(1, 5):
            x, size = getattr(self, f"patch_embed{stage}")(x)
            for block in getattr(self, f"block{stage}"):
                x = block(x, size)
            x = to_map(getattr(self, f"norm{stage}")(x), size)
            maps.append(x)
            if stage == 1:  # [KEEP] A16: the decode head's map of stage 1 is without the clicks
                x = x + to_map(*self.patch_embed_side1(side))
        return maps

    def load_imagenet_weights(self, path: str | Path) -> None:
        """Load NVIDIA's ``mit_b*.pth``; the side embedding, which it does not have, keeps its values.

        Raises:
            InputError: the file cannot be read, or is not of a backbone of this size.
        """
        load_backbone(self, path, lambda key: None if key.startswith("head.") else key, optional="patch_embed_side1.")


def _initialise(layer: nn.Module) -> None:
    """Start weights of a layer as SegFormer does: truncated normal in linear layers, He (fan out) in convolutions."""
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
    elif isinstance(layer, nn.Conv2d):
        fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels // layer.groups
        nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
    else:
        return
    nn.init.zeros_(layer.bias)


class Projection(nn.Module):
    """A linear layer on the channels of a map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return to_map(self.proj(to_tokens(x)), x.shape[2:])  # (B, outputs, H, W)


class Fusion(nn.Module):
    """Maps of all stages resized to the largest, a 1x1 convolution of them together, batch norm, ReLU.

    The convolution runs on each map before it is resized, and the results are added: both are linear, so that this is
    the same at less than half the work.

    Args:
        channels: of each map and of the result.
        count: how many maps there are.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(count * channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """``maps`` (B, channels, h_i, w_i), smallest first -> (B, channels, H, W), the size of the last."""
        size = maps[-1].shape[2:]
        weights = self.conv.weight.flatten(1).chunk(len(maps), dim=1)  # (channels, channels) each
        total = None
        for x, weight in zip(maps, weights, strict=True):
            part = to_map(to_tokens(x) @ weight.T, x.shape[2:])
            if part.shape[2:] != size:
                part = F.interpolate(part, size=size, mode="bilinear", align_corners=False)
            total = part if total is None else total + part
        return F.relu(self.bn(total), inplace=True)


class DecodeHead(nn.Module):
    """Brings the maps of all stages to the same channels and the size of the first, and fuses them.

    Args:
        inputs: channels of the maps, highest resolution first.
        channels: of the fused map.
        dropout: of whole channels of the fused map in training.
    """

    def __init__(self, inputs: Sequence[int], channels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.linear_c4, self.linear_c3, self.linear_c2, self.linear_c1 = (
            Projection(width, channels) for width in reversed(inputs)
        )
        self.linear_fuse = Fusion(channels, len(inputs))
        self.dropout = nn.Dropout2d(dropout)
        self.linear_pred = nn.Conv2d(channels, 1, 1)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (B, 1, H/4, W/4), and the fused map behind the dropout, (B, channels, H/4, W/4)."""
        layers = (self.linear_c4, self.linear_c3, self.linear_c2, self.linear_c1)
        parts = [layer(x) for layer, x in zip(layers, reversed(maps), strict=True)]
        fused = self.dropout(self.linear_fuse(parts))
        return self.linear_pred(fused), fused


class SegFormer(nn.Module):
    """Mix Transformer and decode head.

    Args:
        version: name of its size, "b0" to "b5".
        side_channels: of the maps that are embedded beside the image.

    Raises:
        InputError: no such version.
    """

    def __init__(self, version: str, side_channels: int) -> None:
        super().__init__()
        if version not in VERSIONS:
            raise InputError(f"there is no SegFormer {version!r}: known are {', '.join(VERSIONS)}.")
        size = VERSIONS[version]
        self.channels = size.head  # of the fused map
        self.backbone = MixTransformer(size, side_channels)
        self.decode_head = DecodeHead(size.channels, size.head)

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and fused map at stride 4; for ``image`` and ``side`` see ``MixTransformer.forward``."""
        return self.decode_head(self.backbone(image, side))
