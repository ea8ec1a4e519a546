"""Run lengths as COCO has them (Lin et al. 2014): down the columns, from the left one on, beginning with background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isegm.annotations.region import Region

GROUP = 5  # bits that a letter of a compressed number carries
SIGN, MORE, FIRST_LETTER = 1 << (GROUP - 1), 1 << GROUP, 48
LONGEST = 8  # letters of a number: 40 bits


def encode(region: Region) -> np.ndarray:
    """int64 lengths of the runs of background and object in turn; their sum is the number of the image's pixels."""
    height, width = region.size
    columns = np.pad(region.pixels.T.view(np.int8), ((0, 0), (1, 1)))  # (w, h + 2): each between background
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
    """The region of an image of ``size`` (H, W) whose runs have these lengths.

    Raises:
        ValueError: they are not whole numbers from 0, or do not add up to the image.
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
    """Run lengths as letters, five bits each, lowest first; from the fourth on the difference to the last but one."""
    numbers = np.array(counts, np.int64)
    numbers[3:] -= counts[1:-2]
    rest = numbers[:, None] >> (GROUP * np.arange(LONGEST))  # (N, letters)
    bits = rest & (MORE - 1)
    done = (rest >> GROUP) == np.where(bits & SIGN, -1, 0)
    used = np.arange(LONGEST) <= np.argmax(done, axis=1)[:, None]
    letters = bits + np.where(done, 0, MORE) + FIRST_LETTER
    return letters[used].astype(np.uint8).tobytes().decode("ascii")


def expand(text: str) -> np.ndarray:
    """The int64 run lengths that ``compress`` wrote.

    Raises:
        ValueError: it is no such text.
    """
    letters = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - FIRST_LETTER
    ends = np.flatnonzero((letters & MORE) == 0)
    if not letters.size or letters.min() < 0 or letters.max() >= 2 * MORE or letters[-1] & MORE:
        raise ValueError("no compressed run lengths")
    starts = np.concatenate(([0], ends[:-1] + 1))
    places = np.arange(letters.size) - np.repeat(starts, ends - starts + 1)
    if places.max() >= LONGEST:
        raise ValueError("a run length is too long")
    numbers = np.add.reduceat((letters & (MORE - 1)) << (GROUP * places), starts)
    numbers -= np.where(letters[ends] & SIGN, np.int64(1) << (GROUP * (ends - starts + 1)), 0)
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers
