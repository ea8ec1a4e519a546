"""Curves and pictures of a training run, written by the first of its processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from isegm.engine.pictures import training_picture
from isegm.engine.tasks import Step
from isegm.utils import processes
from isegm.utils.files import write_image

SCALARS_OVER = 25  # steps that one point of a training curve averages


class TrainingLog:
    """TensorBoard curves in ``logs`` and pictures of training samples in ``pictures``; nothing in later processes.

    Args:
        logs, pictures: folders.
        purge: step from which points of a killed run are dropped; None for none.
    """

    def __init__(self, logs: Path, pictures: Path, purge: int | None) -> None:
        self.writer = None
        if processes.is_first():
            self.writer = SummaryWriter(log_dir=str(logs), flush_secs=10, purge_step=purge)
        self.pictures = pictures
        self._curve: dict[str, list[float]] = {}

    def values(self, values: Mapping[str, float], epoch: int) -> None:
        """One value for an epoch of each curve."""
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, epoch)

    def step(self, values: Mapping[str, float], states: Callable[[], Mapping[str, float]], step: int) -> None:
        """One step's value of each curve; the mean over some steps is written, with what ``states`` then returns."""
        for name, value in values.items():
            self._curve.setdefault(name, []).append(value)
        if step % SCALARS_OVER == 0:
            self.values(states(), step)
            self.values({name: float(np.mean(points)) for name, points in self._curve.items()}, step)
            self._curve.clear()

    def picture(self, batch: Mapping[str, Tensor], seen: Step, step: int) -> None:
        """The first sample of a batch with its clicks, label and prediction."""
        if self.writer is not None:
            picture = training_picture(batch["images"][0], batch["instances"][0], seen.logits[0], seen.points[0])
            write_image(self.pictures / "train" / f"{step:06d}_instance_segmentation.jpg", picture)
            self.writer.add_image("train", picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        if self.writer is not None:
            self.writer.close()
