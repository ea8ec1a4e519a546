"""Position and scale of an image in a window: zooming and panning, independent of any toolkit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

LARGEST_SCALE = 20.0
ROUNDING = 1e-6  # pixels by which an image may exceed a window that it fits
BLOCKS_ABOVE = 2.0  # scale above which pixels are shown as squares


@dataclass(frozen=True)
class Viewport:
    """Position and scale of an image in a window. Sizes are (width, height) and positions (x, y), as on screens.

    Args:
        image: size in pixels of the image.
        window: size in pixels of the screen.
        scale: pixels of the screen per pixel of the image; clipped to the allowed range.
        offset: position of the image's top left corner in the window; clipped: along an axis on which the image is
            smaller than the window it is centred, along others it fills the window.
    """

    image: tuple[int, int]
    window: tuple[int, int]
    scale: float = 0.0
    offset: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        fitting = min(outer / inner for inner, outer in zip(self.image, self.window, strict=True))
        scale = max(min(self.scale, LARGEST_SCALE), fitting)
        offset = []
        for inner, outer, start in zip(self.image, self.window, self.offset, strict=True):
            spare = outer - inner * scale
            offset.append(spare / 2 if spare > -ROUNDING else min(0.0, max(spare, start)))
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "offset", tuple(offset))

    def resized(self, window: tuple[int, int]) -> Viewport:
        """The viewport for a window of another size; an image that was fully visible stays so."""
        whole = self.share(0) == self.share(1) == (0.0, 1.0)
        return replace(self, window=window, scale=0.0 if whole else self.scale)

    def pixel(self, x: float, y: float) -> tuple[int, int] | None:
        """The pixel (x, y) of the image at a position of the window; None outside the image.

        An image thinner than a pixel of the window counts as that pixel.
        """
        found = []
        for axis, position in enumerate((x, y)):
            index, length = math.floor((position - self.offset[axis]) / self.scale), self.image[axis]
            if not 0 <= index < length and math.floor(position) not in self.seen(axis):
                return None
            found.append(min(max(index, 0), length - 1))
        return found[0], found[1]

    def nearest(self, x: float, y: float) -> tuple[int, int]:
        """The pixel (x, y) of the image that is nearest to a position of the window."""
        found = (
            min(max(math.floor((position - offset) / self.scale), 0), length - 1)
            for position, offset, length in zip((x, y), self.offset, self.image, strict=True)
        )
        column, row = found
        return column, row

    def zoomed(self, factor: float, x: float, y: float) -> Viewport:
        """Zoom so that the pixel at (x, y) of the window stays there; unchanged if (x, y) is outside the image."""
        if self.pixel(x, y) is None:
            return self
        scale = replace(self, scale=self.scale * factor).scale
        left, top = self.offset
        offset = (x - (x - left) * scale / self.scale, y - (y - top) * scale / self.scale)
        return replace(self, scale=scale, offset=offset)

    def panned(self, dx: float, dy: float) -> Viewport:
        """Move the image by (dx, dy) pixels of the window, as far as possible."""
        return replace(self, offset=(self.offset[0] + dx, self.offset[1] + dy))

    def share(self, axis: int) -> tuple[float, float]:
        """Visible part of the image along x (0) or y (1): start and end in 0..1, as for scroll bars."""
        length = self.image[axis] * self.scale
        if self.window[axis] - length > -ROUNDING:
            return 0.0, 1.0
        first = max(0.0, -self.offset[axis] / length)
        return first, min(1.0, first + self.window[axis] / length)

    def at_share(self, axis: int, first: float) -> Viewport:
        """Move so that the visible part along an axis starts at a share of the image."""
        start = -first * self.image[axis] * self.scale
        return replace(self, offset=(start, self.offset[1]) if axis == 0 else (self.offset[0], start))

    @property
    def blocks(self) -> bool:
        """Whether pixels of the image are shown as squares."""
        return self.scale > BLOCKS_ABOVE

    def corner(self, axis: int) -> int:
        """The first pixel of the window along x (0) or y (1) that shows the image, or would in a larger window.

        An image drawn from there moves by whole pixels when it is panned by whole pixels, consistent with ``pixel``.
        """
        return min(math.ceil(self.offset[axis] - ROUNDING), self.window[axis] - 1)

    def start(self, axis: int) -> float:
        """Start of the image along x (0) or y (1): fractional only where pixels are squares."""
        return self.offset[axis] if self.blocks else self.corner(axis)

    def seen(self, axis: int) -> range:
        """The pixels of the window along x (0) or y (1) that show the image; never empty."""
        first, length = self.corner(axis), self.image[axis] * self.scale
        end = math.ceil(self.offset[axis] + length - ROUNDING) if self.blocks else first + max(1, round(length))
        return range(max(0, first), min(self.window[axis], end))
