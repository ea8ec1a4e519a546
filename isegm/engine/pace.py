"""How far a training run is: its first signs of life, and the bar of an epoch."""

from __future__ import annotations

import time

from tqdm import tqdm

from isegm.engine.tasks import Step
from isegm.utils import distributed
from isegm.utils.log import logger
from isegm.utils.quantities import in_minutes

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} batches [{elapsed}<{remaining}{postfix}]"
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


def tell_epoch(epoch: int, iou: float, seconds: float, samples: int) -> None:
    """Tell the training IoU of an epoch, and how long its samples in this run, those of all processes, took."""
    pace = samples / max(seconds, 1e-9)
    logger.info("epoch %d: training IoU %.4f, %.0f s, %.1f images/s", epoch, iou, seconds, pace)


def epoch_bar(epoch: int, done: int, total: int) -> tqdm:
    """Make the progress bar of an epoch, which only the first process shows.

    Args:
        epoch: number of the epoch.
        done: batches of the epoch that are trained already.
        total: batches of the epoch.
    """
    return tqdm(
        initial=done,
        bar_format=BAR,
        total=total,
        desc=f"epoch {epoch}",
        mininterval=5,
        leave=False,
        disable=not distributed.is_main(),
    )
