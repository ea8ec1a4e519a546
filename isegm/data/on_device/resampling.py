"""Images of a batch read at other positions, and what their ids hold, on the device that holds them.

Some of it has a faster way on CPUs, with the same results but for rounding; ``method`` takes one of both.
"""

from __future__ import annotations

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor


def resampled(
    planes: Tensor, positions: Tensor, size: tuple[int, int], nearest: bool = False, method: str | None = None
) -> Tensor:
    """Read planes at affine positions, between pixels bilinearly; beyond the planes there are zeros.

    On CPUs OpenCV does it in bytes, a plane at a time, with fractions of 1/32 pixel, as in the loading processes.

    Args:
        planes: (B, C, S, T) uint8.
        positions: (B, 2, 3) float32, from (x, y, 1) in the result to (x, y) in the planes, whole at pixel centres.
        size: H, W of the result.
        nearest: take the nearest pixel instead.
        method: "opencv" or "torch"; None takes the faster one for the device.

    Returns:
        (B, C, H, W) float32.
    """
    if (method or _usual(planes, "opencv", "torch")) == "opencv":
        return _with_opencv(planes, positions, size, cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR)
    height, width = planes.shape[2:]
    y = torch.arange(size[0], dtype=torch.float32, device=planes.device)[:, None, None]
    x = torch.arange(size[1], dtype=torch.float32, device=planes.device)[:, None]
    along_x, along_y, start = positions[:, None, None].unbind(-1)  # (B, 1, 1, 2) each
    sides = torch.stack((torch.full_like(start[..., 0], width), torch.full_like(start[..., 1], height)), -1)
    grid = (2 * (x * along_x + y * along_y + start) + 1) / sides - 1  # (B, H, W, 2)
    return F.grid_sample(planes.float(), grid, mode="nearest" if nearest else "bilinear", align_corners=False)


def _with_opencv(planes: Tensor, positions: Tensor, size: tuple[int, int], rule: int) -> Tensor:
    result = torch.empty((*planes.shape[:2], *size), dtype=torch.uint8)
    for image, matrix, view in zip(planes.numpy(), positions.double().numpy(), result.numpy(), strict=True):
        for plane, target in zip(image, view, strict=True):
            cv2.warpAffine(plane, matrix, size[::-1], target, rule | cv2.WARP_INVERSE_MAP, cv2.BORDER_CONSTANT, 0)
    return result.float()


def extreme_around(ids: Tensor, reach: int, largest: bool) -> Tensor:
    """Return the largest or the smallest value within ``reach`` pixels of each in all eight directions.

    It is pooling of windows that end at the border, in few passes over bytes.

    Args:
        ids: (B, H, W) uint8.
        reach: pixels.
        largest: the smallest otherwise.

    Returns:
        (B, H, W) uint8.
    """
    choose, beyond = (torch.maximum, 0) if largest else (torch.minimum, 255)
    for axis, margins in ((1, (0, 0, reach, reach)), (2, (reach, reach))):
        ids = F.pad(ids, margins, value=beyond)
        seen, window = 1, 2 * reach + 1
        while seen < window:
            step = min(seen, window - seen)
            length = ids.shape[axis] - step
            ids = choose(ids.narrow(axis, 0, length), ids.narrow(axis, step, length))
            seen += step
    return ids


def counts_of_ids(ids: Tensor, method: str | None = None) -> Tensor:
    """Count the pixels of each object.

    Args:
        ids: (B, H, W) uint8.
        method: "bincount", which would wait for a GPU, or "scatter"; None takes the faster one for the device.

    Returns:
        (B, 256) float32, 0 for background and ignored pixels.
    """
    flat = ids.flatten(1)
    if (method or _usual(ids, "bincount", "scatter")) == "bincount":
        counts = torch.stack([row.bincount(minlength=256) for row in flat]).float()
    else:
        counts = torch.zeros(len(ids), 256, device=ids.device)
        counts.scatter_add_(1, flat.long(), torch.ones((), device=ids.device).expand(flat.shape))
    counts[:, 0] = counts[:, 255] = 0
    return counts


def _usual(tensor: Tensor, on_cpu: str, elsewhere: str) -> str:
    return on_cpu if tensor.device.type == "cpu" else elsewhere
