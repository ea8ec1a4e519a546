"""Images as callers have them, as the array that predictors read."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from isegm.utils.inputs import described, plain_array
from isegm.utils.lookup import is_file
from isegm.utils.schema import shown

DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # of Pillow, more than 8 bits per channel


def rgb_image(image: Any) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 RGB.

    Args:
        image: (H, W, 3) uint8 RGB, an array or tensor; or the path of an image file, see
            ``isegm.utils.files.read_image``; or a Pillow image of 8 bits per channel, which is turned upright by its
            EXIF and whose transparency is dropped.

    Raises:
        InputError: it is something else, or the file cannot be read. The message says what it is and what to do.
    """
    if isinstance(image, (str, PathLike)):
        if not is_file(Path(image)):
            raise InputError(
                "the image must be an array, a Pillow image or the path of an image file, and there is no file "
                f"{shown(str(image))}: check the path."
            )
        return read_image(Path(image))
    if isinstance(image, Image.Image):
        return _of_pillow(image)
    pixels = plain_array(image, "the image", "biufOc")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise InputError(
            f"the image must be (H, W, 3) RGB with at least one pixel, not {described(image)}: {_way_out(pixels.shape)}"
        )
    if pixels.dtype != np.uint8:
        raise InputError(
            f"the image must be uint8 with values from 0 to 255, not {pixels.dtype}{_odd_values(pixels)}: "
            "scale it and convert it with astype(np.uint8)."
        )
    return pixels


def _of_pillow(image: Image.Image) -> np.ndarray:
    if image.mode in DEEP_MODES:
        raise InputError(
            f"the image must be of 8 bits per channel, not a Pillow image of mode {image.mode}: scale its levels to "
            "0..255, or give the path of its file."
        )
    try:
        upright = ImageOps.exif_transpose(image)
        pixels = np.asarray(upright.convert("RGBA" if "transparency" in upright.info else "RGB"))[..., :3]
    except (OSError, ValueError, SyntaxError, AttributeError, Image.DecompressionBombError) as error:
        raise InputError(f"the image must be an open Pillow image that decodes, not one with: {error}.") from error
    if not pixels.size:
        raise InputError("the image must have at least one pixel: give another one.")
    return pixels


def _way_out(shape: tuple[int, ...]) -> str:
    """What to do with an array of another shape."""
    if 0 in shape:
        return "give an image that is not empty."
    if len(shape) == 2 or shape[2:] == (1,):
        return "repeat the gray channel, np.stack([image] * 3, axis=-1)."
    if len(shape) == 3 and shape[2] == 4:
        return "drop the alpha channel, image[..., :3]."
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        return "move the channels to the last axis, image.transpose(1, 2, 0)."
    if len(shape) == 4:
        return "give the images of a batch one by one."
    return "give red, green and blue of each pixel."


def _odd_values(pixels: np.ndarray) -> str:
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        return " with values that are no finite numbers"
    if pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1:
        return " with values from 0 to 1"
    return ""
