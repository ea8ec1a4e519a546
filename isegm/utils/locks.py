"""Locks that keep two programs from the same work at the same place; the system releases those of a dead process."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from isegm.utils.errors import InputError
from isegm.utils.log import logger

TRIES = 20  # in each of which another program has just released the lock and removed its file
PAUSE = 0.02  # seconds between two tries of a program that waits
_held: set[int] = set()  # descriptors of this process's lock files


def lock_file(file: int) -> bool:
    """Lock an open file against other programs that lock it, until it is closed or the program ends.

    Args:
        file: descriptor of a file that is open for writing.

    Returns:
        False if another program holds the lock.

    Raises:
        OSError: the file system does not support locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            place = os.lseek(file, 0, os.SEEK_CUR)
            os.lseek(file, 1 << 30, os.SEEK_SET)  # a byte behind the content, as a locked byte cannot be read
            try:
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(file, place, os.SEEK_SET)  # what is written next belongs there
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def hold_lock(path: str | Path, place: str, advice: str, wait: float = 0.0) -> Iterator[None]:
    """Hold a lock while the block lasts, so that no other program enters a block with the same lock.

    The lock is a file that names the process that holds it. The file is removed at the end; one that a killed process
    left behind is taken over. Where the file system has no locks, say so in a warning and run the block without.

    Args:
        path: the lock file; its folder is made.
        place: what is locked, as the start of the sentence "PLACE is in use by another program".
        advice: the end of that sentence: what to do.
        wait: seconds for which to wait for another program to release the lock.

    Raises:
        InputError: another program still holds the lock, or the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + wait
        while (file := _locked(path)) is None and time.monotonic() < deadline:
            time.sleep(PAUSE)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({os.strerror(error.errno) if error.errno else error}): choose another folder "
            "or make room."
        ) from error
    if file is None:
        raise InputError(f"{place} is in use by another program{_holder(path)}: {advice}.")
    _held.add(file)
    try:
        yield
    finally:
        _held.discard(file)
        _release(file, path)


def _locked(path: Path) -> int | None:
    """Open, lock and fill the file; return its descriptor, or None if another program holds the lock."""
    for _ in range(TRIES):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _try_lock(file, path):
                os.close(file)
                return None
            if _is_at(file, path):
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
                os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
    return None


def _try_lock(file: int, path: Path) -> bool:
    try:
        return lock_file(file)
    except OSError as error:
        logger.warning(
            "%s cannot be locked (%s): make sure that no other program works there", path, error.strerror or error
        )
        return True


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one at ``path``; another program may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    """Return the process that the lock file names, in brackets; "" if the file cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            named = file.read(200).strip()
    except OSError:
        return ""
    return f" ({named})" if named.isprintable() and named else ""


def _release(file: int, path: Path) -> None:
    """Remove the lock file and unlock it."""
    if sys.platform == "win32":  # an open file cannot be removed, nor one that another program has opened by then
        os.close(file)
        with suppress(OSError):
            path.unlink()
        return
    if _is_at(file, path):
        path.unlink(missing_ok=True)
    os.close(file)


def _close_in_child() -> None:
    """Leave the locks to the parent: a child that outlives it must not keep them."""
    for file in _held:
        with suppress(OSError):
            os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
