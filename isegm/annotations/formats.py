"""The file formats of annotations as one table, and a reader for all of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from isegm.annotations.classes import YAML_ENDINGS
from isegm.annotations.coco_json import read_coco, write_coco
from isegm.annotations.label_images import (
    mask_files,
    read_label_image,
    write_id_folder,
    write_id_png,
    write_mask,
    write_overlay,
    write_palette_png,
)
from isegm.annotations.labelme_json import read_labelme, write_labelme
from isegm.annotations.objects import Annotations
from isegm.annotations.yolo import read_yolo, write_yolo, write_yolo_folder
from isegm.annotations.yolo_data import label_files
from isegm.utils.errors import InputError
from isegm.utils.inputs import require, require_size
from isegm.utils.json_text import START, decode_json, is_json
from isegm.utils.log import logger
from isegm.utils.opening import open_regular, read_regular
from isegm.utils.schema import Text
from isegm.utils.text_values import as_path

YOLO_ENDINGS = (".txt", *YAML_ENDINGS)
MOST_NAMED = 10  # parts of a file that a message names


@dataclass(frozen=True)
class FileFormat:
    """A file format.

    Attributes:
        label: text in menus.
        ending: of its files, with the dot.
        write: called with a path, annotations and the image, (H, W, 3) uint8 RGB, which only overlays need. Raises
            ``InputError`` if the format cannot hold the annotations or the file cannot be written, and leaves no
            half-written file.
        keeps: what ``read_annotations`` restores: "all"; "shapes" (all pixels and the class of each object); "visible"
            (pixels, without those under other objects); or "none" for an image to look at.
        write_all: called with a path and the annotations of several images; None where a file holds one image.
        ending_all: of the path that ``write_all`` takes; "" for a folder, into whose ``masks/`` it writes.
        there: called with that path, gives the ``stem_key`` of each image that has a file of its own there. An image
            whose objects were all deleted must be written if it has one, and may be left out if not.
    """

    label: str
    ending: str
    write: Callable[[str | Path, Annotations, np.ndarray], None]
    keeps: str
    write_all: Callable[[str | Path, Sequence[Annotations]], None] | None = None
    ending_all: str = ".json"
    there: Callable[[str | Path], Container[str]] = lambda path: ()


FORMATS: dict[str, FileFormat] = {
    "mask": FileFormat(
        "Grey mask, levels spread", ".png", lambda path, annotations, image: write_mask(path, annotations), "visible"
    ),
    "id": FileFormat(
        "Object numbers (grey PNG)",
        ".png",
        lambda path, annotations, image: write_id_png(path, annotations),
        "visible",
        write_id_folder,
        "",
        mask_files,
    ),
    "palette": FileFormat(
        "Object colours (palette PNG)",
        ".png",
        lambda path, annotations, image: write_palette_png(path, annotations),
        "visible",
    ),
    "overlay": FileFormat("Image with objects", ".png", write_overlay, "none"),
    "coco_rle": FileFormat(
        "COCO JSON, masks (RLE)",
        ".json",
        lambda path, annotations, image: write_coco(path, [annotations]),
        "all",
        write_coco,
    ),
    "coco_polygons": FileFormat(
        "COCO JSON, polygons",
        ".json",
        lambda path, annotations, image: write_coco(path, [annotations], polygons=True),
        "all",
        partial(write_coco, polygons=True),
    ),
    "labelme": FileFormat(
        "labelme JSON, masks", ".json", lambda path, annotations, image: write_labelme(path, annotations), "all"
    ),
    "labelme_polygons": FileFormat(
        "labelme JSON, polygons",
        ".json",
        lambda path, annotations, image: write_labelme(path, annotations, polygons=True),
        "all",
    ),
    "yolo": FileFormat(
        "YOLO polygons (txt)",
        ".txt",
        lambda path, annotations, image: write_yolo(path, annotations),
        "shapes",
        write_yolo_folder,
        ".yaml",
        label_files,
    ),
}


def read_annotations(path: str | Path, image_name: str, size: tuple[int, int]) -> Annotations:
    """Read the annotations of an image from a file of any format but overlays.

    The format is recognised by the content, YOLO's by the ending .txt, or .yaml for a data set. What can be read
    is; the rest is listed in ``Annotations.left_out`` and in a warning of the log.

    Args:
        path: file to read.
        image_name: file name of the image, to find it in a COCO file of several images.
        size: (H, W) of the image in pixels.

    Raises:
        InputError: the file is missing, of no known format or for another image, or nothing in it can be read.
    """
    path = as_path(path, "the path of annotations")
    require_size(size, "the size of the image")
    require(image_name, Text(), "the name of the image")
    if not path.exists():
        raise InputError(f"{path} cannot be read (there is no such file): check the path.")
    content = read_regular(path, "file")
    if path.suffix.lower() in YOLO_ENDINGS and not is_json(content):
        objects, left_out = read_yolo(path, image_name, size)
    elif not is_json(content):
        objects, left_out = read_label_image(path, size)
    else:
        found = decode_json(content, path, "export it again")
        if isinstance(found, dict) and "shapes" in found:
            objects, left_out = read_labelme(path, found, size)
        elif isinstance(found, dict) and "images" in found and "annotations" in found:
            objects, left_out = read_coco(path, found, image_name, size)
        else:
            raise InputError(
                f"{path} is neither a COCO nor a labelme file: export the annotations in one of these formats."
            )
    annotations = Annotations(image_name, size, objects, left_out)
    if left_out:
        logger.warning("%s", describe_left_out(path, annotations))
    return annotations


def holds_objects(path: str | Path) -> bool:
    """Return whether a file is one of objects rather than an image, by its ending and its first bytes.

    Raises:
        InputError: it cannot be read.
    """
    path = as_path(path, "the path of annotations")
    if path.suffix.lower() in (".json", *YOLO_ENDINGS):
        return True
    with open_regular(path, "file") as file:
        return is_json(file.read(START))


def describe_left_out(path: str | Path, annotations: Annotations) -> str:
    """Say in a sentence what was not read from a file of annotations; "" where nothing was left out."""
    left_out, count = annotations.left_out, len(annotations.objects)
    if not left_out:
        return ""
    more = f"; and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
    read = "1 object was" if count == 1 else f"{count} objects were"
    return f"{path}: {read} read; left out: {'; '.join(left_out[:MOST_NAMED])}{more}."
