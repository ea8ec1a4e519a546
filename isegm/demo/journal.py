"""Autosaved work: a journal file for each image, to which every action is added before it is carried out.

A killed program loses nothing that reached the file. Each line is a JSON object: the first one describes the image;
``{"id", "do", "values"}`` is a requested action, with ``"again"`` one that had been withdrawn before it was carried
out; ``{"of", ...}`` says that an action was carried out, with its outcome; ``{"undone"}`` and ``{"dropped"}`` that it
was not.

Lines are only added, with one exception: when a file is opened, its unreadable end is cut off. That is an incomplete
last line, or everything from a damaged line on, of which a copy is made first.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from isegm.demo.actions import Action, Outcome, outcome_to_json
from isegm.demo.replay import APPLICATION, HEADER, WRONG, RecoveredWork, replayed
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write
from isegm.utils.locks import lock_file
from isegm.utils.schema import mismatch

FORMAT = 1
ENDING, ASIDE = ".jsonl", ".old"  # of journals, and of those that were put aside
LONGEST_HEADER = 1 << 20  # bytes
APPENDING = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)


def default_folder() -> Path:
    """Return the autosave folder in the user's state folder of the operating system."""
    return platformdirs.user_state_path(APPLICATION, appauthor=False) / "autosave"


def journal_path(folder: Path, image: str | Path) -> Path:
    """The journal file of an image; images of the same name in different folders have different ones."""
    image = Path(image)
    digest = hashlib.sha256(os.fsencode(os.path.abspath(image))).hexdigest()[:16]
    return folder / f"{image.stem[:60]}_{digest}{ENDING}"


