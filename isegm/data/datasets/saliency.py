"""Training sets of salient and thin objects, one per image, as ClickSEG joins them with others (Chen et al. 2022)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from isegm.data.datasets.base import HELP, require_files
from isegm.data.datasets.benchmarks import BrightMasks
from isegm.data.paired_files import list_files
from isegm.utils.errors import InputError
from isegm.utils.text_values import as_path


class SaliencyDataset(BrightMasks, ABC):
    """Images with one mask each: pixels brighter than 128 are the object, and a mask may be empty.

    Subclasses say where the files lie.

    Args:
        root: folder of the data set, see the subclass.
        split: "train", the only one.

    Raises:
        InputError: a folder is missing or empty, an image lacks its mask or a mask its image (up to ten are named), or
            another split is asked for.
    """

    allow_empty = True

    def __init__(self, root: str | Path, split: str = "train") -> None:
        if split != "train":
            raise InputError(f"{self.name} has no part {split}: all of it is for training.")
        self.root = as_path(root, "the folder of a data set")
        self.pairs = self.find_pairs()
        if not self.pairs:
            raise InputError(f"{self.root} holds no files of {self.name}: {HELP}.")
        require_files([path for pair in self.pairs for path in pair], self.root)

    @abstractmethod
    def find_pairs(self) -> list[tuple[Path, Path]]:
        """List (image, mask) paths below the root, sorted by the one that is searched for; the other may be missing."""


class Msra10kDataset(SaliencyDataset):
    """MSRA10K (Cheng et al. 2015): 10000 images ``<name>.jpg`` and masks ``<name>.png`` in one folder."""

    name = "MSRA10K"

    def find_pairs(self) -> list[tuple[Path, Path]]:
        return [(image, image.with_suffix(".png")) for image in list_files(self.root, (".jpg",))]


class DutsTrDataset(SaliencyDataset):
    """DUTS-TR (Wang et al. 2017), 10553 images: ``DUTS-TR-Image/<name>.jpg`` and ``DUTS-TR-Mask/<name>.png``.

    The root is the folder that holds both, or ``DUTS-TR-Image`` itself with ``DUTS-TR-Mask`` beside it.
    """

    name, part = "DUTS_TR", "DUTS-TR"

    def find_pairs(self) -> list[tuple[Path, Path]]:
        inside = self.root / f"{self.part}-Image"
        folder = self.root if self.root.absolute().name == inside.name and not inside.is_dir() else inside
        masks = folder.absolute().with_name(f"{self.part}-Mask")
        return [(image, masks / f"{image.stem}.png") for image in list_files(folder, (".jpg",))]


class DutsTeDataset(DutsTrDataset):
    """DUTS-TE (Wang et al. 2017), 5019 images: ``DUTS-TE-Image/<name>.jpg`` and ``DUTS-TE-Mask/<name>.png``."""

    name, part = "DUTS_TE", "DUTS-TE"


class ThinObjectDataset(SaliencyDataset):
    """ThinObject-5K (Liew et al. 2021): ``masks/<name>.png`` and ``images/<name>.jpg``."""

    name = "ThinObject"

    def find_pairs(self) -> list[tuple[Path, Path]]:
        images = self.root / "images"
        return [(images / f"{mask.stem}.jpg", mask) for mask in list_files(self.root / "masks", (".png",))]


class HFlickrDataset(SaliencyDataset):
    """HFlickr of iHarmony4 (Cong et al. 2020): ``masks/<name>_<number>.png`` and ``real_images/<name>.jpg``."""

    name = "HFlickr"

    def find_pairs(self) -> list[tuple[Path, Path]]:
        images = self.root / "real_images"
        masks = list_files(self.root / "masks", (".png",))
        return [(images / f"{mask.stem.partition('_')[0]}.jpg", mask) for mask in masks]
