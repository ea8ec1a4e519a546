"""The kinds of files that annotations are saved in, as one table, and reading any of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isegm.data.annotations.coco import read_coco, write_coco
from isegm.data.annotations.labelme import read_labelme, write_labelme
from isegm.data.annotations.objects import Annotations
from isegm.data.annotations.pictures import (
    read_label_picture,
    write_id_png,
    write_mask,
    write_overlay,
    write_palette_png,
)
from isegm.utils.errors import InputError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class FileFormat:
    """A kind of file.

    Attributes:
        label: what a menu calls it.
        ending: of its files, with the dot.
        write: takes path, annotations and photo ((H, W, 3) uint8 RGB, which only pictures of it need); raises
            ``InputError`` for what it cannot hold or where it cannot write, and leaves no half-written file.
        keeps: which of the objects' pixels come back with ``read_annotations``: "all", "visible" (not those under other
            objects), or "none", for a picture to look at.
    """

    label: str
    ending: str
    write: Callable[[str | Path, Annotations, np.ndarray], None]
    keeps: str


FORMATS: dict[str, FileFormat] = {
    "mask": FileFormat("Grey mask, levels spread", ".png", lambda path, it, photo: write_mask(path, it), "visible"),
    "id": FileFormat("Object numbers (grey PNG)", ".png", lambda path, it, photo: write_id_png(path, it), "visible"),
    "palette": FileFormat(
        "Object colours (palette PNG)", ".png", lambda path, it, photo: write_palette_png(path, it), "visible"
    ),
    "overlay": FileFormat("Photo with objects", ".png", write_overlay, "none"),
    "coco_rle": FileFormat("COCO JSON, masks (RLE)", ".json", lambda path, it, photo: write_coco(path, [it]), "all"),
    "coco_polygons": FileFormat(
        "COCO JSON, polygons", ".json", lambda path, it, photo: write_coco(path, [it], polygons=True), "all"
    ),
    "labelme": FileFormat("labelme JSON, masks", ".json", lambda path, it, photo: write_labelme(path, it), "all"),
    "labelme_polygons": FileFormat(
        "labelme JSON, polygons", ".json", lambda path, it, photo: write_labelme(path, it, polygons=True), "all"
    ),
}


def read_annotations(path: str | Path, picture: str, size: tuple[int, int]) -> Annotations:
    """Read the annotations of a picture from a file of any kind in ``FORMATS`` but overlays; its content tells which.

    Args:
        picture: its file name, by which a COCO file of several pictures is searched.
        size: (H, W) in pixels.

    Raises:
        InputError: no such file, it is of no known kind or of another picture, or a part of it cannot be read.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check path and permissions.") from error
    if content.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] not in (b"{", b"["):
        return Annotations(picture, size, read_label_picture(path, size))
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a JSON file, or is cut off: export it again.") from error
    if isinstance(found, dict) and "shapes" in found:
        return Annotations(picture, size, read_labelme(path, found, size))
    if isinstance(found, dict) and "images" in found and "annotations" in found:
        return Annotations(picture, size, read_coco(path, found, picture, size))
    raise InputError(f"{path} is neither a COCO nor a labelme file: export the annotations in one of these formats.")
