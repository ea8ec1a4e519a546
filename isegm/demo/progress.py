"""How far the images of a folder are, from their autosaved work, found out beside the window."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from isegm.demo.document import Document
from isegm.demo.image_loading import moved_journal
from isegm.demo.journal import journal_path, read_journal
from isegm.demo.moved_work import KnownWork, known_work
from isegm.utils.errors import InputError


@dataclass(frozen=True)
class Progress:
    """How far an image is.

    Attributes:
        objects: number of finished objects.
        unfinished: whether an object is in progress.
    """

    objects: int = 0
    unfinished: bool = False

    @classmethod
    def of(cls, document: Document, in_progress: bool) -> Progress:
        """The progress of a document."""
        return cls(len(document.objects), in_progress)

    @property
    def done(self) -> bool:
        """Whether there are objects, all of them finished."""
        return bool(self.objects) and not self.unfinished


class FolderProgress:
    """Reads the journals of a folder's images in a thread of its own.

    Attributes:
        found: the progress of each image that was looked at.
    """

    def __init__(self) -> None:
        self.found: dict[Path, Progress] = {}
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._ended = Event()
        self._looking = 0  # number of folders that are still looked at

    @property
    def complete(self) -> bool:
        """Whether no image is left to look at."""
        return not self._looking

    def look(self, images: Sequence[Path], autosave: Path | None) -> None:
        """Begin to look at images; those that were looked at before are looked at again.

        Args:
            autosave: folder of the journals; None for no autosave.
        """
        if autosave is not None:
            self._looking += 1
            self._pool.submit(self._look, tuple(images), autosave)

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._pool.shutdown(cancel_futures=True)

    def _look(self, images: Sequence[Path], autosave: Path) -> None:
        try:
            known = known_work(autosave)
            for path in images:
                if self._ended.is_set():
                    return
                self.found[path] = progress_of(path, autosave, known)
        finally:
            self._looking -= 1


def progress_of(path: Path, autosave: Path, known: Sequence[KnownWork]) -> Progress:
    """Read the progress of an image, also if it was renamed or moved, from the folder of the journals.

    Args:
        known: all journals, from ``known_work``.
    """
    own = journal_path(autosave, path)
    try:
        journal = own if own.is_file() else moved_journal(path, [each for each in known if each.may_be(path)])
        kept = None if journal is None else read_journal(journal, checked=False)[1]
    except InputError:  # it may not be read, which is told when the image is opened
        return Progress()
    if kept is None:
        return Progress()
    document = kept.history.present
    return Progress.of(document, document.draft is not None or bool(kept.unfinished))
