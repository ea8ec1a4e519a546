"""The file formats of annotations as one table, and a reader for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from isegm.annotations.coco_json import read_coco, write_coco
from isegm.annotations.label_images import (
    read_label_image,
    write_id_png,
    write_mask,
    write_overlay,
    write_palette_png,
)
from isegm.annotations.labelme_json import read_labelme, write_labelme
from isegm.annotations.objects import Annotations
from isegm.utils.errors import InputError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class FileFormat:
    """A file format.

    Attributes:
        label: text in menus.
        ending: of its files, with the dot.
        write: called with a path, annotations and the image, (H, W, 3) uint8 RGB, which only overlays need. Raises
            ``InputError`` if the format cannot hold the annotations or the file cannot be written, and leaves no
            half-written file.
        keeps: pixels of objects that ``read_annotations`` restores: "all", "visible" (without those under other
            objects), or "none" for an image to look at.
        write_all: called with a path and the annotations of several images; None where a file holds one image.
    """

    label: str
    ending: str
    write: Callable[[str | Path, Annotations, np.ndarray], None]
    keeps: str
    write_all: Callable[[str | Path, Sequence[Annotations]], None] | None = None

    @property
    def ending_all(self) -> str:
        """Ending of the files of ``write_all``."""
        return self.ending


FORMATS: dict[str, FileFormat] = {
    "mask": FileFormat(
        "Grey mask, levels spread", ".png", lambda path, annotations, image: write_mask(path, annotations), "visible"
    ),
    "id": FileFormat(
        "Object numbers (grey PNG)", ".png", lambda path, annotations, image: write_id_png(path, annotations), "visible"
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
}


def read_annotations(path: str | Path, image_name: str, size: tuple[int, int]) -> Annotations:
    """Read the annotations of an image from a file of any format but overlays, recognised by its content.

    Args:
        path: file to read.
        image_name: file name of the image, to find it in a COCO file of several images.
        size: (H, W) of the image in pixels.

    Raises:
        InputError: the file is missing, of no known format or for another image, or a part of it cannot be read.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check path and permissions.") from error
    if content.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] not in (b"{", b"["):
        return Annotations(image_name, size, read_label_image(path, size))
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a JSON file, or is cut off: export it again.") from error
    if isinstance(found, dict) and "shapes" in found:
        return Annotations(image_name, size, read_labelme(path, found, size))
    if isinstance(found, dict) and "images" in found and "annotations" in found:
        return Annotations(image_name, size, read_coco(path, found, image_name, size))
    raise InputError(f"{path} is neither a COCO nor a labelme file: export the annotations in one of these formats.")
