"""PASCAL VOC 2012 (Everingham et al. 2010): ``JPEGImages/``, ``SegmentationObject/``, ``ImageSets/Segmentation/``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from isegm.data.datasets.base import (
    InstanceDataset,
    foreign,
    listed_pairs,
    read_names,
    read_pickle,
    require_equal_sizes,
)
from isegm.data.paired_files import PairedFiles
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from isegm.utils.log import logger

WANTED_TEST_ITEMS = "a list of image names and one of grey levels of objects"
VOID = 220  # grey level of the palette's colour for borders and hard pixels


def read_grey_levels(path: Path) -> np.ndarray:
    """(H, W) int32: a mask with its palette applied, as grey levels.

    [KEEP] Published code tells objects by these levels, and levels collide from the 16th object of an image on (16 and
    1, 18 and 3, 21 and 6, 24 and 9 ...), so that objects of crowded images are one.
    """
    return cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY).astype(np.int32)


def _pairs(root: Path, names: list[str], listed_in: Path) -> list[tuple[Path, Path]]:
    return listed_pairs(names, root / "JPEGImages", root / "SegmentationObject", ".png", listed_in)


def _levels(mask: np.ndarray) -> list[int]:
    return [int(level) for level in np.unique(mask) if level not in (0, VOID)]


class PascalVocDataset(PairedFiles):
    """VOC with all objects of an image; void pixels are ignored.

    Args:
        root: the folder VOC2012 itself.
        split: "train" (1464 images), "val" (1449) or "trainval".

    Raises:
        InputError: the list is not there, or names files that are not.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.root = Path(root)
        self.name = f"PascalVOC_{split}"
        names = self.root / "ImageSets" / "Segmentation" / f"{split}.txt"
        self.pairs = _pairs(self.root, read_names(names), names)

    def get_sample(self, index: int) -> DSample:
        """The ``index``-th image with its objects.

        Raises:
            InputError: a file does not decode, or sizes differ.
        """
        image_path, mask_path = self.pairs[index]
        image, levels = read_image(image_path), read_grey_levels(mask_path)
        require_equal_sizes(image, image_path, levels, mask_path)
        return DSample.flat(image, levels, _levels(levels), [VOID], sample_id=image_path.stem)

    def holds_object(self, mask: Path) -> bool:
        """Whether a mask file holds anything but background and void."""
        return bool(_levels(read_grey_levels(mask)))


class PascalVocEvaluationDataset(InstanceDataset):
    """VOC for evaluation: one item for each object; void pixels are ignored.

    The items are those of ``ImageSets/Segmentation/test.pickle`` where there is one: a pair of lists, image names and
    grey levels, as RITM reads it. That file was never published; without it every (image, grey level) of val.txt is
    an item, as with ClickSEG and EMC-Click. The log says which of the lists was read.

    Raises:
        InputError: neither list is there, it names files that are not, or the pickle holds something else.
    """

    name = "PascalVOC"
    void = VOID
    read_instances = staticmethod(read_grey_levels)

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
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
        raise foreign(path, WANTED_TEST_ITEMS) from error
    if not fits:
        raise foreign(path, WANTED_TEST_ITEMS)
    return names, numbers
