"""Safe reading of pickles from other people: plain data only, and no code is run.

A pickle is a program that ``pickle.load`` runs. Published annotations and IoU tables are pickles of plain data, so this
reader accepts plain data only: numbers, strings, bytes, lists, tuples, dicts, sets, ``OrderedDict``, and NumPy arrays
and scalars. NumPy's own unpickling trusts what a file states about memory (flags, dtype sizes); therefore arrays are
rebuilt here from their shape, the name of their type and their bytes.
"""

from __future__ import annotations

import io
import mmap
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from isegm.utils.checked_pickle import (
    CheckedUnpickler,
    check_opcodes,
    checked_frozenset,
    checked_ordered_dict,
    checked_set,
)
from isegm.utils.errors import DECODING, InputError
from isegm.utils.pickle_keys import check_keys
from isegm.utils.text_values import as_path

SMALL = 1 << 21  # bytes; the bounded unpickler reads about 2 MB a second
SHARED = 1_000_000, 4  # values that may be repeated, and how many more for each byte of the file
_ARRAY_MODULES = ("numpy.core", "numpy._core")  # NumPy 1.x and 2.x
_DTYPE_NAME = re.compile(r"[<>|=]?(b1|[iu][1248]|f(2|4|8|16)|c(8|16|32)|[SU]\d+|O8?)")


def load_plain(path: str | Path) -> Any:
    """Read a pickle of plain data and NumPy arrays, written by Python 2 or 3 and NumPy 1.x or 2.x.

    Strings of Python 2 are decoded as latin-1.

    Raises:
        InputError: the file is missing or damaged, or refers to anything but plain data (which is named).
    """
    path = as_path(path, "the path of a pickle")
    if not path.is_file():
        raise InputError(f"there is no file {path}: check the path.")
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            if size <= SMALL:
                whole = file.read()
                check_opcodes(whole)
                content = _BoundedUnpickler(io.BytesIO(whole), encoding="latin1").load()
            else:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    check_keys(mapped)
                content = _FastUnpickler(file, encoding="latin1").load()
        return _PlaceholderReplacer(SHARED[0] + SHARED[1] * size).replace(content)
    except _RefusedError as refused:
        raise InputError(
            f"{path} holds {refused}, which is no plain data and was not loaded: give a pickle of lists, dicts, "
            "numbers and NumPy arrays."
        ) from refused
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
    except (*DECODING, pickle.UnpicklingError, EOFError, MemoryError) as error:
        raise InputError(f"{path} is no readable pickle ({error}): fetch or write it again.") from error


class _RefusedError(Exception):
    """The pickle refers to something that is not plain data."""


