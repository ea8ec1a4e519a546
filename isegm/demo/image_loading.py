"""Reading images with their autosaved work, and masks and objects to start from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.formats import describe_left_out, holds_objects, read_annotations
from isegm.annotations.json_files import require_size
from isegm.demo.document import Document, Selected, without_protected
from isegm.demo.image_folder import Folder
from isegm.demo.inference_state import InferenceState
from isegm.demo.journal import (
    Journal,
    RecoveredWork,
    belongs,
    describe,
    is_journal,
    journal_path,
    open_journal,
    read_journal,
)
from isegm.demo.moved_work import COPIED, TWIN, FoundWork, KnownWork, adopt, find_work, known_work
from isegm.demo.pyramid import Pyramid
from isegm.inference.predictor import Predictor
from isegm.utils.errors import InputError
from isegm.utils.files import read_stretched, sha256
from isegm.utils.masks import read_start_mask

CHANGED = "objects of what has changed since or is gone"
UNFINISHED = "objects that are not finished"
DAMAGED = "what follows a damaged line of the autosaved work"
MOST_NAMES = 5  # largest number of names in a sentence


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """One image.

    Attributes:
        path: the image file.
        pixels: (H, W, 3) uint8 RGB.
        pyramid: the image in several sizes, for the screen.
    """

    path: Path
    pixels: np.ndarray
    pyramid: Pyramid

    @property
    def name(self) -> str:
        """File name, as in files of annotations."""
        return self.path.name

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.pixels.shape[:2]


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """An image that was opened.

    Attributes:
        folder: the images in its folder.
        inference_state: the network's state for it.
        journal: its autosave file; None without one.
        kept: earlier autosaved work; None for none.
        warning: sentence to show to the user, or "".
        notice: sentence for the status line, or "".
    """

    image: LoadedImage
    folder: Folder
    inference_state: InferenceState
    journal: Journal | None
    kept: RecoveredWork | None
    warning: str
    notice: str = ""

    def close(self) -> None:
        """Close the journal of an image that is not used after all."""
        if self.journal is not None:
            self.journal.close()


def open_image(path: Path, predictor: Predictor, autosave: Path | None, present: Journal | None) -> OpenedImage:
    """Read an image, start its session, and look for earlier work on it.

    Args:
        autosave: folder of the journals; None for no autosave.
        present: journal of the open image; if it is the same one, it is closed before it is read.

    Raises:
        InputError: the image cannot be read.
    """
    try:
        image, levels = read_stretched(path)
    except InputError as error:
        if path.is_file() and (is_journal(path) or holds_objects(path)):
            raise InputError(
                f'{path} holds objects, not an image: open their image, and read it with "Load objects".'
            ) from error
        raise
    notice = "" if levels is None else f"levels {levels[0]:g} to {levels[1]:g} of the file are shown as 0 to 255"
    loaded, folder = LoadedImage(path, image, Pyramid(image)), Folder.of(path)
    inference_state = InferenceState(predictor, image)
    inference_state.start()
    journal, kept, warning = None, None, ""
    if autosave is not None:
        try:
            header = describe(path, _checksum(path), _shown(image), loaded.size)
            if present is not None and present.path == journal_path(autosave, path):
                present.close()
            journal, kept, warning = open_journal(autosave, header)
            found = find_work(known_work(autosave), header, _unchanged) if kept is None else None
            if found is not None:
                notice = "; ".join(filter(None, (_origin(found), notice)))
            if found is not None and found.relation != TWIN:
                if present is not None and present.path == found.known.path:
                    present.close()
                adopt(found, autosave, header)
                journal, kept, more = open_journal(autosave, header)
                warning = " ".join(filter(None, (warning, more)))
            if kept is not None:
                kept.history.present.unpack()
        except InputError as error:
            journal, kept = None, None
            warning = f"{error} Until then, work on this image is not autosaved."
    return OpenedImage(loaded, folder, inference_state, journal, kept, warning, notice)


def _origin(found: FoundWork) -> str:
    """Where the work on an image comes from, for the status line."""
    earlier = found.known.image
    if found.relation == TWIN:
        return f'{earlier} is the same image: to take over its objects, use "Load objects" with {found.known.path}'
    verb = "the work on it was copied from" if found.relation == COPIED else "found by its content, it was"
    return f"{verb} {earlier}"


def _checksum(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check whether it is still there.") from error


def _shown(image: np.ndarray) -> str:
    """Checksum of the pixels of an image."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


