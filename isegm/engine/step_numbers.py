"""The losses and metrics of training steps: read from the device, checked and logged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isegm.engine.checks import check_loss
from isegm.engine.logs import TrainingLog
from isegm.engine.metrics import METRICS
from isegm.engine.tasks import LOSSES, Step
from isegm.engine.turns import mean_loss_values
from isegm.utils.readback import Readback

IOU = (f"{METRICS}AdaptiveIoU_ema_iou", f"{METRICS}AdaptiveIoU_iou_thresh")


@dataclass(frozen=True)
class Place:
    """Where a run stands: epoch, step in it, step of the run, and the learning rate there."""

    epoch: int
    step: int
    global_step: int
    learning_rate: float


class StepNumbers:
    """Reads the numbers of training steps and logs them; on a GPU a step late, so that it never waits for the CPU.

    Args:
        log: curves of the run.
        states: further values of the curves, see ``TrainingLog.step``.
        amp: dtype of mixed precision, for messages; None for float32.

    Attributes:
        loss, iou: sum of the losses, and average IoU, of the step that was read last.
    """

    def __init__(self, log: TrainingLog, states: Callable[[], Mapping[str, float]], amp: str | None) -> None:
        self.log, self.states, self.amp = log, states, amp
        self.loss, self.iou = float("nan"), float("nan")
        self._unread: deque[tuple[Readback, list[str], Place]] = deque()

    def add(self, step: Step, ema_iou: Tensor, iou_thresh: Tensor, place: Place) -> None:
        """Take the numbers of a step, and read those of the step before, or on a CPU its own.

        Raises:
            InputError: the loss of a step that is read is not finite.
        """
        losses = mean_loss_values(step).to(ema_iou)
        values = Readback(torch.cat((losses, torch.stack((ema_iou, iou_thresh)))))
        self._unread.append((values, list(step.losses), place))
        self.read(leave=1 if losses.device.type == "cuda" else 0)

    def read(self, leave: int = 0) -> None:
        """Read, check and log the numbers of all steps but the last ``leave`` ones; see ``add``."""
        while len(self._unread) > leave:
            values, names, place = self._unread.popleft()
            *losses, self.iou, thresh = values.tolist()
            self.loss = sum(losses)
            check_loss(self.loss, place.epoch, place.step, self.amp)
            curve = {f"{LOSSES}{name}": loss for name, loss in zip(names, losses, strict=True)}
            curve |= {f"{LOSSES}overall": self.loss, "TrainStates/learning_rate": place.learning_rate}
            curve |= dict(zip(IOU, (self.iou, thresh), strict=True))
            self.log.step(curve, self.states, place.global_step)
