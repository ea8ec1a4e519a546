"""COCO's run-length encoding (Lin et al. 2014): column by column from the left, starting with background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isegm.annotations.region import Region

GROUP = 5  # bits of a compressed number per letter
SIGN, MORE, FIRST_LETTER = 1 << (GROUP - 1), 1 << GROUP, 48
MAX_LETTERS = 8  # of a number: 40 bits


def encode(region: Region) -> np.ndarray:
    """Encode a region as int64 lengths of alternating runs of background and object; they add up to H * W."""
    height, width = region.size
    columns = np.pad(region.pixels.T.view(np.int8), ((0, 0), (1, 1)))  # (w, h + 2), with background above and below
    steps = np.diff(columns, axis=1)
    starts, ends = (
        (region.left + column) * height + region.top + row
        for column, row in (np.nonzero(steps > 0), np.nonzero(steps < 0))
    )
    joined = ends[:-1] == starts[1:]  # a run that goes on at the top of the next column
    starts, ends = np.delete(starts, np.flatnonzero(joined) + 1), np.delete(ends, np.flatnonzero(joined))
    changes = np.stack((starts, ends), axis=1).ravel()
    counts = np.diff(changes, prepend=0, append=height * width)
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def decode(counts: Sequence[int] | np.ndarray, size: tuple[int, int]) -> Region:
    """Decode run lengths of an image of ``size`` (H, W).

    Raises:
        ValueError: they are not integers from 0, or do not add up to H * W.
    """
    lengths = np.asarray(counts)
    height, width = size
    fits = lengths.ndim == 1 and lengths.dtype.kind in "iu" and ((lengths >= 0) & (lengths <= height * width)).all()
    if not fits or lengths.sum() != height * width:
        raise ValueError(f"the runs do not add up to {width}x{height} pixels")
    ends = np.cumsum(lengths)
    inside = np.flatnonzero(lengths[1::2]) * 2 + 1
    if not inside.size:
        return Region.empty(size)
    first, last = ends[inside[0] - 1] // height, (ends[inside[-1]] - 1) // height + 1  # columns
    edges = np.clip(ends, first * height, last * height)
    runs = np.diff(edges, prepend=first * height, append=last * height)
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return Region.within(size, 0, int(first), pixels.reshape(-1, height).T)


def compress(counts: np.ndarray) -> str:
    """Compress run lengths to letters of five bits each, lowest first.

    From the fourth run on, the difference to the run two before is stored.
    """
    numbers = np.array(counts, np.int64)
    numbers[3:] -= counts[1:-2]
    rest = numbers[:, None] >> (GROUP * np.arange(MAX_LETTERS))  # (N, letters)
    bits = rest & (MORE - 1)
    done = (rest >> GROUP) == np.where(bits & SIGN, -1, 0)
    used = np.arange(MAX_LETTERS) <= np.argmax(done, axis=1)[:, None]
    letters = bits + np.where(done, 0, MORE) + FIRST_LETTER
    return letters[used].astype(np.uint8).tobytes().decode("ascii")


def expand(text: str) -> np.ndarray:
    """Invert ``compress``: the int64 run lengths of a text.

    Raises:
        ValueError: it is not such a text.
    """
    letters = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - FIRST_LETTER
    ends = np.flatnonzero((letters & MORE) == 0)
    if not letters.size or letters.min() < 0 or letters.max() >= 2 * MORE or letters[-1] & MORE:
        raise ValueError("no compressed run lengths")
    starts = np.concatenate(([0], ends[:-1] + 1))
    positions = np.arange(letters.size) - np.repeat(starts, ends - starts + 1)  # of a letter in its number
    if positions.max() >= MAX_LETTERS:
        raise ValueError("a run length is too long")
    numbers = np.add.reduceat((letters & (MORE - 1)) << (GROUP * positions), starts)
    numbers -= np.where(letters[ends] & SIGN, np.int64(1) << (GROUP * (ends - starts + 1)), 0)
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers
