"""COCO with panoptic annotations (Kirillov et al. 2019): ``annotations/panoptic_<split>*`` and ``<split>/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isegm.data.datasets.base import RandomReader, read_json, readable, require_equal_sizes, require_files, wrong_format
from isegm.data.sample import DSample
from isegm.utils.files import read_image
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path

SPLITS = {"train": "train2017", "val": "val2017"}


def panoptic_split(root: Path, split: str) -> str:
    """Find out how a split's files are named below ``root``: as the split ("train"), or as COCO does ("train2017").

    Published training code expects the first, published conversion scripts the second.
    """
    other = SPLITS.get(split, split)
    if not (root / "annotations" / f"panoptic_{split}.json").is_file():
        return other if (root / "annotations" / f"panoptic_{other}.json").is_file() else split
    return split


def read_panoptic(root: Path, split: str) -> tuple[list[dict[str, Any]], dict[int, bool]]:
    """Read the panoptic annotations of a split.

    Returns:
        annotations: one dict per image, as in the file.
        things: for each category id, whether it is a thing (otherwise it is stuff).

    Raises:
        InputError: the file is missing, or does not hold COCO's panoptic annotations.
    """
    path = root / "annotations" / f"panoptic_{split}.json"
    content, wanted = read_json(path), "COCO's panoptic annotations"
    try:
        categories, annotations = list(content["categories"]), list(content["annotations"])
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise wrong_format(path, wanted) from error
    kinds = ((f"category {number}", category) for number, category in enumerate(categories))
    things = dict(readable(kinds, _category, path, wanted))

    def annotation(name: str, item: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(item["file_name"], str):
            raise TypeError(f"{name} names no file")
        if not all(int(s["category_id"]) in things and int(s["id"]) > 0 for s in item["segments_info"]):
            raise ValueError(f"{name} has segments of no category")
        return item

    named = ((f"annotation {number}", item) for number, item in enumerate(annotations))
    return readable(named, annotation, path, wanted), things


def _category(name: str, category: Any) -> tuple[int, bool]:
    return int(category["id"]), bool(category["isthing"])


def read_segments(path: Path) -> np.ndarray:
    """Read a panoptic PNG as (H, W) int32 segment ids: R + 256 G + 65536 B."""
    colours = read_image(path).astype(np.int32)
    return colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]


class CocoDataset(RandomReader):
    """COCO's things as objects; crowds and stuff are background.

    Args:
        root: the folder with ``annotations/`` and the images' folder.
        split: "train" or "val"; see ``panoptic_split`` for the names of its files.
        stuff_prob: probability that stuff segments count as objects too.

    Raises:
        InputError: the annotations are missing, not COCO's, or name files that are missing.
    """

    def __init__(self, root: str | Path, split: str = "train", stuff_prob: float = 0.0) -> None:
        self.root = as_path(root, "the folder of a data set")
        self.name = f"COCO_{split}"
        self.stuff_prob = stuff_prob
        self.split = panoptic_split(self.root, split)
        annotations, things = read_panoptic(self.root, self.split)
        self.items: list[tuple[str, list[int], list[int]]] = []  # file stem, ids of things and of stuff
        for item in annotations:
            segments = item["segments_info"]
            kept = [s for s in segments if not s.get("iscrowd", 0)]
            objects = [int(s["id"]) for s in kept if things[int(s["category_id"])]]
            stuff = [int(s["id"]) for s in segments if not things[int(s["category_id"])]]
            self.items.append((Path(item["file_name"]).stem, objects, stuff))
        files = (path for index in range(len(self)) for path in self._paths(index))
        require_files(files, self.root / "annotations" / f"panoptic_{self.split}.json")

    def __len__(self) -> int:
        return len(self.items)

    def _paths(self, index: int) -> tuple[Path, Path]:
        stem = self.items[index][0]
        masks = self.root / "annotations" / f"panoptic_{self.split}"
        return self.root / self.split / f"{stem}.jpg", masks / f"{stem}.png"

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read the image at ``index`` with its things and, randomly, its stuff.

        Segment ids of up to 24 bits become 1, 2, ... in the order of the annotation.

        Raises:
            InputError: a file does not decode, or sizes differ.
        """
        require_index(index, len(self), self.name)
        image_path, mask_path = self._paths(index)
        image, segments = read_image(image_path), read_segments(mask_path)
        require_equal_sizes(image, image_path, segments, mask_path)
        stem, objects, stuff = self.items[index]
        kept = objects + stuff if rng.random() < self.stuff_prob else objects
        labels = np.zeros(segments.shape, np.int32)
        for number, segment in enumerate(kept, start=1):
            labels[segments == segment] = number
        return DSample.flat(image, labels, range(1, len(kept) + 1), sample_id=stem)
