"""Reading images with their autosaved work, and masks and objects to start from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.formats import read_annotations
from isegm.annotations.json_files import require_size
from isegm.demo.document import Selected
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
from isegm.demo.pyramid import Pyramid
from isegm.inference.predictor import Predictor
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, read_stretched, sha256

CHANGED = "objects of what has changed since or is gone"
UNFINISHED = "objects that are not finished"
DAMAGED = "what follows a damaged line of the autosaved work"
MOST_NAMES = 5  # largest number of names in a sentence
MASK_ABOVE = 127  # level above which a pixel of a loaded mask is object


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
    image, levels = read_stretched(path)
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
            if kept is not None:
                kept.history.present.unpack()
        except InputError as error:
            warning = f"{error} Until then, work on this image is not autosaved."
    return OpenedImage(loaded, folder, inference_state, journal, kept, warning, notice)


def _checksum(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check whether it is still there.") from error


def _shown(image: np.ndarray) -> str:
    """Checksum of the pixels of an image."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


def read_start(path: str, size: tuple[int, int], threshold: float) -> Selected:
    """Read the mask to start an object from: pixels of an image file whose first channel is above 127.

    Args:
        size: (H, W) of the image.
        threshold: the present threshold.

    Raises:
        InputError: the file cannot be read, the sizes differ, or the mask is empty.
    """
    mask = read_image(path)[..., 0] > MASK_ABOVE
    if mask.shape != size:
        (height, width), (own_height, own_width) = size, mask.shape
        raise InputError(
            f"the mask is {own_width}x{own_height} pixels, the image {width}x{height}: load a mask of its size."
        )
    if not mask.any():
        raise InputError(f"the mask is empty, it has no pixel above {MASK_ABOVE}: make objects white (255).")
    return Selected(Region.of(mask), threshold)


def read_objects(path: str, image_name: str, size: tuple[int, int]) -> tuple[AnnotatedObject, ...]:
    """Read the objects of an image from a file of annotations (``read_annotations``) or from a journal of any image.

    An object in progress in a journal is read as if it were finished.

    Raises:
        InputError: the file cannot be read, is damaged, or belongs to an image of another size.
    """
    if not is_journal(path):
        return read_annotations(path, image_name, size).objects
    _, kept = read_journal(Path(path))
    if kept is None:
        raise InputError(f"{path} has no objects: it is cut off in its first line.")
    if kept.damage:
        raise InputError(
            f"{path} is damaged {kept.damage}: take out that line and all after it to read what is before."
        )
    present = kept.history.present
    require_size(Path(path), present.size, size)
    return present.annotations(image_name, with_draft=bool(present.selection)).objects


def annotations_in(folder: Folder, autosave: Path | None, present: Annotations) -> tuple[list[Annotations], str]:
    """Collect the annotations of a folder from its journals; images without objects are left out.

    Args:
        present: annotations of the open image.

    Returns:
        the annotations, and a sentence that names the images with omissions: those that are gone or have changed since,
        those with unfinished objects, and those with damaged journals; "" for none.

    Raises:
        InputError: a journal cannot be read.
    """
    found = []
    left_out: dict[str, list[str]] = {CHANGED: [], UNFINISHED: [], DAMAGED: []}
    for path in folder.images:
        if path == folder.present:
            found.append(present)
        elif autosave is not None and (journal := journal_path(autosave, path)).is_file():
            header, kept = read_journal(journal)
            if kept is None:
                continue
            if kept.damage:
                left_out[DAMAGED].append(path.name)
            document = kept.history.present
            unfinished = document.draft is not None or bool(kept.unfinished)
            if (document.objects or unfinished) and not _unchanged(path, header):
                left_out[CHANGED].append(path.name)
                continue
            if unfinished:
                left_out[UNFINISHED].append(path.name)
            found.append(document.annotations(path.name))
    return [annotations for annotations in found if annotations.objects], _left_out(left_out)


def _unchanged(path: Path, header: dict[str, Any]) -> bool:
    """Whether an image is still the one that a journal's first line describes."""
    try:
        if _checksum(path) == header["sha256"]:
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
