"""Click maps: what networks read of clicks, as channels of an image (Sofiiuk et al. 2021, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from isegm.clicks import UNUSED, used
from isegm.utils.errors import InputError
from isegm.utils.inputs import described
from isegm.utils.schema import Number

LARGEST_RADIUS = 10_000.0  # pixels, of a disk
RADIUS = Number(above=0, most=LARGEST_RADIUS)
FAR = 1e6  # squared distance to the nearest click where there is none


class DistMaps(nn.Module):
    """Click maps: one channel for positive and one for negative clicks (Sofiiuk et al. 2021, section 3.1).

    Args:
        norm_radius: radius of the disks in pixels of the network's input, or the unit of distance for distance maps.
        use_disks: True gives disks (1 within ``norm_radius`` of a click, else 0); False gives tanh(2 d / norm_radius)
            with d the distance to the nearest click, 1 where there is none.

    Raises:
        InputError: ``norm_radius`` is no number above 0.
    """

    def __init__(self, norm_radius: float, use_disks: bool = False) -> None:
        super().__init__()
        if not RADIUS.fits(norm_radius):
            raise InputError(
                f"the radius of clicks must be a number of pixels above 0 and at most {LARGEST_RADIUS:g}, "
                f"not {described(norm_radius)}."
            )
        self.norm_radius = norm_radius
        self.use_disks = use_disks
        self.channels = 2

    def forward(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps of ``points`` (B, 2N, 3) on a grid of ``size`` (H, W): float32 (B, 2, H, W), positive first."""
        batch, rows = points.shape[:2]
        halves = points.float().reshape(batch * 2, rows // 2, 3)
        maps = self._disks(halves, size) if self.use_disks else self._distances(halves, size)
        return maps.view(batch, 2, *size)

    def _disks(self, halves: Tensor, size: tuple[int, int]) -> Tensor:
        """Stamp each disk into its own window, so that the cost does not grow with clicks x pixels."""
        height, width = size
        reach = math.ceil(self.norm_radius)
        window = torch.arange(-reach, reach + 2, device=halves.device)
        y, x = halves[..., 0:1], halves[..., 1:2]  # (2B, N, 1)
        rows = y.floor().long() + window  # (2B, N, K)
        columns = x.floor().long() + window  # (2B, N, K)
        inside = ((rows.float() - y) ** 2)[..., :, None] + ((columns.float() - x) ** 2)[
            ..., None, :
        ] <= self.norm_radius**2  # (2B, N, K, K)
        inside = inside & ((rows >= 0) & (rows < height))[..., :, None]
        inside = inside & ((columns >= 0) & (columns < width))[..., None, :] & used(halves)[..., None, None]
        spill = height * width  # pixels outside the disk all write to one cell behind the map
        cells = torch.where(inside, rows[..., :, None] * width + columns[..., None, :], spill)
        maps = halves.new_zeros(halves.shape[0], spill + 1)
        maps.scatter_(1, cells.flatten(1), 1.0)
        return maps[:, :spill]

    def _distances(self, halves: Tensor, size: tuple[int, int]) -> Tensor:
        """Distance maps, one click slot at a time, so that memory stays at one map per polarity."""
        nearest = squared_distances(halves, size, halves.new_full((len(halves),), FAR), self.norm_radius)
        return torch.tanh(2 * nearest.sqrt())


class GroupedDistMaps(nn.Module):
    """Click maps with a radius for each group of clicks (see ``split_by_order``), the groups behind each other.

    Args:
        radii: of each group, see ``DistMaps``.
        use_disks: see ``DistMaps``.
    """

    def __init__(self, radii: Sequence[float], use_disks: bool = False) -> None:
        super().__init__()
        self.groups = nn.ModuleList(DistMaps(radius, use_disks) for radius in radii)
        self.channels = 2 * len(radii)

    def forward(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps of ``points`` (B, 2N, 3) on a grid of ``size`` (H, W): float32 (B, 2 * groups, H, W)."""
        parts = split_by_order(points, len(self.groups))
        return torch.cat([maps(part, size) for maps, part in zip(self.groups, parts, strict=True)], dim=1)


def split_by_order(points: Tensor, groups: int) -> list[Tensor]:
    """Split clicks by their index in the sequence: ``groups`` tensors like ``points``, each with its own clicks only.

    The click of order k goes to group k; later ones, a negative first click and those without an order (-1) go to the
    last group.
    """
    order = points[..., 2].long()
    order = torch.where(order < 0, groups - 1, order).clamp(max=groups - 1)
    slots = points.shape[1] // 2
    positive, negative = order[:, :slots], order[:, slots:]
    order = torch.cat((positive, torch.where(negative == 0, groups - 1, negative)), dim=1)
    return [torch.where((order == group)[..., None], points, UNUSED) for group in range(groups)]


def squared_distances(halves: Tensor, size: tuple[int, int], far: Tensor, unit: float = 1.0) -> Tensor:
    """Squared distance of each pixel to the nearest click of one polarity: float32 (B, H, W).

    Args:
        halves: (B, N, 3), see ``split_points``.
        size: (H, W).
        far: (B,), the value where every click is farther, or there is none.
        unit: of distances, in pixels.
    """
    height, width = size
    rows = torch.arange(height, device=halves.device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=halves.device, dtype=torch.float32)[None, :]
    nearest = far.float()[:, None, None].repeat(1, height, width)
    if torch.jit.is_tracing():  # to a graph for any number of clicks, which a loop would fix
        y, x = halves[..., 0, None, None], halves[..., 1, None, None]  # (B, N, 1, 1)
        squared = ((rows - y) / unit) ** 2 + ((columns - x) / unit) ** 2
        return torch.minimum(nearest, torch.where(used(halves)[..., None, None], squared, math.inf).amin(dim=1))
    for slot, valid in zip(halves.float().unbind(1), used(halves).unbind(1), strict=True):
        y, x = slot[:, 0, None, None], slot[:, 1, None, None]
        squared = ((rows - y) / unit) ** 2 + ((columns - x) / unit) ** 2
        torch.minimum(nearest, torch.where(valid[:, None, None], squared, math.inf), out=nearest)
    return nearest


def relative_distances(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Distance to the nearest click of each sign over the length of the diagonal, as EMC-Click measures it.

    A sign without clicks has the distance of one pixel everywhere, and so have pixels farther than 1000 pixels from the
    clicks of the sign that has fewer (docs/fidelity.md#emc-distant-pixels).

    Args:
        points: (B, 2N, 3).
        size: (H, W).

    Returns:
        float32 (B, 2, H, W), positive first.
    """
    batch, rows = points.shape[:2]
    halves = points.reshape(batch * 2, rows // 2, 3)
    counts = used(halves).sum(dim=1).view(batch, 2)
    fewer = (counts < counts.amax(dim=1, keepdim=True).clamp(min=1)).flatten()
    nearest = squared_distances(halves, size, torch.where(fewer, FAR, math.inf))
    nearest = torch.where(nearest == FAR, 1.0, nearest).sqrt() / math.hypot(*size)
    return nearest.view(batch, 2, *size)


def click_cells(points: Tensor, stride: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Cells of a map of ``size`` (h, w) in which clicks lie, and which rows hold clicks.

    Args:
        points: (B, 2N, 3).
        stride: pixels per cell; coordinates are rounded to the nearest cell, halves to even ones.
        size: of the map.

    Returns:
        flat indices (B, 2N) int64, of unused rows too; and bool (B, 2N).
    """
    cells = (points[..., :2].float() / stride).round().long()
    rows, columns = cells[..., 0].clamp(0, size[0] - 1), cells[..., 1].clamp(0, size[1] - 1)
    return rows * size[1] + columns, points[..., 2] >= 0
