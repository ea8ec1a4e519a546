"""Walking through the pictures of a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from isegm.data.annotations.files import FORMATS
from isegm.utils.errors import InputError

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Folder:
    """Pictures in the order in which people count them (2 before 10), and the one that is looked at.

    Attributes:
        pictures: their files; at least one.
        place: which of them, from 0.
    """

    pictures: tuple[Path, ...]
    place: int = 0

    @classmethod
    def of(cls, path: str | Path) -> Folder:
        """The pictures of a folder, at the first one; or of a picture's folder, at that picture.

        What was saved beside a picture under the name that was proposed for it, such as cat_mask.png beside cat.jpg, is
        none of them, unless it is that picture.

        Raises:
            InputError: there is no such folder, it cannot be read, or it holds no picture.
        """
        path = Path(path)
        folder = path if path.is_dir() else path.parent
        try:
            found = [each for each in folder.iterdir() if each.suffix.lower() in ENDINGS and each.is_file()]
        except OSError as error:
            raise InputError(f"the folder {folder} cannot be read ({error.strerror}): choose another one.") from error
        stems = {each.stem for each in found}
        saved = {saved_name(stem, kind).casefold() for stem in stems for kind in FORMATS}
        shown = (each for each in found if not each.name.startswith(".") and each.name.casefold() not in saved)
        pictures = sorted(shown, key=_order)
        if path.is_dir():
            if not pictures:
                raise InputError(f"there are no pictures in {path}: it needs files that end in {', '.join(ENDINGS)}.")
            return cls(tuple(pictures))
        if path not in pictures:
            pictures = sorted([*pictures, path], key=_order)
        return cls(tuple(pictures), pictures.index(path))

    @property
    def present(self) -> Path:
        """The picture that is looked at."""
        return self.pictures[self.place]

    def moved(self, step: int) -> Folder:
        """Farther by ``step`` pictures, as far as there are some."""
        return replace(self, place=min(max(self.place + step, 0), len(self.pictures) - 1))


def saved_name(stem: str, kind: str) -> str:
    """The file name that is proposed for the annotations of a picture.

    Args:
        stem: of the picture.
        kind: a key of ``FORMATS``.
    """
    return f"{stem}_{kind}{FORMATS[kind].ending}"


def _order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Numbers in a name by their value, letters without their case, the ending last."""
    parts = re.split(r"(\d+)", path.stem.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name
