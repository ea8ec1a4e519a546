"""Unpacking of zip and tar files that somebody else has packed.

Nothing is written outside the target, no links or devices are made, and no more bytes than the archive may hold. The
files appear in the target when all of them are unpacked.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from isegm.utils.errors import InputError

MOST_BYTES = 64 << 30
MOST_FILES = 2_000_000
BLOCK = 1 << 20
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError)
FULL = (errno.ENOSPC, errno.EDQUOT)
DRIVE = ":"  # in C:\..., which is absolute on one system and a name on the others


@dataclass(frozen=True)
class _Member:
    """A file within an archive: its path as the archive says it, its size as it says it, and how to read it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: str | Path,
    target: str | Path,
    holds: Sequence[str] = (),
    most_bytes: int = MOST_BYTES,
    most_files: int = MOST_FILES,
) -> list[Path]:
    """Unpack the files of a zip or tar (plain, gzip, bzip2 or xz) into a folder.

    Folders that hold no file are left out. Files of the same name that lie in the target are replaced. Permissions and
    owners of the archive are not taken over.

    Args:
        archive: the file.
        target: the folder; it is made.
        holds: names that must lie in one folder of the archive, whichever; that folder becomes ``target``, and what
            lies beside it is left out. Empty for the archive as it is.
        most_bytes, most_files: more than this is refused, whatever the archive says of itself.

    Returns:
        the unpacked files.

    Raises:
        InputError: the archive is damaged, of another kind, too large, or holds a member that would leave the target,
            a link or a device, or no folder with what it should hold; nothing has then appeared in the target.
    """
    archive, target = Path(archive), Path(target)
    target.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=target, prefix=".unpacking-")))
        try:
            paths = _unpack_into(room, archive, _members(archive, stack), most_bytes, most_files)
            root = _folder_with(holds, room, archive)
            moved = [target / (room / path).relative_to(root) for path in paths if (room / path).is_relative_to(root)]
            for there in moved:
                there.parent.mkdir(parents=True, exist_ok=True)
                os.replace(root / there.relative_to(target), there)
        except DAMAGED as error:
            raise InputError(f"{archive} is a damaged archive ({error}): remove it and fetch it again.") from error
        except OSError as error:
            full = error.errno in FULL
            todo = "make room there" if full else "check its permissions, and where the archive comes from"
            reason = error.strerror or error
            raise InputError(f"{archive} cannot be unpacked into {target} ({reason}): {todo}.") from error
    return moved


def _folder_with(names: Sequence[str], room: Path, archive: Path) -> Path:
    folders = [room, *(path for path in sorted(room.rglob("*")) if path.is_dir())]
    for folder in folders:
        if all((folder / name).exists() for name in names):
            return folder
    raise InputError(f"{archive} has no folder that holds {', '.join(names)}: it is another archive than expected.")


def _members(archive: Path, stack: ExitStack) -> Iterator[_Member]:
    """The files of an archive, links and devices refused."""
    if not archive.is_file():
        raise InputError(f"there is no archive {archive}: check the path.")
    if zipfile.is_zipfile(archive):
        packed = stack.enter_context(zipfile.ZipFile(archive))
        for info in packed.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, info.filename, "is a link or a device")
            if not info.is_dir():
                yield _Member(info.filename, info.file_size, lambda info=info: packed.open(info))
        return
    try:
        tar = stack.enter_context(tarfile.open(archive))  # noqa: SIM115, the stack closes it
    except tarfile.ReadError as error:
        raise InputError(f"{archive} is no zip or tar file: fetch it again, or check where it comes from.") from error
    for info in tar:
        if info.isfile() and not info.issparse():
            yield _Member(info.name, info.size, lambda info=info: tar.extractfile(info))
        elif not info.isdir():
            raise _refused(archive, info.name, "is a link, a device or a sparse file")
    while tar.fileobj.read(BLOCK):  # to the end, where the checksum of a packed file stands
        pass


def _unpack_into(
    room: Path, archive: Path, members: Iterator[_Member], most_bytes: int, most_files: int
) -> list[PurePosixPath]:
    left, paths = most_bytes, {}
    for member in members:
        path = _inner_path(archive, member.name)
        if member.size > left:
            raise _too_large(archive, most_bytes)
        if len(paths) == most_files:
            raise InputError(f"{archive} holds more than {most_files} files: unpack it by hand if you trust it.")
        (room / path).parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, open(room / path, "wb") as file:
            while block := source.read(BLOCK):
                left -= len(block)
                if left < 0:
                    raise _too_large(archive, most_bytes)
                file.write(block)
        paths[path] = None
    return list(paths)


def _inner_path(archive: Path, name: str) -> PurePosixPath:
    """Where a member goes below the target."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or DRIVE in name or "\0" in name or not path.parts:
        raise _refused(archive, name, "would be written outside the folder")
    return path


def _refused(archive: Path, name: str, why: str) -> InputError:
    return InputError(f"{archive} was not unpacked, as {name!r} in it {why}: do not use this file.")


def _too_large(archive: Path, most_bytes: int) -> InputError:
    return InputError(
        f"{archive} unpacks to more than {most_bytes / 1e9:g} GB and was not unpacked: do it by hand if you trust it."
    )
