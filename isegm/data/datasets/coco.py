"""COCO with panoptic annotations (Kirillov et al. 2019): ``annotations/panoptic_<split>*`` and ``<split>/``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.data.datasets.base import RandomReader, foreign, read_json, require_equal_sizes, require_files
from isegm.data.sample import DSample
from isegm.utils.files import read_image

SPLITS = {"train": "train2017", "val": "val2017"}


def panoptic_split(root: Path, split: str) -> str:
    """The name that a split's files bear below ``root``: ``split`` itself, or the name that COCO gives them.

    Published training code expects renamed files (train), published conversion scripts the original ones (train2017);
    both are found.
    """
    other = SPLITS.get(split, split)
    if not (root / "annotations" / f"panoptic_{split}.json").is_file():
        return other if (root / "annotations" / f"panoptic_{other}.json").is_file() else split
    return split


def read_panoptic(root: Path, split: str) -> tuple[list[dict], dict[int, bool]]:
    """Annotations of a split, one an image, and whether each category is a thing.

    Raises:
        InputError: the file is not there, or is not COCO's panoptic annotation.
    """
    path = root / "annotations" / f"panoptic_{split}.json"
    content = read_json(path)
    try:
        things = {int(category["id"]): bool(category["isthing"]) for category in content["categories"]}
        annotations = list(content["annotations"])
        fits = all(
            isinstance(item["file_name"], str)
            and all(int(s["category_id"]) in things and int(s["id"]) > 0 for s in item["segments_info"])
            for item in annotations
        )
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise foreign(path, "COCO's panoptic annotations") from error
    if not fits or not annotations:
        raise foreign(path, "COCO's panoptic annotations")
    return annotations, things


def read_segments(path: Path) -> np.ndarray:
    """(H, W) int32 segment ids of a panoptic PNG: R + 256 G + 65536 B."""
    colours = read_image(path).astype(np.int32)
    return colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]


class CocoDataset(RandomReader):
    """COCO's things as objects; crowds and stuff are background.

    Args:
        root: the folder with ``annotations/`` and the images' folder.
        split: "train" or "val"; see ``panoptic_split`` for names of the files.
        stuff_prob: how often a sample has its stuff segments as objects too.

    Raises:
        InputError: the annotations are not there, or not COCO's, or name files that are not there.
    """

    def __init__(self, root: str | Path, split: str = "train", stuff_prob: float = 0.0) -> None:
        self.root = Path(root)
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
        """The ``index``-th image with its things, and with its stuff if chance will have it.

        Segment ids, numbers of up to 24 bits, become 1, 2, ... in the order of the annotation.

        Raises:
            InputError: a file does not decode, or sizes differ.
        """
        image_path, mask_path = self._paths(index)
        image, segments = read_image(image_path), read_segments(mask_path)
        require_equal_sizes(image, image_path, segments, mask_path)
        stem, objects, stuff = self.items[index]
        kept = objects + stuff if rng.random() < self.stuff_prob else objects
        labels = np.zeros(segments.shape, np.int32)
        for number, segment in enumerate(kept, start=1):
            labels[segments == segment] = number
        return DSample.flat(image, labels, range(1, len(kept) + 1), sample_id=stem)
