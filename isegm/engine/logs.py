"""Curves and images of a training run; only the first process writes them (docs/fidelity.md#logged-losses)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from isegm.engine.tasks import Step
from isegm.engine.visualization import training_image
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.files import write_image

STEPS_PER_POINT = 25  # of a training curve


class TrainingLog:
    """Writes TensorBoard curves to ``logs`` and images of training samples to ``images``.

    Args:
        logs, images: folders.
        purge: step from which points of a killed run are dropped; None keeps all.
    """

    def __init__(self, logs: Path, images: Path, purge: int | None) -> None:
        self.writer = None
        self._hook = threading.excepthook
        if distributed.is_main():
            threading.excepthook = self._ignore_full_disk
            self.writer = SummaryWriter(log_dir=str(logs), flush_secs=10, purge_step=purge)
        self.logs, self.images = logs, images
        self._curve: dict[str, list[float]] = {}

    def values(self, values: Mapping[str, float], epoch: int) -> None:
        """Write one value of each curve, for an epoch or a step."""
        if self.writer is not None:
            with self._naming_logs():
                for name, value in values.items():
                    self.writer.add_scalar(name, value, epoch)

    def step(self, values: Mapping[str, float], states: Callable[[], Mapping[str, float]], step: int) -> None:
        """Add one step's value to each curve; every 25 steps write the means and the values of ``states``."""
        for name, value in values.items():
            self._curve.setdefault(name, []).append(value)
        if step % STEPS_PER_POINT == 0:
            self.values(states(), step)
            self.values({name: float(np.mean(points)) for name, points in self._curve.items()}, step)
            self._curve.clear()

    def image(self, batch: Mapping[str, Tensor], seen: Step, step: int) -> None:
        """Write an image of the first sample of a batch with its clicks, label and prediction."""
        if self.writer is not None:
            image = training_image(batch["images"][0], batch["instances"][0], seen.logits[0], seen.points[0])
            write_image(self.images / "train" / f"{step:06d}_instance_segmentation.jpg", image)
            with self._naming_logs():
                self.writer.add_image("train", image, step, dataformats="HWC")

    def flush(self) -> None:
        """Write what is not written yet, which TensorBoard's writer else does every 10 seconds."""
        if self.writer is not None:
            with self._naming_logs():
                self.writer.flush()

    def close(self) -> None:
        """Write what is not written yet, and end."""
        if self.writer is not None:
            try:
                with self._naming_logs():
                    self.writer.close()
            finally:
                threading.excepthook = self._hook

    @contextmanager
    def _naming_logs(self) -> Iterator[None]:
        """Name the folder in the errors of TensorBoard's writer, which names no file."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self.logs} cannot be written ({error.strerror or error}): make room on its disk, or set EXPS_PATH "
                "in config.yml."
            ) from error

    def _ignore_full_disk(self, failure: threading.ExceptHookArgs) -> None:
        """Show failures of other threads, but for files that TensorBoard's cannot write: its next call raises them."""
        if not isinstance(failure.exc_value, OSError):
            self._hook(failure)
