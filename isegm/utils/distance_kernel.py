"""The second half of ``isegm.utils.distance`` as a Triton kernel; PyTorch for CPUs and for Macs comes without it."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS = 4  # of a program on the GPU


def along_rows(labels: Tensor, squared: Tensor) -> Tensor:
    """The lower envelopes along rows of squared distances down columns, as ``isegm.utils.distance`` has them."""
    result = torch.empty_like(squared)
    width = squared.shape[-1]
    rows = squared.numel() // width
    block = triton.next_power_of_2(width)
    with torch.cuda.device_of(labels):  # Triton starts kernels on the current device
        grid = (triton.cdiv(rows, ROWS),)
        _envelopes[grid](labels, squared.contiguous(), result, rows, width, BLOCK=block, ROWS=ROWS)
    return result


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
