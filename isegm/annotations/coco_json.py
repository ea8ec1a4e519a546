"""COCO's JSON format (Lin et al. 2014): objects of one or several images, as run lengths or polygons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from isegm.annotations import json_files, rle
from isegm.annotations.objects import AnnotatedObject, Annotations
from isegm.annotations.polygons import corner_outlines, fill_polygon
from isegm.annotations.region import Region
from isegm.utils.errors import InputError

MIN_NUMBERS = 6  # of a polygon: x and y of three corners


def write_coco(path: str | Path, annotated: Sequence[Annotations], polygons: bool = False) -> None:
    """Write the objects of images to one file; objects under others are written whole.

    Both kinds of masks are exact. Run lengths are compressed as in pycocotools, which takes a third of the space of
    lists. Polygons run along pixel edges and have no holes: a piece with a hole is cut in two. An object without
    pixels is written as run lengths in both cases. Number, name, colour and protection go to ``attributes``, as in
    CVAT's files.

    Args:
        path: file to write.
        annotated: images with different file names.
        polygons: write polygons instead of run lengths.

    Raises:
        InputError: two images have the same name, a name is not valid Unicode, or the file cannot be written.
    """
    names = [one.image_name for one in annotated]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} cannot hold two images named {twice}: rename one.")
    classes = list(dict.fromkeys(item.category for one in annotated for item in one.objects))
    numbers = {name: number for number, name in enumerate(classes, start=1)}
    images: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for image_id, one in enumerate(annotated, start=1):
        height, width = one.size
        images.append({"id": image_id, "file_name": one.image_name, "width": width, "height": height})
        for item in one.objects:
            entry = {"id": len(entries) + 1, "image_id": image_id, "category_id": numbers[item.category]}
            entries.append(entry | _entry(item, polygons))
    content = {
        "info": {"description": "isegm"},
        "licenses": [],
        "images": images,
        "annotations": entries,
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
    }
    json_files.write_json(path, content)


def _entry(item: AnnotatedObject, polygons: bool) -> dict[str, Any]:
    """Make the annotation entry of an object, without ids."""
    region = item.region
    if polygons and region:
        segmentation: Any = [corners.ravel() for corners in corner_outlines(region)]
    else:
        segmentation = {"size": list(region.size), "counts": rle.compress(rle.encode(region))}
    height, width = region.shape
    return {
        "segmentation": segmentation,
        "area": region.area,
        "bbox": [region.left, region.top, width, height],
        "iscrowd": 0,
        "attributes": {"name": item.name, **json_files.attributes_of(item)},
    }


def read_coco(
    path: Path, content: Mapping[str, Any], image_name: str, size: tuple[int, int]
) -> tuple[AnnotatedObject, ...]:
    """Read the objects of one image from the content of a COCO file, whichever program wrote it.

    Masks may be polygons, rasterised as in pycocotools, or run lengths, compressed or not. Crowds are read like other
    objects. An annotation without a mask (``segmentation`` missing, null or empty, as in detection files) becomes the
    rectangle of its ``bbox``. In a file without ``categories`` every class is ``object``.

    Args:
        path: of the file, for messages.
        content: the decoded JSON.
        image_name: file name of the image; folders in the file's own names are ignored if only one image matches.
        size: (H, W) of the image.

    Raises:
        InputError: no image has the name, or several do; its size differs; a mask cannot be read, or there is neither
            mask nor box; or it is not COCO's format.
    """
    try:
        image = _image(path, content["images"], image_name)
        json_files.require_size(path, (image["height"], image["width"]), size)
        listed = content.get("categories")
        classes = {category["id"]: str(category["name"]) for category in listed or []}
        found = []
        for entry in content["annotations"]:
            if entry["image_id"] != image["id"]:
                continue
            region = _region(path, entry, size)
            attributes = entry.get("attributes")
            attributes = attributes if isinstance(attributes, dict) else {}
            name = attributes.get("name", "")
            category = classes.get(entry.get("category_id"))
            if category is None and entry.get("category_id") is not None and listed is not None:
                raise json_files.unreadable(
                    path, f"annotation {entry.get('id')} has a class that is not listed", "list its class"
                )
            kept = {"category": category} if category else {}
            found.append(
                json_files.ReadObject(region, name=name if isinstance(name, str) else "", attributes=attributes, **kept)
            )
    except (AttributeError, KeyError, TypeError) as error:
        raise json_files.unreadable(
            path, f"it is not COCO's format ({type(error).__name__}: {error})", "export it again"
        ) from error
    return json_files.assign_numbers(found, path)


def _image(path: Path, images: Sequence[Mapping[str, Any]], image_name: str) -> Mapping[str, Any]:
    """Find the entry of an image: the one with exactly its name, or the only one with its name in any folder."""
    matching = [image for image in images if image["file_name"] == image_name] or [
        image for image in images if PureWindowsPath(image["file_name"]).name == image_name
    ]
    if len(matching) > 1:
        raise InputError(f"{path} has {len(matching)} images named {image_name}: leave one of them.")
    if matching:
        return matching[0]
    some = ", ".join(str(image["file_name"]) for image in images[:3])
    raise InputError(f"{path} has no image named {image_name} (it has {some or 'none'}): give the file for this image.")


def _region(path: Path, entry: Mapping[str, Any], size: tuple[int, int]) -> Region:
    """Read the pixels of an annotation."""
    mask = entry.get("segmentation")
    try:
        if mask in (None, []) and entry.get("bbox") is not None:
            return fill_polygon(_box_corners(entry["bbox"]), size)
        if isinstance(mask, list) and mask:
            return Region.union(size, [fill_polygon(_corners(numbers), size) for numbers in mask])
        if isinstance(mask, dict):
            if tuple(mask["size"]) != size:
                raise ValueError(f"its mask has the size {mask['size']}")
            counts = mask["counts"]
            return rle.decode(rle.expand(counts) if isinstance(counts, str) else counts, size)
        if mask:
            raise ValueError("its mask is neither polygons nor run lengths")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise json_files.unreadable(path, f"annotation {entry.get('id')} cannot be read ({error})") from error
    raise json_files.unreadable(path, f"annotation {entry.get('id')} has neither mask nor box")


def _corners(numbers: Sequence[float]) -> np.ndarray:
    corners = np.asarray(numbers)
    if corners.ndim != 1 or corners.size < MIN_NUMBERS or corners.size % 2 or corners.dtype.kind not in "iuf":
        raise ValueError("a polygon is not a list of x, y of three corners or more")
    return json_files.require_in_bounds(corners).reshape(-1, 2)


def _box_corners(box: Sequence[float]) -> np.ndarray:
    numbers = np.asarray(box)
    if numbers.shape != (4,) or numbers.dtype.kind not in "iuf" or not (numbers[2:] >= 0).all():
        raise ValueError("its box is not x, y, width, height")
    left, top, width, height = json_files.require_in_bounds(numbers)
    return np.array([(left, top), (left, top + height), (left + width, top + height), (left + width, top)])