class Journal:
    """The journal file of one image, which is created with the first action.

    Args:
        path: path of the file.
        header: its first line, see ``describe``.
        last_id: id of the last action in the file.
        file: descriptor of the file, open for appending and locked; None before the file exists.
    """

    def __init__(self, path: Path, header: dict[str, Any], last_id: int = 0, file: int | None = None) -> None:
        self.path = path
        self._header = header
        self._last_id = last_id
        self._file = file
        self._failure: OSError | None = None

    def ask(self, action: Action, again: bool = False) -> int:
        """Note a requested action; returns its id.

        Args:
            again: whether the action is the next redo, see ``History.resume``.

        Raises:
            InputError: the file cannot be written, or another program is writing into it.
        """
        self._last_id += 1
        line = {"id": self._last_id, "do": action.kind, "values": dict(action.values)}
        self._write(line | {"again": True} if again else line)
        return self._last_id

    def done(self, identity: int, outcome: Outcome) -> None:
        """Note that an action was carried out."""
        self._write({"of": identity, **outcome_to_json(outcome)})

    def undone(self, identity: int) -> None:
        """Note that an action was withdrawn before it was carried out, and can be redone."""
        self._write({"undone": identity})

    def dropped(self, identity: int) -> None:
        """Note that an action could not be carried out, or is no longer wanted."""
        self._write({"dropped": identity})

    def sync(self) -> None:
        """Wait until the disk has everything, so that even a power cut loses nothing.

        May be called from any thread. If it fails, the next write raises the error.
        """
        file = self._file
        try:
            if file is not None:
                os.fsync(file)
        except OSError as error:
            self._failure = error

    def close(self) -> None:
        """Close and unlock the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: dict[str, Any]) -> None:
        lines = [line]
        try:
            if self._failure is not None:
                raise self._failure
            if self._file is not None and not os.fstat(self._file).st_nlink:
                raise InputError(
                    f"{self.path} was removed while its image is open: save the objects, and open the image again."
                )
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = _locked(self.path, os.O_CREAT | os.O_EXCL)
                lines = [self._header, line]
            text = "".join(json.dumps(each) + "\n" for each in lines).encode("ascii")
            if os.write(self._file, text) < len(text):
                raise OSError("it took only a part")
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written ({error.strerror or error}): make room there, or choose another folder "
                "with --autosave."
            ) from error


def describe(image: Path, digest: str, pixels: str, size: tuple[int, int]) -> dict[str, Any]:
    """The first line of an image's journal, by which ``belongs`` recognises the image.

    Args:
        digest: checksum of the image file.
        pixels: checksum of its pixels.
        size: (H, W) in pixels.
    """
    path = os.path.abspath(image)
    return {APPLICATION: FORMAT, "picture": path, "sha256": digest, "pixels": pixels, "size": list(size)}


def belongs(found: Mapping[str, Any], header: Mapping[str, Any]) -> bool:
    """Whether a journal with the first line ``found`` belongs to the image of ``header``: same file or same pixels.

    A file may change without its pixels, e.g. when a program writes a rating or a location into it.
    """
    same = [found.get(key) == header[key] for key in (APPLICATION, "size", "sha256", "pixels")]
    return all(same[:2]) and any(same[2:])


def open_journal(folder: Path, header: dict[str, Any]) -> tuple[Journal, RecoveredWork | None, str]:
    """Open the journal of an image and read its earlier work.

    A journal of an image that has changed since is renamed. A damaged journal is copied, and cut off at the damaged
    line.

    Args:
        folder: folder of the journals.
        header: from ``describe``.

    Returns:
        the journal, its earlier work (None for none), and a sentence about a renamed or copied file, or "".

    Raises:
        InputError: the file cannot be opened or renamed, or another program is writing to it.
    """
    path = journal_path(folder, Path(header["picture"]))
    try:
        if not path.is_file():
            return Journal(path, header), None, ""
        aside = next(name for name in _other_names(path) if not name.exists())
        with ExitStack() as stack:
            file = _locked(path)
            stack.callback(os.close, file)
            found, kept = read_journal(path)
            if kept is not None and belongs(found, header):
                warning = _put_copy_aside(path, kept, aside) if kept.damage else ""
                os.ftruncate(file, kept.length)
                stack.pop_all()
                return Journal(path, found, kept.last_id, file), kept, warning
        if kept is None:  # killed while the first line was written
            path.unlink()
            return Journal(path, header), None, ""
        path.rename(aside)
    except OSError as error:
        raise InputError(
            f"{path} cannot be opened for writing ({error.strerror}): check its permissions, or choose another folder "
            "with --autosave."
        ) from error
    if not found:
        return Journal(path, header), None, f"{path} is damaged in its first line: it was put aside as {aside}."
    warning = f'the image has changed: earlier work on it was put aside as {aside}, which "Load objects" reads.'
    return Journal(path, header), None, warning


def _put_copy_aside(path: Path, kept: RecoveredWork, aside: Path) -> str:
    """Copy a damaged file; returns a sentence about it."""
    with atomic_write(aside) as file:
        file.write(path.read_bytes())
        file.flush()
        os.fsync(file.fileno())
    lines = "the last line was" if kept.lost == 1 else f"the last {kept.lost} lines were"
    return f"{path} is damaged {kept.damage}: {lines} lost, what was done before is there. A copy is {aside}."


def is_journal(path: str | Path) -> bool:
    """Whether a file starts like a journal; False if it cannot be read."""
    return read_header(Path(path)) is not None


def read_header(path: Path) -> dict[str, Any] | None:
    """The first line of a journal; None if the file cannot be read, or is no journal."""
    try:
        if not path.is_file():
            return None
        with open(path, "rb") as file:
            found = json.loads(file.readline(LONGEST_HEADER))
    except (OSError, *WRONG):
        return None
    return found if mismatch(found, HEADER) is None else None


def read_journal(path: Path, checked: bool = True) -> tuple[dict[str, Any], RecoveredWork | None]:
    """Read the first line of a journal, and its work.

    Everything from a damaged line on is left out, see ``RecoveredWork.damage``.

    Args:
        checked: unpack and check all masks, which takes most of the time.

    Returns:
        the first line, {} if it is damaged; and the work, None without a complete first line.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
    lines = content.split(b"\n")[:-1]
    if not lines:
        return {}, None
    header, kept, read, damage = replayed(lines, checked)
    if damage:  # the damaged line may have been applied in part
        header, kept, _, _ = replayed(lines[:read], checked)
    kept.length = sum(len(line) + 1 for line in lines[:read])
    kept.damage, kept.lost = damage, len(lines) - read
    return header, kept


@contextmanager
def locked_journal(path: Path) -> Iterator[None]:
    """Keep other programs from writing to a journal.

    Raises:
        InputError: another program is writing to it.
        OSError: it cannot be opened for writing.
    """
    file = _locked(path)
    try:
        yield
    finally:
        os.close(file)


def _locked(path: Path, more: int = 0) -> int:
    """Open a file for appending and lock it; returns its descriptor."""
    occupied = f"{path} is written to by another window, which annotates the same image: close one of them."
    try:
        file = os.open(path, APPENDING | more, 0o666)
    except FileExistsError:  # another program has just created it
        raise InputError(occupied) from None
    try:
        free = lock_file(file)
    except OSError:
        os.close(file)
        if more & os.O_CREAT:
            path.unlink(missing_ok=True)
        raise
    if not free:
        os.close(file)
        raise InputError(occupied)
    return file


def _other_names(path: Path) -> Iterable[Path]:
    return (path.with_name(f"{path.stem}.{number}{ASIDE}") for number in range(1, 1 << 20))
