"""When the checkpoint from which a run can be resumed is due."""

from __future__ import annotations

import time


class TimeIsOver(Exception):
    """The minutes of a run have passed, and its checkpoint is written."""


class SaveClock:
    """Counts steps and seconds since the last checkpoint, and the minutes of a run.

    Args:
        every: steps between two checkpoints; 0 for no limit.
        seconds: between two checkpoints; 0 for no limit.
        minutes: of the run, from the creation of the clock on; None for no limit.
    """

    def __init__(self, every: int, seconds: float, minutes: float | None = None) -> None:
        self.every, self.seconds = every, seconds
        self.end = None if minutes is None else time.monotonic() + 60 * minutes
        self.restart(0)

    @property
    def is_over(self) -> bool:
        """Whether the minutes of the run have passed."""
        return self.end is not None and time.monotonic() >= self.end

    def restart(self, step: int) -> None:
        """Begin to count at a step, as a checkpoint has been written or a run begins."""
        self._step, self._time = step, time.monotonic()

    def is_due(self, step: int) -> bool:
        """Whether steps up to a multiple of ``every``, or ``seconds``, have passed."""
        by_steps = bool(self.every) and step // self.every > self._step // self.every
        return by_steps or (bool(self.seconds) and time.monotonic() - self._time >= self.seconds)
