"""The images of a folder and the position in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from isegm.annotations.formats import FORMATS
from isegm.data.datasets.samples import sample_names
from isegm.utils.errors import InputError
from isegm.utils.images import IMAGE_ENDINGS as ENDINGS
from isegm.utils.images import PHOTO_ENDINGS
from isegm.utils.opening import is_regular


@dataclass(frozen=True)
class Folder:
    """Images in natural order (2 before 10), and the present one.

    Attributes:
        images: image files; at least one.
        index: index of the present image in ``images``, from 0.
    """

    images: tuple[Path, ...]
    index: int = 0

    @classmethod
    def of(cls, path: str | Path) -> Folder:
        """The images of a folder, at the first one; or of an image's folder, at that image.

        Files that were saved beside an image under the proposed name, such as cat_mask.png beside cat.jpg, are left
        out, unless ``path`` is such a file. So are the test patterns, such as chessboards, beside the sample images.

        Raises:
            InputError: there is no such folder, it cannot be read, or it holds no image.
        """
        path = Path(path)
        folder = path if path.is_dir() else path.parent
        try:
            found = [each for each in folder.iterdir() if each.suffix.lower() in ENDINGS and is_regular(each)]
            others = [each for each in folder.iterdir() if each.suffix.lower() in PHOTO_ENDINGS]
        except OSError as error:
            raise InputError(f"the folder {folder} cannot be read ({error.strerror}): choose another one.") from error
        stems = {each.stem for each in found}
        saved = {saved_name(stem, kind).casefold() for stem in stems for kind in FORMATS}
        shown = (each for each in found if not each.name.startswith(".") and each.name.casefold() not in saved)
        names = sample_names(folder)
        images = sorted((each for each in shown if not names or each.name in names), key=_order)
        if path.is_dir():
            if not images:
                unread = f", and {len(others)} in formats that are not read, such as {others[0].name}" if others else ""
                raise InputError(
                    f"there are no images in {path}{unread}: it needs files that end in {', '.join(ENDINGS)}."
                )
            return cls(tuple(images))
        if path not in images:
            images = sorted([*images, path], key=_order)
        return cls(tuple(images), images.index(path))

    @property
    def present(self) -> Path:
        """The present image."""
        return self.images[self.index]

    def moved(self, step: int) -> Folder:
        """The folder at the image ``step`` positions further, at most at its ends."""
        return replace(self, index=min(max(self.index + step, 0), len(self.images) - 1))


def saved_name(stem: str, kind: str, ending: str = "") -> str:
    """The proposed file name for the annotations of an image, or of a folder.

    Args:
        stem: stem of the image's file name, or the folder's name.
        kind: a key of ``FORMATS``.
        ending: of the file; "" for the ending for one image.
    """
    return f"{stem}_{kind}{ending or FORMATS[kind].ending}"


def _order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort key: numbers by value, letters without case, then the file ending."""
    parts = re.split(r"(\d+)", path.stem.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name
