"""SBD, the Semantic Boundaries Dataset (Hariharan et al. 2011): ``img/``, ``inst/`` and ``<split>.txt``."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from isegm.data.datasets.base import InstanceDataset, listed_pairs, read_names, require_equal_sizes, wrong_format
from isegm.data.paired_files import PairedFiles
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path

BUGGY_SHARE = 0.08  # objects that fill less of their bounding box are scribbles of broken annotations
# Errors of ``load_mat`` for files that are cut off, damaged or no MATLAB files; each of them was observed. (Some
# damage crashes the process inside SciPy, seen with 1.17; that cannot be caught here.)
BROKEN_MAT = (NotImplementedError, OSError, TypeError, ValueError, zlib.error)


def _pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    names = root / f"{split}.txt"
    return listed_pairs(read_names(names), root / "img", root / "inst", ".mat", names)


def load_mat(path: Path, **options: Any) -> dict[str, Any]:
    """Read a MATLAB file with SciPy's ``loadmat``; one that cannot be read raises one of ``BROKEN_MAT``."""
    from scipy.io import loadmat  # takes a fifth of a second that other data sets need not spend
    from scipy.io.matlab import MatReadError

    try:
        return dict(loadmat(path, **options))
    except MatReadError as error:
        raise ValueError(str(error)) from error


def read_instances(path: Path) -> np.ndarray:
    """Read a file of ``inst/`` as (H, W) int32 object numbers, 0 for background.

    Raises:
        InputError: it is not a MATLAB file with SBD's ``GTinst.Segmentation``.
    """
    try:
        instances = load_mat(path, variable_names=["GTinst"])["GTinst"]["Segmentation"][0, 0]
        if instances.ndim != 2 or instances.dtype.kind not in "iuf":
            raise ValueError(f"{instances.dtype} of shape {instances.shape}")
    except (AttributeError, LookupError, *BROKEN_MAT) as error:
        raise wrong_format(path, "SBD's instances (a MATLAB file with GTinst.Segmentation)") from error
    return instances.astype(np.int32)


class SbdDataset(PairedFiles):
    """SBD for training: all objects of an image except buggy ones, whose pixels become background.

    Args:
        root: the folder with ``img/``, ``inst/`` and the lists.
        split: "train" (8498 images) or "val" (2857).

    Raises:
        InputError: the list is missing, or names files that are missing.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.root = as_path(root, "the folder of a data set")
        self.name = f"SBD_{split}"
        self.pairs = _pairs(self.root, split)

    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index`` with its objects, possibly none.

        Raises:
            InputError: a file does not decode, or sizes differ.
        """
        require_index(index, len(self), self.name)
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
        """Return whether a file of ``inst/`` holds any object, buggy or not."""
        return bool(read_instances(mask).any())


class SbdEvaluationDataset(InstanceDataset):
    """SBD for evaluation: one sample per object, including buggy ones; no pixels are ignored.

    Creating it reads every file of ``inst/`` that the list names, which takes a few seconds. Nothing is written to the
    data folder, where published code keeps a pickle of the objects (docs/fidelity.md#order-of-items).

    Args:
        root, split: see ``SbdDataset``; 6671 objects in "val", 20172 in "train".
        name: shown in reports, and part of file names.

    Raises:
        InputError: the list is missing, names files that are missing, or a file is broken.
    """

    read_instances = staticmethod(read_instances)

    def __init__(self, root: str | Path, split: str = "val", name: str = "SBD") -> None:
        self.root, self.name = as_path(root, "the folder of a data set"), name
        self.pairs, self.values = [], []
        for pair in _pairs(self.root, split):
            found = [int(value) for value in np.unique(read_instances(pair[1])) if value != 0]
            self.pairs += [pair] * len(found)
            self.values += found
        if not self.pairs:
            raise InputError(
                f"no file that {self.root / split}.txt names holds an object: get the published set again."
            )
