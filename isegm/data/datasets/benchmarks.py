"""Published evaluation sets of an image and a mask per sample: GrabCut, Berkeley, DAVIS, COCO_MVal, HARD."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.data.paired_files import PairedFiles, paired_files
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path

OBJECT, IGNORED = 1, 2


class PairsDataset(PairedFiles):
    """A data set of images with one mask each, and one object in it.

    Subclasses set the folders, how a mask's pixels are read, and which labels are objects.

    Attributes:
        images, masks: folders below the root.
        allow_empty: a mask without an object gives a sample without objects instead of an error.

    Raises:
        InputError: a folder is missing or empty, images lack masks, or masks lack images.
    """

    images: str
    masks: str
    allow_empty = False

    def __init__(self, root: str | Path) -> None:
        self.root = as_path(root, "the folder of a data set")
        self.pairs = paired_files(self.root, self.images, self.masks)

    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index`` with its object.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask is empty without ``allow_empty``.
        """
        require_index(index, len(self), self.name)
        image_path, mask_path = self.pairs[index]
        image = read_image(image_path)
        labels = self.labels(read_image(mask_path))
        if labels.shape != image.shape[:2]:
            raise InputError(
                f"{mask_path} is {labels.shape[1]}x{labels.shape[0]} pixels, its image {image_path.name} "
                f"{image.shape[1]}x{image.shape[0]}: make them equal."
            )
        objects, ignored = self.values(labels)
        if not objects and not self.allow_empty:
            raise InputError(f"{mask_path} holds no object: no pixel is marked as one.")
        return DSample.flat(image, labels, objects, ignored, sample_id=image_path.stem)

    def holds_object(self, mask: Path) -> bool:
        """Return whether any pixel of a mask file belongs to an object."""
        return bool(self.values(self.labels(read_image(mask)))[0])

    def values(self, labels: np.ndarray) -> tuple[list[int], list[int]]:
        """Return which labels (H, W) int32 are objects, and which are ignored, of those that are there."""
        there = set(np.unique(labels).tolist())
        return sorted(there & {OBJECT}), sorted(there & {IGNORED})

    def labels(self, mask: np.ndarray) -> np.ndarray:
        """Convert a mask image (H, W, 3) uint8 RGB to labels (H, W) int32: 0 background, 1 object, 2 ignored."""
        return (mask.max(axis=2) > 0).astype(np.int32)


class BrightMasks(PairsDataset):
    """ClickSEG's masks: the object is brighter than 128 in blue (docs/fidelity.md#first-channel-of-masks)."""

    def labels(self, mask: np.ndarray) -> np.ndarray:
        return (mask[..., 2] > 128).astype(np.int32)


class NumberedObjects(PairsDataset):
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


class GrabCutDataset(PairsDataset):
    """GrabCut (Rother et al. 2004): 50 images; 128 marks ignored pixels, brighter ones are the object."""

    name, images, masks = "GrabCut", "data_GT", "boundary_GT"

    def labels(self, mask: np.ndarray) -> np.ndarray:
        grey = mask[..., 2]  # blue, the first channel in OpenCV's order (docs/fidelity.md#first-channel-of-masks)
        return (grey > 128).astype(np.int32) + IGNORED * (grey == 128).astype(np.int32)


class BerkeleyDataset(GrabCutDataset):
    """Berkeley (McGuinness and O'Connor 2010): 100 objects on 96 images."""

    name, images, masks = "Berkeley", "images", "masks"


class DavisDataset(PairsDataset):
    """DAVIS (Perazzi et al. 2016), the 345 frames that click methods are evaluated on: any colour is the object."""

    name, images, masks = "DAVIS", "img", "gt"


class HardDataset(DavisDataset):
    """HARD, in the layout of DAVIS, as SimpleClick's and CFR-ICL's commands know it."""

    name = "HARD"


class CocoMValDataset(DavisDataset):
    """COCO_MVal: 800 COCO images with one object each, in the layout of DAVIS; any colour is the object.

    RITM, SimpleClick, CFR-ICL and SegNext read it this way. ClickSEG and EMC-Click take only pixels brighter than 128,
    which differs on soft edges: see ``CocoMValBrightDataset``.
    """

    name = "COCO_MVal"


class CocoMValBrightDataset(BrightMasks):
    """COCO_MVal as ClickSEG and EMC-Click read it: pixels of 128 and less are background."""

    name, images, masks = "COCO_MVal_CS", "img", "gt"
