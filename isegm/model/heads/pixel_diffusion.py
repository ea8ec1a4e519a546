"""Pixel diffusion: a prediction spreads to neighbours of similar colour (Chen et al. 2021, the PDM of CDNet)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (1, 2, 4, 8)  # pixels between a pixel and its neighbours
NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))
SAMPLES = len(DILATIONS) * (len(NEIGHBOURS) + 1)  # of the deviation: the pixel itself counts once for each dilation
STEPS = 5
UNSURE = 0.25  # predictions in [-1, 1] nearer to 0 than this are set to 0 before they spread
CLICK = 10.0  # added to the prediction in [-1, 1] at a click


class _Kernels(nn.Module):
    """A buffer that published files have and nothing reads (docs/fidelity.md#parameters-without-use)."""

    def __init__(self, kernel: Tensor) -> None:
        super().__init__()
        self.register_buffer("kernel", kernel)


def _one_hot_kernels(positions: list[int]) -> Tensor:
    """Return 3x3 kernels (len(positions), 1, 3, 3) that each select one of the nine values."""
    return torch.eye(9).view(9, 1, 3, 3)[positions]


class PixelDiffusion(nn.Module):
    """Diffuse a prediction along the colours of the image, from confident pixels and from the clicks.

    At each step a pixel gets the mean of 32 neighbours, weighted by similarity of colour: softmax of the negative
    distance in units of a tenth of the colours' standard deviation around the pixel. It has no parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        around = [position for position in range(9) if position != 4]
        self.aff_x = _Kernels(_one_hot_kernels([4]) - _one_hot_kernels(around))
        self.aff_m = _Kernels(_one_hot_kernels(around))
        self.aff_std = _Kernels(_one_hot_kernels(list(range(9))))

    def forward(self, image: Tensor, logits: Tensor, click_map: Tensor) -> Tensor:
        """Return the diffused prediction, logits (B, 1, H, W) in [-12, 12], float32.

        Args:
            image: float (B, 3, H, W) RGB in 0..1 (docs/fidelity.md#rgb-not-normalised).
            logits: (B, 1, H, W).
            click_map: (B, 2, H, W) disks of the positive and the negative clicks, 0 or 1.
        """
        affinity = self.affinity(image.float())  # (B, 32, H, W)
        sure = 2 * logits.float().sigmoid() - 1  # (B, 1, H, W) in [-1, 1]
        mask = torch.where(sure.abs() > UNSURE, sure, 0.0) + CLICK * (click_map[:, :1] - click_map[:, 1:])
        for _ in range(STEPS):
            spread = torch.zeros_like(mask)
            for neighbour, weight in zip(_neighbours(mask), affinity.split(1, dim=1), strict=True):
                spread.addcmul_(neighbour, weight)
            mask = spread
        return mask + sure

    def affinity(self, image: Tensor) -> Tensor:
        """Return weights of each pixel's neighbours (B, 32, H, W), which add up to 1; by dilation, then row by row."""
        first, second = torch.zeros_like(image), torch.zeros_like(image)  # (B, 3, H, W) sums over the neighbours
        for neighbour in _neighbours(image):
            difference = neighbour - image
            first += difference
            second.addcmul_(difference, difference)
        # relative to the pixel, since sums of the colours themselves lose small deviations to rounding
        deviation = ((second - first**2 / SAMPLES).clamp_min(0) / (SAMPLES - 1)).sqrt()
        unit = 1e-8 + 0.1 * deviation
        distances = [((neighbour - image).abs() / unit).mean(1) for neighbour in _neighbours(image)]
        return torch.stack(distances, dim=1).neg_().softmax(1)


def _neighbours(x: Tensor) -> Iterator[Tensor]:
    """Yield ``x`` (B, C, H, W) shifted by each dilation and direction, its border repeated: 32 views of one copy."""
    height, width = x.shape[2:]
    reach = max(DILATIONS)
    padded = F.pad(x, (reach,) * 4, mode="replicate")
    for dilation in DILATIONS:
        for dy, dx in NEIGHBOURS:
            top, left = reach + dy * dilation, reach + dx * dilation
            yield padded[:, :, top : top + height, left : left + width]
