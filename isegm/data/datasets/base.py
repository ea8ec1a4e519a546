"""Base classes of readers, and checked reading of the files that list a data set's images and objects."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from isegm.data.paired_files import PairedFiles, name_some
from isegm.data.sample import DSample
from isegm.utils.errors import DECODING, InputError
from isegm.utils.images import read_image
from isegm.utils.inputs import require_index
from isegm.utils.json_text import decode_json
from isegm.utils.log import escaped, logger
from isegm.utils.opening import read_regular
from isegm.utils.safe_pickle import load_plain
from isegm.utils.schema import shown

Record = TypeVar("Record")
OBJECT, IGNORED = 1, 2
HELP = "see isegm datasets for the layout that is expected"


class EvaluationDataset(Protocol):
    """A data set that networks can be evaluated on.

    Attributes:
        name: shown in reports, and part of file names.
    """

    name: str

    @property
    def fingerprint(self) -> str:
        """Text that differs for other data of the same name, so that a resumed evaluation never mixes two data sets."""

    def __len__(self) -> int: ...

    def get_sample(self, index: int) -> DSample:
        """Read one image with its objects."""

    def check(self, samples: int | None = None) -> None:
        """Look into the files of the first ``samples`` images, None for all, before hours of work with them.

        Raises:
            InputError: a file is missing or broken, or holds no object.
        """


@runtime_checkable
class HasParts(Protocol):
    """A data set that is joined from others, whose scores reports also show one by one.

    Attributes:
        parts: the indices of the samples of each part, by its name.
    """

    parts: Mapping[str, range]


class RandomReader(ABC):
    """A reader whose samples have a random part, such as whether stuff is shown."""

    name: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read the image at ``index`` with its objects; all that is random is drawn from ``rng``."""

    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index``; repeated calls draw the same."""
        require_index(index, len(self), self.name)
        return self.draw_sample(index, np.random.default_rng(index))


class InstanceDataset(PairedFiles, ABC):
    """An evaluation set with one sample per object.

    Attributes:
        values: for each sample, the value of its object in the mask file.
        void: value of the ignored pixels in a mask file, or None.
    """

    values: list[int]
    void: int | None = None

    @staticmethod
    @abstractmethod
    def read_instances(path: Path) -> np.ndarray:
        """Read a mask file as (H, W) int32 object values, 0 for background."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of ``PairedFiles``, extended by the list of objects."""
        return hashlib.sha256(f"{super().fingerprint} {self.values}".encode()).hexdigest()[:32]

    def holds_object(self, mask: Path) -> bool:
        """Return True: objects are listed from the mask files themselves."""
        return True

    def get_sample(self, index: int) -> DSample:
        """Read an image and the one object of the sample at ``index``.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask does not hold the object.
        """
        require_index(index, len(self), self.name)
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
    """Check that an image and its mask have the same height and width.

    Raises:
        InputError: they differ.
    """
    if image.shape[:2] != mask.shape[:2]:
        raise InputError(
            f"{mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels, its image {image_path.name} "
            f"{image.shape[1]}x{image.shape[0]}: get the published files again."
        )


def read_names(path: Path) -> list[str]:
    """Read a text file of names, one per line, without blank lines.

    Raises:
        InputError: there is no such file, it is no text, or it names nothing.
    """
    if not path.is_file():
        raise InputError(f"there is no list {path}: {HELP}.")
    try:
        names = read_regular(path, "list").decode("utf-8").split()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file: it should hold one name a line.") from error
    if not names:
        raise InputError(f"{path} names no images: get the published list again.")
    return names


def read_json(path: Path) -> Any:
    """Read a JSON annotation file.

    Raises:
        InputError: there is no such file, or it is not JSON.
    """
    _require_annotations(path)
    return decode_json(read_regular(path, "annotation file"), path, "get the published file again")


def read_pickle(path: Path) -> Any:
    """Read a pickled annotation file without running any code that it names.

    Raises:
        InputError: there is no such file, it is damaged, or it asks for anything but plain data.
    """
    _require_annotations(path)
    return load_plain(path)


def _require_annotations(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"there is no annotation file {path}: {HELP}.")


def wrong_format(path: Path, wanted: str) -> InputError:
    """Make the error for an annotation file that is readable but of another format than ``wanted``."""
    return InputError(f"{path} does not hold {wanted}: it is another kind of file, or is broken; {HELP}.")


def readable(
    records: Iterable[tuple[Any, Any]], read: Callable[[Any, Any], Record], path: Path, wanted: str
) -> list[Record]:
    """Read the records of an annotation file; a warning counts those that cannot be read and names the first ones.

    Args:
        records: the name and the content of each.
        read: gets both; raises one of ``DECODING`` where the record is of another form.
        path: the file.
        wanted: what it should hold, see ``wrong_format``.

    Raises:
        InputError: there is no record that can be read.
    """
    found, broken = [], []
    for name, content in records:
        try:
            found.append(read(name, content))
        except DECODING:
            broken.append(escaped(name) if isinstance(name, str) else shown(name))
    if not found:
        raise wrong_format(path, wanted)
    if broken:
        logger.warning(
            "%s: %d of %d records cannot be read and are left out: %s",
            *(path, len(broken), len(broken) + len(found), name_some(broken)),
        )
    return found


def require_files(paths: Iterable[Path], listed_in: Path) -> None:
    """Check that listed files exist; each folder is listed only once.

    Raises:
        InputError: some do not exist (up to ten are named).
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
    """List the (image, mask) paths of names: ``images/<name>.jpg`` and ``masks/<name><ending>``.

    Raises:
        InputError: some files do not exist (up to ten are named).
    """
    pairs = [(images / f"{name}.jpg", masks / f"{name}{ending}") for name in names]
    require_files([path for pair in pairs for path in pair], listed_in)
    return pairs
