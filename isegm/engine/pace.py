"""The first signs of life of a training run."""

from __future__ import annotations

import time

from isegm.engine.tasks import Step
from isegm.utils.log import logger
from isegm.utils.quantities import in_minutes

STEPS = 5  # optimiser steps after the first one, over which the pace is measured


class Pace:
    """Tells, once each, that a run's first step is through and how long all of it will take.

    Args:
        total: batches of the whole run.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.started = time.perf_counter()
        self._steps = 0
        self._first = (0.0, 0.0)  # seconds and batches at the end of the first step

    def note(self, step: Step, done: float) -> None:
        """Note the end of an optimiser step.

        Args:
            step: the training step.
            done: batches of the run that are trained, with the share of those under way.
        """
        self._steps += 1
        seconds = time.perf_counter() - self.started
        if self._steps == 1:
            self._first = (seconds, done)
            logger.info("the first step took %.1f s, loss %.3f", seconds, float(step.loss))
        elif self._steps == STEPS + 1:
            spent, batches = seconds - self._first[0], done - self._first[1]
            logger.info("at this pace the run takes %s more", in_minutes(spent / batches * (self.total - done)))