class _Dtype:
    """Placeholder for a dtype while a pickle is read; its state may set only the byte order."""

    def __init__(self, name: str) -> None:
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        if state[2:5] != (None, None, None):
            raise _RefusedError("a structured NumPy type")
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """Placeholder for an array until its state is read."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, is_fortran, data = state
        dtype = _checked(kind)
        if dtype.hasobject != isinstance(data, list):
            raise ValueError("an array whose data do not fit its type")
        possible = all(isinstance(side, int) and side >= 0 for side in shape)
        # NumPy would read beyond the end of the list, and gives items of no bytes any shape
        if not possible or ((isinstance(data, list) or not dtype.itemsize) and len(data) != prod(shape)):
            raise ValueError("an array whose data do not fit its shape")
        # NumPy's stub asks for np.bool here, which NumPy itself refuses
        super().__setstate__((1, shape, dtype, bool(is_fortran), data))  # type: ignore[arg-type]


def _checked(kind: _Dtype) -> np.dtype:
    if not isinstance(kind, _Dtype):
        raise ValueError("an array without a type")
    return kind.dtype


class _PlainData:
    """What pickles of plain data may refer to."""

    def find_class(self, module: str, name: str) -> Callable[..., Any] | str:
        if (module, name) == ("collections", "OrderedDict"):
            return checked_ordered_dict
        if module in ("builtins", "__builtin__") and name in _BUILTINS:
            return _BUILTINS[name]
        if (module, name) == ("numpy", "ndarray"):
            return "ndarray"
        if (module, name) == ("numpy", "dtype"):
            return self._dtype
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        package, _, part = module.rpartition(".")
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("multiarray", "_reconstruct"): self._reconstruct,
            ("multiarray", "scalar"): self._scalar,
            ("numeric", "_frombuffer"): self._from_buffer,
        }
        if package in _ARRAY_MODULES and (part, name) in known:
            return known[part, name]
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("a reference to an object outside the file")

    def _dtype(self, name: str, align: bool = False, copy: bool = False) -> _Dtype:
        if not isinstance(name, str) or not _DTYPE_NAME.fullmatch(name):
            raise _RefusedError(f"the NumPy type {name!r}")
        return _Dtype(name)

    def _reconstruct(self, kind: str, shape: tuple, name: bytes) -> _Array:
        if kind != "ndarray":
            raise _RefusedError("a NumPy array of a special class")
        return _Array((0,), dtype=np.uint8)

    def _scalar(self, kind: _Dtype, data: bytes | str = b"") -> Any:
        data = data.encode("latin1") if isinstance(data, str) else data
        dtype = _checked(kind)
        return np.frombuffer(data, dtype, count=1)[0] if dtype.itemsize else dtype.type()

    def _from_buffer(
        self, data: bytes, kind: _Dtype, shape: tuple[int, ...], order: Literal["A", "C", "F"]
    ) -> np.ndarray:
        return np.frombuffer(data, _checked(kind)).reshape(shape, order=order).copy(order="K")

    def _encode(self, text: str, encoding: str = "latin1") -> bytes:
        if encoding != "latin1":
            raise _RefusedError(f"text in the encoding {encoding!r}")
        return text.encode("latin1")


def _bytes(*parts: Any) -> bytes:
    """Make ``bytes`` as pickles do, but never from a number, for which Python would allocate that much memory."""
    if parts and not isinstance(parts[0], (str, bytes, list)):
        raise _RefusedError(f"bytes made of {type(parts[0]).__name__}")
    return bytes(*parts)


def _bytearray(*parts: Any) -> bytearray:
    return bytearray(_bytes(*parts))


_BUILTINS: dict[str, Callable[..., Any]] = {
    "bytes": _bytes,
    "bytearray": _bytearray,
    "complex": complex,
    "set": checked_set,
    "frozenset": checked_frozenset,
}


class _BoundedUnpickler(_PlainData, CheckedUnpickler):
    buildable = (_Dtype, _Array, OrderedDict)


class _FastUnpickler(_PlainData, pickle.Unpickler):
    pass


class _PlaceholderReplacer:
    """Replace the placeholders in the data read; every object is visited once, even if referred to several times.

    Args:
        most: values that the data may have if they are written out, where an object that is referred to from several
            places counts each time; a reference back to what it is in counts once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._sizes: dict[int, int] = {}
        self._done: dict[int, Any] = {}
        self._kept: list[Any] = []  # keeps objects alive, because ids of deleted objects are reused

    def replace(self, value: Any) -> Any:
        if not isinstance(value, (_Dtype, np.ndarray, tuple, list, dict)):
            return value
        if id(value) not in self._done:
            self._kept.append(value)
            self._done[id(value)] = value  # for containers that contain themselves
            self._done[id(value)] = self._replaced(value)
            self._measure(value)
        return self._done[id(value)]

    def _measure(self, value: Any) -> None:
        """Count what a container, whose items have been counted, would have if it were written out."""
        if isinstance(value, np.ndarray) and value.dtype.hasobject:
            items: Iterable[Any] = value.flat
        elif isinstance(value, (tuple, list, dict)):
            items = value.values() if isinstance(value, dict) else value
        else:
            return
        size = 1 + sum(self._sizes.get(id(item), 1) for item in items)
        if size > self._most:
            raise ValueError("it repeats its lists and dicts too often")
        self._sizes[id(value)] = self._sizes[id(self._done[id(value)])] = size

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, _Dtype):
            return value.dtype
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                flat = value.view(np.ndarray).reshape(-1, order="A")  # never a copy: arrays read are C or F contiguous
                for index, item in enumerate(flat):
                    flat[index] = self.replace(item)
            return value.view(np.ndarray)
        if isinstance(value, tuple):
            items = [self.replace(item) for item in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else tuple(items)
        for key, item in list(enumerate(value) if isinstance(value, list) else value.items()):
            value[key] = self.replace(item)
        return value
