"""Outlines of regions as polygons, and polygons as regions."""

from __future__ import annotations

from array import array

import cv2
import numpy as np

from isegm.annotations.region import Region

RIGHT, DOWN, LEFT, UP = range(4)  # ways along the edge of a pixel, which lies at the right hand
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # (x, y)
STARTS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # the corner of the pixel where its edge begins, (x, y)
FINENESS = 5  # parts of a pixel in which COCO's polygons are drawn
MIDDLE = 2  # a column's middle lies between this part of it and the next


def corner_outlines(region: Region) -> list[np.ndarray]:
    """Polygons along the edges of the pixels, which fill to exactly the region's pixels.

    Pieces that touch only at a corner are polygons of their own. No piece has a hole: where there is one, the piece is
    cut apart from there up, down or both. An outline may touch itself at corners.

    Returns:
        (N, 2) int64 corners (x, y) each, clockwise as seen, without those on straight lines; pixel (x, y) reaches from
        (x, y) to (x + 1, y + 1).
    """
    pixels, ways, lengths = _walk(region.pixels)
    turns = ways != ways[_before(lengths)]
    corners = pixels[turns] + STARTS[ways[turns]] + (region.left, region.top)
    return _split(corners, turns, lengths)


def centre_outlines(region: Region) -> list[np.ndarray]:
    """Polygons through the centres of the outermost pixels: filled and drawn, they are exactly the region's pixels.

    Pieces and cuts are those of ``corner_outlines``. A single pixel is a polygon of one point, a line one of two.

    Returns:
        (N, 2) int64 pixels (x, y) each, clockwise as seen, without those on straight lines.
    """
    pixels, _, lengths = _walk(region.pixels)
    moved = (pixels != pixels[_before(lengths)]).any(axis=1)
    moved[(np.cumsum(lengths) - lengths)[_kept(moved, lengths) == 0]] = True  # single pixels
    pixels, lengths = pixels[moved], _kept(moved, lengths)
    before = _before(lengths)
    steps = pixels - pixels[before]
    turns = np.empty(len(pixels), bool)
    turns[before] = (steps != steps[before]).any(axis=1)
    turns[before == np.arange(len(before))] = True
    return _split(pixels[turns] + (region.left, region.top), turns, lengths)


