"""What the readers of the large published sets share: lists of files, chance, one item for each object."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isegm.data.paired_files import PairedFiles, name_some
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from isegm.utils.safe_pickle import load_plain

OBJECT, IGNORED = 1, 2
HELP = "see scripts/check_datasets.py for the layout that is expected"


class RandomReader(ABC):
    """A reader that leaves something about a sample to chance, such as whether it shows stuff."""

    name: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """The ``index``-th image with its objects; what is random about it is drawn from ``rng``."""

    def get_sample(self, index: int) -> DSample:
        """The ``index``-th image, with draws that are the same at each call."""
        return self.draw_sample(index, np.random.default_rng(index))


def read_sample(reader: Any, index: int, rng: np.random.Generator) -> DSample:
    """The ``index``-th sample of any reader; ``rng`` decides what is random about it."""
    return reader.draw_sample(index, rng) if isinstance(reader, RandomReader) else reader.get_sample(index)


class InstanceDataset(PairedFiles, ABC):
    """An evaluation set with one item for each object of its images.

    Attributes:
        values: for each item the value that its object has in the mask file.
        void: value of pixels to ignore in a mask file, or None.
    """

    values: list[int]
    void: int | None = None

    @staticmethod
    @abstractmethod
    def read_instances(path: Path) -> np.ndarray:
        """A mask file as (H, W) int32 object values, 0 for background."""

    @property
    def fingerprint(self) -> str:
        """As ``PairedFiles.fingerprint``, with the list of objects."""
        return hashlib.sha256(f"{super().fingerprint} {self.values}".encode()).hexdigest()[:16]

    def holds_object(self, mask: Path) -> bool:
        """True: an item is listed because its mask file holds its object."""
        return True

    def get_sample(self, index: int) -> DSample:
        """The ``index``-th item: an image and one object of it.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask does not hold the object.
        """
        image_path, mask_path = self.pairs[index]
        image, instances = read_image(image_path), self.read_instances(mask_path)
        require_equal_sizes(image, image_path, instances, mask_path)
        labels = OBJECT * (instances == self.values[index]).astype(np.int32)
        if not labels.any():
            raise InputError(
                f"{mask_path} holds no object of value {self.values[index]}, which the list of objects names: "
                f"remove that list so that it is made anew, or get the published masks; {HELP}."
            )
        if self.void is not None:
            labels[instances == self.void] = IGNORED
        ignore = [IGNORED] if (labels == IGNORED).any() else []
        return DSample.flat(image, labels, [OBJECT], ignore, sample_id=image_path.stem)


def require_equal_sizes(image: np.ndarray, image_path: Path, mask: np.ndarray, mask_path: Path) -> None:
    """Raises:
    InputError: the image and its mask differ in size.
    """
    if image.shape[:2] != mask.shape[:2]:
        raise InputError(
            f"{mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels, its image {image_path.name} "
            f"{image.shape[1]}x{image.shape[0]}: get the published files again."
        )


def read_names(path: Path) -> list[str]:
    """The lines of a text file of names, without blank ones.

    Raises:
        InputError: there is no such file, it is no text, or it names nothing.
    """
    if not path.is_file():
        raise InputError(f"there is no list {path}: {HELP}.")
    try:
        names = path.read_text(encoding="utf-8").split()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file: it should hold one name a line.") from error
    if not names:
        raise InputError(f"{path} names no images: get the published list again.")
    return names


def read_json(path: Path) -> Any:
    """The content of an annotation file.

    Raises:
        InputError: there is no such file, or it is not JSON.
    """
    _require_annotations(path)
    try:
        with path.open(encoding="utf-8") as file:
            return json.load(file)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a JSON file, or is cut off: get the published file again.") from error


def read_pickle(path: Path) -> Any:
    """The content of a pickled annotation file, read without running what it names.

    Raises:
        InputError: there is no such file, it is damaged, or it asks for anything but plain data.
    """
    _require_annotations(path)
    return load_plain(path)


def _require_annotations(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"there is no annotation file {path}: {HELP}.")


def foreign(path: Path, wanted: str) -> InputError:
    """The error for an annotation file that can be read but holds something else than it should."""
    return InputError(f"{path} does not hold {wanted}: it is another kind of file, or is broken; {HELP}.")


def require_files(paths: Iterable[Path], listed_in: Path) -> None:
    """Look for listed files, one look into each folder.

    Raises:
        InputError: some are not there (up to ten are named).
    """
    folders: dict[Path, set[str]] = {}
    missing = []
    for path in paths:
        if path.parent not in folders:
            there = path.parent.is_dir()
            folders[path.parent] = {entry.name for entry in path.parent.iterdir()} if there else set()
        if path.name not in folders[path.parent]:
            missing.append(path)
    if missing:
        raise InputError(
            f"{listed_in} names {len(missing)} files that are not there: {name_some([str(path) for path in missing])}; "
            f"{HELP}."
        )


def listed_pairs(
    names: Sequence[str], images: Path, masks: Path, ending: str, listed_in: Path
) -> list[tuple[Path, Path]]:
    """(image, mask) paths of listed names: ``images/<name>.jpg`` and ``masks/<name><ending>``.

    Raises:
        InputError: as ``require_files``.
    """
    pairs = [(images / f"{name}.jpg", masks / f"{name}{ending}") for name in names]
    require_files([path for pair in pairs for path in pair], listed_in)
    return pairs
