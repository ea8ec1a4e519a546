"""Folders of images and masks that belong together by name."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from isegm.utils.errors import InputError
from isegm.utils.files import read_mask, sha256

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff")
NAMED = 10  # how many offending files an error message lists


def list_files(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Files with one of the endings, sorted by name; hidden and other files are passed over.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: it should hold files ending in {', '.join(endings)}.")
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in endings and not p.name.startswith("."))


def name_some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def by_stem(files: Sequence[Path]) -> dict[str, Path]:
    """Files of one folder by their names without endings.

    Raises:
        InputError: several share a name but for their endings (up to ten are named).
    """
    twice = sorted(stem for stem, count in Counter(path.stem for path in files).items() if count > 1)
    if twice:
        raise InputError(
            f"{files[0].parent} holds several files of one name but for their endings: {name_some(twice)}; "
            "keep one of each."
        )
    return {path.stem: path for path in files}


def paired_files(root: str | Path, images: str, masks: str) -> list[tuple[Path, Path]]:
    """Images in ``root/images`` and the masks of the same name in ``root/masks``, sorted by name.

    Raises:
        InputError: a folder is missing or empty, images lack masks, masks lack images, or files of a folder share
            a name but for their endings (up to ten are named).
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"there is no data folder {root}: it should hold {images}/ and {masks}/.")
    image_paths = list_files(root / images, IMAGE_ENDINGS)
    by_stem(image_paths)
    found = by_stem(list_files(root / masks, MASK_ENDINGS))
    if not image_paths:
        raise InputError(f"{root / images} holds no images: put files ending in .jpg or .png there.")
    bare = [path.name for path in image_paths if path.stem not in found]
    if bare:
        raise InputError(
            f"{len(bare)} of {len(image_paths)} images in {root / images} have no mask of the same name in "
            f"{root / masks}: {name_some(bare)}; add their masks as .png, or remove them."
        )
    lost = sorted(set(found) - {path.stem for path in image_paths})
    if lost:
        raise InputError(
            f"{len(lost)} masks in {root / masks} have no image of the same name: {name_some(lost)}; "
            "add their images, or remove them."
        )
    return [(path, found[path.stem]) for path in image_paths]


class PairedFiles:
    """A data set of images with one mask file each.

    Attributes:
        name: for people and log files.
        root: the folder in which its files lie.
        pairs: (image, mask) paths, one pair a sample.
    """

    name: str
    root: Path
    pairs: list[tuple[Path, Path]]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def fingerprint(self) -> str:
        """Checksum of where the set lies, its files' names, the sizes of its images' files and all of its masks.

        It tells the set from another one of the same name, and from itself before it was edited.
        """
        digest = hashlib.sha256(str(self.root.resolve()).encode())
        for image, mask in self.pairs:
            digest.update(f"\n{image.name}\n{image.stat().st_size}\n{mask.name}\n{sha256(mask)}".encode())
        return digest.hexdigest()[:16]

    def check(self, samples: int | None = None) -> None:
        """Look into the masks of the first ``samples`` images, None for all, before hours of work with them.

        Raises:
            InputError: a mask does not decode, or some hold no object (up to ten are named).
        """
        pairs = self.pairs[:samples]
        empty = [mask for _, mask in pairs if not self.holds_object(mask)]
        if empty:
            folder = Path(os.path.commonpath([mask.parent for _, mask in self.pairs]))
            names = name_some([str(mask.relative_to(folder)) for mask in empty])
            raise InputError(
                f"{len(empty)} of {len(pairs)} masks in {folder} hold no object: {names}; "
                "draw one in each, or remove them and their images."
            )

    def holds_object(self, mask: Path) -> bool:
        """Whether any pixel of a mask file is marked as an object's: here, whether any is not 0."""
        return bool(read_mask(mask).any())
