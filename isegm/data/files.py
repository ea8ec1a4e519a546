"""Folders of pictures and masks that belong together by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from isegm.utils.errors import InputError

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


def paired_files(root: str | Path, images: str, masks: str) -> list[tuple[Path, Path]]:
    """Pictures in ``root/images`` and the masks of the same name in ``root/masks``, sorted by name.

    Raises:
        InputError: a folder is missing or empty, pictures lack masks, or masks lack pictures (up to ten are named).
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"there is no data folder {root}: it should hold {images}/ and {masks}/.")
    pictures = list_files(root / images, IMAGE_ENDINGS)
    found = {path.stem: path for path in list_files(root / masks, MASK_ENDINGS)}
    if not pictures:
        raise InputError(f"{root / images} holds no pictures: put files ending in .jpg or .png there.")
    bare = [path.name for path in pictures if path.stem not in found]
    if bare:
        raise InputError(
            f"{len(bare)} of {len(pictures)} pictures in {root / images} have no mask of the same name in "
            f"{root / masks}: {name_some(bare)}; add their masks as .png, or remove them."
        )
    lost = sorted(set(found) - {path.stem for path in pictures})
    if lost:
        raise InputError(
            f"{len(lost)} masks in {root / masks} have no picture of the same name: {name_some(lost)}; "
            "add their pictures, or remove them."
        )
    return [(path, found[path.stem]) for path in pictures]


class PairedFiles:
    """A data set of pictures with one mask file each.

    Attributes:
        name: for people and log files.
        root: the folder in which its files lie.
        pairs: (picture, mask) paths, one pair a sample.
    """

    name: str
    root: Path
    pairs: list[tuple[Path, Path]]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def fingerprint(self) -> str:
        """Checksum of where the set lies and of its files' names: tells it from another set of the same name."""
        digest = hashlib.sha256(str(self.root.resolve()).encode())
        for image, mask in self.pairs:
            digest.update(f"\n{image.name}\n{mask.name}".encode())
        return digest.hexdigest()[:16]
