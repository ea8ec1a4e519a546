"""SegFormer's decode head (Xie et al. 2021) for one object, with the parameter names of published weights."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.layers import resized_sum, to_map, to_tokens


class Projection(nn.Module):
    """A linear layer on the channels of a map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return to_map(self.proj(to_tokens(x)), x.shape[2:])  # (B, outputs, H, W)


class Fusion(nn.Module):
    """Resize the maps of all stages to the largest; one 1x1 convolution of all, batch norm, ReLU.

    The convolution runs on each map before it is resized, see ``resized_sum``.

    Args:
        channels: of each map and of the result.
        count: how many maps there are.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(count * channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Fuse ``maps`` (B, channels, h_i, w_i), smallest first, to (B, channels, H, W), the size of the last."""
        weights = self.conv.weight.flatten(1).chunk(len(maps), dim=1)  # (channels, channels) each
        parts = (to_map(to_tokens(x) @ w.T, x.shape[2:]) for x, w in zip(maps, weights, strict=True))
        fused = resized_sum(parts, maps[-1].shape[2:])
        if self.conv.bias is not None:  # in the inference form
            fused = fused + self.conv.bias[:, None, None]
        return F.relu(self.bn(fused), inplace=True)


class DecodeHead(nn.Module):
    """Project the maps of all stages to the same channels, fuse them at the size of the first, and predict logits.

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
        """Return logits (B, 1, H/4, W/4), and the fused map after the dropout, (B, channels, H/4, W/4)."""
        layers = (self.linear_c4, self.linear_c3, self.linear_c2, self.linear_c1)
        parts = [layer(x) for layer, x in zip(layers, reversed(maps), strict=True)]
        fused = self.dropout(self.linear_fuse(parts))
        return self.linear_pred(fused), fused
