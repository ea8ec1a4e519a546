"""Find the work on an image that was renamed, moved or copied, by the content of the image."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from isegm.demo.journal import ASIDE, ENDING, belongs, journal_path, locked_journal, read_header
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write

MOVED, COPIED, TWIN = range(3)  # what became of the image that a journal describes, best match first


@dataclass(frozen=True, eq=False)
class KnownWork:
    """A journal in the autosave folder.

    Attributes:
        path: its file.
        header: its first line, see ``describe``.
    """

    path: Path
    header: Mapping[str, Any]

    @property
    def image(self) -> Path:
        """The image file as it was named when the journal began."""
        return Path(self.header["picture"])

    @cached_property
    def astray(self) -> bool:
        """Whether there is no such image file any more, or the journal was put aside; found out once."""
        return self.path.suffix == ASIDE or not self.image.is_file()

    def may_be(self, path: Path) -> bool:
        """Whether the journal may be of an image that was renamed or moved to ``path``, or copied with its folder."""
        return self.image.name == path.name or self.astray


@dataclass(frozen=True, eq=False)
class FoundWork:
    """Work on an image that has no journal of its own.

    Attributes:
        known: the journal.
        relation: ``MOVED``: its image is no longer where it was. ``COPIED``: that is still there, and this image has
            the same name in another folder. ``TWIN``: that is still there, and this image has another name.
    """

    known: KnownWork
    relation: int


def known_work(folder: Path) -> list[KnownWork]:
    """List the journals of an autosave folder, newest first, then those that were put aside.

    Files that cannot be read, or are no journals, are left out.
    """
    try:
        files = [path for path in folder.iterdir() if path.suffix in (ENDING, ASIDE)]
    except OSError:  # there is no folder yet
        files = []
    files.sort(key=lambda path: (path.suffix == ASIDE, -_changed(path)))
    read = ((path, read_header(path)) for path in files)
    return [KnownWork(path, header) for path, header in read if header is not None]


def _changed(path: Path) -> int:
    """Time of the last change of a file in nanoseconds; 0 if another program has just removed it."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def find_work(
    known: Sequence[KnownWork], header: dict[str, Any], unchanged: Callable[[Path, Mapping[str, Any]], bool]
) -> FoundWork | None:
    """Find work on the same image under another name.

    Args:
        known: from ``known_work``.
        header: of the image, from ``describe``.
        unchanged: whether an image file is still the one that a first line describes.

    Returns:
        the best match, ``MOVED`` before ``COPIED`` before ``TWIN``, one of the same file name first; None for none.
    """
    path = Path(header["picture"])
    best: tuple[tuple[int, bool], FoundWork] | None = None
    for each in known:
        if belongs(each.header, header):
            relation = _relation(each, path, unchanged)
            rank = relation, each.image.name != path.name
            if best is None or rank < best[0]:
                best = rank, FoundWork(each, relation)
    return None if best is None else best[1]


def _relation(known: KnownWork, path: Path, unchanged: Callable[[Path, Mapping[str, Any]], bool]) -> int:
    earlier = known.image
    try:
        if not earlier.is_file() or not unchanged(earlier, known.header) or os.path.samefile(earlier, path):
            return MOVED
    except OSError:  # it has just been removed
        return MOVED
    return COPIED if earlier.name == path.name else TWIN


def adopt(found: FoundWork, folder: Path, header: Mapping[str, Any]) -> None:
    """Make found work that of an image, as its journal; that of an image that was only copied stays with it, too.

    Args:
        folder: the autosave folder.
        header: of the image.

    Raises:
        InputError: another program is writing to the journal, or files cannot be written.
    """
    path = found.known.path
    try:
        with (
            locked_journal(path),
            open(path, "rb") as old,
            atomic_write(journal_path(folder, header["picture"])) as new,
        ):
            old.readline()
            new.write(f"{json.dumps(dict(found.known.header) | dict(header))}\n".encode("ascii"))
            shutil.copyfileobj(old, new)
            new.flush()
            os.fsync(new.fileno())
        if found.relation == MOVED:
            path.unlink()
    except OSError as error:
        raise InputError(
            f"{path}, the work on this image under its earlier name, cannot be moved ({error.strerror}): check its "
            "permissions."
        ) from error
