"""What is written into a file when its turn comes: the objects of an image, or of all images of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from isegm.annotations.formats import FORMATS
from isegm.annotations.label_images import MASKS
from isegm.annotations.objects import stem_key
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

    Images without objects are left out; the file that one still has from before its objects were deleted becomes empty.
    The job returns a sentence about omissions, see ``annotations_in``.
    """

    here = folder.present.parent

    def begin() -> Callable[[], str]:
        present = session.history.present.annotations(session.image.name, with_draft, classes)
        worked_on = bool(present.objects) or session.history.had_objects

        def write() -> str:
            form = FORMATS[kind]
            if form.write_all is None:
                raise InputError(f"{form.label} holds one image: choose a format for all images of a folder.")
            if not form.ending_all and os.path.realpath(Path(path) / MASKS) == os.path.realpath(here):
                raise InputError(f"{here} holds the images themselves: choose another folder than {path}.")
            found, warning = annotations_in(folder, autosave, present if worked_on else None)
            there = form.there(path)
            form.write_all(path, [one for one in found if one.objects or stem_key(one.image_name) in there])
            return warning

        return write

    return begin
