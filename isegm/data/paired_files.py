"""Pairs of image and mask files with the same name."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

from isegm.data.checking import check_samples
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_mask, sha256
from isegm.utils.images import IMAGE_ENDINGS, MASK_ENDINGS, PHOTO_ENDINGS
from isegm.utils.opening import is_regular
from isegm.utils.text_values import as_path

NAMED = 10  # at most so many files are named in an error message


def list_files(folder: Path, endings: Sequence[str]) -> list[Path]:
    """List the files with one of the endings, sorted by name, without hidden files.

    Raises:
        InputError: the folder is missing or cannot be read, or holds folders, pipes, devices or broken links with such
            an ending (up to ten are named).
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: it should hold files ending in {', '.join(endings)}.")
    try:
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in endings and not p.name.startswith("."))
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read ({error.strerror}): check its permissions.") from error
    odd = [path.name for path in found if not is_regular(path)]
    if odd:
        raise InputError(
            f"{folder} holds {len(odd)} entries that are no regular files (a folder, a pipe, a device or a link that "
            f"leads nowhere): {name_some(odd)}; remove them."
        )
    return found


def name_key(name: str) -> str:
    """Return a name in one Unicode form, as macOS and zip files write accents in another one than keyboards do."""
    return normalize("NFC", name)


def name_some(names: Sequence[str]) -> str:
    """Join the first names for a message, with the number of the others."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def by_stem(files: Sequence[Path]) -> dict[str, Path]:
    """Index the files of one folder by the ``name_key`` of their stems.

    Raises:
        InputError: several files have the same stem (up to ten are named).
    """
    duplicates = sorted(stem for stem, count in Counter(name_key(path.stem) for path in files).items() if count > 1)
    if duplicates:
        raise InputError(
            f"{files[0].parent} holds several files of one name but for their endings: {name_some(duplicates)}; "
            "keep one of each."
        )
    return {name_key(path.stem): path for path in files}


def paired_files(root: str | Path, images: str, masks: str) -> list[tuple[Path, Path]]:
    """List pairs of images in ``root/images`` and masks of the same stem in ``root/masks``, sorted by name.

    Raises:
        InputError: a folder is missing or empty, images lack masks, masks lack images, or files of a folder have the
            same stem (up to ten are named).
    """
    root = as_path(root, "the folder of a data set")
    if not root.is_dir():
        raise InputError(f"there is no data folder {root}: it should hold {images}/ and {masks}/.")
    image_paths = list_files(root / images, IMAGE_ENDINGS)
    stems = by_stem(image_paths)
    unread = [path.name for path in list_files(root / images, PHOTO_ENDINGS) if name_key(path.stem) not in stems]
    if unread:
        raise InputError(
            f"{root / images} holds {len(unread)} photos in formats that are not read: {name_some(unread)}; convert "
            "them to JPEG, or remove them."
        )
    found = by_stem(list_files(root / masks, MASK_ENDINGS))
    if not image_paths:
        raise InputError(f"{root / images} holds no images: put files ending in .jpg or .png there.")
    without_mask = [path.name for stem, path in stems.items() if stem not in found]
    if without_mask:
        lossy = [
            path.name for path in list_files(root / masks, IMAGE_ENDINGS) if path.suffix.lower() not in MASK_ENDINGS
        ]
        beside = f" (it holds {name_some(lossy[:1])}, but only {', '.join(MASK_ENDINGS)} are read)" if lossy else ""
        raise InputError(
            f"{len(without_mask)} of {len(image_paths)} images in {root / images} have no mask of the same name in "
            f"{root / masks}{beside}: {name_some(without_mask)}; add their masks as .png, or remove them."
        )
    without_image = sorted(set(found) - set(stems))
    if without_image:
        raise InputError(
            f"{len(without_image)} masks in {root / masks} have no image of the same name: {name_some(without_image)}; "
            "add their images, or remove them."
        )
    return [(path, found[stem]) for stem, path in stems.items()]


class PairedFiles(ABC):
    """A data set of images with one mask file each.

    Attributes:
        name: shown in messages and reports.
        root: folder of the data set.
        pairs: (image, mask) paths, one pair per sample.
    """

    name: str
    root: Path
    pairs: list[tuple[Path, Path]]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def fingerprint(self) -> str:
        """Checksum of the path of the data set, of the names of its files and of all they hold, 32 hexadecimal digits.

        It differs for another data set of the same name, and after an edit.
        """
        checksums: dict[Path, str] = {}  # of several samples with one image
        digest = hashlib.sha256(str(self.root.resolve()).encode(errors="surrogateescape"))
        for pair in self.pairs:
            for path in pair:
                if path not in checksums:
                    checksums[path] = sha256(path)
                digest.update(f"\n{path.name}\n{checksums[path]}".encode(errors="surrogateescape"))
        return digest.hexdigest()[:32]

    def check(self, samples: int | None = None) -> None:
        """Check the first ``samples`` images and their masks, None for all.

        Raises:
            InputError: some images or masks are broken, or some masks hold no object (up to ten are named).
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
        first = {image: index for index, (image, _) in reversed(list(enumerate(pairs)))}  # of the samples of an image
        check_samples(self.get_sample, sorted(first.values()), self.name)

    @abstractmethod
    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index`` with its objects."""

    def holds_object(self, mask: Path) -> bool:
        """Return whether a mask file holds an object; here: whether any pixel is not 0."""
        return bool(read_mask(mask).any())
