"""How exactly a network computes: in float32, or in fewer bits where that is faster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from isegm.utils.errors import InputError

LOWER = ("tf32", "bf16", "fp16")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(precision: str | None, device: torch.device) -> None:
    """Check that a device can compute in a precision.

    Raises:
        InputError: it cannot.
    """
    if precision == "tf32" and device.type != "cuda":
        raise InputError(f"tf32 is of NVIDIA's GPUs, and the network is on {device}: take fp32, bf16 or fp16.")


@contextmanager
def computing_in(precision: str | None, device: torch.device) -> Iterator[None]:
    """Let networks compute in a precision inside the block.

    Args:
        precision: one of ``LOWER``; None for exact float32. PyTorch lets convolutions on GPUs round their
            input to TF32 by default, as published code did there; here only "tf32" does.
        device: where the network is.
    """
    on_cuda, tf32 = device.type == "cuda", precision == "tf32"
    if not on_cuda and precision is None:
        yield
        return
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    if on_cuda:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        with torch.autocast(device.type, DTYPES.get(precision or ""), enabled=precision in DTYPES):
            yield
    finally:
        if on_cuda:
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
