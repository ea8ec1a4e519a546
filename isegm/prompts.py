"""Prompts other than clicks: boxes, scribbles and polygons, how they are drawn, and the clicks that stand for them.

Every network takes them. The crop that it sees is that around a box or polygon. It starts from the inside of a polygon,
and its answer to a box has nothing outside. Each prompt also stands for clicks, by which networks see it that read
clicks alone, and by which focus crops and merging go. A network that reads strokes (``ClickModel.reads_strokes``) sees
scribbles and boxes drawn into its click maps besides.

Coordinates are (row, column) pixels, as of ``isegm.clicks``; users give (x, y).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from isegm.clicks import Click
from isegm.utils.errors import InputError
from isegm.utils.inputs import described, plain_array
from isegm.utils.schema import Whole

SCRIBBLE_CLICKS = 3  # that stand for a scribble
SUBPIXEL_BITS = 4  # of the corners of polygons that are filled
BOX_FORM = "box must be four numbers (x0, y0, x1, y1)"
SCRIBBLES_FORM = "scribbles must be (points, label) pairs, each with (N, 2) points (x, y) and the label 1 or 0"
POLYGON_FORM = "polygon must be (N, 2) points (x, y)"


class Stroke(NamedTuple):
    """A line that is drawn into click maps.

    Attributes:
        points: (N, 2) float64 (row, column), joined in order.
        is_positive: whether it goes into the map of positive clicks.
    """

    points: np.ndarray
    is_positive: bool


@dataclass(frozen=True)
class Prompt:
    """A box, a scribble or a polygon; see ``prompts_from_xy``.

    Attributes:
        kind: "box", "scribble" or "polygon".
        path: (row, column) of the points of a scribble or the corners of a polygon, in order. Of a box the first row
            and column, and the row and column behind the last ones.
        is_positive: False for a scribble on the background.
    """

    kind: str
    path: tuple[tuple[float, float], ...]
    is_positive: bool = True

    def outline(self) -> np.ndarray:
        """Points (N, 2) of the line that people see, (row, column); that of a box or polygon ends where it begins."""
        if self.kind != "box":
            return np.array(self.path if self.kind == "scribble" else (*self.path, self.path[0]), dtype=np.float64)
        (top, left), (bottom, right) = self.path[0], (self.path[1][0] - 1, self.path[1][1] - 1)
        return np.array([(top, left), (top, right), (bottom, right), (bottom, left), (top, left)], dtype=np.float64)

    def strokes(self) -> list[Stroke]:
        """Return what is drawn into click maps: a scribble with its sign, and the outline of a box as negative.

        Outside a box nothing is object. Networks that were trained with clicks alone understand that, too; a positive
        outline misleads them. Nothing is drawn of a polygon, whose mask says the same.
        """
        if self.kind == "polygon":
            return []
        return [Stroke(self.outline(), self.is_positive and self.kind == "scribble")]

    def mask(self, image_size: tuple[int, int]) -> np.ndarray | None:
        """Return the pixels inside a box or polygon, bool (H, W); None for a scribble."""
        if self.kind == "scribble":
            return None
        inside = np.zeros(image_size, dtype=np.uint8)
        if self.kind == "box":
            (top, left), (bottom, right) = self.path
            inside[math.ceil(top) : math.ceil(bottom), math.ceil(left) : math.ceil(right)] = 1
        else:
            corners = np.rint(np.array(self.path)[:, ::-1] * (1 << SUBPIXEL_BITS)).astype(np.int32)
            cv2.fillPoly(inside, [corners], 1, shift=SUBPIXEL_BITS)
        return inside > 0

    def clicks(self, image_size: tuple[int, int]) -> list[Click]:
        """Return the clicks that stand for the prompt.

        Of a box the one at its centre, of a polygon that at its innermost pixel, the middle one of several, and of a
        scribble ``SCRIBBLE_CLICKS`` in the middles of parts of equal length.
        """
        if self.kind == "box":
            (top, left), (bottom, right) = ((math.ceil(y), math.ceil(x)) for y, x in self.path)  # as ``mask``
            return [Click(True, ((top + bottom - 1) / 2, (left + right - 1) / 2))]
        if self.kind == "polygon":
            inside = np.pad(np.asarray(self.mask(image_size), dtype=np.uint8), 1)
            depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
            rows, columns = np.nonzero(depth == depth.max())  # many in a rectangle
            middle = ((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2).argmin()
            return [Click(True, (int(rows[middle]), int(columns[middle])))]
        middles = (np.arange(SCRIBBLE_CLICKS) + 0.5) / SCRIBBLE_CLICKS
        return [Click(self.is_positive, (row, column)) for row, column in along(self.outline(), middles).tolist()]


def along(path: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points (M, 2) of a polyline (N, 2) at shares (M,) of its length, from 0 to 1."""
    steps = np.hypot(*np.diff(path, axis=0).T)
    lengths = np.concatenate(([0.0], np.cumsum(steps)))
    return np.stack([np.interp(shares * lengths[-1], lengths, path[:, axis]) for axis in (0, 1)], axis=1)


