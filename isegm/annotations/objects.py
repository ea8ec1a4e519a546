"""The objects of one image, with names, classes and colours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isegm.annotations.region import Region
from isegm.utils.errors import InputError
from isegm.utils.vis import voc_palette

MAX_NUMBER = 2**16 - 1
CATEGORY = "object"  # the class of what nobody has given one


@dataclass(frozen=True, eq=False)
class AnnotatedObject:
    """One object.

    Attributes:
        number: 1, 2, ...: its value in label maps.
        region: all of its pixels, also those that objects above it hide.
        name: anything, may be empty.
        category: its class.
        color: RGB, each 0..255; by default the number's colour in Pascal VOC's palette.
        protected: later objects do not take pixels away from it.

    Raises:
        InputError: a number or colour out of its bounds, or a class without a name.
    """

    number: int
    region: Region
    name: str = ""
    category: str = CATEGORY
    color: tuple[int, int, int] = field(default=None)
    protected: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_NUMBER:
            raise InputError(f"an object has the number {self.number}: give one from 1 to {MAX_NUMBER}.")
        if self.color is None:
            object.__setattr__(self, "color", tuple(voc_palette(self.number + 1)[-1].tolist()))
        if len(self.color) != 3 or not all(isinstance(part, int) and 0 <= part <= 255 for part in self.color):
            raise InputError(f"object {self.number} has the colour {self.color}: give red, green, blue from 0 to 255.")
        if not self.category.strip():
            raise InputError(f"object {self.number} has a class without a name: write one, such as {CATEGORY}.")


@dataclass(frozen=True, eq=False)
class Annotations:
    """What is annotated of one image.

    Attributes:
        image: its file name, without folders.
        size: (H, W) in pixels.
        objects: of different numbers; later ones lie over earlier ones.
    """

    image_name: str
    size: tuple[int, int]
    objects: tuple[AnnotatedObject, ...] = ()

    def labels(self) -> np.ndarray:
        """(H, W) uint16: at each pixel the number of the uppermost object, 0 where there is none."""
        labels = np.zeros(self.size, np.uint16)
        for item in self.objects:
            item.region.paint(labels, item.number)
        return labels
