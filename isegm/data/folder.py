"""A folder of pictures and a folder of masks: the data set that needs no code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.data.files import PairedFiles, paired_files
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, read_mask
from isegm.utils.log import logger

SOFT = 16  # so many values that do not count up from 1, beside 255, are the soft edge of a mask and no ids


class FolderDataset(PairedFiles):
    """Pictures in ``images/`` and id masks of the same stem in ``masks/``.

    A mask holds 0 for background, 255 for pixels to ignore, and any other value for an object; palette images count by
    index. A mask whose only values are 0 and 255 holds one object, 255.

    Args:
        root: the folder that holds ``images/`` and ``masks/``.
        part: (k, n) leaves out the k-th of every n pictures (training part), (k, -n) takes only these (validation
            part); None takes all.
        allow_empty: a mask without any object gives a sample without objects and a warning, instead of an error.

    Raises:
        InputError: a folder is missing or empty, pictures lack masks, or masks lack pictures (up to ten are named).
    """

    def __init__(self, root: str | Path, part: tuple[int, int] | None = None, allow_empty: bool = False) -> None:
        self.root = Path(root)
        self.name = self.root.resolve().name
        self.allow_empty = allow_empty
        self._told: set[Path] = set()
        pairs = paired_files(self.root, "images", "masks")
        if part is not None:
            residue, count = part
            pairs = [pair for index, pair in enumerate(pairs) if (index % abs(count) == residue) == (count < 0)]
        self.pairs = pairs

    def get_sample(self, index: int) -> DSample:
        """The ``index``-th picture with its objects.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask holds no object.
        """
        image_path, mask_path = self.pairs[index]
        image = read_image(image_path)
        mask = read_mask(mask_path)
        if mask.shape != image.shape[:2]:
            raise InputError(
                f"{mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels, its picture {image_path.name} "
                f"{image.shape[1]}x{image.shape[0]}: make them equal."
            )
        values = np.unique(mask)
        ids = [int(value) for value in values if value not in (0, 255)]
        if 255 in values and len(ids) > SOFT and ids != list(range(1, len(ids) + 1)):
            raise InputError(
                f"{mask_path} looks like a soft mask, with {len(ids)} values between 0 and 255: threshold it."
            )
        ignore = [255] if 255 in values else []
        if not ids and ignore:  # a mask of 0 and 255: the one object, under an id that nothing takes for ignored
            mask, ids, ignore = (mask == 255).astype(np.int32), [1], []
        if not ids and not self.allow_empty:
            raise InputError(f"{mask_path} holds no object: every pixel is 0; draw one, or remove the picture.")
        if not ids:
            if mask_path not in self._told:
                logger.warning("%s holds no object: every pixel is 0", mask_path)
            self._told.add(mask_path)
        return DSample.flat(image, mask, ids, ignore, sample_id=image_path.stem)
