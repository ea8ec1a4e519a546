"""What is written into a file when its turn comes: the objects of an image, or of all images of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from isegm.annotations.formats import FORMATS
from isegm.annotations.label_images import MASKS
from isegm.demo.annotation_session import AnnotationSession
from isegm.demo.image_folder import Folder
from isegm.demo.image_loading import annotations_in
from isegm.utils.errors import InputError

Begin = Callable[[], Callable[[], str | None]]  # of a job that returns a warning, or nothing


def saving(
    path: str | Path, kind: str, session: AnnotationSession, classes: tuple[str, ...], with_draft: bool
) -> Begin:
    """Return the beginning of a job that writes the objects of an image, see ``Controller.save``."""

    def begin() -> Callable[[], None]:
        annotations = session.history.present.annotations(session.image.name, with_draft, classes)
        return lambda: FORMATS[kind].write(path, annotations, session.image.pixels)

    return begin


def saving_folder(
    path: str | Path,
    kind: str,
    session: AnnotationSession,
    folder: Folder,
    autosave: Path | None,
    classes: tuple[str, ...],
    with_draft: bool,
) -> Begin:
    """Return the beginning of a job that writes the objects of a folder, see ``Controller.save_folder``.

    The job returns a sentence about omissions, see ``annotations_in``.
    """

    here = folder.present.parent

    def begin() -> Callable[[], str]:
        present = session.history.present.annotations(session.image.name, with_draft, classes)

        def write() -> str:
            write_all = FORMATS[kind].write_all
            if write_all is None:
                raise InputError(f"{FORMATS[kind].label} holds one image: choose a format for all images of a folder.")
            if not FORMATS[kind].ending_all and os.path.realpath(Path(path) / MASKS) == os.path.realpath(here):
                raise InputError(f"{here} holds the images themselves: choose another folder than {path}.")
            annotations, warning = annotations_in(folder, autosave, present)
            write_all(path, annotations)
            return warning

        return write

    return begin
