"""Networks in the layout of the published code, with the same weights and results: what times are compared with.

Attention is written out with its matrix of weights, windows are copied in and out, maps are resized in front of the
convolution that fuses them, clicks are drawn by the distance of every pixel to every slot, and predictors do not
fold BatchNorm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.click_maps import DistMaps
from isegm.clicks import used
from isegm.model.backbones.vit import VisionTransformer
from isegm.model.click_model import ClickModel, DrawnClicksModel
from isegm.model.heads import segformer_head
from isegm.model.heads.ocr import SpatialOCR
from isegm.model.layers import resize
from isegm.model.segmentors import HRNetOCR, LightSegmentor
from isegm.model.segnext import SegNextModel
from isegm.model.simpleclick import SimpleClickModel

RADIUS = 5  # of disks, in pixels of the network's input


class PublishedSimpleClick(SimpleClickModel):
    """SimpleClick as it was published."""

    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        x = transformed(self.backbone, image, self.patch_embed_coords(coord_features))
        fused = fused_maps(self.head.convs, self.head.fusion_conv.conv, self.neck(x))
        return {"instances": self.head.conv_seg(fused)}


class PublishedSegNext(SegNextModel):
    """SegNext as it was published."""

    def encode(self, image: Tensor) -> dict[str, Tensor]:
        return {"image_features": transformed(self.backbone, self.squared(self.normalize(image)))}

    def decode(
        self,
        features: Mapping[str, Any],
        points: Tensor,
        prev_mask: Any = None,
        cache: Any = None,
        *,
        strokes: Any = None,
    ) -> dict[str, Any]:
        assert prev_mask is not None and strokes is None  # as the network's own decode checks
        size = (prev_mask.shape[2], prev_mask.shape[3])
        disks = full_grid_disks(self.rescaled(points, size), self.encoded_size, RADIUS)
        prompts = self.visual_prompts_encoder(torch.cat((self.squared(prev_mask), disks), dim=1))
        fused = features["image_features"] + prompts  # (B, C, h, w)
        tokens = fused.flatten(2).transpose(1, 2)
        for block in self.fusion_blocks.children():
            tokens = attended(block, tokens)
        maps = self.neck(tokens.transpose(1, 2).reshape(fused.shape))
        logits = self.head.seg_conv(fused_maps(self.head.convs, self.head.fusion_conv.conv, maps))
        logits = resize(logits, self.encoded_size)
        return {"instances": resize(logits, size, aligned=False)}


class PublishedHRNetOCR(HRNetOCR):
    """HRNet with OCR as it was published, but for OCR."""

    def features_of(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        return self.forward_features(self.aggregate(maps))


class PublishedSpatialOCR(SpatialOCR):
    """OCR as it was published, in evaluation as in training."""

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        return self.conv_bn_dropout(torch.cat((self.object_context_block(features, context), features), dim=1))


class PublishedFusion(segformer_head.Fusion):
    """The fusion of SegFormer's maps as it was published."""

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        resized = [resize(x, maps[-1].shape[2:], aligned=False) for x in maps]
        return F.relu(self.bn(self.conv(torch.cat(resized, dim=1))), inplace=True)


class PublishedLightSegmentor(LightSegmentor):
    """ClickSEG's light segmentor as it was published."""

    def context_of(self, high: Tensor, size: Sequence[int]) -> Tensor:
        return self.fusion_conv1(resize(self.lraspp(high), size))


