"""COCO's JSON format (Lin et al. 2014): objects of one or several images, as run lengths or polygons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path, PureWindowsPath
from typing import Any
from unicodedata import normalize

import numpy as np

from isegm.annotations import json_files, rle
from isegm.annotations.objects import CATEGORY, AnnotatedObject, Annotations, require_each
from isegm.annotations.polygons import corner_outlines, fill_polygon
from isegm.annotations.region import Region
from isegm.utils.errors import DECODING, InputError
from isegm.utils.schema import shown

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
    require_each(annotated)
    names = [one.image_name for one in annotated]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} cannot hold two images named {twice}: rename one.")
    listed = chain.from_iterable(one.classes for one in annotated)
    classes = list(dict.fromkeys(chain(listed, (item.category for one in annotated for item in one.objects))))
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
) -> tuple[tuple[AnnotatedObject, ...], tuple[str, ...]]:
    """Read the objects of one image from the content of a COCO file, whichever program wrote it.

    Masks may be polygons, rasterised as in pycocotools, or run lengths, compressed or not. Crowds are read like other
    objects. An annotation without a mask (``segmentation`` missing, null or empty, as in detection files) becomes the
    rectangle of its ``bbox``. In a file without ``categories`` every class is ``object``. Ids and sizes may be text; a
    size may be absent. What cannot be read is left out.

    Args:
        path: of the file, for messages.
        content: the decoded JSON.
        image_name: file name of the image, in any of its Unicode forms; folders in the file's own names are ignored if
            only one image matches.
        size: (H, W) of the image.

    Returns:
        the objects, and for each annotation or part of one that was left out a few words that say why.

    Raises:
        InputError: no image has the name, or several do; its size differs; none of its annotations can be read; or it
            is not COCO's format.
    """
    image = _image(path, _records(path, content["images"], _is_image), image_name)
    try:
        stated = json_files.side(image.get("height")), json_files.side(image.get("width"))
    except DECODING as error:
        raise json_files.unreadable(path, str(error), "write its height and width in pixels") from error
    json_files.require_size(path, stated, size)
    listed = content.get("categories")
    classes = None
    if listed is not None:
        categories = _records(path, listed, _is_category)
        classes = {_key(category["id"]): str(category["name"]) for category in categories}
    found: list[json_files.ReadObject] = []
    left_out: list[str] = []
    wanted = _key(image["id"])
    for entry in _records(path, content["annotations"], _is_annotation, left_out):
        if _key(entry["image_id"]) != wanted:
            continue
        which = f"annotation {shown(entry.get('id'))}"
        try:
            found.append(_object(entry, which, classes, size, left_out))
        except DECODING as error:
            reason = json_files.reason(error)
            left_out.append(
                f"{which} {reason}" if isinstance(error, _Lacking) else f"{which} cannot be read ({reason})"
            )
    return json_files.finish(path, found, left_out)


class _Lacking(ValueError):
    """An annotation lacks something; the words follow its name."""


def _is_image(record: Any) -> bool:
    return isinstance(record["file_name"], str) and _key(record["id"]) is not None


def _is_category(record: Any) -> bool:
    return isinstance(record["name"], (str, int, float)) and _key(record["id"]) is not None


def _is_annotation(record: Any) -> bool:
    return _key(record["image_id"]) is not None and isinstance(record, Mapping)


def _records(
    path: Path, listed: Any, fits: Callable[[Any], bool], left_out: list[str] | None = None
) -> list[Mapping[str, Any]]:
    """Select the records of a list that are of COCO's format; the others are added to ``left_out``.

    Raises:
        InputError: it is no list, or none is.
    """
    if not isinstance(listed, list):
        raise json_files.unreadable(path, f"it is not COCO's format (a list is {shown(listed)})", "export it again")
    kept = []
    reason = ""
    for number, record in enumerate(listed, start=1):
        try:
            good = fits(record)
        except DECODING as error:
            good, reason = False, json_files.reason(error)
        if good:
            kept.append(record)
        elif left_out is not None:
            left_out.append(f"the annotation at place {number} belongs to no image")
    if listed and not kept:
        reason = reason or f"an entry is {shown(listed[0])}"
        raise json_files.unreadable(path, f"it is not COCO's format ({reason})", "export it again")
    return kept


def _key(identity: Any) -> int | str | None:
    """An id as it can be compared, whether a number or text; None if it is neither."""
    if isinstance(identity, str):
        return int(identity) if identity.isascii() and identity.isdecimal() and len(identity) < 20 else identity
    if isinstance(identity, bool) or not isinstance(identity, (int, float)):
        return None
    return int(identity) if identity == identity // 1 else None


def _object(
    entry: Mapping[str, Any],
    which: str,
    classes: Mapping[int | str | None, str] | None,
    size: tuple[int, int],
    left_out: list[str],
) -> json_files.ReadObject:
    """Read an annotation; raises one of ``DECODING`` if it cannot be read."""
    region = _region(entry, which, size, left_out)
    attributes = entry.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    name, category = attributes.get("name", ""), CATEGORY
    if classes is not None and entry.get("category_id") is not None:
        category = classes.get(_key(entry["category_id"]), "")
        if not category:
            raise _Lacking("has a class that is not listed")
    return json_files.ReadObject(region, category, name if isinstance(name, str) else "", attributes)


def _image(path: Path, images: Sequence[Mapping[str, Any]], image_name: str) -> Mapping[str, Any]:
    """Find the entry of an image: the one with exactly its name, or the only one with its name in any folder."""
    wanted = normalize("NFC", image_name)
    forms: tuple[Callable[[str], str], ...] = (
        str,
        partial(normalize, "NFC"),
        lambda name: normalize("NFC", PureWindowsPath(name).name),
    )
    for form, name in zip(forms, (image_name, wanted, wanted), strict=True):
        matching = [image for image in images if form(image["file_name"]) == name]
        if len(matching) > 1:
            raise InputError(f"{path} has {len(matching)} images named {image_name}: leave one of them.")
        if matching:
            return matching[0]
    some = ", ".join(image["file_name"] for image in images[:3])
    raise InputError(f"{path} has no image named {image_name} (it has {some or 'none'}): give the file for this image.")


def _region(entry: Mapping[str, Any], which: str, size: tuple[int, int], left_out: list[str]) -> Region:
    """Read the pixels of an annotation; raises one of ``DECODING`` if it has none that can be read."""
    mask = entry.get("segmentation")
    if isinstance(mask, list) and any(mask):
        return _polygons(mask, which, size, left_out)
    if mask in (None, [], [[]]) or isinstance(mask, list):
        if entry.get("bbox") is None:
            raise _Lacking("has neither mask nor box")
        return fill_polygon(_box_corners(entry["bbox"]), size)
    if not isinstance(mask, dict):
        raise ValueError("its mask is neither polygons nor run lengths")
    if tuple(map(json_files.side, mask["size"])) != size:
        raise ValueError(f"its mask has the size {shown(mask['size'])}, not that of the image")
    counts = mask["counts"]
    if isinstance(counts, str):
        return rle.decode(rle.expand(counts), size)
    lengths = np.asarray(counts)
    if lengths.dtype.kind == "f" and (lengths == np.trunc(lengths)).all() and np.isfinite(lengths).all():
        lengths = lengths.astype(np.int64)
    return rle.decode(lengths, size)


def _polygons(pieces: Sequence[Any], which: str, size: tuple[int, int], left_out: list[str]) -> Region:
    """Draw the pieces of an annotation that can be read, at least one."""
    regions, reasons = [], []
    for piece in pieces:
        try:
            regions.append(fill_polygon(_corners(piece), size))
        except DECODING as error:
            reasons.append(json_files.reason(error))
    if not regions:
        raise ValueError(reasons[0])
    if reasons:
        left_out.append(f"{len(reasons)} of the {len(pieces)} pieces of {which} ({reasons[0]})")
    return Region.union(size, regions)


def _numbers(given: Any) -> np.ndarray:
    """Convert a list of numbers to an array; they may be text, if all are."""
    if isinstance(given, list) and given and all(isinstance(one, str) for one in given):
        return np.array([float(one) for one in given])
    return np.asarray(given)


def _corners(given: Any) -> np.ndarray:
    corners = _numbers(given)
    if corners.ndim != 1 or corners.size < MIN_NUMBERS or corners.size % 2 or corners.dtype.kind not in "iuf":
        raise ValueError("a polygon is not a list of numbers x, y of three corners or more")
    return json_files.require_in_bounds(corners).reshape(-1, 2)


def _box_corners(box: Any) -> np.ndarray:
    numbers = _numbers(box)
    if numbers.shape != (4,) or numbers.dtype.kind not in "iuf" or not (numbers[2:] >= 0).all():
        raise ValueError("its box is not x, y, width, height")
    left, top, width, height = json_files.require_in_bounds(numbers)
    return np.array([(left, top), (left, top + height), (left + width, top + height), (left + width, top)])
