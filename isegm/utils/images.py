"""Read images, whatever a file with their name holds: pixels, or one sentence about what is wrong with it.

Every image of the code base is decoded here. Only the formats of ``ENDINGS`` are, so that no file can start another
program, as Pillow's own recognition does for EPS; and a header that promises too many pixels ends before they are
allocated.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from isegm.utils.errors import InputError
from isegm.utils.log import logger
from isegm.utils.opening import read_regular

ENDINGS = {  # of the formats that are read, by their names in Pillow
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "JPEG2000": (".jp2", ".j2k"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
}
IMAGE_ENDINGS = tuple(ending for endings in ENDINGS.values() for ending in endings)
MASK_ENDINGS = (*ENDINGS["PNG"], *ENDINGS["BMP"], *ENDINGS["TIFF"])  # of formats that keep ids as they are
PHOTO_ENDINGS = (".heic", ".heif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".jxl")  # not read
BEGINNINGS = {  # of files in these formats, and the position of these bytes
    "JPEG": (0, (b"\xff\xd8\xff",)),
    "PNG": (0, (b"\x89PNG\r\n\x1a\n",)),
    "BMP": (0, (b"BM",)),
    "TIFF": (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    "WEBP": (8, (b"WEBP",)),
    "GIF": (0, (b"GIF87a", b"GIF89a")),
    "JPEG2000": (0, (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    "PPM": (0, (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")),
    "AVIF": (4, (b"ftypavif", b"ftypavis")),
}
OTHERS = {  # formats that are recognised but not read
    "HEIC": (4, (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1", b"ftypheim", b"ftypheis")),
    "EPS or PostScript": (0, (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    "PDF": (0, (b"%PDF",)),
    "Photoshop": (0, (b"8BPS",)),
    "SVG": (0, (b"<svg", b"<?xml")),
    "DICOM": (128, (b"DICM",)),
    "JPEG XL": (0, (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")),
}
LAST_BYTES = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b"\0;"}  # what must not be missing at the end of a file
PADDING = {"JPEG": 1 << 12, "PNG": 1 << 12, "GIF": 2}  # bytes from there to the end of the file, at most
MOST_PIXELS = 1 << 28  # 16384 x 16384
SMALLER, MASK = 1, 4  # kinds of pages of a TIFF file, bits of tag 254
MOST_SAMPLES = 4  # of a pixel in a TIFF file: red, green, blue and transparency
EXTRA_SAMPLES, UNASSOCIATED = 338, (2,)  # tag of TIFF files, and its value for opacity that colours are not scaled by
ORIENTATION = 274  # tag of EXIF
WRONG = (  # whatever decoders raise on damaged files
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    AssertionError,
    struct.error,
    zlib.error,
    cv2.error,
    Image.DecompressionBombError,
)
Levels = tuple[float, float]

warnings.filterwarnings("ignore", module=r"PIL\.")  # about metadata of damaged files, beside the one sentence


class ImageContent(NamedTuple):
    """A file that was recognised as an image, not decoded.

    Attributes:
        name: for messages.
        kind: a key of ``ENDINGS``.
        content: the bytes of the file.
        what: "image" or "mask", for messages.
        size: (width, height) that the header states.
        bits: of a level, at most.
    """

    name: str
    kind: str
    content: bytes
    what: str
    size: tuple[int, int] = (0, 0)
    bits: int = 8


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 RGB.

    Grey images get three equal channels, transparency is dropped, and a rotation noted in EXIF is carried out, so that
    the array is upright as viewers show it. The levels of an image with more than 8 bits are stretched, see
    ``read_stretched``.

    Raises:
        InputError: no such file, it does not decode, or it has too many pixels, too many bands or levels that are not
            finite.
    """
    return read_stretched(path)[0]


def read_stretched(path: str | Path) -> tuple[np.ndarray, Levels | None]:
    """Read an image as ``read_image`` does, and say how its levels were stretched.

    Scientific images often use a small part of the 65536 levels of their file, and would look black: the darkest level
    of an image with more than 8 bits becomes 0, the brightest 255. An image of one level keeps the upper 8 of 16 bits.

    Returns:
        (H, W, 3) uint8 RGB, and the levels that became 0 and 255; None instead of levels where the file has 8 bits.

    Raises:
        InputError: as ``read_image``.
    """
    image = _pixels(open_image(path))
    if image.dtype == np.uint8:
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), None
    darkest, brightest = float(image.min()), float(image.max())
    if not (np.isfinite(darkest) and np.isfinite(brightest)):
        raise InputError(f"{path} has pixels without a finite number: export it with whole-numbered levels.")
    levels = (darkest, brightest)
    if darkest == brightest:
        darkest, brightest = 0.0, 255.0 * (257 if image.dtype == np.uint16 else 1)
    shown = np.empty(image.shape, np.uint8)
    for row in range(len(image)):  # a row at a time, for little memory beside the image
        shown[row] = cv2.convertScaleAbs(
            image[row].astype(np.float64) - darkest, alpha=255 / max(brightest - darkest, 1e-300)
        )
    return cv2.cvtColor(shown, cv2.COLOR_BGR2RGB), levels


