"""Read PyTorch files of plain data and tensors, once what they declare is known to fit the bytes that they have.

``torch.load`` with ``weights_only=True`` runs no code of a file, but believes what it declares: a storage may be
compressed or larger than its bytes, a tensor larger than its storage, a list may be its own item. So the pickle of a
file is read twice: first with placeholders for tensors, which shows all of this, then by ``torch.load``.

SimpleClick's and CFR-ICL's checkpoints hold the training loss as a pickled object of published code. It is read as
None: its names stand for placeholders in both readings.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, ClassVar

import torch

from isegm.utils.checked_pickle import BoundedFile, CheckedUnpickler, checked_key, checked_ordered_dict, checked_set
from isegm.utils.errors import InputError
from isegm.utils.log import escaped
from isegm.utils.schema import Plain, check, shown
from isegm.utils.text_values import as_path

ZIP = b"PK\x03\x04"
MOST_RECORDS = 100_000
PART = 1 << 20  # bytes that are read at a time for a checksum
LARGEST_PICKLE = 1 << 27  # bytes of a file's pickle, which holds no values of tensors
MOST_VALUES = 1_000_000
STORAGES = {
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    **dict.fromkeys(("FloatStorage", "IntStorage", "QInt32Storage"), 4),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("CharStorage", "ByteStorage", "BoolStorage", "QInt8Storage", "QUInt8Storage"), 1),
    "ComplexDoubleStorage": 16,
}  # bytes of an item, by the name of the class below ``torch``
ODD = {
    "_rebuild_sparse_tensor": "is a sparse tensor",
    "_rebuild_sparse_csr_tensor": "is a sparse tensor",
    "_rebuild_qtensor": "is a quantised tensor",
    "_rebuild_nested_tensor": "is a nested tensor",
    "_rebuild_meta_tensor_no_storage": "is a tensor without values, as it was saved from the meta device",
    "_rebuild_device_tensor_from_numpy": "is a tensor of an unusual device",
    "_rebuild_device_tensor_from_cpu_tensor": "is a tensor of an unusual device",
    "_rebuild_tensor_v3": "is a tensor of an unusual type",
}  # what the functions below ``torch._utils`` make
_LOSS = "isegm.model.modeling.transformer_helper.cross_entropy_loss"
UNREAD_CLASS, UNREAD_FUNCTION = (_LOSS, "CrossEntropyLoss"), (_LOSS, "cross_entropy")  # published; read as None
MOST_UNREAD = 16  # such objects in a file


class UnreadObject:
    """Stands for an object of published code that nothing reads; its state is dropped."""

    def __setstate__(self, state: Any) -> None:
        pass


def unread_function() -> None:
    """Stands for a function of published code, which is never called."""
    raise pickle.UnpicklingError("it calls a function")


# What weights_only makes of the names of published code.
_PLACEHOLDERS: list[Any] = [(UnreadObject, ".".join(UNREAD_CLASS)), (unread_function, ".".join(UNREAD_FUNCTION))]


def read_tensor_file(path: str | Path, advice: str) -> Any:
    """Read a file that ``torch.save`` wrote, on the CPU.

    Args:
        path: an existing file.
        advice: what to do, as the end of a sentence, where it is none.

    Raises:
        InputError: it is not a PyTorch file, is cut off or cannot be read; it asks for Python objects besides plain
            data and dense tensors; or what it declares does not fit its bytes.
    """
    path = as_path(path, "the path of a checkpoint")
    try:
        has_unread = _check(path)
        with torch.serialization.safe_globals(_PLACEHOLDERS if has_unread else []):
            content = torch.load(path, map_location="cpu", weights_only=True)
        return _without_unread(content) if has_unread else content
    except _RefusedError as refused:
        raise InputError(
            f"{path} asks for the Python object {escaped(str(refused), 80)}, which click models do not need: it was "
            "not loaded, as it could run foreign code; use a file from a source that you trust."
        ) from refused
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}): check its permissions and its disk."
        ) from error
    except Exception as error:  # torch.load raises many types for damaged files
        raise InputError(
            f"{path} is not a PyTorch checkpoint, or is cut off ({type(error).__name__}): {advice}."
        ) from error


class _RefusedError(Exception):
    """The file refers to a Python object that is neither plain data nor a tensor; its name is the message."""


@dataclass(frozen=True)
class _Storage:
    key: Any
    numel: int
    itemsize: int


@dataclass(frozen=True)
class _Tensor:
    """A tensor in the first reading.

    Attributes:
        wrong: what is wrong with it, as the end of a sentence; "" for nothing.
    """

    wrong: str = ""


@dataclass(frozen=True)
class _Name:
    """A type or function of PyTorch in the first reading."""

    name: str
    itemsize: int = 0

    def __call__(self, *arguments: Any) -> _Name:
        if self.name not in ("device", "layout"):
            raise _RefusedError(f"torch.{self.name}")
        return self


class _Unread:
    """An object of published code in the first reading.

    Attributes:
        states: of all such objects of a file; each file has a subclass with a list of its own.
    """

    states: ClassVar[list[Any]] = []

    def __setstate__(self, state: Any) -> None:
        if len(self.states) == MOST_UNREAD:
            raise _RefusedError(".".join(UNREAD_CLASS))
        self.states.append(state)


class _Skeleton(CheckedUnpickler):
    buildable = (OrderedDict, _Unread)

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin1")
        self.storages: dict[Any, _Storage] = {}
        self.unread: type[_Unread] = type("Unread", (_Unread,), {"states": []})

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): checked_ordered_dict,
            ("builtins", "set"): checked_set,
            ("__builtin__", "set"): checked_set,
            ("builtins", "complex"): complex,
            ("_codecs", "encode"): _encode,
            ("torch", "Size"): tuple,
            ("torch", "device"): _Name("device"),
            ("torch.serialization", "_get_layout"): _Name("layout"),
            ("torch.storage", "UntypedStorage"): _Name("storage.UntypedStorage", 1),
            ("torch._utils", "_rebuild_tensor"): _tensor,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            UNREAD_CLASS: self.unread,
            UNREAD_FUNCTION: _Name("a function"),
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in STORAGES:
            return _Name(name, STORAGES[name])
        if module == "torch._utils" and name in ODD:
            return lambda *_: _Tensor(ODD[name])
        if module == "torch" and isinstance(getattr(torch, name, None), (torch.dtype, torch.qscheme)):
            return _Name(name)
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            raise pickle.UnpicklingError("it refers to an object outside the file")
        kind, key, numel = pid[1], checked_key(pid[2]), pid[4]
        if not isinstance(kind, _Name) or not kind.itemsize or not _is_count(numel):
            raise pickle.UnpicklingError("it has a storage of no known type or size")
        return self.storages.setdefault(key, _Storage(key, numel, kind.itemsize))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 2**63


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError("it has text in an unusual encoding")
    return text.encode("latin1")


def _parameter(data: Any, *_: Any) -> _Tensor:
    return data if isinstance(data, _Tensor) else _Tensor("has no values")


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    """A dense tensor, whose items are all different ones of its storage or overlap in part."""
    shaped = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= 16
    if not isinstance(storage, _Storage) or not shaped or not all(map(_is_count, (offset, *size, *stride))):
        return _Tensor("has a shape that is none")
    count = prod(size)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if count and (count > storage.numel or last >= storage.numel):
        return _Tensor("declares more values than the file has")
    return _Tensor()


def _check(path: Path) -> bool:
    """Read a file without its tensors' values, and check what it declares.

    Returns:
        whether it holds objects of published code that are read as None.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        if file.read(len(ZIP)) == ZIP:
            content, states = _check_archive(file, path)
        else:
            file.seek(0)
            content, states = _check_stream(file, size, path)
    for part in (content, *states):
        check(part, Plain(MOST_VALUES, leaf=_wrong), path)
    return bool(states)


