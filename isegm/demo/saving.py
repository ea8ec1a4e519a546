"""What is written into a file: the objects of an image, or of all images of a folder, as of when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from isegm.annotations import Annotations
from isegm.annotations.formats import FORMATS
from isegm.annotations.label_images import MASKS
from isegm.annotations.objects import stem_key
from isegm.demo.annotation_session import AnnotationSession
from isegm.demo.image_folder import Folder
from isegm.demo.image_loading import annotations_in
from isegm.utils.errors import InputError

Begin = Callable[[], Callable[[], tuple[str, str]]]  # of a job that returns sentences for the status line and to show


def saving(
    path: str | Path, kind: str, session: AnnotationSession, classes: tuple[str, ...], with_draft: bool
) -> Begin:
    """Return the beginning of a job that writes the objects of an image, see ``Controller.save``."""
    objects = _objects(session, classes, with_draft)

    def begin() -> Callable[[], tuple[str, str]]:
        annotations, omission = objects()

        def write() -> tuple[str, str]:
            FORMATS[kind].write(path, annotations, session.image.pixels)
            return f"saved {path}{omission}", ""

        return write

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
    The sentence to show is about omissions, see ``annotations_in``.
    """
    here = folder.present.parent
    objects = _objects(session, classes, with_draft)

    def begin() -> Callable[[], tuple[str, str]]:
        present, omission = objects()
        worked_on = bool(present.objects) or session.history.had_objects

        def write() -> tuple[str, str]:
            form = FORMATS[kind]
            if form.write_all is None:
                raise InputError(f"{form.label} holds one image: choose a format for all images of a folder.")
            if not form.ending_all and os.path.realpath(Path(path) / MASKS) == os.path.realpath(here):
                raise InputError(f"{here} holds the images themselves: choose another folder than {path}.")
            found, warning = annotations_in(folder, autosave, present if worked_on else None)
            there = form.there(path)
            form.write_all(path, [one for one in found if one.objects or stem_key(one.image_name) in there])
            return f"saved {path}{omission}", warning

        return write

    return begin


def _objects(
    session: AnnotationSession, classes: tuple[str, ...], with_draft: bool
) -> Callable[[], tuple[Annotations, str]]:
    """Return what gives the objects of an image and a few words about an omission: those of now.

    While actions wait, it gives the objects that come of them, when it is called after these.
    """

    def take() -> tuple[Annotations, str]:
        document = session.history.present
        left_out = document.draft is not None and not with_draft
        omission = " without what is in progress" if left_out else ""
        return document.annotations(session.image.name, with_draft, classes), omission

    if not session.settled:
        return take
    now = take()
    return lambda: now
