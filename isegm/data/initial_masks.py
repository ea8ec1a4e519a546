"""Masks to start clicking from, for the objects of any evaluation set: a folder with a file for each object."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isegm.data.datasets.davis585 import require_initial_size
from isegm.data.paired_files import MASK_ENDINGS, by_stem, list_files, name_some
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_mask, sha256
from isegm.utils.log import logger

STARTED = "_init"  # behind the name of a set whose objects start from masks


@dataclass(frozen=True)
class Item:
    """One object of a data set.

    Attributes:
        index: of its sample.
        object_id: its key in ``DSample.objects``.
        name: what its files are named, without an ending: the sample's id, where that is the id of this object alone;
            else, with n counting the objects of that id, ``<sample id>_object<n>``.
        size: (H, W) of its image.
    """

    index: int
    object_id: int
    name: str
    size: tuple[int, int]


def list_items(dataset: Any, max_objects: int | None = None) -> list[Item]:
    """The objects of an evaluation set, in its order; every sample is read.

    Args:
        dataset: the evaluation set.
        max_objects: only the first so many; None for all.

    Raises:
        InputError: two objects get one name, or a file cannot be read.
    """
    objects = []
    for index in range(len(dataset)):
        sample = dataset.get_sample(index)
        size = (sample.image.shape[0], sample.image.shape[1])
        objects += [(index, object_id, size, sample.sample_id) for object_id in sample.objects_ids]
    counts, seen, items = Counter(sample_id for *_, sample_id in objects), Counter(), []
    for index, object_id, size, sample_id in objects:
        seen[sample_id] += 1
        name = sample_id if counts[sample_id] == 1 else f"{sample_id}_object{seen[sample_id]}"
        items.append(Item(index, object_id, name, size))
    names = Counter(item.name for item in items)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise InputError(f"{dataset.name} has objects that would share a file name: {name_some(twice)}; rename images.")
    return items[:max_objects]


def read_item(dataset: Any, item: Item) -> DSample:
    """The sample of an object, with that object alone."""
    sample = dataset.get_sample(item.index)
    return replace(sample, objects={item.object_id: sample.objects[item.object_id]})


class InitialMaskDataset:
    """An evaluation set whose objects start from masks in a folder; each object is an item of its own.

    A file is named as ``Item.name`` says, and any pixel of it but 0 is in the mask; ``isegm initial-masks``
    writes such folders. An empty mask counts as a start from an empty mask.

    Opening it reads every sample once. Its ``name`` is the set's with ``_init`` behind it, so that results from masks
    and from nothing are kept apart.

    Args:
        dataset: the evaluation set.
        folder: the folder of the initial masks; files of other names are passed over.
        max_objects: only the first so many objects are there, and need masks; None for all.

    Raises:
        InputError: there is no such folder, or objects have no file in it (up to ten are named).
    """

    def __init__(self, dataset: Any, folder: str | Path, max_objects: int | None = None) -> None:
        self.dataset, self.folder = dataset, Path(folder)
        self.name = dataset.name + STARTED
        found = by_stem(list_files(self.folder, MASK_ENDINGS))
        self.items = list_items(dataset, max_objects)
        bare = [f"{item.name}.png" for item in self.items if item.name not in found]
        if bare:
            raise InputError(
                f"{len(bare)} of {len(self.items)} objects of {dataset.name} have no initial mask in {self.folder}: "
                f"{name_some(bare)}; add them, or make them with isegm initial-masks."
            )
        self.files = [found[item.name] for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def origin(self) -> str:
        """The name of the folder, with a checksum of its masks."""
        masks = [(item.name, sha256(file)) for item, file in zip(self.items, self.files, strict=True)]
        return f"{self.folder.name} {hashlib.sha256(str(masks).encode()).hexdigest()[:16]}"

    @property
    def fingerprint(self) -> str:
        """Checksum of the set's fingerprint and of the initial masks."""
        return hashlib.sha256(f"{self.dataset.fingerprint} {self.origin}".encode()).hexdigest()[:16]

    def check(self, samples: int | None = None) -> None:
        """Look into the initial masks of the first ``samples`` objects, None for all; the log counts empty ones.

        Raises:
            InputError: one does not decode, or is not of its image's size.
        """
        empty = []
        for item, path in zip(self.items[:samples], self.files, strict=False):
            mask = read_mask(path)
            require_initial_size(mask, path, item.size)
            if not mask.any():
                empty.append(path)
        if empty:
            logger.warning(
                "%d initial masks in %s are empty, such as %s: these objects start from an empty mask",
                *(len(empty), self.folder, empty[0].name),
            )

    def get_sample(self, index: int) -> DSample:
        """The ``index``-th object alone; ``init_mask`` is (H, W) float32 of 0 and 1, ``sample_id`` its file's name.

        Raises:
            InputError: a file cannot be read, or the initial mask is not of the image's size.
        """
        item, path = self.items[index], self.files[index]
        sample = read_item(self.dataset, item)
        init_mask = (read_mask(path) > 0).astype(np.float32)
        require_initial_size(init_mask, path, item.size)
        return replace(sample, init_mask=init_mask, sample_id=item.name)
