"""Read masks: which pixels belong to which object. All commands, data sets and the program read them here."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from isegm.utils.errors import InputError
from isegm.utils.images import (
    WRONG,
    ImageContent,
    decoded,
    open_image,
    open_with_pillow,
    read_image,
    undecodable,
    upright,
)

HIGHEST_ID = 2**16 - 1
IGNORED = 255  # marks pixels that count neither as object nor as background
STEP_KEY = "isegm-step"  # of a text in PNG files: object k has the value k times this number, and none is ignored
STEPS = {str(step) for step in range(1, IGNORED + 1)}
BMP_MARK = b"is"  # before the same number, in bytes of the header that BMP leaves to programs
PNG_HEADER = 33  # bytes before the first optional part
DEPTHS = {2: 85, 4: 17}  # bits of grey PNG files whose levels decoders spread to 255, and by which factor
BLACK = (0, 0, 0)
AROUND = np.ones((3, 3), np.uint8)
SOFT, SURELY_SOFT = 0.5, 0.95  # shares of the darker levels that lie between others, see ``_has_soft_edges``
SCATTERED = 4  # pieces of a level on a slope, at least; an object is one piece, or a few
FEW_LEVELS = 8  # so many could be ids
BRIGHT, PLATEAU = 0.75, 0.1  # shares of white and of pixels, see ``_is_one_object``
ROWS = 256  # of a mask that are counted at a time
Color = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Labels:
    """The objects of a mask file.

    Attributes:
        pixels: (H, W) uint16 values.
        ids: values of the objects, ascending.
        ignored: value of the pixels that count neither as object nor as background, or None.
        colors: RGB of values, each 0..255, if the file has a palette.
        soft: whether the file has a soft edge, of which the brighter half was taken.
        numbered: whether the file says itself how its objects are numbered, as those of this project do.
    """

    pixels: np.ndarray
    ids: tuple[int, ...]
    ignored: int | None = None
    colors: Mapping[int, Color] = field(default_factory=dict)
    soft: bool = False
    numbered: bool = False

    @property
    def selected(self) -> np.ndarray:
        """The pixels of all objects, (H, W) bool."""
        return (self.pixels > 0) if self.ignored is None else (self.pixels > 0) & (self.pixels != self.ignored)


def read_mask(path: str | Path) -> np.ndarray:
    """Read the values of a mask file as (H, W) int32: palette indices or grey levels, 0 to 65535.

    What they mean is decided by ``read_labels``. Where a grey image is transparent, its levels count; where it has one
    level only, its opacity does.

    Raises:
        InputError: no such file, it does not decode, is a colour image whose channels differ, has levels and opacity
            that disagree, or has values that are no ids: fractions, not finite, below 0 or above 65535.
    """
    opened = open_image(path, "mask")
    return _whole(_values(opened, _opened_by_pillow(opened)), opened.name).astype(np.int32)


def read_labels(path: str | Path) -> Labels:
    """Read the objects of a mask file.

    0 is background and any other value an object, with these exceptions:

    - A mask of 0 and 255 alone holds one object, 255.
    - Beside other objects 255 marks ignored pixels. It is an object where values above 255 show that it is no more
      than a number, where the others are 1 to 254, and where levels are spread evenly up to it, as RITM's program saves
      objects.
    - Where many grey levels form the soft edge of one bright object, as after blurring, scaling or a JPEG, the object
      is what is brighter than half, and its value 255.
    - A file that this project wrote says how it is numbered: its objects come back with their numbers.

    Raises:
        InputError: as ``read_mask``; or its edges are soft, and it is not one bright object; or its palette has the
            background at another index than 0.
    """
    opened = open_image(path, "mask")
    image = _opened_by_pillow(opened)
    pixels = _whole(_values(opened, image), opened.name)
    counts = _counts(pixels)
    values = np.flatnonzero(counts)
    values = values[values > 0]
    step = _own_step(opened, image)
    if step is not None and not (values % step).any():
        numbers = tuple((values // step).tolist())
        return Labels(pixels // np.uint16(step), numbers, colors=_palette(image), numbered=True)
    colors = _colors(opened, image, counts)
    soft = _has_soft_edges(pixels, values, counts)
    if soft and _is_one_object(pixels, values, counts):
        middle = _full_scale(counts) // 2
        return Labels((pixels > middle) * np.uint16(IGNORED), (IGNORED,), soft=True)
    ids, ignored = values, None
    if IGNORED in values and len(values) > 1 and not _is_number(values):
        ids, ignored = values[values != IGNORED], IGNORED
        _require_ids(opened.name, ids, counts)
    if soft:
        raise InputError(
            f"{path} has soft edges, as after scaling or blurring, and its {len(values)} levels may be objects or such "
            "an edge: make it 0 and 255 alone (a threshold at 128), or number the objects 1, 2, ..."
        )
    return Labels(pixels, tuple(ids.tolist()), ignored, colors)


def read_start_mask(
    path: str | Path, size: tuple[int, int], name: str | None = None, first_channel: bool = False
) -> np.ndarray:
    """Read a mask to start from as (H, W) bool: the pixels of all objects of ``read_labels``.

    Args:
        path: a mask file.
        size: (H, W) of the image.
        name: what messages call the file; None for its path.
        first_channel: of a colour image, select what is brighter than half in red, as RITM's program does, instead of
            refusing it.

    Raises:
        InputError: as ``read_labels``, it has another size, or it holds no object, or one level all over that is not
            white.
    """
    name = str(path) if name is None else name
    mask = _first_channel(path) if first_channel else None
    if mask is None:
        labels = read_labels(path)
        plain = labels.pixels.size and (labels.pixels == labels.pixels.flat[0]).all() and not labels.numbered
        mask = labels.selected & (not plain or labels.pixels.flat[0] == IGNORED)
    if mask.shape != size:
        (height, width), (own_height, own_width) = size, mask.shape
        raise InputError(
            f"{name} is {own_width}x{own_height} pixels, the image {width}x{height}: give a mask of the image's size."
        )
    if not mask.any():
        raise InputError(f"{name} is empty, no pixel is an object: make the object white (255) and the rest 0.")
    return mask


def _first_channel(path: str | Path) -> np.ndarray | None:
    """What is brighter than half in red, (H, W) bool; None for an image that is not coloured."""
    opened = open_image(path, "mask")
    image = _opened_by_pillow(opened)
    if image is None or image.mode not in ("RGB", "RGBA"):
        return None
    colors = read_image(path)
    return colors[..., 0] > IGNORED // 2 if (colors != colors[..., :1]).any() else None


def with_step(content: bytes, step: int) -> bytes:
    """Note in an encoded PNG or BMP file how its objects are numbered, for ``read_labels``.

    PNG files get a text, BMP files a number in the bytes that the format reserves for programs.

    Args:
        content: of the file.
        step: the value of object k is k times this number.
    """
    if content.startswith(b"BM"):
        return content[:6] + struct.pack("<2sH", BMP_MARK, step) + content[10:]
    text = b"tEXt" + f"{STEP_KEY}\0{step}".encode("ascii")
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return content[:PNG_HEADER] + chunk + content[PNG_HEADER:]


def _opened_by_pillow(opened: ImageContent) -> Image.Image | None:
    """Open a mask with Pillow; None where only OpenCV can, such as TIFF files of 64-bit numbers."""
    try:
        return open_with_pillow(opened)
    except InputError:
        if opened.kind != "TIFF":
            raise
        return None


def _values(opened: ImageContent, image: Image.Image | None) -> np.ndarray:
    """Decode the numbers of a mask, (H, W) of any type.

    Palette indices and grey levels of 1 to 16 bits are Pillow's, the rest OpenCV's, as Pillow reduces colours of 16
    bits to 8 and knows few kinds of TIFF files. A rotation noted in EXIF is carried out, as for images.
    """
    plain = image is not None and (image.mode in ("1", "P", "L", "I", "F") or image.mode.startswith("I;"))
    if image is not None and plain and (image.mode == "P" or opened.kind != "TIFF"):
        try:
            image.load()  # which turns TIFF files, whose shape NumPy asks for first
            levels = np.asarray(image)
        except WRONG as error:
            raise undecodable(opened) from error
        bits = opened.content[24] if opened.kind == "PNG" and image.mode == "L" else 8
        found = levels // DEPTHS.get(bits, 1) if levels.dtype != bool else levels.astype(np.uint8)
    else:
        channels = decoded(opened, cv2.IMREAD_UNCHANGED)
        if channels is None:
            raise undecodable(opened)
        found = channels if channels.ndim == 2 else _grey(channels, opened.name)
    return found if image is None or opened.kind == "TIFF" else upright(found, image)  # decoders turn TIFF files


def _grey(channels: np.ndarray, name: str) -> np.ndarray:
    """Reduce (H, W, C) channels, of which the fourth is opacity, to the one that holds the mask."""
    colors = channels[..., :3]
    if (colors != colors[..., :1]).any():
        raise InputError(f"{name} is a colour image: save object ids as a grey or palette PNG.")
    levels = colors[..., 0]
    opacity = channels[..., 3] if channels.shape[2] == 4 else None
    if opacity is None or ((opacity == opacity.max()).all() and opacity.any()):
        return levels
    if (levels == levels.flat[0]).all():
        return opacity
    if ((opacity > 0) != (levels > 0)).any():
        raise InputError(f"{name} has grey levels and an opacity that disagree: save the mask without transparency.")
    return levels


def _whole(values: np.ndarray, name: str) -> np.ndarray:
    """Return values as (H, W) uint16 if they can be ids."""
    remedy = "number the objects from 1, make the background 0, and save them as a PNG of 8 or 16 bits"
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise InputError(f"{name} has pixels without a finite number: {remedy}.")
        fractions = values != np.trunc(values)
        if fractions.any():
            raise InputError(f"{name} has fractions, such as {values[fractions][0]:g}, which are no ids: {remedy}.")
    lowest, highest = values.min(), values.max()
    if lowest < 0 or highest > HIGHEST_ID:
        found = lowest if lowest < 0 else highest
        raise InputError(f"{name} has values outside 0 to {HIGHEST_ID}, such as {found:g}: {remedy}.")
    return values.astype(np.uint16)


def _own_step(opened: ImageContent, image: Image.Image | None) -> int | None:
    """How a file of this project is numbered; None for files of other programs."""
    if opened.kind == "BMP":
        mark, step = struct.unpack("<2sH", opened.content[6:10])
        text = str(step) if mark == BMP_MARK else ""
    else:
        text = "" if image is None else str(image.info.get(STEP_KEY, ""))
    return int(text) if text in STEPS else None


def _palette(image: Image.Image | None) -> dict[int, Color]:
    """Return the colours of a mask by value, if it has a palette."""
    if image is None or image.mode != "P":
        return {}
    palette = image.getpalette("RGB") or []
    return dict(enumerate(zip(palette[::3], palette[1::3], palette[2::3], strict=False)))


def _colors(opened: ImageContent, image: Image.Image | None, counts: np.ndarray) -> dict[int, Color]:
    """Return the palette of a mask, if it has one.

    Raises:
        InputError: black or transparency, which show the background, stand at another index than 0.
    """
    colors = _palette(image)
    if image is None or not colors:
        return colors
    clear = image.info.get("transparency")
    for index in np.flatnonzero(counts).tolist():
        black = colors.get(index) == BLACK and (colors.get(0) != BLACK or not counts[0])
        if index and (black or (isinstance(clear, int) and index == clear)):
            raise InputError(
                f"{opened.name} has {'black' if black else 'transparency'}, the usual background, at index {index} of "
                "its palette: background must be index 0; save object ids as a grey PNG."
            )
    return colors


def _is_number(values: np.ndarray) -> bool:
    """Return whether 255, one of these ascending values, is an object like the others."""
    spread = len(values) > 2 and np.array_equal(values, IGNORED // len(values) * np.arange(1, len(values) + 1))
    return bool(values[-1] > IGNORED or spread)


def _require_ids(name: str, ids: np.ndarray, counts: np.ndarray) -> None:
    """Refuse a mask of which 255 is the object and other values are its edge."""
    if not _is_numbered(ids) and counts[IGNORED] > counts[ids].sum():
        first = ", ".join(map(str, ids[:10])) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
        raise InputError(
            f"{name} has more pixels of 255 than of {first} together, as if 255 were the object and the rest its soft "
            "edge: make it 0 and 255 alone; or, if these are ids and 255 is to be ignored, number the objects 1, 2, ..."
        )


def _is_numbered(ids: np.ndarray) -> bool:
    return np.array_equal(ids, np.arange(1, len(ids) + 1))


def _has_soft_edges(pixels: np.ndarray, values: np.ndarray, counts: np.ndarray) -> bool:
    """Return whether levels form a slope between those around them, and do not lie side by side, as ids do.

    On a slope each level is scattered over many pieces. A narrow edge of few levels is one if all of it lies between
    others and most of the object is of the highest level.
    """
    if len(values) < 2:
        return False
    between = (pixels > cv2.erode(pixels, AROUND)) & (pixels < cv2.dilate(pixels, AROUND))
    slope = counts[values[:-1]].sum()
    share = np.count_nonzero(between) / slope
    if share <= SOFT:
        return False
    from skimage.measure import label  # SciPy behind it takes a third of a second, which few masks need

    pieces = label(np.where(pixels < values[-1], pixels, 0), connectivity=1).max()
    narrow = len(values) <= FEW_LEVELS and share >= SURELY_SOFT and counts[values[-1]] > slope
    return bool(pieces > SCATTERED * len(values) or narrow)


def _is_one_object(pixels: np.ndarray, values: np.ndarray, counts: np.ndarray) -> bool:
    """Return whether a mask with soft edges shows one bright object: no narrow edge, and no plateau between."""
    full = _full_scale(counts)
    if len(values) <= FEW_LEVELS or values[-1] < BRIGHT * full:
        return False
    flat = cv2.erode(pixels, AROUND) == cv2.dilate(pixels, AROUND)
    middle = flat & (pixels > full // 4) & (pixels < full * 3 // 4)
    return bool(np.count_nonzero(middle) < PLATEAU * np.count_nonzero(pixels))


def _counts(pixels: np.ndarray) -> np.ndarray:
    """Count the pixels of each value from 0 to the highest; in parts, for little memory beside the mask."""
    counts = np.zeros(HIGHEST_ID + 1, np.int64)
    for row in range(0, len(pixels), ROWS):
        counts += np.bincount(pixels[row : row + ROWS].ravel(), minlength=HIGHEST_ID + 1)
    return counts[: np.flatnonzero(counts).max(initial=0) + 1]


def _full_scale(counts: np.ndarray) -> int:
    """The level of white, for a mask with these counts of levels."""
    return IGNORED if len(counts) <= IGNORED + 1 else HIGHEST_ID
