"""Unpacking of zip and tar files from other people.

``zipfile`` and ``tarfile`` read them into a temporary folder, and names, kinds and sizes of all members are checked on
the way. Files are moved to the target once everything is unpacked. What is read into memory at once is bounded, and so
is what an archive of a given size may unpack to.
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from isegm.utils.errors import InputError
from isegm.utils.locks import hold_lock

MOST_BYTES = 64 << 30
MOST_FILES = 2_000_000
MOST_RATIO = 100  # of the bytes that an archive unpacks to and its own; images and annotations pack up to ten times
ANY_RATIO = 1 << 30  # bytes that any archive may unpack to
MOST_AT_ONCE = 1 << 20  # bytes of a header of a tar file
MOST_BEHIND = 1 << 24  # bytes behind the end of a tar file; programs fill up the last block with zeros
MOST_DICTIONARY = 1 << 28  # bytes of memory that an xz file asks for; those of xz -9 ask for a quarter
BLOCK = 1 << 20
UNPACKING = ".unpacking-"
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    RuntimeError,
    ValueError,  # numbers and names in headers
    OverflowError,
)
FULL = (errno.ENOSPC, errno.EDQUOT)
DRIVE = ":"  # of C:\..., which is absolute on Windows and an ordinary name elsewhere


def unpack(
    archive: str | Path,
    target: str | Path,
    holds: Sequence[str] = (),
    most_bytes: int = MOST_BYTES,
    most_files: int = MOST_FILES,
) -> list[Path]:
    """Unpack the files of a zip or tar (plain, gzip, bzip2 or xz) into a folder.

    Empty folders are left out. Existing files of the same name are replaced. Permissions and owners are ignored.

    Args:
        archive: the file.
        target: the folder; it is created.
        holds: names that must lie side by side in some folder of the archive. That folder becomes ``target``, and
            what lies beside it is left out. Empty: unpack the archive as it is.
        most_bytes: refuse archives that unpack to more.
        most_files: refuse archives with more members.

    Returns:
        the unpacked files.

    Raises:
        InputError: the archive is missing, damaged, of another kind or too large; it holds a link, a device or a path
            outside the target; or no folder of it has what it should hold. No file has then appeared in the target.
    """
    archive, target = Path(archive), Path(target)
    if not archive.is_file():
        raise InputError(f"there is no archive {archive}: check the path.")
    with hold_lock(target / ".unpacking.lock", str(target), "wait until it has unpacked what it fetched"):
        for left in target.glob(f"{UNPACKING}*"):  # by a program that was killed
            shutil.rmtree(left, ignore_errors=True)
        return _unpack(archive, target, holds, most_bytes, most_files)


def _unpack(archive: Path, target: Path, holds: Sequence[str], most_bytes: int, most_files: int) -> list[Path]:
    try:
        most_bytes = min(most_bytes, max(ANY_RATIO, MOST_RATIO * archive.stat().st_size))
        members = _Members(archive, target, most_bytes, most_files)
        with tempfile.TemporaryDirectory(dir=target, prefix=UNPACKING) as temporary:
            folder = Path(temporary)
            if zipfile.is_zipfile(archive):
                _extract_zip(archive, folder, members)
            else:
                _extract_tar(archive, folder, members)
            root = _folder_with(holds, folder, archive)
            return [_move(path, target / path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{archive} is a damaged archive ({error}): remove it and fetch it again.") from error
    except OSError as error:
        full = error.errno in FULL
        todo = "make room there" if full else "check its permissions, and where the archive comes from"
        reason = error.strerror or error
        raise InputError(f"{archive} cannot be unpacked into {target} ({reason}): {todo}.") from error


class _Members:
    """Check the members of an archive one by one.

    Args:
        archive: for messages.
        target: folder whose disk they must fit on.
        most_bytes, most_files: limits on all members together.
    """

    def __init__(self, archive: Path, target: Path, most_bytes: int, most_files: int) -> None:
        self.archive, self.target = archive, target
        self.free_bytes = shutil.disk_usage(target).free
        self.most_bytes, self.most_files = most_bytes, most_files
        self.bytes = self.files = 0

    def check(self, name: str, size: int, is_file: bool, is_folder: bool) -> None:
        """Refuse a member by its name, its kind, or what all so far add up to.

        Raises:
            InputError: it is refused.
        """
        path = PurePosixPath(name)
        if not (is_file or is_folder):
            raise self._refused(name, "is a link, a device or a sparse file")
        if path.is_absolute() or ".." in path.parts or DRIVE in name or "\0" in name or not (path.parts or is_folder):
            raise self._refused(name, "would be written outside the folder")
        self.bytes += size
        self.files += 1
        if self.bytes > self.most_bytes:
            raise InputError(
                f"{self.archive} unpacks to more than {self.most_bytes / 1e9:g} GB and was not unpacked: do it by hand "
                "if you trust it."
            )
        if self.bytes > self.free_bytes:
            raise InputError(f"{self.archive} unpacks to more than is free in {self.target}: make room there.")
        if self.files > self.most_files:
            raise InputError(
                f"{self.archive} holds more than {self.most_files} files and folders: unpack it by hand if you trust "
                "it."
            )

    def _refused(self, name: str, why: str) -> InputError:
        return InputError(f"{self.archive} was not unpacked, as {name!r} in it {why}: do not use this file.")


def _extract_zip(archive: Path, folder: Path, members: _Members) -> None:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            info.filename = _with_slashes(info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
            plain, is_folder = kind in (0, stat.S_IFREG, stat.S_IFDIR), info.filename.endswith("/")
            members.check(info.filename, info.file_size, plain and not is_folder, plain and is_folder)
        packed.extractall(folder, packed.infolist())  # reads a member up to its size, checks its checksum


def _extract_tar(archive: Path, folder: Path, members: _Members) -> None:
    with archive.open("rb") as file:
        try:
            tar = _BoundedTar.open(fileobj=file)
        except tarfile.ReadError as error:
            raise InputError(
                f"{archive} is no zip or tar file ({error}): fetch it again, or check where it comes from."
            ) from error
        with tar:
            for info in tar:
                name = _with_slashes(info.name)
                members.check(name, info.size, info.isfile() and not info.issparse(), info.isdir())
                _write_member(tar, info, folder / name)
            assert isinstance(tar.fileobj, _BoundedReads)  # as for every open archive
            _check_end(tar.fileobj)


def _write_member(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> None:
    """Write a checked file or folder of an archive with the usual owner and rights.

    ``TarFile.extractall`` with its filter "data" does the same in newer Pythons; that of Debian 12 has no filters.
    """
    (path if info.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
    packed = tar.extractfile(info)  # None for a folder
    if packed is not None:
        with packed, path.open("wb") as file:
            shutil.copyfileobj(packed, file, BLOCK)


def _check_end(file: _BoundedReads) -> None:
    """Check that a tar archive ends where ``tarfile`` stopped, which it also does at a damaged header.

    The rest is read to the end, where a gzip file has its checksum.
    """
    if file.last.strip(b"\0"):
        raise tarfile.HeaderError("a header is broken")
    behind = 0
    while block := file.read(BLOCK):
        behind += len(block)
        if behind > MOST_BEHIND:
            raise tarfile.HeaderError(f"more than {MOST_BEHIND} bytes behind its end")


class _BoundedReads:
    """The file of a tar archive, of which only so much is read into memory at once.

    ``tarfile`` reads the files of an archive in small pieces, but a header in one piece, of the length that the header
    itself gives.

    Attributes:
        last: bytes that were read last.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_AT_ONCE:
            raise tarfile.HeaderError(f"a header of {size} bytes")
        self.last = self._file.read(size)
        return self.last

    def __getattr__(self, name: str) -> Any:  # seek, tell, close and what else a file has
        return getattr(self._file, name)


