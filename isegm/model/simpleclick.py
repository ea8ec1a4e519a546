"""SimpleClick (Liu et al. 2023, "SimpleClick: Interactive Image Segmentation with Simple Vision Transformers").

A plain ViT reads the image and, by a second patch embedding, the previous mask and the clicks; a simple feature pyramid
and a light head make the mask. CFR-ICL (Sun et al. 2023) trains the same networks in another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from isegm.model.backbones import vit
from isegm.model.backbones.vit import PatchEmbedding, VisionTransformer, at_size_of, layers_beside
from isegm.model.click_model import EarlyFusionModel
from isegm.model.heads import feature_pyramid
from isegm.model.heads.feature_pyramid import UPSAMPLING, PyramidHead, SimpleFPN
from isegm.model.registry import register_model
from isegm.utils.errors import InputError
from isegm.utils.inputs import require_each
from isegm.utils.schema import Flag, Whole

ARGUMENTS = {**vit.ARGUMENTS, **feature_pyramid.ARGUMENTS, "depth": Whole(4, 256), "random_split": Flag()}


@register_model(
    "simpleclick_vit_xtiny", embed_dim=160, depth=8, num_heads=4, out_dims=(96, 192, 288, 384), head_channels=128
)
@register_model("simpleclick_vitb", embed_dim=768, depth=12, num_heads=12, out_dims=(128, 256, 512, 1024))
@register_model("simpleclick_vitl", embed_dim=1024, depth=24, num_heads=16, out_dims=(192, 384, 768, 1536))
@register_model(
    "simpleclick_vith", embed_dim=1280, depth=32, num_heads=16, patch_size=14, out_dims=(240, 480, 960, 1920)
)
class SimpleClickModel(EarlyFusionModel):
    """SimpleClick on a plain ViT; logits at four times the resolution of the patches.

    The input's sides must be multiples of the patch; published code drops what is left of the last patch, or fails.

    Args:
        img_size: (height, width) in pixels for which the positional embedding is stored; others are read as well.
        patch_size: side of a patch in pixels.
        embed_dim, depth, num_heads, mlp_ratio: channels, blocks, heads and MLPs of the ViT.
        out_dims: channels of the pyramid's four maps.
        head_channels: that the logits are made of.
        upsample: "x1", "x2" or "x4", resolution of the logits over four times that of the patches.
        dropout_ratio: of channels in front of the logits in training.
        random_split: attention to all tokens in every block (docs/fidelity.md#vit-random-split).
        norm_radius, use_disks: see ``EarlyFusionModel``.
        kwargs: see ``ClickModel``; there is no auxiliary output.

    Raises:
        InputError: an argument is of another kind, or some do not fit each other.
    """

    protocol = "simpleclick"
    imagenet_part = "backbone"

    def __init__(
        self,
        *,
        img_size: Sequence[int] = (448, 448),
        patch_size: int = 16,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4,
        out_dims: Sequence[int] = (128, 256, 512, 1024),
        head_channels: int = 256,
        upsample: str = "x1",
        dropout_ratio: float = 0.1,
        random_split: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_each(locals(), ARGUMENTS, type(self).__name__)
        if upsample not in UPSAMPLING:
            raise InputError(f"upsample is {upsample!r}: known are {', '.join(UPSAMPLING)}.")
        if self.with_aux_output:
            raise InputError("SimpleClick has no auxiliary output: give with_aux_output=False.")
        self.patch_embed_coords = PatchEmbedding(self.coord_channels, embed_dim, patch_size)
        self.input_multiple = patch_size
        height, width = img_size
        self.backbone = VisionTransformer(
            (height, width), patch_size, embed_dim, depth, num_heads, mlp_ratio, windowed=not random_split
        )
        self.neck = SimpleFPN(embed_dim, out_dims)
        self.head = PyramidHead(out_dims, head_channels, upsample, dropout_ratio)

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        """Return logits by name, (B, 1, 4H/p, 4W/p) for patches of p pixels and ``upsample`` "x1".

        Args:
            image: (B, 3, H, W), normalised.
            coord_features: (B, ``coord_channels``, H, W), see ``coord_features``.

        Raises:
            InputError: see ``check_size``.
        """
        self.check_size(image.shape[2:])
        features = self.backbone(image, self.patch_embed_coords(coord_features))  # (B, embed_dim, H/p, W/p)
        return {"instances": self.head(self.neck(features))}

    def check_size(self, size: Sequence[int]) -> None:
        """Check that the sides of an input of ``size`` (H, W) in pixels are multiples of the patch, and no single one.

        Raises:
            InputError: they are not.
        """
        if min(self.backbone.grid_of(size)) < 2:  # of which the pyramid makes a map of half the resolution
            height, width = size
            raise InputError(
                f"the ViT cannot read {height} x {width} pixels: give sides of {2 * self.backbone.patch} or more."
            )

    def layer_numbers(self) -> dict[str, int]:
        """Return layer numbers by parameter name; the embedding of clicks is in the first layer with the image's."""
        return layers_beside(self, self.backbone, "patch_embed_coords")

    def at_input_size(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return weights of this network at another input size with their positional embedding resized."""
        return at_size_of(self.backbone, state)
