"""Polygons from regions, and regions from polygons."""

from __future__ import annotations

from array import array

import cv2
import numpy as np

from isegm.annotations.region import Region

RIGHT, DOWN, LEFT, UP = range(4)  # directions along the edge of a pixel, with the pixel on the right
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # (x, y)
STARTS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # the corner of the pixel where its edge begins, (x, y)
SUBPIXELS = 5  # COCO's polygons are drawn on a grid of fifths of a pixel
MIDDLE = 2  # the middle of a column lies between this subpixel of it and the next


def corner_outlines(region: Region) -> list[np.ndarray]:
    """Trace polygons along pixel edges; filled, they are exactly the region's pixels.

    Pieces that touch only at a corner are separate polygons. Polygons have no holes: a piece with a hole is cut from
    the hole upwards, downwards or both. An outline may touch itself at corners.

    Returns:
        (N, 2) int64 corners (x, y) each, clockwise on the screen, without those on straight lines; pixel (x, y) reaches
        from (x, y) to (x + 1, y + 1).
    """
    pixels, directions, lengths = _walk(region.pixels)
    turns = directions != directions[_before(lengths)]
    corners = pixels[turns] + STARTS[directions[turns]] + (region.left, region.top)
    return _split(corners, turns, lengths)


def centre_outlines(region: Region) -> list[np.ndarray]:
    """Trace polygons through the centres of the outermost pixels; filled and drawn, they are exactly the region.

    Pieces and cuts are those of ``corner_outlines``. A single pixel is a polygon of one point, a line one of two.

    Returns:
        (N, 2) int64 pixels (x, y) each, clockwise on the screen, without those on straight lines.
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
    """Walk around all pieces of a mask (h, w) bool along pixel edges, clockwise.

    Returns:
        pixels: (E, 2) int64 (x, y), the pixel on the right of each edge.
        directions: (E,) each one of RIGHT, DOWN, LEFT, UP.
        lengths: (P,) number of edges of each piece.
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
    positions = [np.flatnonzero(border) for border in borders]
    offsets = np.cumsum([0, *map(len, positions)])
    moves = STEPS @ (1, width)
    successors = []
    for direction, position in enumerate(positions):
        right, left = (direction + 1) % 4, (direction - 1) % 4
        ahead = position + moves[direction]
        turn, straight = borders[right][position], borders[direction][ahead]
        following = np.empty(len(position), np.int64)
        for chosen, (taken, start) in {
            right: (turn, position),
            direction: (~turn & straight, ahead),
            left: (~turn & ~straight, ahead + moves[left]),
        }.items():
            following[taken] = offsets[chosen] + np.searchsorted(positions[chosen], start[taken])
        successors.append(following)
    order, lengths = _cycles(np.concatenate(successors))
    rows, columns = np.divmod(np.concatenate(positions)[order], width)
    directions = np.repeat(np.arange(4), np.diff(offsets))[order]
    return np.stack((columns, rows), axis=1) - 1, directions, lengths


def _cuts(inside: np.ndarray) -> np.ndarray:
    """Choose cuts after which no piece has a hole.

    Two cuts lead from each hole to the nearest background: both up if the hole lies above the middle of the box, both
    down if it lies below, and one each way if it reaches across the middle. A cut upwards ends at the outside or at a
    hole with a higher top, and so on; downwards likewise. So two paths join every hole to the outside, and each cut
    separates two pieces.

    Args:
        inside: (H, W) bool with a border of background.

    Returns:
        (H * W,) bool: whether there is a cut between a pixel and its left neighbour.
    """
    height, width = inside.shape
    count, labels = cv2.connectedComponents((~inside).view(np.uint8), connectivity=8)
    flat, labels = inside.ravel(), labels.ravel()
    cuts = np.zeros(flat.shape, bool)
    if count < 3:  # no holes: the labels are inside and outside
        return cuts
    holes = np.flatnonzero(~flat & (labels != labels[0]))
    owners = labels[holes]
    first, last = np.zeros(count, np.int64), np.zeros(count, np.int64)
    first[owners[::-1]], last[owners] = holes[::-1], holes
    middle = height // 2 * width
    real, upper, lower = first > 0, first < middle, last >= middle
    up = np.concatenate((first[real & upper], first[real & ~lower] + 1)) - width
    down = np.concatenate((last[real & lower] + 1, last[real & ~upper])) + width
    for pixels, step in ((up, -width), (down, width)):
        while pixels.size:
            pixels = pixels[flat[pixels] & flat[pixels - 1]]
            cuts[pixels] = True
            pixels = pixels + step
    return cuts


