"""The pixel of a map that lies deepest inside, found without looking closely at all of it.

An exact distance transform of four million pixels takes up to 70 ms. Here a coarse look bounds the depth of every
pixel first, and only those that may be the deepest are looked at closely. The result is that of the whole transform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.utils.boxes import Box

SMALL = 64 * 64  # pixels of a box that is looked at closely at once
LARGE = 1 << 20  # pixels of a box that is divided into larger cells
CELLS = {4: np.uint32, 8: np.uint64}  # sides of cells in pixels, and the type that holds a row of one
MOST_PARTS = 64  # that are looked at one by one
FEW_PIXELS = 64 * 64  # of a part whose distances are computed pair by pair, where that saves a transform of MANY_PIXELS
MANY_PIXELS = 50_000
GROUPS = (8, 2)  # sides of squares of pixels, of which one is looked at first
CHUNK = 1 << 18  # pairs whose distances are computed at once
EXACT_DEPTH = 1500  # pixels; squares of smaller depths are exact in float32
SQUARE = np.ones((3, 3), np.uint8)
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))

Pixel = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """A box that may hold the deepest pixel.

    Attributes:
        box: of pixels of the map.
        most: no pixel in it is deeper.
    """

    box: Box
    most: float


def deepest_pixel(error: np.ndarray, clicked: Sequence[Pixel]) -> tuple[int, Pixel]:
    """Find the pixel of a map that is farthest from the map's zeros and from beyond its border.

    Args:
        error: bool (H, W).
        clicked: (row, column) of pixels that do not count.

    Returns:
        its squared distance, 0 if no pixel counts, and its (row, column): of equal ones the first in row-major order.
    """
    outer = Box.around(error)
    if outer.is_empty:
        return 0, (0, 0)
    places = [(row - outer.top, column - outer.left) for row, column in clicked]
    height, width = outer.size
    places = [(row, column) for row, column in places if 0 <= row < height and 0 <= column < width]
    inside = error[outer.slices].view(np.uint8)
    best, place = 0, (0, 0)
    for part in _parts(inside, places):
        if part.most**2 < best - 0.5:
            continue
        squared, found = _deepest_within(inside, part, places)
        if squared > best or (squared == best and squared and found < place):
            best, place = squared, found
    return best, (outer.top + place[0], outer.left + place[1]) if best else (0, 0)


# ---- where the deepest pixel may be ----


def _parts(inside: np.ndarray, clicked: Sequence[Pixel]) -> list[Part]:
    """Boxes that hold all of the deepest pixels of a uint8 map, those that reach deepest first."""
    everything = [Part(Box.of_image((inside.shape[0], inside.shape[1])), float(max(inside.shape)))]
    cell = 4 if inside.size < LARGE else 8
    if inside.size <= SMALL or len(clicked) >= cell**2:  # a cell may have been clicked all over
        return everything
    parts = _by_cells(inside, cell)
    if parts is None:
        parts = _by_erosion(inside, clicked)
    seen = sum((part.box.size[0] + 2 * part.most) * (part.box.size[1] + 2 * part.most) for part in parts)
    one_by_one = len(parts) <= MOST_PARTS and (seen < inside.size or all(map(_is_compact, parts)))
    return sorted(parts, key=lambda part: -part.most) if one_by_one else everything


def _by_cells(inside: np.ndarray, cell: int) -> list[Part] | None:
    """Find them by the distances of filled cells from others; None where the map is too shallow for that.

    With d the distance, in cells, from a cell of ``cell`` x ``cell`` pixels to the nearest one that is not filled, the
    depth of its pixels differs from ``cell`` * d by at most the diagonal of (``cell`` - 1) pixels. So pixels of cells
    whose d is well below the largest one are not the deepest.
    """
    height, width = inside.shape
    rows, columns = (-(-side // cell) for side in inside.shape)
    cells = np.zeros((rows, cell, columns * cell), np.uint8)
    cells.reshape(rows * cell, -1)[:height, :width] = inside
    filled = np.bitwise_and.reduce(cells.view(CELLS[cell]), axis=1) == int.from_bytes(bytes([1] * cell), "little")
    steps = cv2.distanceTransform(np.pad(filled.view(np.uint8), 1), cv2.DIST_L2, 0)[1:-1, 1:-1]  # (rows, columns)
    slack = (cell - 1) * math.sqrt(2)
    least = float(steps.max()) - 2 * slack / cell - 1e-3
    if least <= 0:
        return None
    count, labels, stats, _ = cv2.connectedComponentsWithStats((steps >= least).view(np.uint8), connectivity=8)
    parts = []
    for label in range(1, min(count, MOST_PARTS + 2)):  # one part too many says that there are too many
        left, top, across, down = stats[label, :4].tolist()
        seen = slice(top, top + down), slice(left, left + across)
        most = float(steps[seen][labels[seen] == label].max())
        box = Box(cell * top, min(cell * (top + down), height), cell * left, min(cell * (left + across), width))
        parts.append(Part(box, cell * most + slack))
    return parts


def _by_erosion(inside: np.ndarray, clicked: Sequence[Pixel]) -> list[Part]:
    """Find them by the number of steps to the eight neighbours that lead out of the map.

    With k the largest number of steps out of a pixel that counts, the deepest pixel is at least k deep; and as the
    depth of any pixel is at most the root of 2 times its steps, it has at least k / root 2 of them.
    """
    levels = [inside]
    while True:
        deeper = cv2.erode(levels[-1], SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        if cv2.countNonZero(deeper) <= sum(int(deeper[pixel]) for pixel in clicked):
            break
        levels.append(deeper)
    most = len(levels)
    among = levels[math.ceil(most / math.sqrt(2)) - 1]
    count, _, stats, _ = cv2.connectedComponentsWithStats(among, connectivity=8)
    return [
        Part(Box(top, top + down, left, left + across), math.sqrt(2) * (most + 1))
        for left, top, across, down in stats[1 : min(count, MOST_PARTS + 2), :4].tolist()
    ]


def _is_compact(part: Part) -> bool:
    """Whether the distances of its pixels are computed pair by pair."""
    height, width = part.box.size
    return height * width <= FEW_PIXELS and (height + 2 * part.most) * (width + 2 * part.most) > MANY_PIXELS


# ---- which pixel it is ----


def _deepest_within(inside: np.ndarray, part: Part, clicked: Sequence[Pixel]) -> tuple[int, Pixel]:
    """The deepest pixel of a part, as of ``deepest_pixel``.

    The map is cut ``reach`` pixels around the box, and zeros are put around the cut: either they lie beyond the map,
    where depths end, or farther from the box than its pixels are deep.
    """
    box, reach = part.box, math.ceil(part.most) + 1
    rows = max(box.top - reach, 0), min(box.bottom + reach, inside.shape[0])
    seen = Box(*rows, max(box.left - reach, 0), min(box.right + reach, inside.shape[1]))
    padded = cv2.copyMakeBorder(inside[seen.slices], 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    within = Box(box.top - seen.top + 1, box.bottom - seen.top + 1, box.left - seen.left + 1, box.right - seen.left + 1)
    places = [(row - box.top, column - box.left) for row, column in clicked]
    places = [place for place in places if 0 <= place[0] < box.size[0] and 0 <= place[1] < box.size[1]]
    find = _by_pairs if _is_compact(part) else _by_transform
    squared, (row, column) = find(padded, within, places)
    return squared, (box.top + row, box.left + column)


def _by_transform(padded: np.ndarray, box: Box, clicked: Sequence[Pixel]) -> tuple[int, Pixel]:
    """The deepest pixel of a box of a map with zeros around it; (row, column) and ``clicked`` in the box."""
    # Mask size 0 is DIST_MASK_PRECISE; the approximate transforms of sizes 3 and 5 give other clicks.
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 0)[box.slices]
    for pixel in clicked:
        depth[pixel] = 0
    # Squared distances are whole numbers, so equal ones can be told although OpenCV's square root may differ in the
    # last bit from one pixel to the next: with Intel IPP it depends on threads, memory alignment and processor.
    deepest = float(depth.max())
    squared = round(deepest**2)
    if squared == 0:  # every pixel was clicked
        return 0, (0, 0)
    # Beyond EXACT_DEPTH float32 no longer tells neighbouring squares apart: there the largest value has to do.
    among = depth > math.sqrt(squared - 0.5) if deepest < EXACT_DEPTH else depth == deepest
    row, column = divmod(int(among.argmax()), box.size[1])
    return squared, (row, column)


def _by_pairs(padded: np.ndarray, box: Box, clicked: Sequence[Pixel]) -> tuple[int, Pixel]:
    """The same by the distances of pixels of the box to those zeros that may be the nearest to one of them.

    The zero nearest to a pixel is a neighbour of the map. One that is farther from the middle of the box than the
    nearest zero by more than the box's diagonal is not the nearest to any of its pixels. One pixel of each small square
    bounds the depth of the others, see ``GROUPS``.
    """
    inside = padded[box.slices].copy()
    for pixel in clicked:
        inside[pixel] = 0
    pixels = np.argwhere(inside).astype(np.int32)  # in row-major order
    if not len(pixels):
        return 0, (0, 0)
    zeros = cv2.findNonZero(cv2.dilate(padded, CROSS) - padded).reshape(-1, 2)[:, ::-1] - np.array(
        (box.top, box.left), np.int32
    )
    height, width = box.size
    from_middle = np.hypot(*(zeros - ((height - 1) / 2, (width - 1) / 2)).T)
    zeros = zeros[from_middle <= from_middle.min() + math.hypot(height, width)]
    for side in GROUPS:
        groups = (pixels // side) @ np.array((box.size[1], 1), np.int32)
        _, one_of_each, group = np.unique(groups, return_index=True, return_inverse=True)
        bounds = np.sqrt(_squared_distances(pixels[one_of_each], zeros))
        pixels = pixels[bounds[group] + (side - 1) * math.sqrt(2) + 1e-6 >= bounds.max()]
    squared = _squared_distances(pixels, zeros)
    best = int(squared.argmax())
    return int(squared[best]), (int(pixels[best, 0]), int(pixels[best, 1]))


def _squared_distances(pixels: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Squared distance of each pixel (N, 2) to the nearest of some zeros (M, 2): int32 (N,)."""
    nearest = np.empty(len(pixels), np.int32)
    step = max(1, CHUNK // len(zeros))
    for first in range(0, len(pixels), step):
        rows, columns = (pixels[first : first + step, axis, None] - zeros[:, axis] for axis in (0, 1))
        rows *= rows
        columns *= columns
        rows += columns
        rows.min(axis=1, out=nearest[first : first + step])
    return nearest
