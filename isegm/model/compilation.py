"""Compiling networks with ``torch.compile``, for training and for inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError

T = TypeVar("T")
COMPILED_CLICKS = 4  # of each sign, and multiples of it, for which networks are compiled and CUDA graphs recorded


def compile_network(model: ClickModel, device: torch.device) -> None:
    """Compile calls of ``model`` in place, at its first call; parameters and state dict stay as they are.

    Of a network that encodes once, ``encode`` and ``decode`` are compiled, which training calls one by one.

    Raises:
        InputError: this machine has no working compiler for the device.
    """
    check_compiler(device)
    if model.encodes_once:
        for part in ("encode", "decode"):
            setattr(model, part, torch.compile(getattr(model, part)))
    else:
        model.compile()


def compiled_for_inference(network: ClickModel, device: torch.device, one_size: bool) -> ClickModel:
    """Return a network whose parts are compiled at their first calls, with the weights that ``network`` has now.

    On CUDA a network whose inputs have one size is replayed from CUDA graphs, one for each number of rows and for
    every ``COMPILED_CLICKS`` clicks. Batches are therefore split, see ``in_powers_of_two``.

    Args:
        network: in evaluation mode; it stays as it is, and calls of it are not compiled.
        device: where it is.
        one_size: whether all its inputs have the same height and width.

    Raises:
        InputError: this machine has no working compiler for the device.
    """
    check_compiler(device)
    parts = ["decode"]
    parts += ["encode"] if network.encodes_once else []
    parts += ["refine"] if network.has_refiner else []
    graphs = one_size and device.type == "cuda"
    compiled = copy(network)
    for part in parts:
        function = torch.compile(getattr(network, part), options={"freezing": True, "triton.cudagraphs": graphs})
        setattr(compiled, part, _kept(function) if graphs else function)
    return compiled


def in_powers_of_two(items: Sequence[T], most: int | None = None) -> list[Sequence[T]]:
    """Split a batch into parts of 1, 2, 4, ... items, the longest first, so that a compiled network meets few sizes.

    Args:
        items: of the batch.
        most: items of a part, at most; None for no limit.
    """
    parts = []
    left = items
    while left:
        room = len(left) if most is None else min(len(left), most)
        size = 1 << (room.bit_length() - 1)
        parts.append(left[:size])
        left = left[size:]
    return parts


def check_compiler(device: torch.device) -> None:
    """Check that ``torch.compile`` works.

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


def _little(x: Tensor) -> Tensor:
    return x.neg().exp()


def _kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same function with outputs of their own: a CUDA graph writes to the same memory at each replay."""

    def call(*arguments: Any, **named: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return tree_map_only(Tensor, Tensor.clone, function(*arguments, **named))

    return call