def _without_unread(content: Any) -> Any:
    """Return what was read with None for the objects of published code in its mappings and lists."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if not isinstance(value, (dict, list, tuple)):
            continue
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            if not isinstance(item, UnreadObject):
                waiting.append(item)
            elif isinstance(value, tuple):  # published files have it in a mapping
                raise _RefusedError(".".join(UNREAD_CLASS))
            else:
                value[key] = None
    return content


def _wrong(value: Any) -> str | None:
    """Say what is wrong with a value that is no plain data; None for tensors and types of them."""
    if isinstance(value, _Tensor):
        return value.wrong or None
    fits = isinstance(value, (_Name, _Unread, set, complex))
    return None if fits else f"must be plain data or a tensor, not {shown(value)}"


def _check_archive(file: IO[bytes], path: Path) -> tuple[Any, list[Any]]:
    """Check the format of today: an archive with a pickle, and a record for each storage.

    Returns:
        the content, and the states of the objects of published code in it.
    """
    with zipfile.ZipFile(file) as archive:
        records = sorted(archive.infolist(), key=lambda record: record.header_offset)
        if len(records) > MOST_RECORDS or records[0].header_offset:
            raise zipfile.BadZipFile
        ends = [*(record.header_offset for record in records[1:]), archive.start_dir]
        for record, end in zip(records, ends, strict=True):
            if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
                raise InputError(f"{path} has compressed records, which torch.save does not write: save it again.")
            if record.header_offset + record.compress_size > end:
                raise InputError(f"{path} has records that overlap or are cut off: fetch or write it again.")
        by_name = {record.filename: record for record in records}
        if len(by_name) < len(records):
            raise InputError(f"{path} has two records of one name: fetch or write it again.")
        folder = records[0].filename.partition("/")[0]
        record = by_name[f"{folder}/data.pkl"]
        if record.file_size > LARGEST_PICKLE:
            raise pickle.UnpicklingError
        skeleton = _Skeleton(io.BytesIO(archive.read(record)))
        content = skeleton.load()
    for storage in skeleton.storages.values():
        record = by_name[f"{folder}/data/{storage.key}"]
        if storage.numel * storage.itemsize > record.file_size:
            raise InputError(f"{path} declares more values than it has: fetch or write it again.")
        if record.CRC and _checksum(file, record) != record.CRC:  # PyTorch can leave them out, and never compares them
            raise InputError(f"{path} is damaged, as its checksums do not fit: fetch or write it again.")
    return content, skeleton.unread.states


def _checksum(file: IO[bytes], record: zipfile.ZipInfo) -> int:
    file.seek(record.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, os.SEEK_CUR)
    left, found = record.file_size, 0
    while left and (part := file.read(min(left, PART))):
        found = zlib.crc32(part, found)
        left -= len(part)
    return found


def _check_stream(file: IO[bytes], size: int, path: Path) -> tuple[Any, list[Any]]:
    """Check the format before PyTorch 1.6: five pickles, and the storages one after the other.

    Returns:
        see ``_check_archive``; published code wrote its losses in the format of today.
    """
    bounded = BoundedFile(file, min(size, LARGEST_PICKLE))
    magic, _, _ = (_Skeleton(bounded).load() for _ in range(3))
    if magic != MAGIC:
        raise pickle.UnpicklingError
    skeleton = _Skeleton(bounded)
    content = skeleton.load()
    keys = _Skeleton(bounded).load()
    if not isinstance(keys, list) or set(map(checked_key, keys)) != set(skeleton.storages):
        raise pickle.UnpicklingError
    declared = sum(8 + storage.numel * storage.itemsize for storage in skeleton.storages.values())
    if declared > size - file.tell():
        raise InputError(f"{path} declares more values than it has, or is cut off: fetch or write it again.")
    return content, skeleton.unread.states


MAGIC = 0x1950A86A20F9469CFC6C
