"""Devices that networks can run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from isegm.utils.errors import InputError
from isegm.utils.inputs import described


def widest_float(device: torch.device) -> torch.dtype:
    """Return float64, or float32 for the GPUs of Macs, which have no wider numbers."""
    return torch.float32 if device.type == "mps" else torch.float64


def usable_device(device: torch.device | str | int, elsewhere: bool = False) -> torch.device:
    """Return a device on which tensors can be made.

    Args:
        device: a device, its name such as ``cuda:1`` or ``mps``, or the index of a CUDA device.
        elsewhere: another process will work there. Of a CUDA device only its number is checked then: work on it would
            take hundreds of MB there, and all of it where a GPU serves one process at a time.

    Raises:
        InputError: it is no device, or does not exist on this machine.
    """
    if isinstance(device, bool) or not isinstance(device, (torch.device, str, int)):
        raise InputError(f"the device must be a name such as cpu or cuda:0, not {described(device)}.")
    try:
        chosen = torch.device(device)
        if not (elsewhere and chosen.type == "cuda" and (chosen.index or 0) < torch.cuda.device_count()):
            torch.empty(1, device=chosen)
    except (
        RuntimeError,
        AssertionError,
        ValueError,
        OverflowError,
        NotImplementedError,
        ImportError,
        AttributeError,
    ) as error:
        raise InputError(f"the device {device} cannot be used on this machine: choose another, or --cpu.") from error
    if chosen.type == "meta":
        raise InputError("the device meta holds no numbers: choose cpu, or a device that this machine has.")
    return chosen


def sent(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return values in main memory on a device; CUDA copies them when it gets there, and nobody waits for that."""
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


@contextmanager
def meta_device() -> Iterator[None]:
    """Let tensors that are made in the block have a shape and no values, for networks that take no memory.

    Parts of PyTorch 2.6 that torchvision and timm need cannot be imported there, so they are imported before.
    """
    import torchvision  # noqa: F401

    with torch.device("meta"):
        yield
