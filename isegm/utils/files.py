"""Write files whole or not at all; reading of images and masks, from ``images`` and ``masks``."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from isegm.utils.errors import InputError
from isegm.utils.images import read_image, read_stretched
from isegm.utils.locks import lock_file
from isegm.utils.masks import read_mask
from isegm.utils.text_values import as_path

__all__ = [
    "atomic_write",
    "checksum",
    "encode_image",
    "given_twice",
    "read_image",
    "read_mask",
    "read_stretched",
    "sha256",
    "write_image",
    "write_images",
]

TEMPORARY = ".isegm"  # ends the names of temporary files
SHOWN_NAME = 40  # characters of a file's name in that of its temporary file
TRIES = 20
WRITABLE = 0o222  # by anyone, bits of a file's mode
_cleaned: set[str] = set()  # folders that this process has looked into


@contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` that replaces it when the block ends without an error.

    A symbolic link stays, and the file that it leads to is replaced, see ``_behind_link``. The first write to a folder
    removes the temporary files that killed programs have left there.

    Raises:
        InputError: the folder cannot be made or written to, the disk is full, or ``path`` is a device or a pipe;
            nothing is left behind.
    """
    path = as_path(path, "the path of a file to write")
    temporary: Path | None = None
    try:
        target = _behind_link(path)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is a device or a pipe, which cannot be replaced by a file: choose another name.")
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target.parent)
        with _temporary(target, mode) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            temporary.chmod(0o666 & ~_umask())
            if sys.platform != "win32":  # the lock lasts until the file has its name
                temporary.replace(target)
        if sys.platform == "win32":  # where an open file cannot be renamed
            temporary.replace(target)
        temporary = None
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({os.strerror(error.errno) if error.errno else error}): "
            "choose another folder or make room."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _behind_link(path: Path) -> Path:
    """Return the file to write for a path: the path itself, or what it leads to if it is a symbolic link.

    A link is to be replaced itself where its file is read-only or the folder of that is missing, as in the stores of
    DVC and git-annex, whose files must never change.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    read_only = target.is_file() and not target.stat().st_mode & WRITABLE
    return path if read_only or not target.parent.is_dir() else target


def _temporary(path: Path, mode: str) -> IO[Any]:
    """Open a locked file beside ``path``, whose name ``_remove_leftovers`` knows."""
    for _ in range(TRIES):
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115, closed by the caller
            mode,
            dir=path.parent,
            prefix=f".{path.name[:SHOWN_NAME]}.",
            suffix=TEMPORARY,
            delete=False,
            encoding=None if "b" in mode else "utf-8",
            errors=None if "b" in mode else "backslashreplace",  # names of files that are no UTF-8
        )
        if _is_ours(file.fileno(), Path(file.name)):
            return file
        file.close()  # taken for a leftover in the moment before it was locked
        Path(file.name).unlink(missing_ok=True)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _is_ours(file: int, path: Path) -> bool:
    """Lock an open temporary file, and return whether it is locked and still at its path.

    Where the file system has no locks nothing is ever taken for a leftover.
    """
    try:
        return lock_file(file) and path.exists()
    except OSError:
        return True


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files from a folder whose writers have ended, once for each folder and process."""
    key = os.path.abspath(folder)
    if key in _cleaned or sys.platform == "win32":  # where a file that is open and locked cannot be told apart
        return
    _cleaned.add(key)
    for path in folder.glob(f".*{TEMPORARY}"):
        with suppress(OSError):  # gone meanwhile, of another user, or without locks
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if lock_file(file):
                    path.unlink()
            finally:
                os.close(file)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W) grey or (H, W, 3) RGB, uint8 or uint16, in the format that the file's ending names.

    Raises:
        InputError: an unknown ending, or the file cannot be written.
    """
    write_images({as_path(path, "the path of a file to write"): image})


def write_images(images: Mapping[str | Path, np.ndarray]) -> None:
    """Write several images as ``write_image`` does, all of them or none.

    Raises:
        InputError: as ``write_image``; no file has been replaced then, unless the system refuses the final renaming.
    """
    contents = {path: encode_image(path, image) for path, image in images.items()}
    with ExitStack() as stack:
        for path, content in contents.items():
            file = stack.enter_context(atomic_write(path))
            file.write(content)
            file.flush()  # a full disk must raise before the first file is replaced


def encode_image(path: str | Path, image: np.ndarray) -> bytes:
    """Encode an image as ``write_image`` does, without writing it; the path's ending names the format.

    Raises:
        InputError: an unknown ending.
    """
    path = as_path(path, "the path of a file to write")
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    try:
        done, content = cv2.imencode(path.suffix or ".", pixels)
    except cv2.error:
        done = False
    if not done:
        raise InputError(f"{path} does not end in a known image format: end it in .png or .jpg.")
    return content.tobytes()


def checksum(path: str | Path, algorithm: str) -> str:
    """Compute the checksum of a file, in hexadecimal digits, by an algorithm that ``hashlib`` knows."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256(path: str | Path) -> str:
    """Compute the SHA-256 of a file, as 64 hexadecimal digits."""
    return checksum(path, "sha256")


def given_twice(paths: Iterable[str | Path]) -> str | None:
    """Return the first path that leads to the same file or folder as one before it, however it is spelt, or None."""
    seen: set[tuple[int, int] | str] = set()
    for path in paths:
        place: tuple[int, int] | str = os.path.realpath(path)
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # who opens it says what is wrong
            pass
        else:
            if status.st_ino:
                place = status.st_dev, status.st_ino
        if place in seen:
            return str(path)
        seen.add(place)
    return None
