"""Unpickle with bounds: no small file takes much memory or time, whatever it says.

``pickle.Unpickler`` in C allocates what a file declares: a place in its memo, a ``bytearray`` of any length. Tuples of
tuples that share their parts take 2 to the power of their depth steps where one is the key of a dict.
"""

from __future__ import annotations

import mmap
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, ClassVar

KEYS = (str, bytes, int, float, bool, type(None))
FLAT = 1000  # parts of a tuple that is a key
_Python: Any = pickle._Unpickler


class CheckedUnpickler(_Python):
    """The unpickler that Python itself is written in, whose memo is a dict, with checked keys and lengths.

    A subclass says in ``find_class`` what a file may refer to, and in ``buildable`` what may get a state.

    It is some times slower than that in C. Nothing behind the end of the pickle is read.
    """

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(_Python.dispatch)
    buildable: tuple[type, ...] = ()

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it refers to {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to an object outside the file")

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][checked_key(key)] = value

    def load_setitems(self) -> None:
        items = self.pop_mark()
        target = self.stack[-1]
        for index in range(0, len(items), 2):
            target[checked_key(items[index])] = items[index + 1]

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({checked_key(items[index]): items[index + 1] for index in range(0, len(items), 2)})

    def load_additems(self) -> None:
        items = self.pop_mark()
        self.stack[-1].update(map(checked_key, items))

    def load_frozenset(self) -> None:
        items = self.pop_mark()  # which also changes where ``append`` puts things
        self.append(frozenset(map(checked_key, items)))

    def load_bytearray8(self) -> None:
        length = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(length)))

    def load_build(self) -> None:
        if not isinstance(self.stack[-2], self.buildable):
            raise pickle.UnpicklingError(f"it gives a state to a {type(self.stack[-2]).__name__}")
        super().load_build()

    for _code, _load in {
        pickle.SETITEM: load_setitem,
        pickle.SETITEMS: load_setitems,
        pickle.DICT: load_dict,
        pickle.ADDITEMS: load_additems,
        pickle.FROZENSET: load_frozenset,
        pickle.BYTEARRAY8: load_bytearray8,
        pickle.BUILD: load_build,
    }.items():
        dispatch[_code[0]] = _load


class BoundedFile:
    """The part of a file's interface that unpicklers use; it never asks for more bytes than the file has.

    Args:
        file: open for reading.
        size: of the file in bytes.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._size:
            raise pickle.UnpicklingError("it declares more bytes than it has")
        return self._file.read(count)

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def checked_key(key: Any) -> Any:
    """Return the key of a dict, or an item of a set; UnpicklingError if it is no number, text or flat tuple of such."""
    parts = key if type(key) is tuple and len(key) <= FLAT else (key,)
    if not all(type(part) in KEYS for part in parts):
        raise pickle.UnpicklingError(f"it has a {type(key).__name__} of parts as a key")
    return key


def checked_ordered_dict(pairs: Iterable[tuple[Any, Any]] = ()) -> OrderedDict:
    """Make an ``OrderedDict`` with checked keys."""
    return OrderedDict((checked_key(key), value) for key, value in pairs)


def checked_set(items: Iterable[Any] = ()) -> set:
    """Make a set of checked items."""
    return set(map(checked_key, items))


def checked_frozenset(items: Iterable[Any] = ()) -> frozenset:
    """Make a frozenset of checked items."""
    return frozenset(map(checked_key, items))


def check_opcodes(content: bytes | mmap.mmap) -> None:
    """Check what a pickle declares without loading it: places in the memo, and lengths.

    Raises:
        pickle.UnpicklingError: it declares more than it has, or has an opcode that there is not.
    """
    for _ in opcodes(content):
        pass


def opcodes(content: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """Pass through the opcodes of a pickle without loading it.

    Yields:
        each opcode, and the index of its argument.

    Raises:
        pickle.UnpicklingError: see ``check_opcodes``.
    """
    size, at = len(content), 0
    while at < size:
        code = content[at]
        at += 1
        argument, length = at, _ARGUMENTS[code]
        if length >= 0:
            at += length
        elif length == _LINES:
            for _ in range(2 if code in _PAIRS else 1):
                start, at = at, content.find(b"\n", at) + 1
                if not at:
                    raise pickle.UnpicklingError("it is cut off")
            if code == pickle.PUT[0] and int(content[start : at - 1]) > size:
                raise pickle.UnpicklingError(_MORE)
        elif length == _NOWHERE:
            raise pickle.UnpicklingError(f"it has the byte {code} where an opcode must be")
        else:
            declared = int.from_bytes(content[at : at - length], "little")
            at -= length
            if declared > size:
                raise pickle.UnpicklingError(_MORE)
            if code not in _PLACES:
                at += declared
        yield code, argument
        if code == pickle.STOP[0]:
            return


_MORE = "it declares more than it has"
_NOWHERE, _LINES = -100, -50
_PLACES = (pickle.LONG_BINPUT[0], pickle.FRAME[0])  # their arguments are numbers, followed by no bytes of their own
_PAIRS = (pickle.GLOBAL[0], pickle.INST[0])
_PREFIXES = {pickletools.TAKEN_FROM_ARGUMENT1: -1, pickletools.TAKEN_FROM_ARGUMENT8U: -8}
# Bytes of each opcode's argument; negative: of the number before it that says how many there are.
_ARGUMENTS = [_NOWHERE] * 256
for _opcode in pickletools.opcodes:
    _length = 0 if _opcode.arg is None else _opcode.arg.n
    if _length == pickletools.UP_TO_NEWLINE:
        _length = _LINES
    elif _length < 0:
        _length = _PREFIXES.get(_length, -4)
    _ARGUMENTS[ord(_opcode.code)] = _length
_ARGUMENTS[pickle.LONG_BINPUT[0]], _ARGUMENTS[pickle.FRAME[0]] = -4, -8
