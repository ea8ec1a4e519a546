"""OpenImages' object masks (Benenson et al. 2019): ``<split>/images``, ``<split>/masks`` and an index of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from isegm.data.datasets.base import RandomReader, read_pickle, readable, require_files, wrong_format
from isegm.data.sample import DSample
from isegm.utils.files import read_image
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path

INDEX = "{}-annotations-object-segmentation_clean.pkl"


class OpenImagesDataset(RandomReader):
    """OpenImages: one random object of each image.

    Args:
        root: the folder with ``train/``, ``validation/`` and ``test/``.
        split: one of these; its folder holds the index that ``isegm convert`` makes.

    Raises:
        InputError: the index is missing, is not one of OpenImages, or names files that are missing.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.folder = as_path(root, "the folder of a data set") / split
        self.name = f"OpenImages_{split}"
        index = self.folder / INDEX.format(split)
        content = read_pickle(index)
        try:
            masks, names = content["image_id_to_masks"], list(content["dataset_samples"])
        except (LookupError, TypeError, ValueError) as error:
            raise wrong_format(index, "an index of OpenImages") from error
        records = ((name, masks) for name in names)
        self.items = readable(records, _item, index, "an index of OpenImages")
        files = (path for name, masks in self.items for path in self._paths(name, *masks))
        require_files(files, index)

    def _paths(self, name: str, *masks: str) -> list[Path]:
        return [self.folder / "images" / f"{name}.jpg", *(self.folder / "masks" / mask for mask in masks)]

    def __len__(self) -> int:
        return len(self.items)

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read the image at ``index`` with a random one of its objects; no object if its mask is empty.

        Image and mask come in different sizes; both are resized to the smaller height and the smaller width.

        Raises:
            InputError: a file does not decode.
        """
        require_index(index, len(self), self.name)
        name, masks = self.items[index]
        image_path, mask_path = self._paths(name, masks[int(rng.integers(len(masks)))])
        image, mask = read_image(image_path), (read_image(mask_path).max(axis=2) > 0).astype(np.uint8)
        height, width = np.minimum(image.shape[:2], mask.shape).tolist()
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        if mask.shape != (height, width):
            mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        return DSample.flat(image, mask, [1] if mask.any() else [], sample_id=name)


def _item(name: Any, masks: Any) -> tuple[str, list[str]]:
    """Parse an entry of the index: (image, its masks)."""
    own = masks[name]
    if not own or not isinstance(own, (list, tuple, set)) or not all(isinstance(one, str) for one in (name, *own)):
        raise TypeError(f"{name} of OpenImages has no masks, or is named by something other than text")
    return name, list(own)
