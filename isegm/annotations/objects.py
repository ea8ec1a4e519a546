"""The objects of one image, with names, classes and colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np

from isegm.annotations.region import Region
from isegm.utils.errors import InputError
from isegm.utils.inputs import SIDE, require, require_fields
from isegm.utils.schema import Flag, Instance, Items, Row, Text, Whole, shown
from isegm.utils.vis import object_color

MAX_NUMBER = 2**16 - 1
CATEGORY = "object"  # the default class
NUMBER_COLOR = (-1, -1, -1)  # stands for ``object_color`` of the object's number

KINDS = {"region": Instance(Region, "a Region"), "name": Text(), "category": Text(), "protected": Flag()}


@dataclass(frozen=True, eq=False)
class AnnotatedObject:
    """One object of an image.

    Attributes:
        number: its value in label maps, from 1.
        region: all of its pixels, including those under other objects.
        name: any text, may be empty.
        category: its class, not empty.
        color: RGB, each 0..255; ``NUMBER_COLOR`` becomes ``object_color`` of the number.
        protected: later objects take no pixels away from it.

    Raises:
        InputError: a value is of another kind, a number or colour out of range, or the class empty.
    """

    number: int
    region: Region
    name: str = ""
    category: str = CATEGORY
    color: tuple[int, int, int] = NUMBER_COLOR
    protected: bool = False

    def __post_init__(self) -> None:
        if not Whole(1, MAX_NUMBER).fits(self.number):
            raise InputError(f"an object has the number {shown(self.number)}: give one from 1 to {MAX_NUMBER}.")
        object.__setattr__(self, "number", int(self.number))  # files hold no numbers of NumPy
        require_fields(self, KINDS)
        color = tuple(self.color) if isinstance(self.color, (tuple, list, np.ndarray)) else ()
        if color == NUMBER_COLOR:
            color = object_color(self.number)
        if len(color) != 3 or not all(Whole(0, 255).fits(part) for part in color):
            raise InputError(f"object {self.number} has the colour {self.color}: give red, green, blue from 0 to 255.")
        object.__setattr__(self, "color", tuple(int(part) for part in color))
        if not self.category.strip():
            raise InputError(f"object {self.number} has a class without a name: write one, such as {CATEGORY}.")


SIZE = Row(SIDE, SIDE)
MOST_PIXELS = 1 << 30  # of an image that programs annotate
OBJECTS = Items(Instance(AnnotatedObject, "an AnnotatedObject"))


@dataclass(frozen=True, eq=False)
class Annotations:
    """All annotated objects of one image.

    Attributes:
        image_name: file name of the image, without folders.
        size: (H, W) in pixels.
        objects: with different numbers; later ones lie over earlier ones.
        left_out: what was not read from the file of the annotations, and why: a few words each.
        classes: all classes that there are, in the order of their numbers in files; objects may have others, too.

    Raises:
        InputError: a value is of another kind, two objects have one number, or one is of an image of another size.
    """

    image_name: str
    size: tuple[int, int]
    objects: tuple[AnnotatedObject, ...] = ()
    left_out: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_fields(self, {"image_name": Text(), "size": SIZE, "objects": OBJECTS})
        if self.size[0] * self.size[1] > MOST_PIXELS:
            raise InputError(f"annotations of an image of {self.size} pixels (H, W) are too large: give its size.")
        if len({item.number for item in self.objects}) < len(self.objects):
            raise InputError(f"two objects of {self.image_name} have one number: give each its own.")
        for item in self.objects:
            if tuple(item.region.size) != tuple(self.size):
                raise InputError(
                    f"object {item.number} is of an image of {item.region.size} pixels, but {self.image_name} has "
                    f"{self.size}: give its mask in this image, (H, W)."
                )

    def labels(self) -> np.ndarray:
        """Draw a label map, (H, W) uint16: the number of the uppermost object at each pixel, 0 for background."""
        labels = np.zeros(self.size, np.uint16)
        for item in self.objects:
            item.region.paint(labels, item.number)
        return labels


def file_stems(folder: Path, annotated: Sequence[Annotations]) -> list[str]:
    """Return the stems of the images' names, under which a folder holds one file for each.

    Raises:
        InputError: two images have the same one; the message names the folder.
    """
    stems = [Path(one.image_name).stem for one in annotated]
    keys = [stem_key(one.image_name) for one in annotated]
    if len(set(keys)) < len(keys):
        twice = next(stem for stem, key in zip(stems, keys, strict=True) if keys.count(key) > 1)
        raise InputError(f"{folder} cannot hold the labels of two images named {twice}: rename one.")
    return stems


def stem_key(name: str) -> str:
    """Return what the name of an image has in common with those of its files: the stem, in one Unicode form."""
    return normalize("NFC", Path(name).stem)


ANNOTATIONS = Instance(Annotations, "Annotations")


def require_each(annotated: Any) -> None:
    """Check the annotations of several images.

    Raises:
        InputError: it is no list or tuple of ``Annotations``.
    """
    require(annotated, Items(ANNOTATIONS), "the annotations of several images")
