"""YOLO's text format (Ultralytics): a line for each object, with the number of its class and a polygon or a box.

Coordinates are shares of the image's width and height. A label file belongs to the image of the same stem. The names of
the classes stand in a file beside the labels, ``classes.txt``, or in the ``data.yaml`` of a data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from isegm.annotations import json_files
from isegm.annotations.classes import YAML_ENDINGS
from isegm.annotations.objects import ANNOTATIONS, AnnotatedObject, Annotations, file_stems, require_each, stem_key
from isegm.annotations.polygons import corner_outlines, fill_polygon
from isegm.annotations.yolo_data import (
    CLASSES,
    LABELS,
    label_files,
    labels_to_write,
    list_beside,
    listed_classes,
    number_classes,
    write_lines,
)
from isegm.utils.errors import InputError
from isegm.utils.inputs import require
from isegm.utils.opening import read_regular
from isegm.utils.text_values import as_path

DIGITS = 8  # behind the point, enough for images of a million pixels in width
BOX, SCORED_BOX, SMALLEST_POLYGON = 4, 5, 6  # numbers of a line behind the class
OUTSIDE = 0.5  # share of the image by which a point may lie outside it


def write_yolo(path: str | Path, annotations: Annotations) -> None:
    """Write the polygons of an image, and the classes to ``classes.txt`` beside them where no file lists them yet.

    Polygons run along pixel edges and fill to exactly the object; those under others are written whole. The pieces of
    an object are joined by lines without width. A list of classes that ``read_yolo`` finds, such as the ``data.yaml``
    of a data set, keeps its numbers, and gets further classes at its end. Number, name, colour and protection have no
    place in the format.

    Args:
        path: file to write, ending in .txt.
        annotations: objects of the image.

    Raises:
        InputError: another ending, an object without pixels, a class of several lines or more than 200 characters, a
            data set of poses, or a file cannot be read or written.
    """
    require(annotations, ANNOTATIONS, "annotations")
    path = as_path(path, "the path of labels")
    if path.suffix.lower() != ".txt" or path.name == CLASSES:
        raise InputError(f"{path} is no name for YOLO's labels: end it in .txt, other than {CLASSES}.")
    _require_pixels(path, [annotations])
    classes = number_classes(list_beside(path) or path.parent / CLASSES, [annotations])
    write_lines(path, _lines(annotations, classes))


def write_yolo_folder(path: str | Path, annotated: Sequence[Annotations]) -> None:
    """Write a data set: ``data.yaml`` with the classes, and beside it ``labels/`` with a file for each image.

    In a ``data.yaml`` that is there nothing changes but further classes, at the end of its ``names``, and their number,
    ``nc``. Label files that are there are replaced where they lie. The list is written first, so that no label has a
    number without a name.

    Args:
        path: the file with the classes, ending in .yaml.
        annotated: images whose file names have different stems.

    Raises:
        InputError: as ``write_yolo``, another ending, two images whose labels would have the same name, or an image of
            several label files.
    """
    require_each(annotated)
    path = as_path(path, "the path of labels")
    if path.suffix.lower() not in YAML_ENDINGS:
        raise InputError(f"{path} is no name for the list of YOLO's classes: end it in .yaml.")
    file_stems(path.parent, annotated)
    _require_pixels(path, annotated)
    files = labels_to_write(path, [one.image_name for one in annotated])
    classes = number_classes(path, annotated)
    for one, file in zip(annotated, files, strict=True):
        write_lines(file, _lines(one, classes))


def _require_pixels(path: Path, annotated: Sequence[Annotations]) -> None:
    empty = next((item for one in annotated for item in one.objects if not item.region), None)
    if empty is not None:
        raise InputError(
            f"{path} cannot hold object {empty.number}, which has no pixels: delete it, or save COCO JSON."
        )


def _lines(annotations: Annotations, classes: Mapping[int, str]) -> list[str]:
    numbers = {name: number for number, name in sorted(classes.items(), reverse=True)}  # of one name the least
    return [f"{numbers[item.category]} {_polygon(item)}" for item in annotations.objects]


def _polygon(item: AnnotatedObject) -> str:
    """The polygon of an object as text; each further piece is reached from the first corner, and left to it."""
    first, *others = corner_outlines(item.region)
    start = first[:1]
    parts = [first, *chain.from_iterable((start, piece, piece[:1]) for piece in others), *([start] if others else [])]
    height, width = item.region.size
    shares = np.concatenate(parts) / (width, height)
    return " ".join(f"{number:.{DIGITS}f}".rstrip("0").rstrip(".") for number in shares.ravel().tolist())


def read_yolo(
    path: Path, image_name: str, size: tuple[int, int]
) -> tuple[tuple[AnnotatedObject, ...], tuple[str, ...]]:
    """Read the objects of an image from a label file, or from the data set of a ``data.yaml``.

    Classes are named by ``classes.txt`` beside the labels, or by a ``data.yaml`` in their folder or up to three folders
    above; without either, class 0 is named "class 0". Boxes are read as rectangles.

    Args:
        path: ends in .txt, .yaml or .yml.
        image_name: file name of the image, to find its labels in a data set.
        size: (H, W) of the image.

    Returns:
        the objects, and what was left out: a few words each.

    Raises:
        InputError: the file cannot be read, none of its lines can, the data set has no labels of this image, or several
            files of them, or its labels are poses.
    """
    if path.suffix.lower() in YAML_ENDINGS:
        classes, path = listed_classes(path), _labels_in(path, image_name)
    else:
        listed = list_beside(path)
        classes = {} if listed is None else listed_classes(listed)
    try:
        text = read_regular(path, "label file").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text, as YOLO's labels are: choose another file.") from error
    found, left_out = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append(_object(line, classes, size))
            except ValueError as error:
                left_out.append(f"line {number} ({error})")
    return json_files.finish(path, found, left_out)


def _labels_in(path: Path, image_name: str) -> Path:
    """Find the label file of an image in a data set."""
    found = label_files(path).get(stem_key(image_name), [])
    if len(found) != 1:
        where = f"{path.parent} has {len(found)} files" if found else f"{path.parent / LABELS} has no file"
        raise InputError(f"{where} {Path(image_name).stem}.txt for this image: choose its label file itself.")
    return found[0]


def _object(line: str, classes: Mapping[int, str], size: tuple[int, int]) -> json_files.ReadObject:
    """Read a line.

    Raises:
        ValueError: it is none of YOLO's.
    """
    first, *rest = line.split()
    try:
        numbers: Any = np.array(rest, np.float64)
    except ValueError:
        raise ValueError("it has something else than numbers") from None
    if not first.isdecimal() or len(first) > 9:
        raise ValueError("it does not begin with the number of a class")
    polygon = len(numbers) >= SMALLEST_POLYGON and len(numbers) % 2 == 0
    if not polygon and len(numbers) not in (BOX, SCORED_BOX):
        raise ValueError(f"it has {len(numbers)} numbers, not those of a box or of a polygon of three corners or more")
    if not (np.abs(numbers - 0.5) <= 0.5 + OUTSIDE).all():
        raise ValueError("its numbers are no shares of the image")
    if not polygon:
        x, y, width, height = numbers[:BOX]
        left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
        numbers = np.array([left, top, left, bottom, right, bottom, right, top])
    if classes and int(first) not in classes:
        raise ValueError(f"there is no class {first} among the {len(classes)} that are listed")
    category = classes[int(first)] if classes else f"class {int(first)}"
    return json_files.ReadObject(fill_polygon(numbers.reshape(-1, 2) * size[::-1], size), category=category)
