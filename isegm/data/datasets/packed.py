"""The images of packed files, as those of the folders that they hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from isegm.data.checking import check_samples
from isegm.data.datasets.folder import FolderDataset
from isegm.data.datasets.packed_file import PackedFile, PackedFolder
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import sha256
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path

PACK_ENDING = ".pack"


class PackedDataset:
    """The images of a packed file, or of one of its folders, as ``FolderDataset`` gives those of a folder.

    Args:
        source: a path, or an opened file.
        part: "train" leaves out those that ``FolderDataset`` keeps for validation, "val" takes only those, None all.
        allow_empty: a mask without any object gives a sample without objects instead of an error.
        folder: number of the folder; None for all of them.

    Attributes:
        file: the opened file.
        name: of the file without its ending, or of the folder.
        numbers: of the images in the file.
        folder: None for all of them.

    Raises:
        InputError: another ``part`` or folder, or as ``PackedFile``.
    """

    def __init__(
        self,
        source: str | Path | PackedFile,
        part: str | None = None,
        allow_empty: bool = False,
        folder: int | None = None,
    ) -> None:
        if part not in (None, "train", "val"):
            raise InputError(f"part is {part!r}: it must be 'train', 'val' or None.")
        self.file = source if isinstance(source, PackedFile) else PackedFile(source)
        self.name = self.file.path.stem
        self.folder: PackedFolder | None = None
        self.allow_empty = allow_empty
        if folder is not None:
            require_index(folder, len(self.file.folders), f"the list of folders of {self.file.path}")
            self.folder = self.file.folders[folder]
            self.name = self.folder.name
        self.numbers = [
            number
            for number, image in enumerate(self.file.images)
            if folder in (None, image["folder"]) and (part is None or image["validation"] == (part == "val"))
        ]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def fingerprint(self) -> str:
        """Checksum of the file and of the choice of images, 32 hexadecimal digits."""
        return hashlib.sha256(f"{sha256(self.file.path)} {self.numbers}".encode()).hexdigest()[:32]

    def get_sample(self, index: int) -> DSample:
        """Decode the image at ``index`` with its objects.

        Raises:
            InputError: there is no such image, it is damaged, or its mask holds no object.
        """
        require_index(index, len(self), self.name)
        sample = self.file.read(self.numbers[index])
        if not sample.objects and not self.allow_empty:
            raise InputError(
                f"the mask of {sample.sample_id} in {self.file.path} holds no object: pack its folder without it, or "
                "with a larger --side."
            )
        return sample

    def check(self, samples: int | None = None) -> None:
        """Decode the first ``samples`` images, None for all.

        Raises:
            InputError: some are damaged or hold no object (up to ten are named).
        """
        check_samples(self.get_sample, range(len(self))[:samples], self.name)


def is_packed(path: str | Path) -> bool:
    """Return whether a path names a packed file rather than a folder."""
    return Path(path).suffix.lower() == PACK_ENDING and not os.path.isdir(path)


def open_folder(path: str | Path, part: str | None = None, allow_empty: bool = False) -> FolderDataset | PackedDataset:
    """Open an images-and-masks folder, or a packed file of such folders; see ``FolderDataset``."""
    as_path(path, "the folder of a data set")
    return (PackedDataset if is_packed(path) else FolderDataset)(path, part, allow_empty)


def open_each_folder(
    path: str | Path, part: str | None = None, allow_empty: bool = False
) -> list[FolderDataset | PackedDataset]:
    """Open a folder, or each of the folders of a packed file, as ``open_folder`` does."""
    as_path(path, "the folder of a data set")
    if not is_packed(path):
        return [open_folder(path, part, allow_empty)]
    file = PackedFile(path)
    return [PackedDataset(file, part, allow_empty, number) for number in range(len(file.folders))]


def joint_ratios(
    files: Sequence[Sequence[FolderDataset | PackedDataset]], ratios: Sequence[float] | None
) -> list[float] | None:
    """Return how often each of the folders in several files is drawn from; None for all images alike.

    Args:
        files: for each folder or packed file what ``open_each_folder`` returns.
        ratios: of the files; None where nobody said, then a file counts by its images.

    Returns:
        a ratio for each of the folders, in order: a file's own ratio is divided by the shares that are noted in it, or
        else by the numbers of images.
    """
    noted = [[_share(each) for each in file] for file in files]
    if ratios is None and not any(share for shares in noted for share in shares):
        return None
    found: list[float] = []
    for number, (file, shares) in enumerate(zip(files, noted, strict=True)):
        counts = [max(1.0, len(each)) for each in file]
        weights = counts if None in shares else [share or 0.0 for share in shares]
        ratio = sum(counts) if ratios is None else ratios[number]
        found += [ratio * weight / sum(weights) for weight in weights]
    return found


def scaled_down(image: np.ndarray, mask: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale an image and its ids down so that the longer side has at most ``side`` pixels.

    Args:
        image: (H, W, 3) uint8.
        mask: (H, W) ids from 0 to 65535; each pixel takes the nearest one.
        side: pixels.
    """
    factor = side / max(mask.shape)
    if factor >= 1:
        return image, mask
    size = (max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor)))
    scaled = cv2.resize(mask.astype(np.uint16), size, interpolation=cv2.INTER_NEAREST_EXACT)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scaled.astype(np.int32)


def _share(dataset: FolderDataset | PackedDataset) -> float | None:
    return dataset.folder.share if isinstance(dataset, PackedDataset) and dataset.folder else None
