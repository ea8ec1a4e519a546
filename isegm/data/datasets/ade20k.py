"""ADE20k (Zhou et al. 2017), as RITM, ClickSEG and SegNext read it.

``Ade20kDataset`` needs an index of the release of 2016-07-26 that ``isegm convert`` makes; ``Ade20kFullDataset`` reads
that release as it is, and does not tell stuff from things. ``Ade20kClassesDataset`` reads the 150 classes of the scene
parsing challenge.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from isegm.data.datasets.base import (
    HELP,
    RandomReader,
    read_pickle,
    readable,
    require_equal_sizes,
    require_files,
    wrong_format,
)
from isegm.data.datasets.benchmarks import NumberedObjects
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path

RELEASE = "ADE20K_2016_07_26"
CHALLENGE = "ADEChallengeData2016"
FOLDERS = {"train": "training", "val": "validation"}
INDEX = "{}-annotations-object-segmentation.pkl"


def image_folder(root: Path, folder: str) -> Path:
    """Find the folder of an image's files; ``root`` is the release's folder or the one above, which the index names."""
    inside = Path(*Path(folder).parts[1:])
    return root / folder if (root / folder).is_dir() or not (root / inside).is_dir() else root / inside


class Ade20kDataset(RandomReader):
    """ADE20k as RITM reads it: a random layer of each image, either its objects or their parts at some level.

    Args:
        root: the folder with the index, and with the release or its contents.
        split: "train" (20210 images) or "val".
        stuff_prob: probability that stuff counts as objects too; otherwise its pixels are background.

    Raises:
        InputError: the index is missing, is not one of ADE20k, or names files that are missing.
    """

    def __init__(self, root: str | Path, split: str = "train", stuff_prob: float = 0.0) -> None:
        self.root = as_path(root, "the folder of a data set")
        self.name = f"ADE20k_{split}"
        self.stuff_prob = stuff_prob
        index = self.root / INDEX.format(split)
        content = read_pickle(index)
        if not isinstance(content, Mapping):
            raise wrong_format(index, "an index of ADE20k")
        self.items = readable(content.items(), _item, index, "an index of ADE20k")
        files = []
        for name, folder, layers in self.items:
            base = image_folder(self.root, folder)
            files += [base / f"{name}.jpg", *(base / mask for mask, _ in layers)]
        require_files(files, index)

    def __len__(self) -> int:
        return len(self.items)

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read the image at ``index`` with the objects of a random layer.

        A mask's blue channel tells instances apart: the n-th of its values above 0, in ascending order, is instance n
        (published code is off by one where it looks for stuff: docs/fidelity.md#ade20k-stuff).

        Raises:
            InputError: a file does not decode, or sizes differ.
        """
        require_index(index, len(self), self.name)
        name, folder, layers = self.items[index]
        base = image_folder(self.root, folder)
        mask_name, stuff = layers[int(rng.integers(len(layers)))]
        image, mask, values = _read_layer(base / f"{name}.jpg", base / mask_name)
        if rng.random() >= self.stuff_prob:
            values = [value for instance, value in enumerate(values, start=1) if instance not in stuff]
            mask[~np.isin(mask, values)] = 0
        return DSample.flat(image, mask, values, sample_id=name)


class Ade20kFullDataset(RandomReader):
    """ADE20k as ClickSEG reads it: every image of the release with all of its objects and stuff.

    Args:
        root: the folder with ``ADE20K_2016_07_26/``, or that folder itself.
        split: "train" (20210 images) or "val".
        with_part: choose randomly among the objects of an image and, where they are annotated, their parts
            (``_parts_1.png``) and the parts of parts (``_parts_2.png``); otherwise always take the objects.

    Raises:
        InputError: the folder is missing or holds no images, or images lack their masks.
    """

    def __init__(self, root: str | Path, split: str = "train", with_part: bool = False) -> None:
        if split not in FOLDERS:
            raise InputError(f"ADE20k_full has no part {split}: it has {' and '.join(FOLDERS)}.")
        self.name = f"ADE20k_full_{split}"
        folder = image_folder(as_path(root, "the folder of a data set"), f"{RELEASE}/images/{FOLDERS[split]}")
        files = {path for path in folder.rglob("*") if path.suffix in (".jpg", ".png")}
        image_paths = sorted(path for path in files if path.suffix == ".jpg")
        if not image_paths:
            raise InputError(f"there are no images below {folder}, where those of ADE20k should lie; {HELP}.")
        require_files((_layer(image_path, "seg") for image_path in image_paths), folder)
        layers = ("seg", "parts_1", "parts_2") if with_part else ("seg",)
        self.items = [
            (image_path, [_layer(image_path, layer) for layer in layers if _layer(image_path, layer) in files])
            for image_path in image_paths
        ]

    def __len__(self) -> int:
        return len(self.items)

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read the image at ``index`` with the objects of a random layer: values above 0 in the mask's blue channel.

        Raises:
            InputError: a file does not decode, or sizes differ.
        """
        require_index(index, len(self), self.name)
        image_path, layers = self.items[index]
        image, mask, values = _read_layer(image_path, layers[int(rng.integers(len(layers)))])
        return DSample.flat(image, mask, values, sample_id=image_path.stem)


class Ade20kClassesDataset(NumberedObjects):
    """ADE20k as SegNext evaluates on it: the 2000 images of val, in which all pixels of a class are an object.

    Args:
        root: the folder with ``ADEChallengeData2016/``, or that folder itself.
    """

    name, images, masks = "ADE20K", "images/validation", "annotations/validation"

    def __init__(self, root: str | Path) -> None:
        root = as_path(root, "the folder of a data set")
        super().__init__(root / CHALLENGE if (root / CHALLENGE).is_dir() else root)


def _layer(image_path: Path, layer: str) -> Path:
    return image_path.with_name(f"{image_path.stem}_{layer}.png")


def _read_layer(image_path: Path, mask_path: Path) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Read an image (H, W, 3) uint8 RGB, the blue channel of its mask (H, W) int32, and the instance values in it."""
    image, mask = read_image(image_path), read_image(mask_path)[..., 2].astype(np.int32)
    require_equal_sizes(image, image_path, mask, mask_path)
    return image, mask, [int(value) for value in np.unique(mask) if value != 0]


def _item(name: str, entry: Any) -> tuple[str, str, list[tuple[str, frozenset[int]]]]:
    """Parse an entry of the index: (image, folder, [(mask file, numbers of its stuff instances)])."""
    layers = [(layer["mask_name"], frozenset(layer["stuff_instances"])) for layer in entry["layers"]]
    if not all(isinstance(part, str) for part in (name, entry["folder"], *(mask for mask, _ in layers))):
        raise TypeError(f"{name} of ADE20k is named by something other than text")
    if not layers:
        raise ValueError(f"{name} of ADE20k has no masks")
    return name, entry["folder"], layers
