"""A data set without code: a folder of images and a folder of masks."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from isegm.data.paired_files import PairedFiles, paired_files
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.images import read_image
from isegm.utils.inputs import require_index
from isegm.utils.log import logger
from isegm.utils.masks import read_labels
from isegm.utils.text_values import as_path

VALIDATION = 20  # about one image in 20 is kept for validation
HEAD = 16 * 1024  # bytes at the start of a file that, with its length, identify an image


class FolderDataset(PairedFiles):
    """Images in ``images/`` and id masks of the same stem in ``masks/``.

    In a mask 0 is background, 255 marks ignored pixels, and any other value is an object; palette images are read by
    index. A mask of 0 and 255 alone holds one object, 255. ``isegm.utils.masks.read_labels`` says the rest.

    Args:
        root: the folder that holds ``images/`` and ``masks/``.
        part: "train" leaves out about one image in 20, "val" takes only those, None takes all. The bytes of a file
            decide, so that copies of an image are in the same part, and an image stays in its part when others are
            added.
        allow_empty: a mask without any object gives a sample without objects and a warning instead of an error.

    Raises:
        InputError: another ``part``; a folder is missing or empty, images lack masks, or masks lack images (up to ten
            are named).
    """

    def __init__(self, root: str | Path, part: str | None = None, allow_empty: bool = False) -> None:
        if part not in (None, "train", "val"):
            raise InputError(f"part is {part!r}: it must be 'train', 'val' or None.")
        self.root = as_path(root, "the folder of a data set")
        self.name = Path(os.path.realpath(root)).name
        self.allow_empty = allow_empty
        self._warned: set[Path] = set()
        self._soft: set[Path] = set()
        self.pairs = paired_files(self.root, "images", "masks")
        if part is not None:
            held_out = _held_out([image for image, _ in self.pairs])
            self.pairs = [pair for pair in self.pairs if (pair[0] in held_out) == (part == "val")]

    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index`` with its objects.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask holds no object, or no object ids.
        """
        require_index(index, len(self), self.name)
        image_path, mask_path = self.pairs[index]
        image = read_image(image_path)
        labels = read_labels(mask_path)
        mask, ids = labels.pixels, list(labels.ids)
        if mask.shape != image.shape[:2]:
            raise InputError(
                f"{mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels, its image {image_path.name} "
                f"{image.shape[1]}x{image.shape[0]}: make them equal."
            )
        ignore = [] if labels.ignored is None else [labels.ignored]
        if ids == [255]:  # a mask of 0 and 255: the one object gets an id other than 255
            mask, ids = (mask == 255).astype(np.int32), [1]
        if not ids and not self.allow_empty:
            raise InputError(f"{mask_path} holds no object: every pixel is 0; draw one, or remove the image.")
        if not ids:
            if mask_path not in self._warned:
                logger.warning("%s holds no object: every pixel is 0", mask_path)
            self._warned.add(mask_path)
        return DSample.flat(image, mask, ids, ignore, sample_id=image_path.stem)

    def holds_object(self, mask: Path) -> bool:
        """Return whether a mask file holds an object.

        Raises:
            InputError: it is no mask of object ids, see ``read_labels``.
        """
        labels = read_labels(mask)
        if labels.soft:
            self._soft.add(mask)
        return bool(labels.ids)

    def check(self, samples: int | None = None) -> None:
        """Check the masks of the first ``samples`` images, None for all; a warning counts those with soft edges.

        Raises:
            InputError: see ``PairedFiles.check``.
        """
        super().check(samples)
        if self._soft:
            logger.warning(
                "%d masks of %s have soft edges, such as %s: the object is what is brighter than half",
                *(len(self._soft), self.root, min(self._soft).name),
            )


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
