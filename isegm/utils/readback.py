"""Numbers on their way from a device to main memory."""

from __future__ import annotations

import torch
from torch import Tensor


class Readback:
    """A copy of a small tensor that does not make the CPU wait until it is asked for.

    Args:
        values: numbers on any device; on CUDA the copy is queued behind what computes them.
    """

    def __init__(self, values: Tensor) -> None:
        self._copied: torch.cuda.Event | None = None
        self._values = values.detach()
        if values.device.type == "cuda":
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values.detach(), non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record(torch.cuda.current_stream(values.device))

    def tolist(self) -> list[float]:
        """Return the numbers, waiting for those that are not computed yet."""
        if self._copied is not None:
            self._copied.synchronize()
        numbers: list[float] = self._values.tolist()
        return numbers
