"""The exact Euclidean distance transform of whole batches, on the device that holds them."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import torch
from torch import Tensor

LONGEST_SIDE = 32_766  # pixels, so that sums of two squared distances stay within 32 bits
LONGEST_IN_OPENCV = 2048  # pixels; beyond, its single-precision distances no longer tell neighbouring squares apart
METHODS = ("opencv", "torch", "triton")


def squared_distance(labels: Tensor, method: str | None = None) -> Tensor:
    """Return the squared distance of each pixel to the nearest pixel of another label, exactly.

    Pixels beyond the image count as another label. On CPUs OpenCV's precise transform does it, a mask at a time. On
    other devices the whole batch is done at once, and nothing of the result is read back, so that a GPU is not waited
    for: columns come first, the distance to the nearest row of another label in the same column; then each row takes
    the lower envelope of the parabolas that these start (Felzenszwalb and Huttenlocher 2012, "Distance Transforms of
    Sampled Functions"), by trying all of its pixels, in a Triton kernel where there is Triton.

    Args:
        labels: (..., H, W) bool or whole numbers from 0 to 255; 0 is outside.
        method: one of ``METHODS``; None takes the fastest for the device.

    Returns:
        int32 (..., H, W), 0 where ``labels`` is 0.

    Raises:
        ValueError: there is no such method, or a side is too long for it.
    """
    height, width = labels.shape[-2:]
    if method is None:
        is_small = max(height, width) <= LONGEST_IN_OPENCV
        fastest = "opencv" if is_small else "torch"
        method = fastest if labels.device.type == "cpu" else "triton" if labels.is_cuda and has_triton() else "torch"
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}: known are {', '.join(METHODS)}")
    longest = LONGEST_IN_OPENCV if method == "opencv" else LONGEST_SIDE
    if max(height, width) > longest:
        raise ValueError(f"the labels have {height}x{width} pixels: a side must be at most {longest}")
    flat = labels.reshape(-1, height, width).to(torch.uint8).contiguous()
    if flat.numel() == 0:
        return torch.zeros(labels.shape, dtype=torch.int32, device=labels.device)
    if method == "opencv":
        return torch.from_numpy(np.stack([_with_opencv(mask) for mask in flat.numpy()])).view(labels.shape)
    squared = _along_columns(flat)
    if method == "triton":
        from isegm.utils.distance_kernel import along_rows

        return along_rows(flat, squared).view(labels.shape)
    return _along_rows(flat, squared).view(labels.shape)


@functools.cache
def has_triton() -> bool:
    """Whether there is Triton; it takes a fifth of a second to load, so only who has a GPU asks."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


def _with_opencv(labels: np.ndarray) -> np.ndarray:
    """Squared distances of one image's labels (H, W) uint8, in the boxes of the labels: int32 (H, W)."""
    result = np.zeros(labels.shape, np.int32)
    for label in 1 + np.flatnonzero(np.bincount(labels.ravel())[1:]):
        mask = (labels == label).view(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        box = (slice(y, y + height), slice(x, x + width))
        padded = cv2.copyMakeBorder(mask[box], 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        result[box] += np.rint(distance * distance).astype(np.int32)
    return result


def _along_columns(labels: Tensor) -> Tensor:
    """Squared distance to the nearest pixel of another label in the same column: int32 (M, H, W)."""
    count, height, width = labels.shape
    row = torch.arange(height, dtype=torch.int32, device=labels.device)[None, :, None]
    changes = torch.ones((count, height + 1, width), dtype=torch.bool, device=labels.device)
    changes[:, 1:-1] = labels[:, 1:] != labels[:, :-1]  # between the row above and this one, and at both borders
    first = torch.where(changes[:, :-1], row, 0).cummax(dim=1).values  # row where the run of this pixel starts
    last = torch.where(changes[:, 1:], row, height).flip(1).cummin(dim=1).values.flip(1)  # and where it ends
    distance = torch.minimum(row - first, last - row) + 1
    return torch.where(labels != 0, distance * distance, 0)


def _along_rows(labels: Tensor, squared: Tensor) -> Tensor:
    """Lower envelope along rows, offset by offset, no farther than the border of the image."""
    height, width = labels.shape[1:]
    across = torch.arange(width, dtype=torch.int32, device=labels.device)
    border = torch.minimum(across + 1, width - across)
    result = torch.minimum(squared, border * border)
    reach = ((min(height, width) + 1) // 2) ** 2  # no pixel is farther from the border
    for offset in range(1, width):
        added = offset * offset
        if added >= reach:
            break
        same = labels[..., offset:] == labels[..., :-offset]
        left = torch.where(same, squared[..., :-offset], 0) + added
        right = torch.where(same, squared[..., offset:], 0) + added
        torch.minimum(result[..., offset:], left, out=result[..., offset:])
        torch.minimum(result[..., :-offset], right, out=result[..., :-offset])
    return torch.where(labels != 0, result, 0)
