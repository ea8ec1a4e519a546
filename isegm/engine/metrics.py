"""Running training metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isegm.utils.device import widest_float
from isegm.utils.distributed import all_reduce
from isegm.utils.errors import InputError
from isegm.utils.inputs import SHARE, described, require
from isegm.utils.schema import Number, Table

METRICS = "TrainMetrics/"  # before the names of curves of a training's metrics


def batch_iou(logits: Tensor, label: Tensor, threshold: float | Tensor = 0.5) -> Tensor:
    """Return the IoUs (B,) of logits with labels in {1, 0, -1}, both (B, 1, H, W); NaN where the union is empty."""
    _require_one_shape(logits, label)
    valid = label != -1
    pred = (logits.sigmoid() > threshold) & valid
    truth = label == 1
    inter = (pred & truth).flatten(1).sum(1)
    union = (pred | truth).flatten(1).sum(1)
    return inter / torch.where(union > 0, union, torch.nan)


def _require_one_shape(logits: Tensor, label: Tensor) -> None:
    if not (isinstance(logits, Tensor) and isinstance(label, Tensor) and logits.shape == label.shape):
        raise InputError(
            f"logits and labels must be tensors of one shape, not {described(logits)} and {described(label)}."
        )


class AdaptiveIoU:
    """IoU at an adaptive threshold (RITM's training metric).

    Each step tries the current threshold and its two neighbours, and moves the threshold 1 % towards the best of them.
    All numbers stay on the device of the logits until one is asked for.

    Args:
        init_thresh: first threshold, on probabilities.
        thresh_step: distance of the neighbours.
        thresh_beta: share of the threshold that a step keeps.
        iou_beta: share of ``ema_iou`` that a step keeps.

    Attributes:
        numbers: float64 (4,): the threshold, the exponential average of the batches' IoU, the sum of the epoch's IoUs
            and its number of batches; float32 on devices without float64.
    """

    names = ("iou_thresh", "ema_iou", "total", "batches")

    def __init__(
        self, init_thresh: float = 0.4, thresh_step: float = 0.025, thresh_beta: float = 0.99, iou_beta: float = 0.9
    ) -> None:
        for name, value in (("init_thresh", init_thresh), ("thresh_step", thresh_step)):
            require(value, Number(), f"{name} of AdaptiveIoU")
        for name, value in (("thresh_beta", thresh_beta), ("iou_beta", iou_beta)):
            require(value, SHARE, f"{name} of AdaptiveIoU")
        self.offsets = (0.0, -thresh_step, thresh_step)
        self.thresh_beta = thresh_beta
        self.iou_beta = iou_beta
        self.numbers = torch.tensor([init_thresh, 0.0, 0.0, 0.0], dtype=torch.float64)

    @property
    def iou_thresh(self) -> float:
        """The current threshold, on probabilities."""
        return float(self.numbers[0])

    @property
    def ema_iou(self) -> float:
        """Exponential average of the batches' IoU."""
        return float(self.numbers[1])

    @property
    def batches(self) -> int:
        """Batches of the epoch so far that show an object."""
        return int(self.numbers[3])

    @property
    def epoch_value(self) -> float:
        """Mean IoU of the epoch's batches so far."""
        return float(self.numbers[2]) / max(1, self.batches)

    def reset(self) -> None:
        """Start a new epoch."""
        self.numbers = self.numbers * torch.tensor([1.0, 1.0, 0.0, 0.0]).to(self.numbers)

    @torch.no_grad()
    def update(self, logits: Tensor, label: Tensor) -> None:
        """Add a batch of logits (B, 1, H, W) and labels (B, 1, H, W); a batch without any object is ignored.

        Of several processes each gives its part of the batch, which may hold no sample (B = 0).
        """
        _require_one_shape(logits, label)
        kind = widest_float(logits.device)
        numbers = self.numbers.to(logits.device, kind)
        thresh, average, total, batches = numbers.unbind()
        tried = torch.stack([thresh + offset for offset in self.offsets])  # (3,)
        ious = torch.stack([batch_iou(logits, label, each) for each in tried])  # (3, B)
        rows = (ious.nansum(1), (~ious.isnan()).sum(1), (label > 0).any().expand(3))
        sums = torch.stack([row.float() for row in rows])  # (3, 3)
        totals, counts, objects = all_reduce(sums)
        scores = (totals / counts).to(kind)
        score, moved_to = scores[0], tried[0]
        for other in (1, 2):  # of equals the first, which is the current threshold
            better = scores[other] > score
            score, moved_to = torch.where(better, scores[other], score), torch.where(better, tried[other], moved_to)
        after = (
            self.thresh_beta * thresh + (1 - self.thresh_beta) * moved_to,
            self.iou_beta * average + (1 - self.iou_beta) * score,
            total + score,
            batches + 1,
        )
        self.numbers = torch.where(objects[0] > 0, torch.stack(after), numbers)

    def state(self) -> dict[str, float]:
        """Return the values that a resumed run needs."""
        values = dict(zip(self.names, self.numbers.tolist(), strict=True))
        return {**values, "batches": int(values["batches"])}

    def load_state(self, state: dict[str, float]) -> None:
        """Restore the values of ``state``."""
        require(state, Table(Number()), "the state of AdaptiveIoU")
        kept = [state.get(name, before) for name, before in self.state().items()]
        self.numbers = torch.tensor(kept, dtype=torch.float64)


class RunningIoU:
    """Exponential averages of the mean IoU of several outputs, for logs; they stay on the device."""

    def __init__(self, rate: float = 0.05) -> None:
        self.rate = rate
        self.values: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self, outputs: Mapping[str, Tensor], label: Tensor, names: Sequence[str]) -> None:
        """Add a batch of logits (B, 1, H, W) by name, and labels (B, 1, H, W)."""
        for name in names:
            iou = batch_iou(outputs[name].float(), label).nanmean()
            before = self.values.get(name, iou).to(iou.device)  # of another run of this task
            moved = torch.where(before.isnan(), iou, torch.lerp(before, iou, self.rate))
            self.values[name] = torch.where(iou.isnan(), before, moved)

    def log_state(self) -> dict[str, float]:
        """Return the averages by the names of their curves."""
        return {f"{METRICS}{name}_iou": float(value) for name, value in self.values.items()}