def prompts_from_xy(
    image_size: tuple[int, int],
    box: ArrayLike | None = None,
    scribbles: Iterable[Any] | None = None,
    polygon: ArrayLike | None = None,
) -> list[Prompt]:
    """Check prompts that a user gives, and turn them into values: the polygon first, then the box, then the scribbles.

    Args:
        image_size: (H, W) in pixels.
        box: (x0, y0, x1, y1), the first column and row, and the column and row behind the last ones.
        scribbles: (points, label) pairs: points (N, 2) (x, y) of a line, a pixel's centre having whole coordinates;
            label 1 for a line on the object, 0 for one on the background.
        polygon: (N, 2) corners (x, y) of a rough outline of the object.

    Raises:
        InputError: a value is of another form; a prompt reaches beyond the image; a box has no area, a polygon fewer
            than three corners or no area, a scribble no length.
    """
    prompts = []
    if polygon is not None:
        prompts.append(_polygon(polygon, image_size))
    if box is not None:
        prompts.append(_box(box, image_size))
    if scribbles is not None:
        pairs = list(scribbles) if isinstance(scribbles, Iterable) else [scribbles]
        prompts += [_scribble(pair, image_size) for pair in pairs]
    return prompts


def require_drawable(prompt: Prompt, image_size: tuple[int, int]) -> None:
    """Check a prompt for an image of ``image_size`` (H, W), such as one that was read from a file.

    Raises:
        InputError: see ``prompts_from_xy``.
    """
    points = [(x, y) for y, x in prompt.path]
    if prompt.kind == "box":
        prompts_from_xy(image_size, box=[place for point in points for place in point])
    elif prompt.kind == "polygon":
        prompts_from_xy(image_size, polygon=points)
    else:
        prompts_from_xy(image_size, scribbles=[(points, int(prompt.is_positive))])


def _box(box: ArrayLike, image_size: tuple[int, int]) -> Prompt:
    corners = _numbers(box, BOX_FORM)
    if corners.shape != (4,):
        raise InputError(f"{BOX_FORM}, not {described(box)}.")
    x0, y0, x1, y1 = corners.tolist()
    height, width = image_size
    named = f"the box from x={x0:g}, y={y0:g} to x={x1:g}, y={y1:g}"
    if not (min(x0, x1, y0, y1) >= 0 and max(x0, x1) <= width and max(y0, y1) <= height):  # also refuses NaN
        raise InputError(
            f"{named} reaches beyond the image, {width} pixels wide and {height} high: x goes from 0 to the width, y "
            "from 0 to the height."
        )
    if math.ceil(x1) <= math.ceil(x0) or math.ceil(y1) <= math.ceil(y0):
        raise InputError(f"{named} has no area: give x0 < x1 and y0 < y1, the ends excluded.")
    return Prompt("box", ((y0, x0), (y1, x1)))


def _polygon(polygon: ArrayLike, image_size: tuple[int, int]) -> Prompt:
    corners = _points(polygon, POLYGON_FORM)
    if len(np.unique(corners, axis=0)) < 3:
        raise InputError(f"a polygon of {len(corners)} points has no area: give at least three different corners.")
    _require_points_inside(corners, image_size, "polygon")
    prompt = Prompt("polygon", _path(corners))
    x, y = (corners - corners[0]).T
    if abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 < 1 and not _is_crossed(prompt, image_size):
        raise InputError("the polygon has an area of less than a pixel: give corners that lie around the object.")
    return prompt


def _is_crossed(polygon: Prompt, image_size: tuple[int, int]) -> bool:
    """Whether a polygon without area fills more than the pixels of its outline, as an eight does: its loops cancel."""
    filled = np.asarray(polygon.mask(image_size), dtype=np.uint8)
    return bool(cv2.erode(filled, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1).any())


def _scribble(pair: Any, image_size: tuple[int, int]) -> Prompt:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not Whole(0, 1).fits(pair[1]):
        raise InputError(f"{SCRIBBLES_FORM}, not {described(pair)}.")
    points = _points(pair[0], SCRIBBLES_FORM)
    _require_points_inside(points, image_size, "scribble")
    if len(np.unique(points, axis=0)) < 2:
        raise InputError("a scribble has no length: give at least two different points, or a click.")
    return Prompt("scribble", _path(points), bool(pair[1]))


def _numbers(values: Any, form: str) -> np.ndarray:
    try:
        return plain_array(values, "they").astype(np.float64)
    except InputError as error:
        raise InputError(f"{form}, not {described(values)}.") from error


def _points(values: Any, form: str) -> np.ndarray:
    points = _numbers(values, form)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"{form}, not {described(values)}.")
    return points


def _require_points_inside(points: np.ndarray, image_size: tuple[int, int], name: str) -> None:
    height, width = image_size
    inside = (points >= 0).all(axis=1) & (points[:, 0] <= width - 1) & (points[:, 1] <= height - 1)
    if not inside.all():
        x, y = points[~inside][0]
        raise InputError(
            f"a point of the {name}, x={x:g}, y={y:g}, lies outside the image, {width} pixels wide and {height} high: "
            "x goes from 0 to width-1, y from 0 to height-1."
        )


def _path(points: np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple((y, x) for x, y in points.tolist())


def draw_strokes(strokes: Sequence[Stroke], size: tuple[int, int], radius: float) -> np.ndarray:
    """Draw strokes as the disks of clicks are drawn: 1 within ``radius`` of the line, else 0.

    Args:
        strokes: in pixels of the map; they may leave it.
        size: (H, W) of the map.
        radius: of the disks, in pixels.

    Returns:
        float32 (2, H, W), positive strokes first.
    """
    maps = np.zeros((2, *size), dtype=np.float32)
    for stroke in strokes:
        drawn = maps[0 if stroke.is_positive else 1]
        for start, end in zip(stroke.points[:-1], stroke.points[1:], strict=True):
            _draw_line(drawn, start, end, radius)
    return maps


def _draw_line(drawn: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> None:
    """Set the pixels within ``radius`` of a line to 1, in place; only the window around the line is looked at."""
    low = np.maximum(np.ceil(np.minimum(start, end) - radius), 0).astype(int)
    high = np.minimum(np.floor(np.maximum(start, end) + radius) + 1, drawn.shape).astype(int)
    if (low >= high).any():
        return
    rows = np.arange(low[0], high[0])[:, None] - start[0]
    columns = np.arange(low[1], high[1])[None, :] - start[1]
    down, across = end - start
    squared = down**2 + across**2
    share = np.clip((rows * down + columns * across) / squared, 0, 1) if squared > 0 else 0.0  # along the line
    near = (rows - share * down) ** 2 + (columns - share * across) ** 2 <= radius**2
    window = drawn[low[0] : high[0], low[1] : high[1]]
    window[near] = 1


def how_read(kind: str, reads_strokes: bool, with_prev_mask: bool) -> str:
    """Say in a few words how a network sees a prompt.

    Args:
        kind: of the prompt; or "mask" for a mask to start from, "click" for a click.
        reads_strokes, with_prev_mask: of the network.
    """
    if kind in ("box", "scribble") and reads_strokes:
        return "read as a stroke"
    if kind == "click":
        return "read as it is"
    if kind == "mask":
        return "read as the previous mask" if with_prev_mask else "not read, predictions are merged into it"
    turned = f"turned into {SCRIBBLE_CLICKS} clicks along it" if kind == "scribble" else "turned into a click"
    if kind == "polygon" and with_prev_mask:
        turned += " inside it and the previous mask"
    return f"{turned}, and the crop" if kind in ("box", "polygon") else turned
