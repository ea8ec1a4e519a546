"""The published evaluation sets with one object per image: GrabCut, Berkeley, DAVIS, COCO_MVal."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.data.paired_files import PairedFiles, paired_files
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image

OBJECT, IGNORED = 1, 2


class PairsDataset(PairedFiles):
    """One image, one mask, one object.

    Subclasses say where the files lie and how a mask's pixels are read.

    Attributes:
        images, masks: the folders below the root.
        allow_empty: a mask without an object gives a sample without objects, instead of an error.

    Raises:
        InputError: as ``paired_files``.
    """

    images: str
    masks: str
    allow_empty = False

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.pairs = paired_files(self.root, self.images, self.masks)

    def get_sample(self, index: int) -> DSample:
        """The ``index``-th image with its object.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask is empty and must not be.
        """
        image_path, mask_path = self.pairs[index]
        image = read_image(image_path)
        labels = self.labels(read_image(mask_path))
        if labels.shape != image.shape[:2]:
            raise InputError(
                f"{mask_path} is {labels.shape[1]}x{labels.shape[0]} pixels, its image {image_path.name} "
                f"{image.shape[1]}x{image.shape[0]}: make them equal."
            )
        objects = [OBJECT] if (labels == OBJECT).any() else []
        if not objects and not self.allow_empty:
            raise InputError(f"{mask_path} holds no object: no pixel is marked as one.")
        ignore = [IGNORED] if (labels == IGNORED).any() else []
        return DSample.flat(image, labels, objects, ignore, sample_id=image_path.stem)

    def holds_object(self, mask: Path) -> bool:
        """Whether any pixel of a mask file is marked as the object."""
        return bool((self.labels(read_image(mask)) == OBJECT).any())

    def labels(self, mask: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB image of a mask as (H, W) int32: 0 background, 1 object, 2 ignored."""
        return (mask.max(axis=2) > 0).astype(np.int32)


class BrightMasks(PairsDataset):
    """ClickSEG's rule: the object is what is brighter than 128 in OpenCV's first channel, which is blue."""

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return (mask[..., 2] > 128).astype(np.int32)


class GrabCutDataset(PairsDataset):
    """GrabCut (Rother et al. 2004): 50 images; 128 marks pixels to ignore, more than that the object."""

    name, images, masks = "GrabCut", "data_GT", "boundary_GT"

    def labels(self, mask: np.ndarray) -> np.ndarray:
        grey = mask[..., 2]  # published code reads the first channel of OpenCV's order, which is blue
        return (grey > 128).astype(np.int32) + IGNORED * (grey == 128).astype(np.int32)


class BerkeleyDataset(GrabCutDataset):
    """Berkeley (McGuinness and O'Connor 2010): 100 objects on 96 images."""

    name, images, masks = "Berkeley", "images", "masks"


class DavisDataset(PairsDataset):
    """DAVIS (Perazzi et al. 2016), the 345 frames that click methods are scored on: any colour is the object."""

    name, images, masks = "DAVIS", "img", "gt"


class CocoMValDataset(DavisDataset):
    """COCO_MVal: 800 COCO images with one object each, in the layout of DAVIS; any colour is the object.

    That is how RITM, SimpleClick, CFR-ICL and SegNext read it. ClickSEG and EMC-Click take only what is brighter than
    128, which is the same for masks of 0 and 255, and differs on soft edges: see ``CocoMValBrightDataset``.
    """

    name = "COCO_MVal"


class CocoMValBrightDataset(BrightMasks):
    """COCO_MVal as ClickSEG and EMC-Click read it: pixels of 128 and less are background."""

    name, images, masks = "COCO_MVal_CS", "img", "gt"
