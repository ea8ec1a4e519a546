"""Medical evaluation sets of SimpleClick (Liu et al. 2023): every object of an image is clicked on its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from isegm.data.datasets.benchmarks import PairsDataset


class MedicalDataset(PairsDataset):
    """Images, each with a mask file of several objects; the first channel in OpenCV's order, blue, tells them.

    Images without an object are passed over, as published: no click is made on them.
    """

    allow_empty = True

    def holds_object(self, mask: Path) -> bool:
        """Return True: images without an object are passed over."""
        return True

    def values(self, labels: np.ndarray) -> tuple[list[int], list[int]]:
        """Return which labels (H, W) int32 are objects, all but 0, and that none is ignored."""
        return [value for value in np.unique(labels).tolist() if value], []

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return mask[..., 2].astype(np.int32)


class BratsDataset(MedicalDataset):
    """BraTS (Baid et al. 2021): 369 slices of brains, whose tumour is the object."""

    name, images, masks = "BraTS", "image", "annotation"

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return (mask[..., 2] > 0).astype(np.int32)


class SsTemDataset(MedicalDataset):
    """ssTEM (Gerhard et al. 2013): electron microscopy; every connected part of a mask is a mitochondrion.

    Pixels that touch at a corner alone are not connected.
    """

    name, images, masks = "ssTEM", "raw", "mitochondria"

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return cv2.connectedComponents((mask[..., 2] > 0).astype(np.uint8), connectivity=4)[1].astype(np.int32)


class OaiZibDataset(MedicalDataset):
    """OAI-ZIB (Ambellan et al. 2019): 150 slices of knees; every grey level of a mask but 0 is an object."""

    name, images, masks = "OAIZIB", "test/image", "test/annotations"
