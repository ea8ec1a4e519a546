"""Medical evaluation sets of SimpleClick (Liu et al. 2023): every object of an image is clicked on its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from isegm.data.paired_files import PairedFiles, paired_files
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path


class MedicalDataset(PairedFiles):
    """Images, each with a mask file of several objects.

    Images without an object are passed over, as published: no click is made on them.

    Args:
        root: folder of the data set.

    Attributes:
        images, masks: folders below the root.

    Raises:
        InputError: a folder is missing or empty, images lack masks, or masks lack images.
    """

    images: str
    masks: str

    def __init__(self, root: str | Path) -> None:
        self.root = as_path(root, "the folder of a data set")
        self.pairs = paired_files(self.root, self.images, self.masks)

    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index`` with all of its objects.

        Raises:
            InputError: there is no such image, a file does not decode, or sizes differ.
        """
        require_index(index, len(self), self.name)
        image_path, mask_path = self.pairs[index]
        image = read_image(image_path)
        labels = self.labels(read_image(mask_path)[..., 2])  # blue, the first channel in OpenCV's order
        if labels.shape != image.shape[:2]:
            raise InputError(
                f"{mask_path} is {labels.shape[1]}x{labels.shape[0]} pixels, its image {image_path.name} "
                f"{image.shape[1]}x{image.shape[0]}: make them equal."
            )
        objects = [int(value) for value in np.unique(labels) if value]
        return DSample.flat(image, labels, objects, sample_id=image_path.stem)

    def holds_object(self, mask: Path) -> bool:
        """Return True: images without an object are passed over."""
        return True

    def labels(self, mask: np.ndarray) -> np.ndarray:
        """Convert the first channel of a mask, (H, W) uint8, to labels (H, W) int32: 0 background, others objects."""
        return mask.astype(np.int32)


class BratsDataset(MedicalDataset):
    """BraTS (Baid et al. 2021): 369 slices of brains, whose tumour is the object."""

    name, images, masks = "BraTS", "image", "annotation"

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return (mask > 0).astype(np.int32)


class SsTemDataset(MedicalDataset):
    """ssTEM (Gerhard et al. 2013): electron microscopy; every connected part of a mask is a mitochondrion.

    Pixels that touch at a corner alone are not connected.
    """

    name, images, masks = "ssTEM", "raw", "mitochondria"

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return cv2.connectedComponents((mask > 0).astype(np.uint8), connectivity=4)[1].astype(np.int32)


class OaiZibDataset(MedicalDataset):
    """OAI-ZIB (Ambellan et al. 2019): 150 slices of knees; every grey level of a mask but 0 is an object."""

    name, images, masks = "OAIZIB", "test/image", "test/annotations"
