"""Reading all images and masks once before long work, so that broken ones are found at once and together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from isegm.utils.errors import InputError
from isegm.utils.threads import usable_cpus

NAMED = 10  # at most so many broken samples are named
SOON = 3.0  # seconds after which a progress bar appears


def check_samples(read: Callable[[int], object], indices: Sequence[int], name: str) -> None:
    """Read samples in several threads.

    Args:
        read: reads the sample at an index, and raises ``InputError`` where it is broken.
        indices: of the samples.
        name: of the data set, for messages.

    Raises:
        InputError: some samples are broken; up to ten are named.
    """

    def problem(index: int) -> str:
        try:
            read(index)
        except InputError as error:
            return str(error)
        return ""

    pool = ThreadPoolExecutor(max(1, min(usable_cpus(), len(indices))))
    try:
        found = pool.map(problem, indices)
        listed = [each for each in tqdm(found, f"reading {name}", len(indices), leave=False, delay=SOON) if each]
    finally:
        pool.shutdown(cancel_futures=True)
    require_none(listed, len(indices), name)


def require_none(broken: Sequence[str], count: int, name: str) -> None:
    """Check that no sample is broken.

    Args:
        broken: a sentence about each broken sample.
        count: of all samples.
        name: of the data set.

    Raises:
        InputError: there is one; up to ten are named.
    """
    if len(broken) == 1:
        raise InputError(broken[0])
    if broken:
        more = f" (and {len(broken) - NAMED} more)" if len(broken) > NAMED else ""
        sentences = "; ".join(sentence.rstrip(".") for sentence in broken[:NAMED])
        raise InputError(f"{len(broken)} of {count} images of {name} cannot be used: {sentences}{more}.")
