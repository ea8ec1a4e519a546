"""Several readers as one data set, with or without ratios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from isegm.data.datasets.base import RandomReader
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.inputs import require, require_index
from isegm.utils.schema import Instance, Items, Nothing, Number


class Reader(Protocol):
    """A data set for training: images with objects.

    Attributes:
        name: shown in messages and logs.
    """

    name: str

    def __len__(self) -> int: ...

    def get_sample(self, index: int) -> DSample: ...


def read_sample(reader: Reader, index: int, rng: np.random.Generator) -> DSample:
    """Read the sample at ``index`` of any reader; a ``RandomReader`` draws from ``rng``."""
    return reader.draw_sample(index, rng) if isinstance(reader, RandomReader) else reader.get_sample(index)


READERS = Items(
    Instance(object, "a reader", lambda one: all(hasattr(one, part) for part in ("name", "get_sample", "__len__")))
)


class ComposeDataset(RandomReader):
    """Join several readers into one.

    Args:
        readers: at least one, none of them empty. Indices run through the first reader, then the second, and so on.
        ratios: relative frequency of each reader in ``draw_index``; None draws every image equally often.

    Raises:
        InputError: there is no reader, one is empty, or the ratios are not one number above 0 for each.
    """

    def __init__(self, readers: Sequence[Reader], ratios: Sequence[float] | None = None) -> None:
        require(readers, READERS, "the data sets to join")
        require(ratios, Items(Number(above=0)) | Nothing(), "the ratios of data sets")
        if not readers:
            raise InputError("there are no data sets to join: give at least one.")
        if any(len(reader) == 0 for reader in readers):
            names = [reader.name for reader in readers if len(reader) == 0]
            raise InputError(f"{', '.join(names)} has too few images for a training and a validation part: add images.")
        if ratios is not None and len(ratios) != len(readers):
            raise InputError(f"{len(ratios)} ratios for {len(readers)} readers: give one for each.")
        self.name = "+".join(reader.name for reader in readers)
        self.readers = readers
        self.ratios = None if ratios is None else np.asarray(ratios, dtype=np.float64) / sum(ratios)
        self.ends = np.cumsum([len(reader) for reader in readers])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read the image at ``index``, counted through all readers."""
        require_index(index, len(self), self.name)
        reader = int(np.searchsorted(self.ends, index, side="right"))
        start = 0 if reader == 0 else int(self.ends[reader - 1])
        return read_sample(self.readers[reader], index - start, rng)

    def draw_index(self, rng: np.random.Generator) -> int:
        """Draw a random index; with ratios, first a reader by its ratio and then one of its images."""
        if self.ratios is None:
            return int(rng.integers(len(self)))
        reader = int(rng.choice(len(self.readers), p=self.ratios))
        return int(self.ends[reader] - 1 - rng.integers(len(self.readers[reader])))
