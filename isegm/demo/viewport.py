"""Which part of an image a window shows, and how large: zooming and panning without a toolkit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

LARGEST_SCALE = 20.0
ROUNDING = 1e-6  # pixels by which an image may exceed a window that it fits
BLOCKS_ABOVE = 2.0  # scale above which pixels are shown as squares


@dataclass(frozen=True)
class Viewport:
    """A place and a scale. Sizes are (width, height), places (x, y), as on screens.

    Args:
        image: size in pixels of the image.
        window: size in pixels of the screen.
        scale: pixels of the screen for one of the image; brought to what is allowed.
        offset: place in the window of the image's top left corner; brought to what is allowed: an axis along which the
            image is smaller than the window is centred, along others the image fills the window.
    """

    image: tuple[int, int]
    window: tuple[int, int]
    scale: float = 0.0
    offset: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        fitting = min(outer / inner for inner, outer in zip(self.image, self.window, strict=True))
        scale = max(min(self.scale, LARGEST_SCALE), fitting)
        offset = []
        for inner, outer, place in zip(self.image, self.window, self.offset, strict=True):
            spare = outer - inner * scale
            offset.append(spare / 2 if spare > -ROUNDING else min(0.0, max(spare, place)))
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "offset", tuple(offset))

    def resized(self, window: tuple[int, int]) -> Viewport:
        """For a window of another size; an image of which all was seen is still seen whole."""
        whole = self.share(0) == self.share(1) == (0.0, 1.0)
        return replace(self, window=window, scale=0.0 if whole else self.scale)

    def pixel(self, x: float, y: float) -> tuple[int, int] | None:
        """The pixel (x, y) of the image at a place of the window; None outside the image.

        An image that is thinner than a pixel of the window is where it is drawn.
        """
        found = []
        for axis, place in enumerate((x, y)):
            index, length = math.floor((place - self.offset[axis]) / self.scale), self.image[axis]
            if not 0 <= index < length and math.floor(place) not in self.seen(axis):
                return None
            found.append(min(max(index, 0), length - 1))
        return found[0], found[1]

    def zoomed(self, factor: float, x: float, y: float) -> Viewport:
        """Larger or smaller, so that what lies at (x, y) of the window stays there; itself outside the image."""
        if self.pixel(x, y) is None:
            return self
        scale = replace(self, scale=self.scale * factor).scale
        left, top = self.offset
        offset = (x - (x - left) * scale / self.scale, y - (y - top) * scale / self.scale)
        return replace(self, scale=scale, offset=offset)

    def panned(self, dx: float, dy: float) -> Viewport:
        """The image moved by (dx, dy) pixels of the window, as far as it goes."""
        return replace(self, offset=(self.offset[0] + dx, self.offset[1] + dy))

    def share(self, axis: int) -> tuple[float, float]:
        """Which part of the image is seen along x (0) or y (1): beginning and end in 0..1, as scroll bars take it."""
        length = self.image[axis] * self.scale
        if self.window[axis] - length > -ROUNDING:
            return 0.0, 1.0
        first = max(0.0, -self.offset[axis] / length)
        return first, min(1.0, first + self.window[axis] / length)

    def at_share(self, axis: int, first: float) -> Viewport:
        """Moved so that what is seen along an axis begins at that share of the image."""
        start = -first * self.image[axis] * self.scale
        return replace(self, offset=(start, self.offset[1]) if axis == 0 else (self.offset[0], start))

    @property
    def blocks(self) -> bool:
        """Whether pixels of the image are shown as squares."""
        return self.scale > BLOCKS_ABOVE

    def corner(self, axis: int) -> int:
        """The first pixel of the window along x (0) or y (1) that shows the image, or would if it were larger.

        An image that is drawn from there moves by whole pixels of the window when it is panned by whole pixels, and
        each of them shows what ``pixel`` finds there.
        """
        return min(math.ceil(self.offset[axis] - ROUNDING), self.window[axis] - 1)

    def start(self, axis: int) -> float:
        """Where along x (0) or y (1) the image is drawn from: a fraction only where pixels are squares."""
        return self.offset[axis] if self.blocks else self.corner(axis)

    def seen(self, axis: int) -> range:
        """The pixels of the window along x (0) or y (1) that show the image; there is always one."""
        first, length = self.corner(axis), self.image[axis] * self.scale
        end = math.ceil(self.offset[axis] + length - ROUNDING) if self.blocks else first + max(1, round(length))
        return range(max(0, first), min(self.window[axis], end))
