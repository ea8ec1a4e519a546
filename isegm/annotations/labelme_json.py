"""labelme's JSON format (Wada, https://github.com/wkentaro/labelme, versions 5 and 6): objects of one image."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from isegm.annotations import json_files
from isegm.annotations.objects import ANNOTATIONS, AnnotatedObject, Annotations
from isegm.annotations.polygons import centre_outlines
from isegm.annotations.region import Region
from isegm.utils.errors import DECODING
from isegm.utils.images import WRONG, open_with_pillow, recognised
from isegm.utils.inputs import require
from isegm.utils.schema import shown

MAX_RADIUS = 2**14  # in pixels, of circles drawn by Pillow, whose numbers overflow from 2**15 on
VERSION = "5.5.0"  # of the format; masks exist since 5.3
ROUNDING = 1e-3  # pixels by which a point of a mask, once dragged, may miss a whole number
MANY = range(3, 1 << 30)
DRAWN = {  # the shapes that have pixels, and how many points they may have
    "polygon": MANY,
    "rectangle": (2, 4),
    "rotation": (4,),
    "quadrilateral": (4,),
    "oriented_rectangle": (4,),
    "circle": (2,),
    "mask": (2,),
}


def write_labelme(path: str | Path, annotations: Annotations, polygons: bool = False) -> None:
    """Write the objects of an image; the class becomes the label, the name the description.

    Objects under others are written whole, and both kinds of masks are exact. Masks are one shape per object. Polygons
    can be edited point by point: they run through the centres of the outermost pixels, and labelme's own drawing fills
    them to the same mask. An object in pieces has several polygons with its number as ``group_id``; a piece with a
    hole is cut in two, and a piece of fewer than three corners is written as a mask. Number, colour and protection go
    to ``attributes``, which labelme keeps.

    labelme looks for the image in the folder of the file.

    Args:
        path: file to write.
        annotations: objects of the image.
        polygons: write polygons instead of masks.

    Raises:
        InputError: a name is not valid Unicode, or the file cannot be written.
    """
    require(annotations, ANNOTATIONS, "annotations")
    height, width = annotations.size
    content: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": [shape for item in annotations.objects for shape in _shapes(item, polygons)],
        "imagePath": annotations.image_name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    json_files.write_json(path, content)


def _shapes(item: AnnotatedObject, polygons: bool) -> list[dict[str, Any]]:
    outlines = centre_outlines(item.region) if polygons and item.region else []
    common = {
        "label": item.category,
        "group_id": item.number,
        "description": item.name,
        "flags": {},
        "attributes": json_files.attributes_of(item),
    }
    if not outlines:
        return [common | _mask_shape(item.region.pixels, item.region.left, item.region.top)]
    return [common | _outline_shape(points) for points in outlines]


def _outline_shape(points: np.ndarray) -> dict[str, Any]:
    if len(points) < 3:  # one pixel, or a line of them
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return _mask_shape(np.ones((bottom - top + 1, right - left + 1), bool), int(left), int(top))
    keys = points[:, 0] << 32 | points[:, 1]  # one number for each point
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    start = first[np.argmin(counts)]  # labelme ends a polygon where it comes back to its first point
    return {"shape_type": "polygon", "points": np.roll(points, -start, axis=0).astype(float), "mask": None}


def _mask_shape(pixels: np.ndarray, left: int, top: int) -> dict[str, Any]:
    """Make a mask shape with its box of two corner pixels; an empty mask is a box of one pixel that is not set."""
    pixels = pixels if pixels.size else np.zeros((1, 1), bool)
    height, width = pixels.shape
    _, content = cv2.imencode(".png", pixels.astype(np.uint8) * 255)
    return {
        "shape_type": "mask",
        "points": [[float(left), float(top)], [float(left + width - 1), float(top + height - 1)]],
        "mask": base64.b64encode(content.tobytes()).decode("ascii"),
    }


def read_labelme(
    path: Path, content: Mapping[str, Any], size: tuple[int, int]
) -> tuple[tuple[AnnotatedObject, ...], tuple[str, ...]]:
    """Read the objects from the content of a labelme file, whichever program wrote it.

    Polygons, rectangles, circles and masks become the pixels that labelme itself draws. So do a rectangle of four
    corners and the rotated ones of X-AnyLabeling. Shapes of the same label and ``group_id`` are one object, as labelme
    counts instances. What cannot be read is left out, as are points and lines.

    Args:
        path: of the file, for messages.
        content: the decoded JSON.
        size: (H, W) of the image.

    Returns:
        the objects, and for each shape that was left out a few words that say why.

    Raises:
        InputError: the image's size differs, none of the shapes can be read, or the content is not in labelme's format.
    """
    shapes = content["shapes"]
    if not isinstance(shapes, list) or (shapes and not any(map(_is_shape, shapes))):
        raise json_files.unreadable(path, "it is not labelme's format (it has no list of shapes)", "save it again")
    try:
        stated = json_files.side(content.get("imageHeight")), json_files.side(content.get("imageWidth"))
    except DECODING as error:
        raise json_files.unreadable(path, str(error), "write imageHeight and imageWidth in pixels") from error
    json_files.require_size(path, stated, size)
    groups: dict[Any, list[tuple[Region, Mapping[str, Any]]]] = {}
    left_out = []
    for index, shape in enumerate(shapes):
        which = f"shape {index + 1} ({_short(shape['label'])})" if _is_shape(shape) else f"shape {index + 1}"
        try:
            region, group = _region(shape, size), shape.get("group_id")
            key = (str(shape["label"]), index if group is None else ("group", group))
            groups.setdefault(key, []).append((region, shape))
        except _WithoutPixels as error:
            left_out.append(f"{which} {error}")
        except DECODING as error:
            left_out.append(f"{which} cannot be read ({json_files.reason(error)})")
    found = []
    for (label, _), parts in groups.items():
        first = parts[0][1]
        attributes, name = first.get("attributes"), first.get("description")
        found.append(
            json_files.ReadObject(
                Region.union(size, [region for region, _ in parts]),
                category=label,
                name=name if isinstance(name, str) else "",
                attributes=attributes if isinstance(attributes, dict) else {},
            )
        )
    return json_files.finish(path, found, left_out)


class _WithoutPixels(ValueError):
    """A shape is a point or a line; the words follow its name."""


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, Mapping) and isinstance(shape.get("label"), (str, int, float))


def _short(text: Any) -> str:
    return shown(str(text))[1:-1]


def _region(shape: Mapping[str, Any], size: tuple[int, int]) -> Region:
    """Read the pixels of a shape; raises one of ``DECODING`` if it cannot be read."""
    kind = shape.get("shape_type") or "polygon"
    if kind not in DRAWN:
        raise _WithoutPixels(f"is a {_short(kind)}, which has no pixels")
    points = json_files.require_in_bounds(np.asarray(shape["points"], np.float64))
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) < 2 or len(points) not in DRAWN[kind]:
        raise ValueError("its points are too few, too many, or no x, y")
    if kind == "mask":
        return _masked(shape["mask"], points, size)
    return _drawn(kind if len(points) == 2 else "polygon", points, size)


def _masked(text: str, points: np.ndarray, size: tuple[int, int]) -> Region:
    """Read the pixels of a mask in base64, whose first point is its upper left pixel."""
    try:
        image = open_with_pillow(recognised(base64.b64decode(text), "its mask"))
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError("its mask is no image in base64") from error
    whole = np.rint(points)
    points = np.where(np.abs(points - whole) < ROUNDING, whole, np.trunc(points))
    (left, top), (right, bottom) = points.astype(int).tolist()
    width, height = image.size
    if (width, height) != (right - left + 1, bottom - top + 1):
        raise ValueError(f"its mask has {width}x{height} pixels, its points span another box")
    if left < 0 or top < 0 or right >= size[1] or bottom >= size[0]:
        raise ValueError("its mask does not lie in the image")
    try:
        pixels = np.asarray(image.convert("L")) > 0
    except WRONG as error:
        raise ValueError("its mask is no image in base64") from error
    return Region.within(size, top, left, pixels)


def _drawn(kind: str, points: np.ndarray, size: tuple[int, int]) -> Region:
    """Draw a shape as labelme does: Pillow cuts off fractions, fills, and adds the outline's pixels."""
    if kind == "circle":
        radius = math.dist(*points)
        if radius > MAX_RADIUS:
            return _disk(points[0], radius, size)
        points = np.stack((points[0] - radius, points[0] + radius))
    elif kind == "rectangle":
        points = np.stack((points.min(axis=0), points.max(axis=0)))
    points = np.trunc(points).astype(int)
    low = np.maximum(points.min(axis=0), 0)
    high = np.minimum(points.max(axis=0) + 1, size[::-1])
    if (low >= high).any():
        return Region.empty(size)
    canvas = Image.new("L", tuple((high - low).tolist()))
    draw = ImageDraw.Draw(canvas)
    shapes = {"circle": draw.ellipse, "rectangle": draw.rectangle}
    corners: Sequence[tuple[int, int]] = [tuple(point) for point in (points - low).tolist()]
    shapes.get(kind, draw.polygon)(corners, outline=1, fill=1)
    return Region.within(size, int(low[1]), int(low[0]), np.asarray(canvas) > 0)


def _disk(centre: np.ndarray, radius: float, size: tuple[int, int]) -> Region:
    """Select the pixels at most ``radius`` away from a centre (x, y), measured from the pixels' (x, y)."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    squared = radius**2 - (rows - centre[1]) ** 2
    half = np.sqrt(np.maximum(squared, 0))
    inside = (squared >= 0) & (columns >= np.ceil(centre[0] - half)) & (columns <= np.floor(centre[0] + half))
    return Region.of(inside)