class FullGridMaps(DistMaps):
    """Disks as they were published, see ``full_grid_disks``."""

    def forward(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        return full_grid_disks(points, size, self.norm_radius)


LAYOUTS: dict[type[nn.Module], type[nn.Module]] = {
    HRNetOCR: PublishedHRNetOCR,
    LightSegmentor: PublishedLightSegmentor,
    SegNextModel: PublishedSegNext,
    SimpleClickModel: PublishedSimpleClick,
    SpatialOCR: PublishedSpatialOCR,
    segformer_head.Fusion: PublishedFusion,
}


def in_published_layout(network: ClickModel) -> ClickModel:
    """Return a network in the published layout with the weights of ``network``, which it shares.

    ``LAYOUTS`` says which layers differ; of SimpleClick, those with logits at their usual resolution. All networks that
    draw disks draw them as published, and predictors run them as they are, see ``ClickModel.inference_form``. A network
    that PyTorch does not compute has one layout, and is returned itself.
    """
    if not network.runs_in_torch:
        return network
    tensors = chain(network.parameters(), network.buffers())
    plain = deepcopy(network, {id(tensor): tensor for tensor in tensors})  # other layers with the same tensors
    plain.inference_form = True
    for module in plain.modules():
        if type(module) in LAYOUTS and not (isinstance(module, SimpleClickModel) and module.head.used):
            module.__class__ = LAYOUTS[type(module)]
    if isinstance(plain, DrawnClicksModel) and type(plain.dist_maps) is DistMaps and plain.dist_maps.use_disks:
        plain.dist_maps = FullGridMaps(plain.dist_maps.norm_radius, use_disks=True)
    return plain


def transformed(vit: VisionTransformer, image: Tensor, side: Tensor | None = None) -> Tensor:
    """Run a ViT, see ``VisionTransformer.forward``: (B, C, H / patch, W / patch)."""
    grid = vit.grid_of(image.shape[2:])
    rows, columns = vit.windows_of(grid)
    height, width = grid[0] // rows, grid[1] // columns  # of a window
    embedded = vit.patch_embed(image) + vit.positions(grid) + (0 if side is None else side)
    x, inside = embedded.flatten(2).transpose(1, 2), False  # (B, N, C)
    for number, block in enumerate(vit.blocks, start=1):
        within = number % vit.period != 0
        if within and not inside:
            x = x.reshape(-1, rows, height, columns, width, vit.channels).transpose(2, 3)
            x = x.reshape(-1, height * width, vit.channels)  # (B * windows, tokens of a window, C)
        elif inside and not within:
            x = whole(x, rows, columns, height, width)
        inside = within
        x = attended(block, x)
    if inside:
        x = whole(x, rows, columns, height, width)
    return x.transpose(1, 2).reshape(len(image), vit.channels, *grid)


def whole(x: Tensor, rows: int, columns: int, height: int, width: int) -> Tensor:
    """Put the tokens of windows (B * rows * columns, height * width, C) together: (B, N, C)."""
    x = x.reshape(-1, rows, columns, height, width, x.shape[2]).transpose(2, 3)
    return x.reshape(-1, rows * height * columns * width, x.shape[5])


def attended(block: nn.Module, x: Tensor) -> Tensor:
    """Run a block of timm's on tokens (B, N, C)."""
    attention = block.get_submodule("attn")
    heads = attention.num_heads
    assert isinstance(heads, int)
    width = x.shape[2] // heads
    normed = block.get_submodule("norm1")(x)
    qkv = attention.get_submodule("qkv")(normed).reshape(*x.shape[:2], 3, heads, width).permute(2, 0, 3, 1, 4)
    query, key, value = qkv.unbind(0)
    weights = (query @ key.transpose(-2, -1) / width**0.5).softmax(dim=-1)  # (B, heads, N, N)
    x = x + attention.get_submodule("proj")((weights @ value).transpose(1, 2).reshape(x.shape))
    return x + block.get_submodule("mlp")(block.get_submodule("norm2")(x))


def fused_maps(convs: nn.ModuleList, fusion: nn.Conv2d, maps: Sequence[Tensor]) -> Tensor:
    """Resize the maps of a pyramid (B, C_i, h_i, w_i) to the size of the first, and fuse them: (B, C, h_0, w_0)."""
    maps = [conv(x) for conv, x in zip(convs, maps, strict=True)]
    maps = [resize(x, maps[0].shape[2:], aligned=False) for x in maps]
    return F.relu(fusion(torch.cat(maps, dim=1)))


def full_grid_disks(points: Tensor, size: tuple[int, int], radius: float) -> Tensor:
    """Draw disks by the distance of every pixel to every click slot: (B, 2, H, W).

    Args:
        points: float (B, 2N, 3), see ``isegm.clicks``.
        size: (H, W) of the maps in pixels.
        radius: in pixels.
    """
    rows = torch.arange(size[0], device=points.device).view(1, 1, -1, 1)
    columns = torch.arange(size[1], device=points.device).view(1, 1, 1, -1)
    halves = points.view(len(points) * 2, -1, 3)
    squared = (rows - halves[..., 0, None, None]) ** 2 + (columns - halves[..., 1, None, None]) ** 2
    squared[~used(halves)] = 1e6
    return (squared.amin(1) <= radius**2).float().view(len(points), 2, *size)
