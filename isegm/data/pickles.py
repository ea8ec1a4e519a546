"""Reading published pickle files without running what they hold."""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from isegm.utils.errors import InputError

NUMBER = re.compile(r"[biuf](1|2|4|8)")  # the dtypes of arrays that annotation files hold
MODULES = ("numpy.core", "numpy._core")  # where NumPy 1 and NumPy 2 keep what arrays are made with


class _Dtype:
    """Stands for ``numpy.dtype`` while a file is read, so that only byte order can be set on it."""

    def __init__(self, code: str, align: object = False, copy: object = False) -> None:
        if not isinstance(code, str) or not NUMBER.fullmatch(code):
            raise pickle.UnpicklingError(f"holds an array of {code}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        order = state[1]
        if order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError("holds an array of unknown byte order")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """An array whose content is checked before NumPy sees it."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        _check(dtype, shape, content)
        super().__setstate__((1, shape, dtype.dtype, bool(fortran), content))


def _check(dtype: object, shape: object, content: object) -> None:
    if not isinstance(dtype, _Dtype) or not isinstance(content, bytes | bytearray) or not isinstance(shape, tuple):
        raise pickle.UnpicklingError("holds an array of something other than numbers")
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise pickle.UnpicklingError("holds an array of impossible shape")
    if prod(shape) * dtype.dtype.itemsize != len(content):
        raise pickle.UnpicklingError("holds an array that is cut off")


def _new_array(kind: object, shape: object, code: object) -> np.ndarray:
    return np.empty(0, np.uint8).view(_Array)


def _array_from_buffer(content: bytes, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    _check(dtype, shape, content)
    return np.frombuffer(content, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")


def _number(dtype: _Dtype, content: bytes) -> Any:
    _check(dtype, (), content)
    return np.frombuffer(content, dtype.dtype)[0].item()


def _bytes_of(text: str, encoding: str) -> bytes:
    if encoding != "latin1":  # the one encoding in which pickles of protocol 2 hold bytes
        raise pickle.UnpicklingError(f"asks for the encoding {encoding}")
    return text.encode("latin1")


ALLOWED: dict[tuple[str, str], Any] = {
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _bytes_of,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    **{(f"{module}.multiarray", "_reconstruct"): _new_array for module in MODULES},
    **{(f"{module}.multiarray", "scalar"): _number for module in MODULES},
    **{(f"{module}.numeric", "_frombuffer"): _array_from_buffer for module in MODULES},
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return ALLOWED[module, name]


def load_plain_pickle(path: str | Path) -> Any:
    """Read a pickle of plain containers, texts, numbers and numeric NumPy arrays.

    Nothing that the file names is imported or called: arrays are built by code of this module from checked parts, so
    that a file from a stranger can do no more than be refused.

    Raises:
        InputError: there is no such file, it is cut off or no pickle, or it holds anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no annotation file {path}: see scripts/check_datasets.py for where to get it.")
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file).load()
    except (
        pickle.UnpicklingError,
        EOFError,
        AttributeError,
        ImportError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        MemoryError,
        RecursionError,
    ) as error:  # what the pickle module raises for files that are not what they should be
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else "is cut off or no pickle"
        raise InputError(
            f"{path} is not a pickle of plain numbers, texts and arrays ({' '.join(reason.split())}): "
            "it was not opened; get the published file again, or convert the annotations anew."
        ) from error
