"""When the checkpoint from which a run can be resumed is due."""

from __future__ import annotations

import time


class SaveClock:
    """Counts steps and seconds since the last checkpoint.

    Args:
        every: steps between two checkpoints; 0 for no limit.
        seconds: between two checkpoints; 0 for no limit.
    """

    def __init__(self, every: int, seconds: float) -> None:
        self.every, self.seconds = every, seconds
        self.restart(0)

    def restart(self, step: int) -> None:
        """Begin to count at a step, as a checkpoint has been written or a run begins."""
        self._step, self._time = step, time.monotonic()

    def is_due(self, step: int) -> bool:
        """Whether steps up to a multiple of ``every``, or ``seconds``, have passed."""
        by_steps = bool(self.every) and step // self.every > self._step // self.every
        return by_steps or (bool(self.seconds) and time.monotonic() - self._time >= self.seconds)
