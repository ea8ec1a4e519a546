"""SBD, the Semantic Boundaries Dataset (Hariharan et al. 2011): ``img/``, ``inst/`` and ``<split>.txt``."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from isegm.data.datasets.base import InstanceDataset, foreign, listed_pairs, read_names, require_equal_sizes
from isegm.data.paired_files import PairedFiles
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image

BUGGY_SHARE = 0.08  # objects that fill less of their box are scribbles of broken annotations
# What SciPy raises for files that are cut off, damaged or no MATLAB files at all; each of them was met. (Some damage
# ends the process inside SciPy, seen with 1.17; nothing here can catch that.)
BROKEN_MAT = (MatReadError, NotImplementedError, OSError, TypeError, ValueError, zlib.error)


def _pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    names = root / f"{split}.txt"
    return listed_pairs(read_names(names), root / "img", root / "inst", ".mat", names)


def read_instances(path: Path) -> np.ndarray:
    """(H, W) int32 object numbers of a file of ``inst/``, 0 for background.

    Raises:
        InputError: it is no MATLAB file with SBD's ``GTinst.Segmentation``.
    """
    try:
        instances = loadmat(path, variable_names=["GTinst"])["GTinst"]["Segmentation"][0, 0]
        if instances.ndim != 2 or instances.dtype.kind not in "iuf":
            raise ValueError(f"{instances.dtype} of shape {instances.shape}")
    except (AttributeError, LookupError, *BROKEN_MAT) as error:
        raise foreign(path, "SBD's instances (a MATLAB file with GTinst.Segmentation)") from error
    return instances.astype(np.int32)


class SbdDataset(PairedFiles):
    """SBD for training: all objects of an image, but for buggy ones, whose pixels become background.

    Args:
        root: the folder with ``img/``, ``inst/`` and the lists.
        split: "train" (8498 images) or "val" (2857).

    Raises:
        InputError: the list is not there, or names files that are not.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.root = Path(root)
        self.name = f"SBD_{split}"
        self.pairs = _pairs(self.root, split)

    def get_sample(self, index: int) -> DSample:
        """The ``index``-th image with its objects, of which there may be none.

        Raises:
            InputError: a file does not decode, or sizes differ.
        """
        image_path, mask_path = self.pairs[index]
        image, instances = read_image(image_path), read_instances(mask_path)
        require_equal_sizes(image, image_path, instances, mask_path)
        values = [int(value) for value in np.unique(instances) if value != 0]
        for value in list(values):
            rows, columns = np.nonzero(instances == value)
            box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            if len(rows) / box < BUGGY_SHARE:
                instances[rows, columns] = 0
                values.remove(value)
        return DSample.flat(image, instances, values, sample_id=image_path.stem)

    def holds_object(self, mask: Path) -> bool:
        """Whether a file of ``inst/`` holds any object, buggy or not."""
        return bool(read_instances(mask).any())


class SbdEvaluationDataset(InstanceDataset):
    """SBD for evaluation: one item for each object, buggy ones too, and no pixel is ignored.

    Opening it reads every file of ``inst/`` that the list names, a few seconds' work; nothing is written into the data
    folder, where published code keeps a pickle of the objects.

    Args:
        root, split: see ``SbdDataset``; 6671 objects in "val", 20172 in "train".
        name: for people and log files.

    Raises:
        InputError: the list is not there, names files that are not, or a file is broken.
    """

    read_instances = staticmethod(read_instances)

    def __init__(self, root: str | Path, split: str = "val", name: str = "SBD") -> None:
        self.root, self.name = Path(root), name
        self.pairs, self.values = [], []
        for pair in _pairs(self.root, split):
            found = [int(value) for value in np.unique(read_instances(pair[1])) if value != 0]
            self.pairs += [pair] * len(found)
            self.values += found
        if not self.pairs:
            raise InputError(
                f"no file that {self.root / split}.txt names holds an object: get the published set again."
            )