def read_start(path: str, size: tuple[int, int], threshold: float) -> Selected:
    """Read the mask to start an object from: all objects of a mask file, see ``isegm.utils.masks.read_labels``.

    Of a colour image, what is brighter than half in red is the mask, as in RITM's program.

    Args:
        size: (H, W) of the image.
        threshold: the present threshold.

    Raises:
        InputError: the file cannot be read, the sizes differ, or the mask is empty.
    """
    if holds_objects(path) or is_journal(path):
        raise InputError(f'{path} holds objects, not a mask: read it with "Load objects".')
    return Selected(Region.of(read_start_mask(path, size, "the mask", first_channel=True)), threshold)


def _read_annotations(path: str, image_name: str, size: tuple[int, int]) -> Annotations:
    if not is_journal(path):
        return read_annotations(path, image_name, size)
    _, kept = read_journal(Path(path))
    if kept is None:
        raise InputError(f"{path} has no objects: it is cut off in its first line.")
    if kept.damage:
        raise InputError(
            f"{path} is damaged {kept.damage}: take out that line and all after it to read what is before."
        )
    present = kept.history.present
    require_size(Path(path), present.size, size)
    return present.annotations(image_name, with_draft=bool(present.selection))


@dataclass(frozen=True, eq=False)
class ReadObjects:
    """Objects from a file.

    Attributes:
        objects: those that were not there before.
        notice: sentence for the status line, or "".
        warning: sentence to show to the user, or "".
    """

    objects: tuple[AnnotatedObject, ...]
    notice: str = ""
    warning: str = ""


def read_new_objects(
    path: str, image_name: str, size: tuple[int, int], present: Sequence[AnnotatedObject]
) -> ReadObjects:
    """Read the objects of an image from a file of annotations (``read_annotations``) or from a journal of any image.

    An object in progress in a journal is read as if it were finished. Objects that the image has already, such as from
    the same file, are left out.

    Protected objects of the image keep their pixels: others come without these, and not at all where nothing is left.

    Args:
        path: the file.
        image_name: of the image, by which a file of several images is read.
        size: (H, W) of the image.
        present: objects of the image; each stands for one object of the file with exactly its pixels, in a label image
            also with exactly those that are visible.

    Raises:
        InputError: the file cannot be read, is damaged, or belongs to an image of another size.
    """
    annotations = _read_annotations(path, image_name, size)
    forms = [(item.number, item.region) for item in present]
    if not is_journal(path) and not holds_objects(path):
        labels = Annotations(image_name, size, tuple(present)).labels()
        forms += [(item.number, _visible(item, labels)) for item in present]
    there: dict[tuple[int, ...], list[tuple[int, Region]]] = {}
    for number, region in forms:
        there.setdefault(_box(region), []).append((number, region))
    fresh, found, hidden = [], set[int](), 0
    for item in annotations.objects:
        free = without_protected(item.region, present)
        twins = [
            number
            for region in (item.region, free)
            for number, other in there.get(_box(region), [])
            if number not in found and other.same(region)
        ]
        if twins:
            found.add(twins[0])
        elif item.region and not free:
            hidden += 1
        else:
            fresh.append(item if free is item.region else replace(item, region=free))
    left = [
        _left("there already", len(found)) if found else "",
        _left("under protected ones", hidden) if hidden else "",
    ]
    return ReadObjects(tuple(fresh), "; ".join(filter(None, left)), describe_left_out(path, annotations))


def _visible(item: AnnotatedObject, labels: np.ndarray) -> Region:
    """The pixels of an object that are its own in a label map of the image."""
    seen = labels[item.region.box] == item.number
    return Region.within(item.region.size, item.region.top, item.region.left, seen)


def _left(why: str, count: int) -> str:
    """What is said of objects that are not loaded."""
    return f"1 object was {why} and was left out" if count == 1 else f"{count} objects were {why} and were left out"


def _box(region: Region) -> tuple[int, ...]:
    return region.top, region.left, *region.shape