def _walk(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Go around all pieces of (h, w) bool, pixel edge by pixel edge, each piece clockwise.

    Returns:
        pixels: (E, 2) int64 (x, y), the pixel at the right hand of each edge.
        ways: (E,) one of RIGHT, DOWN, LEFT, UP.
        lengths: (P,) how many of the edges belong to each piece.
    """
    inside = np.pad(inside, 1)
    width = inside.shape[1]
    cuts = _cuts(inside)  # between a pixel and its left neighbour
    flat = inside.ravel()
    borders = [
        flat & ~np.roll(flat, width),
        flat & (~np.roll(flat, -1) | np.roll(cuts, -1)),
        flat & ~np.roll(flat, -width),
        flat & (~np.roll(flat, 1) | cuts),
    ]
    places = [np.flatnonzero(border) for border in borders]
    offsets = np.cumsum([0, *(len(place) for place in places)])
    moves = STEPS @ (1, width)
    successors = []
    for way, place in enumerate(places):
        right, left = (way + 1) % 4, (way - 1) % 4
        ahead = place + moves[way]
        turn, straight = borders[right][place], borders[way][ahead]
        following = np.empty(len(place), np.int64)
        for chosen, (taken, start) in {
            right: (turn, place),
            way: (~turn & straight, ahead),
            left: (~turn & ~straight, ahead + moves[left]),
        }.items():
            following[taken] = offsets[chosen] + np.searchsorted(places[chosen], start[taken])
        successors.append(following)
    order, lengths = _cycles(np.concatenate(successors))
    rows, columns = np.divmod(np.concatenate(places)[order], width)
    ways = np.repeat(np.arange(4), np.diff(offsets))[order]
    return np.stack((columns, rows), axis=1) - 1, ways, lengths


def _cuts(inside: np.ndarray) -> np.ndarray:
    """Where to cut so that no piece has a hole: between which pixels, (H * W,) bool, and their left neighbours.

    Two cuts lead from each hole to the next pixels of background: both up if it lies above the middle of the box,
    both down if below, one each if it reaches over the middle. Upwards, one comes from hole to hole to the outside, as
    tops rise, and downwards likewise; so every hole is joined to it, on two ways, and each cut lies between two pieces.

    Args:
        inside: (H, W) bool with a border of background.
    """
    height, width = inside.shape
    count, labels = cv2.connectedComponents((~inside).view(np.uint8), connectivity=8)
    flat, labels = inside.ravel(), labels.ravel()
    cuts = np.zeros(flat.shape, bool)
    if count < 3:  # only inside and outside
        return cuts
    holes = np.flatnonzero(~flat & (labels != labels[0]))
    owners = labels[holes]
    first, last = np.zeros(count, np.int64), np.zeros(count, np.int64)
    first[owners[::-1]], last[owners] = holes[::-1], holes
    middle = height // 2 * width
    real, upper, lower = first > 0, first < middle, last >= middle
    up = np.concatenate((first[real & upper], first[real & ~lower] + 1)) - width
    down = np.concatenate((last[real & lower] + 1, last[real & ~upper])) + width
    for place, step in ((up, -width), (down, width)):
        while place.size:
            place = place[flat[place] & flat[place - 1]]
            cuts[place] = True
            place = place + step
    return cuts


def _cycles(successors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cycles of a permutation, one after the other, and how long each is."""
    following = array("q", successors.tobytes())  # lists would keep other threads waiting while they are made
    seen = bytearray(len(following))
    order, lengths = array("q"), array("q")
    for start in range(len(following)):
        if seen[start]:
            continue
        begun, place = len(order), start
        while not seen[place]:
            seen[place] = 1
            order.append(place)
            place = following[place]
        lengths.append(len(order) - begun)
    return np.frombuffer(order, np.int64), np.frombuffer(lengths, np.int64)


def _before(lengths: np.ndarray) -> np.ndarray:
    """For each member of cycles of these lengths, one after the other, the place of the one before it."""
    before = np.arange(lengths.sum()) - 1
    ends = np.cumsum(lengths)
    before[ends - lengths] = ends - 1
    return before


def _kept(chosen: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """How many members of each cycle are chosen."""
    return np.add.reduceat(chosen, np.cumsum(lengths) - lengths, dtype=np.int64) if len(lengths) else lengths


def _split(points: np.ndarray, chosen: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """The chosen members of all cycles as an array for each."""
    return np.split(points, np.cumsum(_kept(chosen, lengths))[:-1]) if len(lengths) else []


def fill_polygon(corners: np.ndarray, size: tuple[int, int]) -> Region:
    """The pixels of a polygon, the same that COCO's own tools take (Lin et al. 2014, pycocotools).

    The outline is rounded to fifths of a pixel. Down each column of pixels, along its middle, what lies between two
    crossings of the outline is inside; a crossing comes before the first pixel whose middle is not above it.

    Args:
        corners: (N, 2) (x, y) from the image's top left corner; fractions, and corners outside, are allowed.
        size: (H, W) of the image.
    """
    height, width = size
    points = np.trunc(FINENESS * np.asarray(corners, np.float64) + 0.5).astype(np.int64)
    gentle, steep = _gentle_crossings(points, width), _steep_crossings(points, width)
    columns, levels = (np.concatenate(parts) for parts in zip(gentle, steep, strict=True))
    rows = np.ceil(np.clip((levels + 0.5) / FINENESS - 0.5, 0, height)).astype(np.int64)
    if not columns.size:
        return Region.empty(size)
    top, left = int(rows.min()), int(columns.min())
    toggles = np.zeros((rows.max() - top + 1, columns.max() - left + 1), np.uint8)
    np.bitwise_xor.at(toggles, (rows - top, columns - left), 1)
    inside = np.bitwise_xor.accumulate(toggles, axis=0)[:-1].view(bool)
    return Region.within(size, top, left, inside)


def _edges(points: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The edges that are longest along an axis (0: x, also where both are equal) but not upright, (E, 2) both ends.

    The end that is first along the axis comes first.
    """
    ends = np.stack((points, np.roll(points, -1, axis=0)))
    across, along = np.abs(ends[1] - ends[0]).T
    ends = ends[:, (across >= along if axis == 0 else across < along) & (across > 0)]
    turned = ends[0, :, axis] > ends[1, :, axis]
    return np.where(turned[:, None], ends[1], ends[0]), np.where(turned[:, None], ends[0], ends[1])


def _gentle_crossings(points: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Column and height, in fine parts, where edges of up to 45 degrees cross the middles of ``width`` columns."""
    starts, ends = _edges(points, 0)
    edge, columns = _columns(starts[:, 0], ends[:, 0], width)
    slopes = (ends - starts)[:, 1] / (ends - starts)[:, 0]
    place = FINENESS * columns + MIDDLE - starts[edge, 0]
    levels = [np.trunc(starts[edge, 1] + slopes[edge] * side + 0.5) for side in (place, place + 1)]
    return columns, np.minimum(*levels)


def _steep_crossings(points: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for steeper edges: of the fine parts of their height, the one where they cross a middle.

    It is computed, and looked for from one part before to one part after, for it was rounded.
    """
    starts, ends = _edges(points, 1)
    slopes = (ends - starts)[:, 0] / (ends - starts)[:, 1]
    edge, columns = _columns(*np.sort((starts[:, 0], ends[:, 0]), axis=0), width)
    left = FINENESS * columns + MIDDLE
    near = np.floor((left + 0.5 - starts[edge, 0]) / slopes[edge])
    found = []
    for step in (near - 1, near, near + 1):
        here, there = (np.trunc(starts[edge, 0] + slopes[edge] * side + 0.5) for side in (step, step + 1))
        crossed = (here != there) & (np.minimum(here, there) == left) & (step >= 0) & (step < (ends - starts)[edge, 1])
        found.append((columns[crossed], starts[edge, 1][crossed] + step[crossed]))
    columns, levels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return columns, levels


def _columns(first: np.ndarray, last: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``width`` columns have their middle between two places, in fine parts: which pair, and which column."""
    begin = np.maximum(-((MIDDLE - first) // FINENESS), 0)
    end = np.minimum((last - 1 - MIDDLE) // FINENESS, width - 1)
    pair, step = _ranges(np.maximum(end - begin + 1, 0))
    return pair, begin[pair] + step


def _ranges(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which range each member of ranges of these lengths belongs to, and its place there from 0."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
