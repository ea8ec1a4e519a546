"""PASCAL VOC 2012 (Everingham et al. 2010): ``JPEGImages/``, ``SegmentationObject/``, ``ImageSets/Segmentation/``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from isegm.data.datasets.base import (
    InstanceDataset,
    listed_pairs,
    read_names,
    read_pickle,
    require_equal_sizes,
    wrong_format,
)
from isegm.data.paired_files import PairedFiles
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from isegm.utils.inputs import require_index
from isegm.utils.log import logger
from isegm.utils.text_values import as_path

WANTED_TEST_ITEMS = "a list of image names and one of grey levels of objects"
VOID = 220  # grey level of the palette's colour for borders and hard pixels


def read_grey_levels(path: Path) -> np.ndarray:
    """Read a mask with its palette applied as grey levels, (H, W) int32.

    Published code tells objects apart by these levels, which collide from the 16th object of an image on (16 and 1, 18
    and 3, 21 and 6, 24 and 9 ...), so that some objects of crowded images are merged
    (docs/fidelity.md#voc-grey-levels).
    """
    return cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY).astype(np.int32)


def _pairs(root: Path, names: list[str], listed_in: Path) -> list[tuple[Path, Path]]:
    return listed_pairs(names, root / "JPEGImages", root / "SegmentationObject", ".png", listed_in)


def _levels(mask: np.ndarray) -> list[int]:
    return [int(level) for level in np.unique(mask) if level not in (0, VOID)]


class PascalVocDataset(PairedFiles):
    """PASCAL VOC with all objects of an image in a sample, for training, and as SegNext evaluates; void is ignored.

    Args:
        root: the folder VOC2012.
        split: "train" (1464 images), "val" (1449) or "trainval".
        name: shown in reports, and part of file names; None for PascalVOC_<split>.

    Raises:
        InputError: the list is missing, or names files that are missing.
    """

    def __init__(self, root: str | Path, split: str = "train", name: str | None = None) -> None:
        self.root = as_path(root, "the folder of a data set")
        self.name = name or f"PascalVOC_{split}"
        names = self.root / "ImageSets" / "Segmentation" / f"{split}.txt"
        self.pairs = _pairs(self.root, read_names(names), names)

    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index`` with its objects.

        Raises:
            InputError: a file does not decode, or sizes differ.
        """
        require_index(index, len(self), self.name)
        image_path, mask_path = self.pairs[index]
        image, levels = read_image(image_path), read_grey_levels(mask_path)
        require_equal_sizes(image, image_path, levels, mask_path)
        return DSample.flat(image, levels, _levels(levels), [VOID], sample_id=image_path.stem)

    def holds_object(self, mask: Path) -> bool:
        """Return whether a mask file holds anything but background and void."""
        return bool(_levels(read_grey_levels(mask)))


class PascalVocEvaluationDataset(InstanceDataset):
    """PASCAL VOC for evaluation: one sample per object; void pixels are ignored.

    If ``ImageSets/Segmentation/test.pickle`` exists, it lists the samples: a pair of lists, image names and grey
    levels, as RITM reads it. That file was never published; without it every (image, grey level) of val.txt is a
    sample, as in ClickSEG and EMC-Click (docs/fidelity.md#voc-test-list). The log tells which list was read.

    Args:
        root: the folder VOC2012.

    Raises:
        InputError: neither list exists, it names files that are missing, or the pickle holds something else.
    """

    name = "PascalVOC"
    void = VOID
    read_instances = staticmethod(read_grey_levels)

    def __init__(self, root: str | Path) -> None:
        self.root = as_path(root, "the folder of a data set")
        lists = self.root / "ImageSets" / "Segmentation"
        listed = lists / "test.pickle"
        if listed.is_file():
            names, self.values = _test_items(listed)
            self.pairs = _pairs(self.root, names, listed)
            logger.info("PascalVOC: %d objects, those that %s lists", len(self.pairs), listed)
            return
        self.pairs, self.values = [], []
        listed = lists / "val.txt"
        for pair in _pairs(self.root, read_names(listed), listed):
            levels = _levels(read_grey_levels(pair[1]))
            self.pairs += [pair] * len(levels)
            self.values += levels
        if not self.pairs:
            raise InputError(f"no mask that {listed} names holds an object: get the published set again.")
        logger.info("PascalVOC: %d objects, all of the images that %s lists", len(self.pairs), listed)


def _test_items(path: Path) -> tuple[list[str], list[int]]:
    content = read_pickle(path)
    try:
        names, levels = ([*part] for part in content)
        numbers = [int(level) for level in levels]
        fits = names and len(names) == len(levels) and all(isinstance(name, str) for name in names)
        fits = fits and all(0 < number < 256 and number != VOID for number in numbers)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise wrong_format(path, WANTED_TEST_ITEMS) from error
    if not fits:
        raise wrong_format(path, WANTED_TEST_ITEMS)
    return names, numbers
