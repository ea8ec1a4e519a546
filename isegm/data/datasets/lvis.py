"""LVIS (Gupta et al. 2019): ``<split>/lvis_v1_<split>.json``, or 0.5's, and images in ``<split>/images``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from isegm.data.datasets.base import RandomReader, foreign, read_json, require_files
from isegm.data.sample import DSample
from isegm.utils.files import read_image

Polygons = list[np.ndarray]  # each (N, 2) int32, corners (x, y) in whole pixels
FILES = ("lvis_v1_{}.json", "lvis_{}.json")  # as published code names them, the second for LVIS 0.5


def read_lvis(root: Path, split: str) -> tuple[list[dict[str, Any]], dict[int, list[Polygons]]]:
    """Images of a split, and each one's objects in the order of the file.

    Raises:
        InputError: the file is not there, or is not LVIS's annotation.
    """
    path = annotation_file(root, split)
    content = read_json(path)
    try:
        polygons: dict[int, list[Polygons]] = {int(image["id"]): [] for image in content["images"]}
        for item in content["annotations"]:
            polygons[int(item["image_id"])].append([_corners(points) for points in item["segmentation"]])
        fits = all(isinstance(file_name(image), str) for image in content["images"])
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise foreign(path, "LVIS annotations") from error
    if not fits or not polygons:
        raise foreign(path, "LVIS annotations")
    return content["images"], polygons


def _corners(points: list[float]) -> np.ndarray:
    with np.errstate(invalid="raise"):  # for what is no number
        return np.round(np.array(points, dtype=np.float64)).astype(np.int32).reshape(-1, 2)


def annotation_file(root: Path, split: str) -> Path:
    """Where a split's annotations lie: the first of ``FILES`` that is there, or would lie, if none is."""
    paths = [root / split / name.format(split) for name in FILES]
    return next((path for path in paths if path.is_file()), paths[0])


def file_name(image: dict[str, Any]) -> str:
    """An image's file below the LVIS folder: COCO's folder in its URL says whether train or val holds it."""
    url = image.get("coco_url") or image["file_name"]
    folder = "train" if "train2017" in url else "val"
    return f"{folder}/images/{PurePosixPath(url).name}"


def fill_polygons(outlines: Polygons, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the union of polygons."""
    mask = np.zeros(size, np.uint8)
    for corners in outlines:
        cv2.fillPoly(mask, corners[None], 1)
    return mask > 0


class LvisDataset(RandomReader):
    """LVIS's objects, drawn over each other in an order that chance decides.

    An object is left out where it would share too much with those drawn before: where the greater of the share of it
    that falls on them, and of the share of any one of them that it would cover, is above ``max_overlap_ratio``.

    Args:
        root: the folder with ``train/`` and ``val/``.
        split: "train" or "val"; a split's images may lie in the other's folder.

    Raises:
        InputError: the annotations are not there, or not LVIS's, or name files that are not there.
    """

    def __init__(self, root: str | Path, split: str = "train", max_overlap_ratio: float = 0.5) -> None:
        self.root = Path(root)
        self.name = f"LVIS_{split}"
        self.max_overlap_ratio = max_overlap_ratio
        images, polygons = read_lvis(self.root, split)
        self.items = [(file_name(image), polygons[int(image["id"])]) for image in images]
        files = (self.root / name for name, _ in self.items)
        require_files(files, annotation_file(self.root, split))

    def __len__(self) -> int:
        return len(self.items)

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """The ``index``-th image with its objects; an object's value is its place in the annotations, from 1.

        Raises:
            InputError: the image does not decode.
        """
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
