"""The time of a plain implementation, and of the one here that gives the same result."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

REPEATS = 7


@dataclass(frozen=True)
class Compared:
    """Both times, in milliseconds.

    Attributes:
        name: of what was timed.
        plain: by the plain implementation.
        here: by the one of this code.
    """

    name: str
    plain: float
    here: float

    def __str__(self) -> str:
        faster = self.plain / self.here
        return f"{self.name:<58} plain {self.plain:8.2f} ms   here {self.here:8.2f} ms   {faster:6.1f} x"


def median_ms(work: Callable[[], object]) -> float:
    """Measure the median time of a call in milliseconds, after one call that does not count."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)
