"""The time of the stages of some work."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Sums up the time of stages in all threads, each without those that begin within it.

    Args:
        waits_for: CUDA device that has done its work whenever a stage begins or ends, so that each stage has its own
            time there; None, or another device, for none.
    """

    def __init__(self, waits_for: torch.device | None = None) -> None:
        self._waits_for = waits_for if waits_for is not None and waits_for.type == "cuda" else None
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._seconds: dict[str, float] = defaultdict(float)
        self._of_thread = threading.local()
        self._adding = threading.Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        self._lap()
        self._open.append(name)
        try:
            yield
        finally:
            self._lap()
            self._open.pop()

    def time_methods(self, thing: object, stage: str, *methods: str) -> None:
        """Time methods of an object as a stage from now on, also where the object calls them itself."""
        for name in methods:
            setattr(thing, name, self.stage(stage)(getattr(thing, name)))

    @property
    def _open(self) -> list[str]:
        """The stages that have begun in this thread and not ended."""
        if not hasattr(self._of_thread, "open"):
            self._of_thread.open = []
        return self._of_thread.open

    def _lap(self) -> None:
        if self._waits_for is not None:
            torch.cuda.synchronize(self._waits_for)
        now = time.perf_counter()
        if self._open:
            with self._adding:
                self._seconds[self._open[-1]] += now - self._of_thread.since
        self._of_thread.since = now

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage so far."""
        return dict(self._seconds)
