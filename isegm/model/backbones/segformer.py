"""Mix Transformer backbones B0 to B5 of SegFormer (Xie et al. 2021), with a side input for click maps.

Parameters have the names of the published ImageNet and click weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.layers import to_map, to_tokens
from isegm.model.pretrained import is_timm_source, load_backbone
from isegm.utils.errors import InputError

HEADS = (1, 2, 5, 8)  # of the four stages
REDUCTIONS = (8, 4, 2, 1)  # sides of the squares of tokens that are one key and value
BLOCK_EPS = 1e-6  # of the norms in and after the blocks; the others have 1e-5 (docs/fidelity.md#segformer-epsilons)
DROP_PATH = 0.1  # of the last block; the rate grows linearly from 0 in the first one
LEAST_SIDE = 32  # pixels; below it the first stage has fewer tokens than one key stands for


@dataclass(frozen=True)
class Version:
    """Size of a Mix Transformer: channels and blocks of its four stages, and channels of its decode head."""

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


class PatchEmbedding(nn.Module):
    """Overlapping patches: a convolution with a stride, then a norm over channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return tokens (B, H/s * W/s, outputs) of ``x`` (B, inputs, H, W), and (H/s, W/s)."""
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
    """MLP with a depthwise convolution after its first layer, which encodes the tokens' positions."""

    def __init__(self, channels: int, ratio: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, ratio * channels)
        self.dwconv = DepthwiseConv(ratio * channels)
        self.fc2 = nn.Linear(ratio * channels, channels)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return self.fc2(F.gelu(self.dwconv(self.fc1(x), size)))


class Block(nn.Module):
    """Attention and MLP, each after a norm and added to its input; ``drop_path`` is applied to both."""

    def __init__(self, channels: int, heads: int, reduction: int, drop_path: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.attn = EfficientAttention(channels, heads, reduction)
        self.norm2 = nn.LayerNorm(channels, eps=BLOCK_EPS)
        self.mlp = MixFFN(channels)
        self.drop_path = drop_path

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), size))
        return x + self.drop_path(self.mlp(self.norm2(x), size))  # (B, N, C)


class MixTransformer(nn.Module):
    """Backbone from an image at stride 1 to maps at strides 4, 8, 16 and 32.

    Args:
        version: its size, one of ``VERSIONS``.
        side_channels: of the maps that are embedded beside the image.
        with_norm_add: have a norm that EMC-Click's files hold and nothing reads
            (docs/fidelity.md#parameters-without-use).
    """

    def __init__(self, version: Version, side_channels: int, with_norm_add: bool = False) -> None:
        from timm.layers import DropPath  # timm takes seconds to import, and most networks do without it

        super().__init__()
        sources = (3, *version.channels[:-1])
        for stage, (inputs, outputs) in enumerate(zip(sources, version.channels, strict=True), start=1):
            kernel, stride = (7, 4) if stage == 1 else (3, 2)
            setattr(self, f"patch_embed{stage}", PatchEmbedding(inputs, outputs, kernel, stride))
        self.patch_embed_side1 = PatchEmbedding(side_channels, version.channels[0], kernel=7, stride=4)
        if with_norm_add:
            self.norm_add = nn.LayerNorm(version.channels[0])
        total, first = sum(version.blocks), 0
        for stage, (channels, count) in enumerate(zip(version.channels, version.blocks, strict=True), start=1):
            heads, reduction = HEADS[stage - 1], REDUCTIONS[stage - 1]
            drops = [DropPath(DROP_PATH * (first + i) / (total - 1)) for i in range(count)]
            setattr(self, f"block{stage}", nn.ModuleList(Block(channels, heads, reduction, drop) for drop in drops))
            setattr(self, f"norm{stage}", nn.LayerNorm(channels, eps=BLOCK_EPS))
            first += count
        self.apply(_initialise)

    def forward(self, image: Tensor, side: Tensor) -> list[Tensor]:
        """Return maps at strides 4, 8, 16 and 32: (B, C_i, H / 2^(i+2), W / 2^(i+2)).

        The map of stage 1 is without the clicks, as published (docs/fidelity.md#segformer-clicks-after-stage-1).

        Args:
            image: float (B, 3, H, W), normalised.
            side: float (B, side_channels, H, W), click maps that stage 2 and later see beside the image.

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
            if stage == 1:
                x = x + to_map(*self.patch_embed_side1(side))
        return maps

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load NVIDIA's ``mit_b*.pth``; the side embedding and EMC-Click's unused norm, which these files lack, keep
        their values.

        Raises:
            InputError: the file cannot be read, or is not of a backbone of this size; or ``source`` names weights of
                timm, which has no Mix Transformers.
        """
        if is_timm_source(source):
            raise InputError(
                f"{source} cannot start SegFormer, as timm has no Mix Transformers: set the path of mit_b*.pth "
                "(github.com/NVlabs/SegFormer) in config.yml."
            )
        optional = ("patch_embed_side1.", "norm_add.")
        load_backbone(self, source, lambda key: None if key.startswith("head.") else key, optional=optional)


def _initialise(layer: nn.Module) -> None:
    """Initialise a layer as SegFormer does: truncated normal in linear layers, He (fan out) in convolutions."""
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
    elif isinstance(layer, nn.Conv2d):
        fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels // layer.groups
        nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
    else:
        return
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
