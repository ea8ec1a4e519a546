"""Annotations as images: object numbers as grey values or palette indices, and overlays to look at."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from isegm.annotations.json_files import require_size
from isegm.annotations.objects import (
    ANNOTATIONS,
    NUMBER_COLOR,
    AnnotatedObject,
    Annotations,
    file_stems,
    require_each,
    stem_key,
)
from isegm.annotations.region import Region
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write, encode_image, write_image
from isegm.utils.images import MASK_ENDINGS as DATA_SET_ENDINGS
from isegm.utils.inputs import IMAGE, require
from isegm.utils.masks import read_labels, with_step
from isegm.utils.schema import Number
from isegm.utils.text_values import as_path
from isegm.utils.vis import tint, voc_palette

EIGHT_BITS = 255
MASKS = "masks"  # the folder of a data set's masks
MASK_ENDINGS = (".png", ".bmp")
ALPHA = 0.5  # share of an object's colour in overlays


def write_id_png(path: str | Path, annotations: Annotations) -> None:
    """Write a grey PNG of object numbers, the uppermost at each pixel: 8 bits up to number 255, else 16 bits.

    Raises:
        InputError: the ending is not .png, or the file cannot be written.
    """
    require(annotations, ANNOTATIONS, "annotations")
    _require_ending(path, (".png",), "object numbers")
    labels = annotations.labels()
    _write(path, labels if labels.max(initial=0) > EIGHT_BITS else labels.astype(np.uint8))


def write_id_folder(path: str | Path, annotated: Sequence[Annotations]) -> None:
    """Write the masks of a data set: into ``masks/``, for each image a PNG of object numbers that is named like it.

    It replaces the masks that the image has there, also those of other endings.

    Args:
        path: folder of the data set.
        annotated: images whose file names have different stems.

    Raises:
        InputError: as ``write_id_png``, or two images whose masks would have the same name.
    """
    require_each(annotated)
    path = as_path(path, "the folder of a data set")
    stems, there = file_stems(path, annotated), mask_files(path)
    for one, stem in zip(annotated, stems, strict=True):
        written = path / MASKS / f"{stem}.png"
        write_id_png(written, one)
        for file in there.get(stem_key(one.image_name), []):
            _remove_beside(file, written)


def mask_files(path: str | Path) -> dict[str, list[Path]]:
    """Find the masks of a data set, by ``stem_key``.

    Args:
        path: folder of the data set, which may be missing.
    """
    found: dict[str, list[Path]] = {}
    for file in sorted((as_path(path, "the folder of a data set") / MASKS).glob("[!.]*")):
        if file.suffix.lower() in DATA_SET_ENDINGS:
            found.setdefault(stem_key(file.name), []).append(file)
    return found


def write_palette_png(path: str | Path, annotations: Annotations) -> None:
    """Write a palette PNG: indices are object numbers, colours those of the objects; 0 is black.

    Raises:
        InputError: a number above 255, an ending other than .png, or the file cannot be written.
    """
    require(annotations, ANNOTATIONS, "annotations")
    _require_ending(path, (".png",), "colours and numbers")
    highest = max((item.number for item in annotations.objects), default=0)
    if highest > EIGHT_BITS:
        raise InputError(f"{path} cannot hold object {highest}, palettes end at {EIGHT_BITS}: save an id PNG or JSON.")
    palette = voc_palette(EIGHT_BITS + 1)
    for item in annotations.objects:
        palette[item.number] = item.color
    image = Image.fromarray(annotations.labels().astype(np.uint8))
    image.putpalette(palette.tobytes())
    content = BytesIO()
    image.save(content, "PNG")
    with atomic_write(path) as file:
        file.write(with_step(content.getvalue(), 1))


def write_mask(path: str | Path, annotations: Annotations) -> None:
    """Write a grey PNG or BMP in which the objects can be seen, as RITM's program does (docs/fidelity.md#grey-masks).

    Up to number 255, object k becomes k * (255 // highest number). With higher numbers the file is a 16-bit PNG of the
    numbers themselves.

    Raises:
        InputError: another ending, a BMP of too many objects, or the file cannot be written.
    """
    require(annotations, ANNOTATIONS, "annotations")
    _require_ending(path, MASK_ENDINGS, "the mask")
    labels = annotations.labels()
    last = int(labels.max(initial=0))
    if last > EIGHT_BITS and Path(path).suffix.lower() == ".bmp":
        raise InputError(f"{path} cannot hold {last} objects, BMP files hold {EIGHT_BITS}: end it in .png.")
    if last > EIGHT_BITS:
        _write(path, labels)
    else:
        step = EIGHT_BITS // max(last, 1)
        _write(path, (labels * step).astype(np.uint8), step)


def draw_overlay(annotations: Annotations, image: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """Copy an image and draw each object's visible part in its colour, with an outline.

    Args:
        annotations: objects to draw.
        image: (H, W, 3) uint8 RGB.
        alpha: opacity of the colours, 0..1.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: the image has another size than the annotations.
    """
    require(annotations, ANNOTATIONS, "annotations")
    require(image, IMAGE, "the image")
    require(alpha, Number(0, 1), "alpha")
    if image.shape[:2] != annotations.size:
        (height, width), (own_height, own_width) = annotations.size, image.shape[:2]
        raise InputError(
            f"the annotations are of {width}x{height} pixels, the image of {own_width}x{own_height}: "
            "give the image of these annotations."
        )
    labels, drawn = annotations.labels(), np.ascontiguousarray(image).copy()
    for item in annotations.objects:
        if item.region:
            tint(drawn[item.region.box], labels[item.region.box] == item.number, item.color, alpha)
    return drawn


def write_overlay(path: str | Path, annotations: Annotations, image: np.ndarray) -> None:
    """Write the image of ``draw_overlay``, in the format of the file's ending.

    Raises:
        InputError: the sizes differ, the ending is unknown, or the file cannot be written.
    """
    write_image(path, draw_overlay(annotations, image))


def read_label_image(path: Path, size: tuple[int, int]) -> tuple[tuple[AnnotatedObject, ...], tuple[str, ...]]:
    """Read the objects of a grey or palette image; values are their numbers, a palette gives their colours.

    Args:
        path: file to read.
        size: (H, W) that it must have.

    Returns:
        the objects, and sentences about what was left out: pixels to be ignored, the outer half of a soft edge.

    Raises:
        InputError: it is of another size, or no mask of object ids, see ``isegm.utils.masks.read_labels``.
    """
    labels = read_labels(path)
    require_size(path, labels.pixels.shape, size)
    numbers = labels.pixels if labels.ignored is None else np.where(labels.selected, labels.pixels, np.uint16(0))
    objects = tuple(
        AnnotatedObject(number, region, color=labels.colors.get(number, NUMBER_COLOR))
        for number, region in _regions(numbers)
    )
    left_out = []
    if labels.ignored is not None:
        left_out.append(f"pixels of the value {labels.ignored}, which marks what to ignore")
    if labels.soft:
        left_out.append("the darker half of the object's soft edge")
    return objects, tuple(left_out)


def _remove_beside(file: Path, written: Path) -> None:
    """Remove an older mask unless it is the one that was written, perhaps under another form of its name."""
    try:
        if not file.samefile(written):
            file.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(
            f"{file} cannot be replaced by {written.name} ({error.strerror}): remove one of the two."
        ) from error


def _write(path: str | Path, labels: np.ndarray, step: int = 1) -> None:
    """Write a grey PNG or BMP whose values are object numbers times ``step``, and note the step in it."""
    with atomic_write(path) as file:
        file.write(with_step(encode_image(path, labels), step))


def _regions(labels: np.ndarray) -> list[tuple[int, Region]]:
    """List the values from 1 of (H, W) uint16 labels, each with its pixels."""
    from scipy.ndimage import find_objects  # takes a third of a second, which other formats need not spend

    boxes = enumerate(find_objects(labels), start=1)
    return [
        (number, Region.within(labels.shape, box[0].start, box[1].start, labels[box] == number))
        for number, box in boxes
        if box is not None
    ]


def _require_ending(path: str | Path, endings: tuple[str, ...], what: str) -> None:
    if as_path(path, "the path of a mask").suffix.lower() not in endings:
        raise InputError(f"{path} would not keep {what}: end it in {' or '.join(endings)}.")