class _BoundedTar(tarfile.TarFile):
    """A tar archive that is read through ``_BoundedReads``, whatever it is packed with."""

    @classmethod
    def taropen(cls, name: Any, mode: Any = "r", fileobj: Any = None, **options: Any) -> _BoundedTar:
        return super().taropen(name, mode, _BoundedReads(fileobj), **options)

    @classmethod
    def xzopen(cls, name: Any, mode: Any = "r", fileobj: Any = None, preset: Any = None, **options: Any) -> _BoundedTar:
        unpacked = io.BufferedReader(_BoundedXz(fileobj), BLOCK)
        try:
            return cls.taropen(name, mode, unpacked, **options)
        except (EOFError, lzma.LZMAError) as error:  # another kind of file, which ``tarfile`` goes on to try
            raise tarfile.ReadError("not an lzma file") from error


class _BoundedXz(io.RawIOBase):
    """What an xz file unpacks to; no part of it may ask for more memory than ``MOST_DICTIONARY``.

    Args:
        file: open for reading at its start.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rewind()

    def _rewind(self) -> None:
        self._file.seek(0)
        self._at, self._decompressor = 0, lzma.LZMADecompressor(memlimit=MOST_DICTIONARY)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation("an xz file tells no length")
        if offset < self._at:
            self._rewind()
        while self._at < offset and self.read(min(offset - self._at, BLOCK)):
            pass
        return self._at

    def readinto(self, buffer: Any) -> int:
        unpacked = b""
        while not unpacked:
            packed = b""
            if self._decompressor.eof:  # further streams may follow, and zeros between them
                packed = self._decompressor.unused_data.lstrip(b"\0")
                while not packed and (more := self._file.read(BLOCK)):
                    packed = more.lstrip(b"\0")
                if not packed:
                    return 0
                self._decompressor = lzma.LZMADecompressor(memlimit=MOST_DICTIONARY)
            elif self._decompressor.needs_input:
                packed = self._file.read(BLOCK)
                if not packed:
                    raise EOFError("it is cut off")
            unpacked = self._decompress(packed, len(buffer))
        buffer[: len(unpacked)] = unpacked
        self._at += len(unpacked)
        return len(unpacked)

    def _decompress(self, packed: bytes, most: int) -> bytes:
        try:
            return self._decompressor.decompress(packed, most)
        except lzma.LZMAError as error:
            if "limit" not in str(error):
                raise
            raise InputError(
                f"{self._file.name} takes more than {MOST_DICTIONARY >> 20} MiB of memory to be unpacked: pack it "
                "again, with xz -9 for example."
            ) from error


def _with_slashes(name: str) -> str:
    """Write a member's name as archives should; some programs on Windows separate folders by backslashes."""
    return name.replace("\\", "/")


def _folder_with(names: Sequence[str], folder: Path, archive: Path) -> Path:
    """Find the folder, ``folder`` itself or one below it, that holds all of the names."""
    for candidate in (folder, *sorted(path for path in folder.rglob("*") if path.is_dir())):
        if all((candidate / name).exists() for name in names):
            return candidate
    raise InputError(f"{archive} has no folder that holds {', '.join(names)}: it is another archive than expected.")


def _move(path: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, target)
    return target
