"""Reading pictures with the work that was autosaved on them, and masks and objects to begin from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isegm.data.annotations import AnnotatedObject, Annotations, Region
from isegm.data.annotations.files import read_annotations
from isegm.demo.document import Selected
from isegm.demo.folder import Folder
from isegm.demo.journal import Journal, Kept, describe, journal_path, open_journal, read_journal
from isegm.demo.live import Live
from isegm.demo.pyramid import Pyramid
from isegm.inference.predictor import Predictor
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, read_stretched, sha256

MASK_ABOVE = 127  # level above which a pixel of a loaded mask is object


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture.

    Attributes:
        path: its file.
        image: (H, W, 3) uint8 RGB.
        pyramid: the same in several sizes, for the screen.
    """

    path: Path
    image: np.ndarray
    pyramid: Pyramid

    @property
    def name(self) -> str:
        """As files of annotations mention it."""
        return self.path.name

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.shape[:2]


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture that was opened.

    Attributes:
        folder: the pictures around it.
        live: the network's side of it.
        journal: what keeps the work on it; None for nothing.
        kept: what was autosaved earlier; None for nothing.
        warning: what people must be told, or "".
        notice: what they may want to know, or "".
    """

    picture: Picture
    folder: Folder
    live: Live
    journal: Journal | None
    kept: Kept | None
    warning: str
    notice: str = ""


def read_picture(path: Path, predictor: Predictor, autosave: Path | None, present: Journal | None) -> Opened:
    """Read a picture, show it to the network, and look for earlier work on it.

    Args:
        autosave: folder in which work is kept; None for nowhere.
        present: what keeps the work on the picture that is open; if it is the same one it is closed before it is read.

    Raises:
        InputError: it cannot be read.
    """
    image, levels = read_stretched(path)
    notice = "" if levels is None else f"levels {levels[0]:g} to {levels[1]:g} of the file are shown as 0 to 255"
    picture = Picture(path, image, Pyramid(image))
    live = Live(predictor, image)
    live.start()
    journal, kept, warning = None, None, ""
    if autosave is not None:
        try:
            if present is not None and present.path == journal_path(autosave, path):
                present.close()
            journal, kept, warning = open_journal(autosave, describe(path, sha256(path), picture.size))
        except InputError as error:
            warning = f"{error} Until then, work on this picture is not autosaved."
    return Opened(picture, Folder.of(path), live, journal, kept, warning, notice)


def read_start(path: str, size: tuple[int, int], threshold: float) -> Selected:
    """The mask to begin an object from: where the first channel of a picture file is above 127.

    Args:
        size: (H, W) of the picture.
        threshold: the present one.

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


def read_objects(path: str, picture: str, size: tuple[int, int]) -> tuple[AnnotatedObject, ...]:
    """The objects that a file has of a picture; see ``read_annotations``."""
    return read_annotations(path, picture, size).objects


def annotations_in(folder: Folder, autosave: Path | None, present: Annotations) -> Callable[[], list[Annotations]]:
    """Reads what is annotated in a folder, from what was autosaved; pictures without objects are left out.

    Args:
        present: of the picture that is open.
    """

    def read() -> list[Annotations]:
        found = []
        for picture in folder.pictures:
            if picture == folder.present:
                found.append(present)
            elif autosave is not None and (path := journal_path(autosave, picture)).is_file():
                _, kept = read_journal(path)
                if kept is not None:
                    found.append(kept.history.present.annotations(picture.name))
        return [annotations for annotations in found if annotations.objects]

    return read
