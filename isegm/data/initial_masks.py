"""Initial masks for the objects of any evaluation set, from a folder with one file per object."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from isegm.data.datasets.base import EvaluationDataset
from isegm.data.datasets.davis585 import require_initial_size
from isegm.data.paired_files import MASK_ENDINGS, by_stem, list_files, name_key, name_some
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import sha256
from isegm.utils.inputs import require_index
from isegm.utils.log import logger
from isegm.utils.masks import read_labels

INIT_SUFFIX = "_init"  # of the names of data sets with initial masks


@dataclass(frozen=True)
class DatasetObject:
    """One object of a data set.

    Attributes:
        index: of its sample.
        object_id: its key in ``DSample.objects``.
        name: stem of its files: the sample's id, or ``<sample id>_object<n>`` with n from 1 if several objects share
            the id.
        size: (H, W) of its image.
    """

    index: int
    object_id: int
    name: str
    size: tuple[int, int]


def list_objects(dataset: EvaluationDataset, max_objects: int | None = None) -> list[DatasetObject]:
    """List the objects of an evaluation set in its order; every sample is read.

    Args:
        dataset: the evaluation set.
        max_objects: return only this many, from the first; None for all.

    Raises:
        InputError: two objects get the same name, or a file cannot be read.
    """
    objects = []
    for index in range(len(dataset)):
        sample = dataset.get_sample(index)
        size = (sample.image.shape[0], sample.image.shape[1])
        objects += [(index, object_id, size, sample.sample_id) for object_id in sample.objects_ids]
    counts = Counter(sample_id for *_, sample_id in objects)
    seen: Counter[str] = Counter()
    listed = []
    for index, object_id, size, sample_id in objects:
        seen[sample_id] += 1
        name = sample_id if counts[sample_id] == 1 else f"{sample_id}_object{seen[sample_id]}"
        listed.append(DatasetObject(index, object_id, name, size))
    names = Counter(item.name for item in listed)
    duplicates = [name for name, count in names.items() if count > 1]
    if duplicates:
        raise InputError(
            f"{dataset.name} has objects that would share a file name: {name_some(duplicates)}; rename images."
        )
    return listed[:max_objects]


def read_object(dataset: EvaluationDataset, item: DatasetObject) -> DSample:
    """Read the sample of an object, with that object alone."""
    sample = dataset.get_sample(item.index)
    return replace(sample, objects={item.object_id: sample.objects[item.object_id]})


class InitialMaskDataset:
    """An evaluation set with initial masks from a folder; every object is a sample of its own.

    The stem of a file is ``DatasetObject.name``, and its pixels other than 0 are the mask; ``isegm initial-masks``
    writes such folders. An empty mask is a valid start.

    Creating it reads every sample once. Its ``name`` is that of the data set with ``_init`` appended, so that results
    with and without initial masks are kept apart.

    Args:
        dataset: the evaluation set.
        folder: the folder of the initial masks; files with other names are ignored.
        max_objects: use only this many objects, from the first; only these need masks. None for all.

    Raises:
        InputError: the folder is missing, or objects have no file in it (up to ten are named).
    """

    def __init__(self, dataset: EvaluationDataset, folder: str | Path, max_objects: int | None = None) -> None:
        self.dataset, self.folder = dataset, Path(folder)
        self.name = dataset.name + INIT_SUFFIX
        found = by_stem(list_files(self.folder, MASK_ENDINGS))
        self.objects = list_objects(dataset, max_objects)
        missing = [f"{item.name}.png" for item in self.objects if name_key(item.name) not in found]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(self.objects)} objects of {dataset.name} have no initial mask in "
                f"{self.folder}: {name_some(missing)}; add them, or make them with isegm initial-masks."
            )
        self.files = [found[name_key(item.name)] for item in self.objects]

    def __len__(self) -> int:
        return len(self.objects)

    @cached_property
    def origin(self) -> str:
        """Name of the folder, with a checksum of its masks."""
        masks = [(item.name, sha256(file)) for item, file in zip(self.objects, self.files, strict=True)]
        return f"{self.folder.name} {hashlib.sha256(str(masks).encode(errors='surrogateescape')).hexdigest()[:16]}"

    @property
    def fingerprint(self) -> str:
        """Checksum of the data set's fingerprint and of the initial masks."""
        return hashlib.sha256(f"{self.dataset.fingerprint} {self.origin}".encode(errors="surrogateescape")).hexdigest()[
            :32
        ]

    def check(self, samples: int | None = None) -> None:
        """Check the initial masks of the first ``samples`` objects, None for all; a warning counts empty ones.

        Raises:
            InputError: one does not decode, or has another size than its image.
        """
        empty = []
        for item, path in zip(self.objects[:samples], self.files, strict=False):
            mask = read_labels(path).selected
            require_initial_size(mask, path, item.size)
            if not mask.any():
                empty.append(path)
        if empty:
            logger.warning(
                "%d initial masks in %s are empty, such as %s: these objects start from an empty mask",
                *(len(empty), self.folder, empty[0].name),
            )

    def get_sample(self, index: int) -> DSample:
        """Read the object at ``index`` alone; ``init_mask`` is (H, W) float32 of 0 and 1, ``sample_id`` its image's.

        Raises:
            InputError: a file cannot be read, or the initial mask has another size than the image.
        """
        require_index(index, len(self), self.name)
        item, path = self.objects[index], self.files[index]
        sample = read_object(self.dataset, item)
        init_mask = read_labels(path).selected.astype(np.float32)
        require_initial_size(init_mask, path, item.size)
        return replace(sample, init_mask=init_mask)
