"""Check arguments of public calls by the kinds of ``isegm.utils.schema``, and turn what callers have into arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from isegm.utils.errors import InputError
from isegm.utils.schema import Flag, Instance, Kind, Number, Row, Whole, mismatch, shown

LONGEST_SIDE = 1 << 20  # of an image, in pixels
SIDE = Whole(0, LONGEST_SIDE)
IMAGE = Instance(
    np.ndarray,
    "an array (H, W, 3) of uint8",
    lambda image: image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8,
)
MASK = Instance(np.ndarray, "an array (H, W) of bool", lambda mask: mask.ndim == 2 and mask.dtype == bool)
CALLABLE = Instance(object, "a function", callable)
GENERATOR = Instance(np.random.Generator, "a numpy.random.Generator")
NUMBERS = "biuf"  # kinds of dtypes that hold real numbers


class Probability(Kind):
    """A number strictly between 0 and 1."""

    phrase = "a number between 0 and 1"

    def fits(self, value: Any) -> bool:
        return Number(above=0).fits(value) and value < 1


@dataclass(frozen=True)
class Range(Kind):
    """Two numbers between bounds that are included, of which the second is not smaller than the first."""

    least: float = -math.inf
    most: float = math.inf

    def fits(self, value: Any) -> bool:
        number = Number(self.least, self.most)
        pair = isinstance(value, (list, tuple)) and len(value) == 2
        return pair and all(map(number.fits, value)) and value[0] <= value[1]

    def __str__(self) -> str:
        bounds = f", from {self.least:g} to {self.most:g}" if math.isfinite(self.most - self.least) else ""
        return f"two numbers, the smaller one first{bounds}"


def require(value: Any, kind: Kind, name: str) -> Any:
    """Return an argument as it is.

    Args:
        value: the argument.
        kind: what it must be.
        name: what the message calls it, such as ``threshold of Predictor``.

    Raises:
        InputError: it is of another kind.
    """
    words = mismatch(value, kind, name)
    if words is not None:
        raise InputError(f"{words}.")
    return value


def require_each(values: Mapping[str, Any], kinds: Mapping[str, Kind], owner: str) -> None:
    """Check arguments by name, such as the ``locals()`` of a constructor of ``owner``.

    Raises:
        InputError: one is of another kind, which the message names.
    """
    for name, kind in kinds.items():
        require(values[name], kind, f"{name} of {owner}")


def require_fields(instance: Any, kinds: Mapping[str, Kind]) -> None:
    """Check fields of a dataclass.

    Raises:
        InputError: one is of another kind than ``kinds`` says.
    """
    for name, kind in kinds.items():
        require(getattr(instance, name), kind, f"{name} of {type(instance).__name__}")


class CheckedFields:
    """Base of dataclasses whose fields must be of the kinds that their annotations say, where ``KINDS`` has these.

    Fields of type float whose name is p, begins with p_ or ends with prob are probabilities. ``own_kinds`` of a
    subclass wins over both.

    Raises:
        InputError: a field is of another kind.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {}

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            annotation, optional, _ = str(field.type).partition(" | None")
            is_probability = field.name == "p" or field.name.startswith("p_") or field.name.endswith("prob")
            kind = SHARE if is_probability and annotation == "float" else KINDS.get(annotation)
            kind = self.own_kinds.get(field.name, kind)
            value = getattr(self, field.name)
            if kind is not None and not (optional and value is None):
                require(value, kind, f"{field.name} of {type(self).__name__}")


SHARE = Number(0, 1)
KINDS = {
    "int": Whole(),
    "float": Number(),
    "bool": Flag(),
    "tuple[int, int]": Row(Whole(1, LONGEST_SIDE), Whole(1, LONGEST_SIDE)),
    "tuple[float, float]": Range(),
    "Path": Instance(Path, "a pathlib.Path"),
    "torch.device": Instance(torch.device, "a torch.device"),
}


def require_epochs(starts: Sequence[int], name: str) -> None:
    """Check the epochs from which on the entries of a list or mapping hold.

    Args:
        starts: an epoch for each entry; of several entries from the same epoch the last one holds.
        name: what the message calls the list or mapping.

    Raises:
        InputError: nothing holds in epoch 0, or the epochs are not in order.
    """
    if starts[0] != 0 or list(starts) != sorted(starts):
        raise InputError(
            f"{name} begins at the epochs {', '.join(map(str, starts))}: let the first one be 0, and order the others."
        )


