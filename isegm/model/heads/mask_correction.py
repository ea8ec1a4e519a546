"""EMC-Click's mask correction network (Du et al. 2023), with the parameter names of published weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.click_maps import click_cells, relative_distances
from isegm.model.layers import ConvNorm, resize
from isegm.utils.errors import InputError
from isegm.utils.schema import Whole, shown

STRIDE = 4  # of the maps on which the network works
HEADS = 4  # of its attention


class XConv2(nn.Module):
    """Two depthwise 3x3 convolutions with a batch norm between, 1x1 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv3x3_1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv3x3_2 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.conv1x1 = nn.Conv2d(inputs, outputs, 1)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3x3_2(self.norm1(self.conv3x3_1(x)))
        return F.relu(self.norm2(self.conv1x1(x)), inplace=True)


class MaskCorrection(nn.Module):
    """Correct a mask from the image, all clicks, and features that the backbone computed at the first click.

    Locations of the map that look like the clicks and lie near them are templates, as many of each sign. The templates
    guide the correction twice: as filters, by which the map is correlated, and as keys of an attention.

    Args:
        feature_channels: of the backbone's features.
        mid_dims: channels of the network, a multiple of 4.
        corr_channel: templates of each sign.

    Raises:
        InputError: a number is of another kind.
    """

    def __init__(self, feature_channels: int, mid_dims: int, corr_channel: int) -> None:
        super().__init__()
        if not Whole(1).fits(mid_dims) or mid_dims % HEADS or not Whole(1).fits(corr_channel):
            raise InputError(
                f"the mask correction cannot have {shown(mid_dims)} channels and {shown(corr_channel)} templates: "
                f"give whole numbers above 0, mid_dims a multiple of {HEADS}."
            )
        self.templates = corr_channel
        width = mid_dims
        self.feature_convq = nn.Conv2d(width, width, 1)
        self.feature_convk = nn.Conv2d(width, width, 1)
        # one module for both signs, which files hold under three names (docs/fidelity.md#emc-shared-convolution)
        self.corr_conv = self.corr_conv_pos = self.corr_conv_neg = XConv2(corr_channel, corr_channel)
        self.corr_fusion = XConv2(2 * corr_channel, width)
        self.image_conv1 = nn.Sequential(nn.PixelUnshuffle(STRIDE), XConv2(6 * STRIDE**2, width))
        self.image_conv2 = XConv2(width, width)
        self.refine_fusion = ConvNorm(feature_channels, width, kernel=1)
        self.cross_attention = nn.MultiheadAttention(width, HEADS)
        self.fusion1 = nn.Sequential(XConv2(2 * width, width), XConv2(width, width))
        self.all_fusion = XConv2(2 * width, width)
        self.refine_fusion1 = XConv2(width, width)
        self.refine_fusion2 = XConv2(width, width)
        self.refine_pred = nn.Conv2d(width, 1, 3, padding=1)

    def adapt(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Bring the backbone's features, (B, feature_channels, h', w'), to this network's channels and map.

        They depend on the first click alone, and are computed once.

        Args:
            features: of the backbone.
            size: (H, W) of the image.

        Returns:
            (B, mid_dims, H/4, W/4).

        Raises:
            InputError: the image's sides are no multiples of 4, or it is too small for so many templates.
        """
        height, width = size
        if height % STRIDE or width % STRIDE or (height // STRIDE) * (width // STRIDE) < self.templates:
            raise InputError(
                f"EMC-Click's mask correction was given {height}x{width} pixels: make the sides of the network's input "
                f"multiples of {STRIDE}, and its area {self.templates * STRIDE**2} pixels or more."
            )
        return resize(self.refine_fusion(features), (height // STRIDE, width // STRIDE))

    def forward(self, image: Tensor, click_maps: Tensor, points: Tensor, features: Tensor, logits: Tensor) -> Tensor:
        """Return corrected logits (B, 1, H/4, W/4).

        Args:
            image: (B, 3, H, W), normalised.
            click_maps: (B, 2, H, W), disks of positive and of negative clicks.
            points: (B, 2N, 3) the same clicks, see ``isegm.clicks``.
            features: (B, mid_dims, H/4, W/4), see ``adapt``.
            logits: (B, 1, H/4, W/4), those of the click before.
        """
        size = (image.shape[2], image.shape[3])
        mask = resize(logits, size).sigmoid()
        x = self.image_conv2(self.image_conv1(torch.cat((image, click_maps, mask), dim=1)))  # (B, mid, H/4, W/4)
        x = self.fusion1(torch.cat((features, x), dim=1))  # (B, mid, H/4, W/4)
        indices = self.select_templates(x.detach(), points, size)  # (B, 2K)
        correlation = self._correlate(x, indices)  # (B, mid, H/4, W/4)
        x = x + self._attend(x, indices)
        x = self.all_fusion(torch.cat((x, correlation), dim=1))
        return self.refine_pred(self.refine_fusion2(self.refine_fusion1(x)))

    @torch.no_grad()
    def select_templates(self, x: Tensor, points: Tensor, size: tuple[int, int]) -> Tensor:
        """Choose the locations that are most like the clicks of a sign, unlike those of the other, and near the former.

        Args:
            x: (B, C, h, w), the map.
            points: (B, 2N, 3), see ``isegm.clicks``.
            size: (H, W) of the image.

        Returns:
            flat indices into the map, (B, 2K) int64: K locations for positive clicks, best first, then K for negative
            ones.
        """
        grid = (x.shape[2], x.shape[3])
        vectors = F.normalize(x.float().flatten(2), dim=1)  # (B, C, h*w)
        cells, there = click_cells(points, STRIDE, grid)
        clicked = _gathered(vectors, cells)  # (B, C, 2N)
        similarity = clicked.transpose(1, 2) @ vectors  # (B, 2N, h*w)
        similarity = torch.where(there[..., None], similarity, 0.0)
        likeness = similarity.unflatten(1, (2, -1)).amax(dim=2)  # (B, 2, h*w)
        distance = resize(relative_distances(points, size), grid).flatten(2)  # (B, 2, h*w)
        scores = (likeness + 1 - likeness.flip(1)) * (1 - distance)
        return scores.topk(self.templates, dim=2).indices.flatten(1)

    def _correlate(self, x: Tensor, indices: Tensor) -> Tensor:
        """Inner products of the map with the templates of each sign, fused: (B, mid, h, w)."""
        query, key = self.feature_convq(x).flatten(2), self.feature_convk(x).flatten(2)  # (B, mid, h*w)
        filters = _gathered(query, indices).transpose(1, 2)  # (B, 2K, mid)
        maps = (filters @ key).unflatten(2, x.shape[2:])  # (B, 2K, h, w)
        return self.corr_fusion(torch.cat([self.corr_conv(part) for part in maps.chunk(2, dim=1)], dim=1))

    def _attend(self, x: Tensor, indices: Tensor) -> Tensor:
        """Attention of every location to the templates: (B, mid, h, w)."""
        tokens = x.flatten(2)
        templates = _gathered(tokens, indices).permute(2, 0, 1)  # (2K, B, mid)
        attended, _ = self.cross_attention(tokens.permute(2, 0, 1), templates, templates, need_weights=False)
        return attended.permute(1, 2, 0).unflatten(2, x.shape[2:])


def _gathered(vectors: Tensor, indices: Tensor) -> Tensor:
    """Vectors (B, C, M) of the locations at ``indices`` (B, K): (B, C, K)."""
    return vectors.gather(2, indices[:, None].expand(-1, vectors.shape[1], -1))
