"""The exact Euclidean distance transform of whole batches, on the device that holds them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # PyTorch for CPUs and for Macs comes without it
    triton = None

ROWS = 4  # of a program on the GPU
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
        method = fastest if labels.device.type == "cpu" else "triton" if triton and labels.is_cuda else "torch"
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
    result = _along_rows_in_triton(flat, squared) if method == "triton" else _along_rows(flat, squared)
    return result.view(labels.shape)


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


def _along_rows_in_triton(labels: Tensor, squared: Tensor) -> Tensor:
    """The same as ``_along_rows``, in one kernel."""
    result = torch.empty_like(squared)
    width = squared.shape[-1]
    rows = squared.numel() // width
    block = triton.next_power_of_2(width)
    with torch.cuda.device_of(labels):  # Triton starts kernels on the current device
        grid = (triton.cdiv(rows, ROWS),)
        _envelopes[grid](labels, squared.contiguous(), result, rows, width, BLOCK=block, ROWS=ROWS)
    return result


if triton is not None:

    @triton.jit
    def _envelopes(  # type: ignore[no-untyped-def]
        labels, squared, result, rows, width, BLOCK: tl.constexpr, ROWS: tl.constexpr
    ):
        """Lower envelopes of a few rows, of up to BLOCK pixels each."""
        first = tl.program_id(0).to(tl.int64) * ROWS
        x = tl.arange(0, BLOCK)
        border = tl.minimum(x + 1, width - x)
        for row in range(ROWS):
            if first + row < rows:
                start = (first + row) * width
                label = tl.load(labels + start + x, mask=x < width, other=0)
                own = tl.load(squared + start + x, mask=x < width, other=0)
                best = tl.minimum(border * border, own)
                if tl.max(best, 0) > 0:
                    for j in range(width):
                        there = tl.load(labels + start + j)
                        away = x - j
                        column = tl.where(label == there, tl.load(squared + start + j), 0)
                        best = tl.minimum(best, column + away * away)
                tl.store(result + start + x, tl.where(label == 0, 0, best), mask=x < width)