def annotations_in(folder: Folder, autosave: Path | None, present: Annotations | None) -> tuple[list[Annotations], str]:
    """Collect the annotations of a folder from its journals; images that never had objects are left out.

    Work on images that were renamed or moved is found by their content.

    Args:
        present: annotations of the open image; None to leave it out.

    Returns:
        the annotations, without objects where all were deleted; and a sentence that names the images with omissions:
        those that are gone or have changed since, those with unfinished objects, and those with damaged journals; ""
        for none.

    Raises:
        InputError: a journal cannot be read.
    """
    found: list[Annotations] = []
    left_out: dict[str, list[str]] = {CHANGED: [], UNFINISHED: [], DAMAGED: []}
    vanished = [os.path.abspath(path) for path in folder.images if not path.is_file()]  # since the folder was listed
    known = [] if autosave is None else known_work(autosave)
    known = [each for each in known if str(each.image) not in vanished]
    for path in folder.images:
        if path == folder.present:
            found += [] if present is None else [present]
        elif autosave is not None:
            document, omissions = _document(path, journal_path(autosave, path), known)
            found += [] if document is None else [document.annotations(path.name)]
            for omission in omissions:
                left_out[omission].append(path.name)
    return found, _left_out(left_out)


def _document(path: Path, own: Path, known: Sequence[KnownWork]) -> tuple[Document | None, list[str]]:
    """The autosaved document of an image that is not open, None if it never had objects, and its omissions.

    Args:
        own: the image's journal, which may be missing.
        known: all journals.
    """
    header, kept = read_journal(own) if own.is_file() else ({}, None)
    document, omissions = _contents(kept)
    if kept is not None and ((not omissions and document is None) or _unchanged(path, header)):
        return document, omissions
    moved = moved_journal(
        path, [each for each in known if each.path != own and (kept is not None or each.may_be(path))]
    )
    if moved is not None:
        return _contents(read_journal(moved)[1])
    emptied = document is not None and not document.objects and not omissions
    changed = [CHANGED] if kept is not None and not emptied else []
    return None, [*(each for each in omissions if each == DAMAGED), *changed]


def _contents(kept: RecoveredWork | None) -> tuple[Document | None, list[str]]:
    """The document of a journal and its omissions; None if it never had objects, or damage may hide them."""
    if kept is None:
        return None, []
    document = kept.history.present
    unfinished = document.draft is not None or bool(kept.unfinished)
    omissions = [*([DAMAGED] if kept.damage else []), *([UNFINISHED] if unfinished else [])]
    worked_on = bool(document.objects) or (kept.history.had_objects and not kept.damage)
    return document if worked_on else None, omissions


def moved_journal(path: Path, known: Sequence[KnownWork]) -> Path | None:
    """Find, among ``known``, the journal of an image that was renamed, moved, or copied with its folder.

    Returns:
        its path; None for none.
    """
    if not known:
        return None
    try:
        digest = _checksum(path)
        size = next((each.header["size"] for each in known if each.header.get("sha256") == digest), None)
        pixels = ""
        if size is None and any(each.image.name == path.name for each in known):  # of the same pixels, perhaps
            image, _ = read_stretched(path)
            pixels, size = _shown(image), image.shape[:2]
    except InputError:  # it is gone, or no longer an image
        return None
    if size is None:
        return None
    found = find_work(known, describe(path, digest, pixels, tuple(size)), _unchanged)
    return None if found is None or found.relation == TWIN else found.known.path


def _unchanged(path: Path, header: Mapping[str, Any]) -> bool:
    """Whether an image is still the one that a journal's first line describes."""
    try:
        if _checksum(path) == header.get("sha256"):
            return True
        image, _ = read_stretched(path)
    except InputError:  # it is gone, or no longer an image
        return False
    return belongs(header, describe(path, "", _shown(image), image.shape[:2]))


def _left_out(names: Mapping[str, Sequence[str]]) -> str:
    """A sentence about the images with omissions; "" for none."""
    parts = []
    for what, those in names.items():
        more = [f"{len(those) - MOST_NAMES} more"] if len(those) > MOST_NAMES else []
        if those:
            parts.append(f"{what} in {len(those)} of the images ({', '.join([*those[:MOST_NAMES], *more])})")
    return f"not in the file are: {'; '.join(parts)}. Open these images to see to it." if parts else ""
