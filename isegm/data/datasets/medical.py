"""Medical evaluation sets of SimpleClick (Liu et al. 2023): every object of an image is clicked on its own."""

from __future__ import annotations

import cv2
import numpy as np

from isegm.data.datasets.benchmarks import NumberedObjects


class BratsDataset(NumberedObjects):
    """BraTS (Baid et al. 2021): 369 slices of brains, whose tumour is the object."""

    name, images, masks = "BraTS", "image", "annotation"

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return (mask[..., 2] > 0).astype(np.int32)


class SsTemDataset(NumberedObjects):
    """ssTEM (Gerhard et al. 2013): electron microscopy; every connected part of a mask is a mitochondrion.

    Pixels that touch at a corner alone are not connected.
    """

    name, images, masks = "ssTEM", "raw", "mitochondria"

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return cv2.connectedComponents((mask[..., 2] > 0).astype(np.uint8), connectivity=4)[1].astype(np.int32)


class OaiZibDataset(NumberedObjects):
    """OAI-ZIB (Ambellan et al. 2019): 150 slices of knees; every grey level of a mask but 0 is an object."""

    name, images, masks = "OAIZIB", "test/image", "test/annotations"
