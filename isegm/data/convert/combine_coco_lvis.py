"""Conversion of COCO's panoptic masks and LVIS's polygons to COCO+LVIS (Sofiiuk et al. 2021, "RITM", section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from isegm.data.convert.mask_layers import find_hierarchy, mask_iou, pack_layers
from isegm.data.convert.parallel import map_in_order, write_pickle
from isegm.data.datasets.base import require_files
from isegm.data.datasets.coco import panoptic_split, read_panoptic, read_segments
from isegm.data.datasets.lvis import Polygons, annotation_file, file_name, fill_polygons, read_lvis
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError
from isegm.utils.log import logger

MIN_OBJECT_AREA, MIN_STUFF_AREA = 80, 500
SAME_BOX, SAME_COCO_MASK, SAME_LVIS_MASK = 0.70, 0.70, 0.85  # IoU above which two masks are one object


@dataclass(frozen=True)
class CombinedImage:
    """Inputs and output of the conversion of one image.

    Attributes:
        name: stem of the image file.
        panoptic: path of COCO's panoptic mask.
        things, stuff: segment ids in that mask.
        objects: LVIS's objects.
        result: path of the mask file to write.
    """

    name: str
    panoptic: Path
    things: tuple[int, ...]
    stuff: tuple[int, ...]
    objects: tuple[Polygons, ...]
    result: Path


def convert_coco_lvis(coco: Path, lvis: Path, split: str, n_jobs: int = 1) -> int:
    """Write ``<split>/masks`` and, last, ``<split>/hannotation.pickle`` to the LVIS folder.

    An interrupted run leaves complete mask files and no index; the next run writes all files again.

    Args:
        coco: the folder with ``annotations/panoptic_<split>*``.
        lvis: the folder with ``<split>/lvis_v1_<split>.json``.
        split: "train" or "val".
        n_jobs: number of processes; the result is the same for any.

    Returns:
        the number of images in the index.

    Raises:
        InputError: annotations are missing or broken, or COCO and LVIS have no image in common.
    """
    items = _items(coco, lvis, split)
    index: dict[str, Any] = {}
    for item, entry in zip(items, map_in_order(_combine, items, n_jobs, f"COCO+LVIS {split}"), strict=True):
        if entry is not None:
            index[item.name] = entry
    if not index:
        raise InputError(f"no image of {split} has an object of {MIN_OBJECT_AREA} pixels: check the annotations.")
    write_pickle(lvis / split / "hannotation.pickle", index)
    logger.info("%s: %d images, %d of them with objects", split, len(items), len(index))
    return len(index)


def _items(coco: Path, lvis: Path, split: str) -> list[CombinedImage]:
    coco_split = panoptic_split(coco, split)
    annotations, things = read_panoptic(coco, coco_split)
    images, polygons = read_lvis(lvis, split)
    objects = {Path(file_name(image)).stem: polygons[int(image["id"])] for image in images}
    items = []
    for item in sorted(annotations, key=lambda item: item["file_name"]):
        name = Path(item["file_name"]).stem
        if name not in objects:
            continue
        kinds: dict[bool, list[int]] = {True: [], False: []}
        for segment in item["segments_info"]:
            kinds[things[int(segment["category_id"])]].append(int(segment["id"]))
        panoptic = coco / "annotations" / f"panoptic_{coco_split}" / f"{name}.png"
        result = lvis / split / "masks" / f"{name}.pickle"
        found = tuple(objects[name])
        items.append(CombinedImage(name, panoptic, tuple(kinds[True]), tuple(kinds[False]), found, result))
    if not items:
        raise InputError(
            f"{annotation_file(lvis, split)} and COCO's panoptic annotations of {coco_split} in {coco} have no "
            "image in common: give both of the same split."
        )
    require_files((item.panoptic for item in items), coco / "annotations" / f"panoptic_{coco_split}.json")
    return items


def _combine(item: CombinedImage) -> dict[str, Any] | None:
    """Write the mask file of an image, and return its entry in the index; None if it has no objects."""
    segments = read_segments(item.panoptic)
    from_coco = [segments == segment for segment in item.things]
    from_lvis = [fill_polygons(outlines, segments.shape) for outlines in item.objects]
    masks = merge_masks(from_coco, from_lvis)
    if not masks:
        return None
    count, tree = len(masks), find_hierarchy(masks)
    taken = np.logical_or.reduce(masks)
    stuff = [(segments == segment) & ~taken for segment in item.stuff]
    masks += [mask for mask in stuff if np.count_nonzero(mask) > MIN_STUFF_AREA]
    layers, mapping = pack_layers(masks)
    encoded = [cv2.imencode(".png", layer)[1] for layer in layers]
    write_pickle(item.result, (encoded, mapping))
    return {"num_instance_masks": count, "hierarchy": tree}


def merge_masks(from_coco: list[np.ndarray], from_lvis: list[np.ndarray]) -> list[np.ndarray]:
    """Merge the masks of one image, COCO's before LVIS's, without duplicates and without tiny ones.

    COCO's crowds count as objects, as published (docs/fidelity.md#crowds-are-objects). Of several LVIS masks of one
    object the last is kept.

    Args:
        from_coco, from_lvis: (H, W) bool each.
    """
    coco, lvis = (
        [(Box.around(mask), mask) for mask in masks if np.count_nonzero(mask) >= MIN_OBJECT_AREA]
        for masks in (from_coco, from_lvis)
    )
    kept = [mask for box, mask in coco if not _is_duplicate(box, mask, lvis, SAME_COCO_MASK)]
    for position, (box, mask) in enumerate(lvis, start=1):
        if not _is_duplicate(box, mask, lvis[position:], SAME_LVIS_MASK):
            kept.append(mask)
    return kept


def _is_duplicate(box: Box, mask: np.ndarray, others: list[tuple[Box, np.ndarray]], min_iou: float) -> bool:
    return any(box.iou(b) > SAME_BOX and mask_iou(mask, other) > min_iou for b, other in others)
