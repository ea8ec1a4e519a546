"""Values that stand as text on a command line or in YAML: numbers, paths and parts of file names."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isegm.utils.errors import InputError
from isegm.utils.schema import SHOWN, Kind, shown

LONGEST_PATH = 4096
LONGEST_NAME = 200  # bytes; file systems allow 255, to which a number and an ending are added


class PathText(Kind):
    """Text that can be a path: not empty, without a zero byte, of characters that file names can have."""

    phrase = "a path"

    def fits(self, value: Any) -> bool:
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_PATH or "\0" in value:
            return False
        try:
            os.fsencode(value)
        except UnicodeEncodeError:
            return False
        return True


class NamePart(Kind):
    """Text that can be a part of the name of one file or folder: printable, without slashes, not long; "" too."""

    phrase = f"a part of a file name, of at most {LONGEST_NAME} bytes, without slashes and control characters"

    def fits(self, value: Any) -> bool:
        if not isinstance(value, str) or not value.isprintable() or set(value) & set("/\\"):
            return False
        return len(value.encode()) <= LONGEST_NAME


def as_path(value: Any, name: str) -> Path:
    """Return an argument of a public call that is a path as one.

    Args:
        value: text, or an object with a path as text, such as a ``Path``.
        name: what the message calls it, such as ``the folder of a data set``.

    Raises:
        InputError: it is something else, or can be no path.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise InputError(f"{name} must be a path, not {shown(value)}.")
    if not PathText().fits(text):
        raise InputError(f"{name} is {shown(text, 200)}, which cannot be read or written: no file has such a name.")
    return Path(text)


def from_text(kind: Kind) -> Callable[[str], Any]:
    """Make a function that reads an option of a command line as a value of ``kind``, for ``type=`` of argparse.

    It returns a number for the text of one, else the text. What is not of the kind raises ``ArgumentTypeError``.
    """

    def read(text: str) -> Any:
        for value in (numeric(text), text):
            if kind.problem(value, ()) is None:
                return value
        raise ArgumentTypeError(f"{shown(text)} is not {kind}")

    return read


def numeric(value: Any) -> Any:
    """Return the number that a text is, such as 1e-3, which YAML reads as text; anything else as it is."""
    if not isinstance(value, str) or len(value) > SHOWN or "_" in value:
        return value
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value
