"""Compiling a network with ``torch.compile``."""

from __future__ import annotations

import torch
from torch import Tensor

from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError


def compile_network(model: ClickModel, device: torch.device) -> None:
    """Compile calls of ``model`` in place, at its first call; parameters and state dict stay as they are.

    Of a network that encodes once, ``encode`` and ``decode`` are compiled, which training calls one by one.

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
    if model.encodes_once:
        for part in ("encode", "decode"):
            setattr(model, part, torch.compile(getattr(model, part)))
    else:
        model.compile()


def _little(x: Tensor) -> Tensor:
    return x.neg().exp()
