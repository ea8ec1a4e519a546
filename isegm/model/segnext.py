"""SegNext (Liu et al. 2024, "Rethinking Interactive Image Segmentation with Low Latency, High Quality, and Diverse
Prompts").

A plain ViT encodes the image alone, once. At each click the previous mask and the clicks are embedded as a map of their
own, a few transformer blocks mix it into the image's features, and a simple feature pyramid with a light head makes the
mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isegm.clicks import used
from isegm.model.backbones import vit
from isegm.model.backbones.vit import PatchEmbedding, VisionTransformer, at_size_of, layers_beside
from isegm.model.click_model import DrawnClicksModel
from isegm.model.heads import feature_pyramid
from isegm.model.heads.feature_pyramid import PlainHead, SimpleFPN
from isegm.model.layers import resize, to_map, to_tokens
from isegm.model.recomputation import Recomputable
from isegm.model.registry import register_model
from isegm.utils.device import widest_float
from isegm.utils.errors import InputError
from isegm.utils.inputs import require_each
from isegm.utils.schema import Whole

ARGUMENTS = {
    **vit.ARGUMENTS,
    **feature_pyramid.ARGUMENTS,
    "global_atten_freq": Whole(1, 256),
    "fusion_depth": Whole(0, 64),
}


class SelfAttentionFusion(Recomputable):
    """Add two maps, and let their tokens attend to each other.

    Its children are the blocks, whose norms have another epsilon than those of the encoder
    (docs/fidelity.md#segnext-epsilons).

    Args:
        channels: of the maps.
        depth: number of blocks; with 0 the maps are added alone.
        heads, mlp_ratio: of the blocks.
    """

    def __init__(self, channels: int, depth: int, heads: int, mlp_ratio: float) -> None:
        from timm.models.vision_transformer import Block  # timm takes seconds to import

        super().__init__()
        for number in range(depth):
            block = Block(channels, heads, mlp_ratio=mlp_ratio, qkv_bias=True, norm_layer=nn.LayerNorm)
            self.add_module(str(number), block)

    def forward(self, image: Tensor, prompts: Tensor) -> Tensor:
        """Fuse two maps (B, C, h, w) to one."""
        fused = image + prompts
        tokens = to_tokens(fused)  # (B, h * w, C)
        for block in self.children():
            tokens = self.run(block, tokens)
        return to_map(tokens, fused.shape[2:])


@register_model(
    "segnext_vit_tiny",
    img_size=(512, 512),
    embed_dim=192,
    num_heads=3,
    out_dims=(64, 96, 128, 256),
    head_channels=64,
)
@register_model("segnext_vitb_sax1", fusion_depth=1)
@register_model("segnext_vitb_sax2", fusion_depth=2)
class SegNextModel(DrawnClicksModel):
    """SegNext on a plain ViT.

    Images of any size are resized to one square, whatever their aspect ratio; clicks and masks are given in pixels of
    the image, and logits have its size.

    Args:
        img_size: (height, width) in pixels to which images are resized.
        patch_size: side of a patch in pixels.
        embed_dim, depth, num_heads, mlp_ratio: channels, blocks, heads and MLPs of the ViT, and of the fusion.
        global_atten_freq: every block whose number, from 1, is a multiple of it attends to the whole image, the others
            to windows.
        fusion_depth: blocks that mix image and clicks, "SAx1" and "SAx2" of the paper; with 0 they are added alone.
        out_dims: channels of the pyramid's four maps.
        head_channels: that the logits are made of.
        dropout_ratio: of channels in front of the logits in training.
        norm_radius, use_disks: see ``DrawnClicksModel``, in pixels of ``img_size``.
        strokes: whether boxes and scribbles are drawn into the maps of clicks, as the paper proposes, or become clicks.
        kwargs: see ``ClickModel``; there is always a previous mask, and no auxiliary output.

    Raises:
        InputError: an argument is of another kind, or some do not fit each other.
    """

    protocol = "segnext"
    imagenet_part = "backbone"
    encodes_once = True
    encoded_size: tuple[int, int]

    def __init__(
        self,
        *,
        img_size: Sequence[int] = (1024, 1024),
        patch_size: int = 16,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4,
        global_atten_freq: int = 3,
        fusion_depth: int = 1,
        out_dims: Sequence[int] = (128, 256, 512, 1024),
        head_channels: int = 256,
        dropout_ratio: float = 0.1,
        strokes: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(strokes=strokes, **kwargs)
        require_each(locals(), ARGUMENTS, type(self).__name__)
        if self.with_aux_output or not self.with_prev_mask:
            raise InputError(
                "SegNext reads a previous mask and has no auxiliary output: give with_prev_mask=True and "
                "with_aux_output=False."
            )
        height, width = img_size
        self.encoded_size = (height, width)
        self.backbone = VisionTransformer(
            self.encoded_size,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            period=global_atten_freq,
            classes=False,
        )
        if min(self.backbone.stored_grid) < 2:  # of which the pyramid makes a map of half the resolution
            raise InputError(f"img_size of SegNextModel is {height} x {width}: give sides of {2 * patch_size} or more.")
        self.neck = SimpleFPN(embed_dim, out_dims)
        self.head = PlainHead(out_dims, head_channels, dropout_ratio)
        self.visual_prompts_encoder = PatchEmbedding(self.coord_channels, embed_dim, patch_size)
        self.fusion_blocks = SelfAttentionFusion(embed_dim, fusion_depth, num_heads, mlp_ratio)

    def encode(self, image: Tensor) -> dict[str, Tensor]:
        """Compute features of an image of any size.

        Args:
            image: float (B, 3, H, W) RGB in 0..1.

        Returns:
            ``image_features`` (B, embed_dim, h, w), for patches of ``img_size``.
        """
        return {"image_features": self.backbone(self.squared(self.normalize(image)))}

    def decode(
        self,
        features: Mapping[str, Any],
        points: Tensor,
        prev_mask: Tensor | None = None,
        cache: object = None,
        *,
        strokes: Tensor | None = None,
    ) -> dict[str, Any]:
        """Predict logits; see ``ClickModel``.

        Args:
            features: output of ``encode``; of B rows, or of one that all rows share.
            points: float (B, 2N, 3) in pixels of the image, which are not changed.
            prev_mask: float (B, 1, H, W) probabilities in the size of the image, which is that of the logits.
            cache: is not read.
            strokes: see ``ClickModel``; they are resized to ``stroke_size`` where they have another size.

        Returns:
            instances: logits (B, 1, H, W).

        Raises:
            InputError: the arguments have different numbers of rows.
        """
        if prev_mask is None:
            raise ValueError(f"{type(self).__name__} needs prev_mask: zeros (B, 1, H, W) when there is none")
        encoded = features["image_features"]
        if len(prev_mask) != len(points) or len(encoded) not in (1, len(points)):
            raise InputError(
                f"there are features of {len(encoded)} images, clicks of {len(points)} and masks of {len(prev_mask)}: "
                "give one row of each for every image."
            )
        size = (prev_mask.shape[2], prev_mask.shape[3])
        fused = self.fusion_blocks(encoded, self.embed_prompts(points, prev_mask, strokes))  # (B, embed_dim, h, w)
        logits = self.head(self.neck(fused))  # (B, 1, 4h, 4w)
        logits = resize(logits, self.encoded_size)  # docs/fidelity.md#segnext-logits-twice-resized
        return {"instances": resize(logits, size, aligned=False)}

    def embed_prompts(self, points: Tensor, prev_mask: Tensor, strokes: Tensor | None = None) -> Tensor:
        """Embed clicks, strokes and previous mask, given as to ``decode``: (B, embed_dim, h, w)."""
        size = (prev_mask.shape[2], prev_mask.shape[3])
        strokes = None if strokes is None else self.squared(strokes)
        points, prev_mask = self.rescaled(points, size), self.squared(prev_mask)
        maps = self.coord_features(points, prev_mask, self.encoded_size, strokes=strokes)
        return self.visual_prompts_encoder(maps)

    def stroke_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """``img_size``, whatever the size of the image: there the disks of clicks are drawn."""
        return self.encoded_size

    def rescaled(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """Clicks (B, 2N, 3) of an image of ``size`` (H, W) in whole pixels of ``img_size``; unused rows stay."""
        scales = [target / side for target, side in zip(self.encoded_size, size, strict=True)]
        y, x = (points[..., axis].to(widest_float(points.device)) * scale for axis, scale in enumerate(scales))
        moved = torch.stack((*((place + 0.5).trunc().to(points.dtype) for place in (y, x)), points[..., 2]), dim=-1)
        return torch.where(used(points)[..., None], moved, points)

    def squared(self, maps: Tensor) -> Tensor:
        """Resize maps (B, C, H, W) to ``img_size``."""
        if tuple(maps.shape[2:]) == self.encoded_size:
            return maps
        return resize(maps, self.encoded_size, aligned=False)

    def layer_numbers(self) -> dict[str, int]:
        """Return layer numbers by parameter name; the embedding of clicks is in the first layer with the image's."""
        return layers_beside(self, self.backbone, "visual_prompts_encoder")

    def at_input_size(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return weights of this network at another input size with their positional embedding resized."""
        return at_size_of(self.backbone, state)