def decode_image(opened: ImageContent) -> np.ndarray:
    """Decode an image of 8 bits as (H, W, 3) uint8 RGB.

    Raises:
        InputError: it does not decode, or has more than 8 bits.
    """
    image = _pixels(opened)
    if image.dtype != np.uint8:
        raise undecodable(opened)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def open_image(path: str | Path, what: str = "image") -> ImageContent:
    """Read the bytes of an image file and check what they promise, see ``recognised``.

    Raises:
        InputError: no such file, it may not be read or is no regular file; or as ``recognised``.
    """
    opened = recognised(read_regular(path, f"{what} file"), str(path), what)
    if opened.kind == "TIFF" and _has_more_pages(opened.content):
        _warn_of_pages(opened.name)
    return opened


@lru_cache(1 << 16)  # once for each file, which is read again in every epoch
def _warn_of_pages(name: str) -> None:
    logger.warning("%s has several pages, of which the first is read: save each page as a file of its own", name)


def recognised(content: bytes, name: str, what: str = "image") -> ImageContent:
    """Recognise the format of an image and check the size that its header states, without decoding it.

    Args:
        content: the bytes of a file.
        name: of the file, for messages.
        what: "image" or "mask", for messages.

    Raises:
        InputError: it is of none of the formats of ``ENDINGS``, damaged at its start, or of more than ``MOST_PIXELS``
            pixels; or a TIFF file of several bands that are no colours.
    """
    kind = _format(content, BEGINNINGS)
    if kind is None:
        raise InputError(f"{name} does not decode as {_article(what)}: {_remedy(content, what)}.")
    opened = ImageContent(name, kind, content, what)
    try:
        (width, height), bits = _declared_size(opened), _bits(opened)
    except InputError:
        raise
    except WRONG as error:
        raise undecodable(opened) from error
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{name} is {width}x{height} pixels, which is {width * height / 1e6:.0f} megapixels and more than the "
            f"{MOST_PIXELS / 1e6:.0f} that are read: scale it down, or cut it into pieces."
        )
    if width < 1 or height < 1:
        raise undecodable(opened)
    return opened._replace(size=(width, height), bits=bits)


def undecodable(opened: ImageContent) -> InputError:
    """Make the error for a file that was recognised and does not decode; it says whether the file is cut off."""
    name, kind, content, what = opened[:4]
    if kind in LAST_BYTES and LAST_BYTES[kind] not in content[-PADDING[kind] :]:
        reason = f"this {kind} file is cut off, its end is missing; copy or download it again"
    else:
        reason = f"this {kind} file is damaged or of an unusual kind; save it again, as PNG for example"
    return InputError(f"{name} does not decode as {_article(what)}: {reason}.")


def open_with_pillow(opened: ImageContent) -> Image.Image:
    """Open an image with Pillow, for its palette or the levels of its file; its pixels are not loaded.

    Raises:
        InputError: Pillow cannot open it.
    """
    try:
        return _factory(opened.kind)(BytesIO(opened.content), "")
    except WRONG as error:
        raise undecodable(opened) from error


def decoded(opened: ImageContent, mode: int) -> np.ndarray | None:
    """Decode an image with OpenCV in one of its ``IMREAD_`` modes: (H, W) or (H, W, C) BGR; None if it cannot.

    TIFF files of 8 bits whose colours are not scaled by their opacity are decoded by Pillow, as OpenCV scales them.
    """
    if opened.kind == "TIFF" and opened.bits == 8 and _tags(opened.content).get(EXTRA_SAMPLES) == UNASSOCIATED:
        image = open_with_pillow(opened)
        if image.mode == "RGBA":
            return _decoded_by_pillow(image, mode)
    try:
        return cv2.imdecode(np.frombuffer(opened.content, np.uint8), mode)
    except (cv2.error, MemoryError):
        return None


def _decoded_by_pillow(image: Image.Image, mode: int) -> np.ndarray | None:
    """Decode an RGBA image as ``decoded`` does."""
    try:
        image.load()  # which turns TIFF files, whose shape NumPy asks for first
    except WRONG:
        return None
    pixels = np.asarray(image)
    return cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if mode == cv2.IMREAD_UNCHANGED else cv2.COLOR_RGBA2BGR)


def upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Carry out the rotation that an image notes in EXIF, on its pixels as they are in the file, (H, W) or (H, W, C).

    Args:
        pixels: of the image.
        image: the same image, as Pillow opens it.
    """
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except WRONG:  # damaged metadata, which OpenCV passes over too
        return pixels
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _pixels(opened: ImageContent) -> np.ndarray:
    """Decode an image: (H, W, 3) BGR of any type."""
    width, height = opened.size
    if width * height * opened.bits > MOST_PIXELS * 8:
        raise InputError(
            f"{opened.name} is {width}x{height} pixels of {opened.bits} bits, more than the {MOST_PIXELS / 1e6:.0f} "
            "megabytes of a colour that are read: save it with 8 bits, or cut it into pieces."
        )
    image = decoded(opened, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None and opened.kind == "TIFF":  # levels that OpenCV gives only as they are, such as 32-bit floats
        image = decoded(opened, cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype.kind not in "iuf" or (opened.kind == "JPEG" and _is_cut_off(opened.content)):
        raise undecodable(opened)
    if opened.kind == "AVIF":  # which OpenCV leaves as they are in the file
        image = upright(image, open_with_pillow(opened))
    if image.ndim == 2 or image.shape[2] == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    return image[..., :3]


def _bits(opened: ImageContent) -> int:
    """How many bits a level of an image may have."""
    if opened.kind == "PNG":
        return max(opened.content[24], 8)
    if opened.kind == "TIFF":
        return max(map(int, np.ravel(_tags(opened.content).get(258, 8))))
    return 16 if opened.kind in ("JPEG2000", "PPM", "AVIF") else 8


def _tags(tiff: bytes, at: int | None = None) -> ImageFileDirectory_v2:
    """Read the tags of a page of a TIFF file: the first one, or that which begins at a byte."""
    tags = ImageFileDirectory_v2(tiff[:16] if 43 in tiff[2:4] else tiff[:8])
    file = BytesIO(tiff)
    file.seek(tags.next if at is None else at)
    tags.load(file)
    return tags


def _has_more_pages(tiff: bytes) -> bool:
    """Return whether a TIFF file has a second page that is no smaller copy of the first, and no mask for it."""
    try:
        following = _tags(tiff).next
        return bool(following) and not int(_tags(tiff, following).get(254, 0)) & (SMALLER | MASK)
    except WRONG:  # of a page that is not read
        return False


def _is_cut_off(jpeg: bytes) -> bool:
    """Return whether a JPEG file ends within its pixels, which some decoders fill with grey."""
    return jpeg.rfind(LAST_BYTES["JPEG"]) < jpeg.rfind(b"\xff\xda")


def _factory(kind: str) -> Callable[..., Image.Image]:
    """Return Pillow's opener of one format, which looks at no other format and has no limit of its own.

    Raises:
        NotImplementedError: this Pillow has no such format.
    """
    for load in (Image.preinit, Image.init):  # the second takes a tenth of a second
        if kind not in Image.OPEN:
            load()
    if kind not in Image.OPEN:
        raise NotImplementedError(kind)
    return Image.OPEN[kind][0]


def _format(content: bytes, beginnings: Mapping[str, tuple[int, tuple[bytes, ...]]]) -> str | None:
    """Return the name of the format that a file starts like, None for none of them."""
    return next((name for name, (start, those) in beginnings.items() if content.startswith(those, start)), None)


def _declared_size(opened: ImageContent) -> tuple[int, int]:
    """Width and height that the header of an image states."""
    name, kind, content = opened[:3]
    if kind == "PNG":  # Pillow refuses long texts in PNG files
        _require_chunks(content)
        return struct.unpack(">II", content[16:24])
    if kind == "TIFF":  # Pillow refuses levels that OpenCV reads
        tags = _tags(content)
        samples, grey = int(tags.get(277, 1)), tags.get(262) in (0, 1)
        if samples > MOST_SAMPLES or (grey and samples > 2) or (grey and samples == 2 and not tags.get(338)):
            raise InputError(f"{name} has {samples} bands: export one of them as grey, or three as RGB.")
        return int(tags[256]), int(tags[257])
    with _factory(kind)(BytesIO(content), "") as image:
        return image.size


def _require_chunks(png: bytes) -> None:
    """Raise ``ValueError`` if a part of a PNG file states a length beyond its end, for which decoders take memory."""
    at, name = 8, b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", png, at)
        at += 12 + length
        if at > len(png):
            raise ValueError(f"{name!r} ends at {at} of {len(png)} bytes")


def _article(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def _remedy(content: bytes, what: str) -> str:
    wanted = "JPEG, PNG, BMP, TIFF or WebP" if what == "image" else "PNG or BMP"
    other = _format(content, OTHERS)
    if other is not None:
        return f"it is in the format {other}; save it as {wanted}"
    empty = "" if content else "the file is empty; "
    return f"{empty}give a {wanted} file" + (" of object ids" if what == "mask" else "")
