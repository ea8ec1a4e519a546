"""Open files of which nothing is known yet: regular ones only, so that nothing ever waits for a pipe or a device."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from isegm.utils.errors import InputError
from isegm.utils.text_values import as_path

WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
MOST_BYTES = 1 << 31  # of a file that is read as a whole


def is_regular(path: Path) -> bool:
    """Return whether a path leads to a regular file: no folder, pipe or device, and no link that leads nowhere."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return False


@contextmanager
def open_regular(path: str | Path, what: str) -> Iterator[BinaryIO]:
    """Open a regular file for reading.

    Args:
        path: the file.
        what: its kind for messages, such as "image file".

    Raises:
        InputError: it does not exist, is a folder, a pipe, a device or a link that leads nowhere, or may not be read.
    """
    path = as_path(path, f"the path of the {what}")
    try:
        descriptor = os.open(path, os.O_RDONLY | WITHOUT_WAITING)
    except FileNotFoundError as error:
        raise InputError(f"there is no {what} {path}: check the path.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path} cannot be read ({reason}): check the path and its permissions.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path} cannot be read (it is a folder, a pipe or a device): give a regular file.")
    with open(descriptor, "rb") as file:
        yield file


def read_regular(path: str | Path, what: str, most: int = MOST_BYTES) -> bytes:
    """Read a regular file as a whole.

    Args:
        path: the file.
        what: its kind for messages, such as "image file".
        most: largest number of bytes.

    Raises:
        InputError: as ``open_regular``, or the file is larger than ``most``.
    """
    with open_regular(path, what) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise InputError(f"{path} has {size} bytes, more than the {most} that are read: give a smaller {what}.")
        try:
            return file.read()
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}): check the disk.") from error
