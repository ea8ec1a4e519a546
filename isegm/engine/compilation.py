"""Compiling a network with ``torch.compile``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.utils.errors import InputError


def compile_network(model: nn.Module, device: torch.device) -> None:
    """Compile calls of ``model`` in place, at its first call; attributes and state dict stay as they are.

    Raises:
        InputError: this machine has no working compiler for the device.
    """
    try:
        torch.compile(_little)(torch.zeros(8, device=device))
    except RuntimeError as error:  # PyTorch's own errors of the compiler are RuntimeErrors
        raise InputError(
            f"--compile does not work on this machine ({str(error).strip().splitlines()[0]}): install a C++ compiler, "
            "and Triton for GPUs, or leave --compile out."
        ) from error
    model.compile()


def _little(x: Tensor) -> Tensor:
    return x.neg().exp()