def _cycles(successors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a permutation into its cycles: their members one after the other, and the length of each."""
    following = array("q", successors.tobytes())  # building a list would block other threads
    seen = bytearray(len(following))
    order, lengths = array("q"), array("q")
    for start in range(len(following)):
        if seen[start]:
            continue
        begin, member = len(order), start
        while not seen[member]:
            seen[member] = 1
            order.append(member)
            member = following[member]
        lengths.append(len(order) - begin)
    return np.frombuffer(order, np.int64), np.frombuffer(lengths, np.int64)


def _before(lengths: np.ndarray) -> np.ndarray:
    """Index of the predecessor of each member, for cycles of these lengths one after the other."""
    before = np.arange(lengths.sum()) - 1
    ends = np.cumsum(lengths)
    before[ends - lengths] = ends - 1
    return before


def _kept(chosen: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Count the chosen members of each cycle."""
    return np.add.reduceat(chosen, np.cumsum(lengths) - lengths, dtype=np.int64) if len(lengths) else lengths


def _split(points: np.ndarray, chosen: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Split the chosen members of all cycles into one array per cycle."""
    return np.split(points, np.cumsum(_kept(chosen, lengths))[:-1]) if len(lengths) else []


def fill_polygon(corners: np.ndarray, size: tuple[int, int]) -> Region:
    """Rasterise a polygon to the same pixels as COCO's own tools (Lin et al. 2014, pycocotools).

    The outline is rounded to fifths of a pixel. Along the middle of each pixel column, pixels between two crossings of
    the outline are inside; a crossing counts before the first pixel whose middle is not above it.

    Args:
        corners: (N, 2) (x, y) from the image's top left corner; fractions, and corners outside, are allowed.
        size: (H, W) of the image.
    """
    height, width = size
    points = np.trunc(SUBPIXELS * np.asarray(corners, np.float64) + 0.5).astype(np.int64)
    edges = np.stack((points, np.concatenate((points[1:], points[:1]))))  # (2, N, 2) where each starts and ends
    gentle, steep = _gentle_crossings(edges, width), _steep_crossings(edges, width)
    columns, levels = (np.concatenate(parts) for parts in zip(gentle, steep, strict=True))
    rows = np.ceil(np.clip((levels + 0.5) / SUBPIXELS - 0.5, 0, height)).astype(np.int64)
    if not columns.size:
        return Region.empty(size)
    top, left = int(rows.min()), int(columns.min())
    toggles = np.zeros((rows.max() - top + 1, columns.max() - left + 1), np.uint8)
    np.bitwise_xor.at(toggles, (rows - top, columns - left), 1)
    inside = np.bitwise_xor.accumulate(toggles, axis=0)[:-1].view(bool)
    return Region.within(size, top, left, inside)


def _along(edges: np.ndarray, axis: int) -> np.ndarray:
    """Select the edges that are longer along ``axis`` than across it (0: x, also where equal) and not vertical.

    Returns:
        (2, E, 2); along the axis, starts come first.
    """
    across, along = np.abs(edges[1] - edges[0]).T
    edges = edges[:, (across >= along if axis == 0 else across < along) & (across > 0)]
    return np.where((edges[0, :, axis] > edges[1, :, axis])[:, None], edges[::-1], edges)


def _gentle_crossings(edges: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Crossings of edges of up to 45 degrees with the middles of ``width`` columns: columns, rows in subpixels."""
    starts, ends = _along(edges, 0)
    edge, columns = _columns(starts[:, 0], ends[:, 0], width)
    slopes = (ends - starts)[:, 1] / (ends - starts)[:, 0]
    offset = SUBPIXELS * columns + MIDDLE - starts[edge, 0]
    levels = [np.trunc(starts[edge, 1] + slopes[edge] * side + 0.5) for side in (offset, offset + 1)]
    return columns, np.minimum(*levels)


def _steep_crossings(edges: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Crossings of steeper edges with the middles of ``width`` columns: columns, rows in subpixels.

    The row is computed, and searched from one subpixel before to one after, because edges are rounded.
    """
    starts, ends = _along(edges, 1)
    if not len(starts):
        return np.zeros(0, np.int64), np.zeros(0)
    slopes = (ends - starts)[:, 0] / (ends - starts)[:, 1]
    first, last = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    edge, columns = _columns(first, last, width)
    left = SUBPIXELS * columns + MIDDLE
    near = np.floor((left + 0.5 - starts[edge, 0]) / slopes[edge])
    found = []
    for step in (near - 1, near, near + 1):
        here, there = (np.trunc(starts[edge, 0] + slopes[edge] * side + 0.5) for side in (step, step + 1))
        crossed = (here != there) & (np.minimum(here, there) == left) & (step >= 0) & (step < (ends - starts)[edge, 1])
        found.append((columns[crossed], starts[edge, 1][crossed] + step[crossed]))
    columns, levels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return columns, levels


def _columns(first: np.ndarray, last: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """List the columns, of ``width``, whose middle lies between two subpixels: index of the pair, and the column."""
    begin = np.maximum(-((MIDDLE - first) // SUBPIXELS), 0)
    end = np.minimum((last - 1 - MIDDLE) // SUBPIXELS, width - 1)
    pair, step = _ranges(np.maximum(end - begin + 1, 0))
    return pair, begin[pair] + step


def _ranges(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the members of ranges of these lengths: index of the range, and position in the range from 0."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
