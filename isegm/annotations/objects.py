"""The objects of one image, with names, classes and colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isegm.annotations.region import Region
from isegm.utils.errors import InputError
from isegm.utils.vis import object_color

MAX_NUMBER = 2**16 - 1
CATEGORY = "object"  # the default class
NUMBER_COLOR = (-1, -1, -1)  # stands for ``object_color`` of the object's number


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
        InputError: a number or colour out of range, or an empty class.
    """

    number: int
    region: Region
    name: str = ""
    category: str = CATEGORY
    color: tuple[int, int, int] = NUMBER_COLOR
    protected: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_NUMBER:
            raise InputError(f"an object has the number {self.number}: give one from 1 to {MAX_NUMBER}.")
        if self.color == NUMBER_COLOR:
            object.__setattr__(self, "color", object_color(self.number))
        if len(self.color) != 3 or not all(isinstance(part, int) and 0 <= part <= 255 for part in self.color):
            raise InputError(f"object {self.number} has the colour {self.color}: give red, green, blue from 0 to 255.")
        if not self.category.strip():
            raise InputError(f"object {self.number} has a class without a name: write one, such as {CATEGORY}.")


@dataclass(frozen=True, eq=False)
class Annotations:
    """All annotated objects of one image.

    Attributes:
        image_name: file name of the image, without folders.
        size: (H, W) in pixels.
        objects: with different numbers; later ones lie over earlier ones.
        left_out: what was not read from the file of the annotations, and why: a few words each.
        classes: all classes that there are, in the order of their numbers in files; objects may have others, too.
    """

    image_name: str
    size: tuple[int, int]
    objects: tuple[AnnotatedObject, ...] = ()
    left_out: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def labels(self) -> np.ndarray:
        """Draw a label map, (H, W) uint16: the number of the uppermost object at each pixel, 0 for background."""
        labels = np.zeros(self.size, np.uint16)
        for item in self.objects:
            item.region.paint(labels, item.number)
        return labels
