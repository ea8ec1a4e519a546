"""A data set without code: a folder of images and a folder of masks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from isegm.data.paired_files import PairedFiles, name_some, paired_files
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, read_mask
from isegm.utils.log import logger

VALIDATION = 20  # about one image in 20 is kept for validation
HEAD = 16 * 1024  # bytes at the start of a file that, with its length, identify an image


class FolderDataset(PairedFiles):
    """Images in ``images/`` and id masks of the same stem in ``masks/``.

    In a mask 0 is background, 255 marks ignored pixels, and any other value is an object; palette images are read by
    index. A mask of 0 and 255 alone holds one object, 255.

    Args:
        root: the folder that holds ``images/`` and ``masks/``.
        part: "train" leaves out about one image in 20, "val" takes only those, None takes all. The bytes of a file
            decide, so that copies of an image are in the same part, and an image stays in its part when others are
            added.
        allow_empty: a mask without any object gives a sample without objects and a warning instead of an error.

    Raises:
        InputError: a folder is missing or empty, images lack masks, or masks lack images (up to ten are named).
        ValueError: another ``part``.
    """

    def __init__(self, root: str | Path, part: str | None = None, allow_empty: bool = False) -> None:
        if part not in (None, "train", "val"):
            raise ValueError(f"part is {part!r}: it must be 'train', 'val' or None")
        self.root = Path(root)
        self.name = self.root.resolve().name
        self.allow_empty = allow_empty
        self._warned: set[Path] = set()
        self.pairs = paired_files(self.root, "images", "masks")
        if part is not None:
            held_out = _held_out([image for image, _ in self.pairs])
            self.pairs = [pair for pair in self.pairs if (pair[0] in held_out) == (part == "val")]

    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index`` with its objects.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask holds no object.
        """
        image_path, mask_path = self.pairs[index]
        image = read_image(image_path)
        mask = read_mask(mask_path)
        if mask.shape != image.shape[:2]:
            raise InputError(
                f"{mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels, its image {image_path.name} "
                f"{image.shape[1]}x{image.shape[0]}: make them equal."
            )
        values = np.unique(mask)
        ids = [int(value) for value in values if value not in (0, 255)]
        if ids and ids != list(range(1, len(ids) + 1)) and np.count_nonzero(mask == 255) > np.isin(mask, ids).sum():
            raise InputError(
                f"{mask_path} has more pixels of 255 than of {name_some([str(value) for value in ids])} together, as "
                "if 255 were the object and the rest its soft edge: make it 0 and 255 alone; or, if these are ids and "
                "255 is to be ignored, number the objects 1, 2, ..."
            )
        ignore = [255] if 255 in values else []
        if not ids and ignore:  # a mask of 0 and 255: the one object gets an id other than 255
            mask, ids, ignore = (mask == 255).astype(np.int32), [1], []
        if not ids and not self.allow_empty:
            raise InputError(f"{mask_path} holds no object: every pixel is 0; draw one, or remove the image.")
        if not ids:
            if mask_path not in self._warned:
                logger.warning("%s holds no object: every pixel is 0", mask_path)
            self._warned.add(mask_path)
        return DSample.flat(image, mask, ids, ignore, sample_id=image_path.stem)


def _held_out(images: list[Path]) -> set[Path]:
    """Choose the validation part: images whose checksum is divisible by ``VALIDATION``, else the lowest checksum."""
    checksums = {}
    for path in images:
        with path.open("rb") as file:
            digest = hashlib.sha256(file.read(HEAD) + str(path.stat().st_size).encode())
        checksums[path] = int(digest.hexdigest()[:12], 16)
    chosen = {path for path, checksum in checksums.items() if checksum % VALIDATION == 0}
    least = min(checksums.values())
    return chosen or {path for path, checksum in checksums.items() if checksum == least}
