"""Fill networks with tensors from files: with usable ones only, and without memory for the weights they replace."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from isegm.utils.errors import InputError
from isegm.utils.log import escaped

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
SPARE = 1 << 28  # values that a network may have beyond twice those of its file, so that it can be told what is missing


@contextmanager
def without_weights(state: Mapping[str, Tensor], path: str | Path) -> Iterator[None]:
    """Build networks, within the block and in this thread, whose parameters are on the meta device: shapes alone.

    Args:
        state: the weights that the network will be filled with.
        path: their file, for messages.

    Raises:
        InputError: the network has far more values than ``state``, so that it is not worth building.
    """
    most = 2 * sum(value.numel() for value in state.values()) + SPARE
    here, count = threading.get_ident(), 0

    def add(tensor: Tensor | None) -> bool:
        nonlocal count
        if tensor is None or tensor.is_meta or threading.get_ident() != here:
            return False
        count += tensor.numel()
        if count > most:
            raise InputError(f"{path} describes a network far larger than its weights: its configuration is damaged.")
        return True

    def parameter(_: nn.Module, __: str, value: nn.Parameter) -> Any:
        if not add(value) or _scope.real:
            return None
        return nn.Parameter(value.to("meta"), requires_grad=value.requires_grad)

    def buffer(_: nn.Module, __: str, value: Tensor) -> None:
        add(value)

    hooks = (register_module_parameter_registration_hook(parameter), register_module_buffer_registration_hook(buffer))
    try:
        with _WithoutInitialization():
            yield
    finally:
        for hook in hooks:
            hook.remove()


class _WithoutInitialization(TorchFunctionMode):
    """Leave out the initialisation of tensors that have no values, which takes PyTorch milliseconds for each."""

    FILL = (Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in self.FILL and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


class _Scope(threading.local):
    real = False


_scope = _Scope()


@contextmanager
def with_weights() -> Iterator[None]:
    """Build networks that compute with their weights while they are built, also within ``without_weights``."""
    before, _scope.real = _scope.real, True
    try:
        yield
    finally:
        _scope.real = before


def usable(key: str, value: Tensor, wanted: Tensor, path: str | Path) -> Tensor:
    """Return a tensor from a file as a weight can be: dense, finite, of the wanted type, with memory of its own.

    It is copied only where its type or its layout in memory makes that necessary.

    Args:
        key: its name in the file.
        value: of the shape of ``wanted``.
        wanted: the weight that it will become.
        path: the file, for messages.

    Raises:
        InputError: it is sparse, quantised or on the meta device, of a type that cannot become that of ``wanted``,
            or not finite; or it is a variance below 0.
    """
    converted = value
    wrong = _unusual(value, wanted)
    if wrong is None:
        converted = value.detach().to(wanted.dtype)
        wrong = _not_finite(key, value, converted)
    if wrong is not None:
        raise InputError(f"the weight {escaped(key, 200)} in {path} {wrong}.")
    if not converted.is_contiguous():
        return converted.contiguous()
    alone = converted.untyped_storage().nbytes() == converted.numel() * converted.element_size()
    return converted if alone else converted.clone()


def _unusual(value: Tensor, wanted: Tensor) -> str | None:
    """Say why the values of a tensor cannot be read at all."""
    if value.is_meta:
        return "is a tensor without values, on the meta device: save it from another device"
    if value.is_quantized or value.is_nested or value.layout != torch.strided:
        return "is a sparse, nested or quantised tensor: save it as a dense one"
    if value.dtype not in (FLOATS if wanted.is_floating_point() else FLOATS + WHOLE):  # counts may be stored as floats
        return f"is of the type {_name(value)} instead of {_name(wanted)}: save it in that type"
    return None


def _not_finite(key: str, value: Tensor, converted: Tensor) -> str | None:
    """Say which values of a tensor no weight can have."""
    if not _is_finite(value):
        return "has values that are infinite or no number (NaN): take an earlier checkpoint"
    if converted.dtype != value.dtype and value.is_floating_point():
        kept = _is_finite(converted) if converted.is_floating_point() else bool((converted.to(value) == value).all())
        if not kept:
            return f"has values that {_name(converted)} cannot hold: save it in that type"
    if key.endswith("running_var") and bool((converted < 0).any()):
        return "has variances below 0: it is damaged, take an earlier checkpoint"
    return None


def _is_finite(value: Tensor) -> bool:
    if not value.is_floating_point():
        return True
    return math.isfinite(float(value.sum())) or bool(torch.isfinite(value).all())  # a sum alone may overflow


def _name(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