def require_index(index: Any, length: int, name: str) -> None:
    """Check the index of a sample of ``length`` ones.

    Args:
        index: the argument.
        length: number of samples; indices go from 0 to one less.
        name: of the data set, for the message.

    Raises:
        InputError: it is no whole number, or out of range.
    """
    if not Whole(0, length - 1).fits(index):
        raise InputError(f"{name} has {length} samples, and none of index {shown(index)}: give 0 to {length - 1}.")


def require_size(size: Any, name: str) -> None:
    """Check the size of an image: (H, W), each a whole number of pixels.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(size, (tuple, list)) or len(size) != 2 or not all(map(SIDE.fits, size)):
        raise InputError(f"{name} must be (H, W) in whole pixels, not {shown(size)}.")


def described(value: Any) -> str:
    """Describe an argument in a few words for a message: arrays by shape and dtype."""
    if isinstance(value, (np.ndarray, Tensor)) and value.ndim:
        kind = "a masked array" if isinstance(value, np.ma.MaskedArray) else "an array"
        kind = "a tensor" if isinstance(value, Tensor) else kind
        return f"{kind} {tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, Path):
        return f"the path {shown(str(value))}"
    return shown(value)


def plain_array(value: Any, name: str, kinds: str = NUMBERS) -> np.ndarray:
    """Return numbers as an array in main memory, which may share its memory with ``value``.

    Args:
        value: an array, a tensor of any device, a Pillow image, or lists of numbers. A bfloat16 tensor becomes float32.
        name: what the message calls it, such as ``the mask``.
        kinds: letters of ``numpy.dtype.kind`` that are accepted.

    Raises:
        InputError: it is something else, such as text, ragged lists, complex numbers, a masked array, or a sparse or
            quantised tensor.
    """
    try:
        array = _of_tensor(value) if isinstance(value, Tensor) else np.asarray(value)
    except (TypeError, ValueError, OverflowError, RuntimeError, AttributeError) as error:
        raise _no_array(value, name) from error
    if isinstance(value, np.ma.MaskedArray) or array.dtype.kind not in kinds:
        raise _no_array(value, name)
    return array


def binary_mask(value: Any, name: str) -> np.ndarray:
    """Return a mask as (H, W) bool: what is above 0, of numbers that must be 0 and another one.

    Args:
        value: (H, W) bool, or 0 and one other number, such as 1 or 255; see ``plain_array``.
        name: what the message calls it.

    Raises:
        InputError: it is no mask, such as probabilities, logits or NaN.
    """
    mask = plain_array(value, name)
    if mask.ndim != 2:
        raise InputError(f"{name} must be (H, W), not {described(value)}.")
    if mask.dtype == bool or not mask.size:
        return mask.astype(bool, copy=False)
    highest = mask.max()  # NaN where there is one, which the conditions refuse
    if not ((mask == 0) | (mask == highest)).all() or not (highest == 0 or highest >= 1) or np.isinf(highest):
        raise InputError(f"{name} must be bool, or 0 and 1: compare probabilities with a threshold first.")
    return mask > 0


def label_map(value: Any, name: str) -> np.ndarray:
    """Return labels of pixels as an (H, W) array of whole numbers or bool; whole floats count too.

    Args:
        value: see ``plain_array``.
        name: what the message calls it.

    Raises:
        InputError: it is of another shape, has no pixel, or holds fractions or NaN.
    """
    labels = plain_array(value, name)
    if labels.ndim != 2 or not labels.size:
        raise InputError(f"{name} must be (H, W) with at least one pixel, not {described(value)}.")
    if labels.dtype.kind == "f" and not (np.isfinite(labels).all() and (labels == np.trunc(labels)).all()):
        raise InputError(f"{name} must hold whole numbers, not fractions or NaN: compare it with a threshold first.")
    return labels


def _no_array(value: Any, name: str) -> InputError:
    return InputError(f"{name} must be an array of real numbers, not {described(value)}.")


def _of_tensor(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise TypeError("the tensor is sparse or quantised")
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().resolve_neg().numpy()
