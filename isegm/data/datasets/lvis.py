"""LVIS (Gupta et al. 2019): ``<split>/lvis_v1_<split>.json`` (or that of LVIS 0.5), images in ``<split>/images``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from isegm.data.datasets.base import RandomReader, read_json, readable, require_files, wrong_format
from isegm.data.sample import DSample
from isegm.utils.files import read_image
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path

Polygons = list[np.ndarray]  # each (N, 2) int32, corners (x, y) in whole pixels
COORDINATE_LIMIT = 2**20  # of corners, in pixels
FILES = ("lvis_v1_{}.json", "lvis_{}.json")  # names in published code; the second is LVIS 0.5
OF_RITM = FILES[::-1]  # whose baselines on LVIS alone were trained on 0.5


def read_lvis(
    root: Path, split: str, files: Sequence[str] = FILES
) -> tuple[list[dict[str, Any]], dict[int, list[Polygons]]]:
    """Read the annotations of a split; for arguments see ``annotation_file``.

    Returns:
        images: one dict per image, as in the file.
        polygons: the objects of each image id, in the order of the file.

    Raises:
        InputError: the file is missing, or does not hold LVIS annotations.
    """
    path = annotation_file(root, split, files)
    content, wanted = read_json(path), "LVIS annotations"
    try:
        images, items = list(content["images"]), list(content["annotations"])
    except (LookupError, TypeError) as error:
        raise wrong_format(path, wanted) from error
    polygons: dict[int, list[Polygons]] = {}

    def read_image_record(name: str, image: Any) -> dict[str, Any]:
        file_name(image)
        polygons[int(image["id"])] = []
        return image

    def read_object(name: str, item: Any) -> None:
        outlines = [_corners(points) for points in item["segmentation"] if points != []]
        polygons[int(item["image_id"])].append(outlines)

    named = ((f"image {number}", image) for number, image in enumerate(images))
    kept = readable(named, read_image_record, path, wanted)
    if items:
        readable(((f"annotation {number}", item) for number, item in enumerate(items)), read_object, path, wanted)
    return kept, polygons


def _corners(points: list[float]) -> np.ndarray:
    corners = np.round(np.array(points, dtype=np.float64)).reshape(-1, 2)
    if not (np.abs(corners) < COORDINATE_LIMIT).all():
        raise ValueError("a corner is far outside of any image, or no number")
    return corners.astype(np.int32)


def annotation_file(root: Path, split: str, files: Sequence[str] = FILES) -> Path:
    """Find the annotation file of a split: the first of ``files`` that exists, or the first one if none does."""
    paths = [root / split / name.format(split) for name in files]
    return next((path for path in paths if path.is_file()), paths[0])


def file_name(image: dict[str, Any]) -> str:
    """Path of an image below the LVIS folder; COCO's folder in its URL tells whether it lies in train or val."""
    url = image.get("coco_url") or image["file_name"]
    folder = "train" if "train2017" in url else "val"
    return f"{folder}/images/{PurePosixPath(url).name}"


def fill_polygons(outlines: Polygons, size: tuple[int, int]) -> np.ndarray:
    """Draw the union of polygons as a mask (H, W) bool."""
    mask = np.zeros(size, np.uint8)
    for corners in outlines:
        cv2.fillPoly(mask, [corners], 1)
    return mask > 0


class LvisDataset(RandomReader):
    """LVIS: objects drawn over each other in random order.

    An object is left out if it overlaps too much with those drawn before: if the share of it that falls on them, or
    the share of any one of them that it would cover, exceeds ``max_overlap_ratio``.

    Args:
        root: the folder with ``train/`` and ``val/``.
        split: "train" or "val"; images of a split may lie in the other one's folder.
        max_overlap_ratio: see above, 0..1.

    Raises:
        InputError: the annotations are missing, not LVIS's, or name files that are missing.
    """

    def __init__(self, root: str | Path, split: str = "train", max_overlap_ratio: float = 0.5) -> None:
        self.root = as_path(root, "the folder of a data set")
        self.name = f"LVIS_{split}"
        self.max_overlap_ratio = max_overlap_ratio
        images, polygons = read_lvis(self.root, split, OF_RITM)
        self.items = [(file_name(image), polygons[int(image["id"])]) for image in images]
        files = (self.root / name for name, _ in self.items)
        require_files(files, annotation_file(self.root, split, OF_RITM))

    def __len__(self) -> int:
        return len(self.items)

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read the image at ``index`` with its objects; an object's value is its position in the annotations, from 1.

        Raises:
            InputError: the image does not decode.
        """
        require_index(index, len(self), self.name)
        name, objects = self.items[index]
        image = read_image(self.root / name)
        labels = np.zeros(image.shape[:2], np.int32)
        for position in rng.permutation(len(objects)):
            pixels = fill_polygons(objects[position], image.shape[:2])
            covered = np.bincount(labels[pixels])
            touched = [value for value in np.flatnonzero(covered) if value > 0]
            if touched:
                shares = [covered[value] / np.count_nonzero(labels == value) for value in touched]
                if max(covered[1:].sum() / covered.sum(), *shares) > self.max_overlap_ratio:
                    continue
            labels[pixels] = position + 1
        values = [int(value) for value in np.unique(labels) if value > 0]
        return DSample.flat(image, labels, values, sample_id=Path(name).stem)
