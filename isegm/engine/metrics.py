"""Running training metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isegm.utils.distributed import all_reduce
from isegm.utils.errors import InputError
from isegm.utils.inputs import SHARE, described, require
from isegm.utils.schema import Number, Table


def batch_iou(logits: Tensor, label: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the IoUs (B,) of logits with labels in {1, 0, -1}, both (B, 1, H, W); NaN where the union is empty."""
    if not (isinstance(logits, Tensor) and isinstance(label, Tensor) and logits.shape == label.shape):
        raise InputError(
            f"logits and labels must be tensors of one shape, not {described(logits)} and {described(label)}."
        )
    valid = label != -1
    pred = (logits.sigmoid() > threshold) & valid
    truth = label == 1
    inter = (pred & truth).flatten(1).sum(1)
    union = (pred | truth).flatten(1).sum(1)
    return inter / torch.where(union > 0, union, torch.nan)


class AdaptiveIoU:
    """IoU at an adaptive threshold (RITM's training metric).

    Each step tries the current threshold and its two neighbours, and moves the threshold 1 % towards the best of them.

    Attributes:
        ema_iou: exponential average of the batches' IoU.
        iou_thresh: the current threshold, on probabilities.
    """

    def __init__(
        self, init_thresh: float = 0.4, thresh_step: float = 0.025, thresh_beta: float = 0.99, iou_beta: float = 0.9
    ) -> None:
        for name, value in (("init_thresh", init_thresh), ("thresh_step", thresh_step)):
            require(value, Number(), f"{name} of AdaptiveIoU")
        for name, value in (("thresh_beta", thresh_beta), ("iou_beta", iou_beta)):
            require(value, SHARE, f"{name} of AdaptiveIoU")
        self.iou_thresh = init_thresh
        self.thresh_step = thresh_step
        self.thresh_beta = thresh_beta
        self.iou_beta = iou_beta
        self.ema_iou = 0.0
        self.reset()

    def reset(self) -> None:
        """Start a new epoch."""
        self.total = 0.0
        self.batches = 0

    def update(self, logits: Tensor, label: Tensor) -> None:
        """Add a batch of logits (B, 1, H, W) and labels (B, 1, H, W); a batch without any object is ignored.

        Of several processes each gives its part of the batch, which may hold no sample (B = 0).
        """
        tried = (self.iou_thresh, self.iou_thresh - self.thresh_step, self.iou_thresh + self.thresh_step)
        ious = torch.stack([batch_iou(logits, label, t) for t in tried])  # (3, B)
        rows = (ious.nansum(1), (~ious.isnan()).sum(1), (label > 0).any().expand(3))
        sums = torch.stack([row.float() for row in rows])  # (3, 3)
        totals, counts, objects = all_reduce(sums)
        if not objects[0]:
            return
        scores = (totals / counts).tolist()
        best = max(range(3), key=lambda index: scores[index])  # the first of equals: the current threshold
        self.iou_thresh = self.thresh_beta * self.iou_thresh + (1 - self.thresh_beta) * tried[best]
        self.ema_iou = self.iou_beta * self.ema_iou + (1 - self.iou_beta) * scores[best]
        self.total += scores[best]
        self.batches += 1

    @property
    def epoch_value(self) -> float:
        """Mean IoU of the epoch's batches so far."""
        return self.total / max(1, self.batches)

    def state(self) -> dict[str, float]:
        """Return the values that a resumed run needs."""
        return {k: getattr(self, k) for k in ("iou_thresh", "ema_iou", "total", "batches")}

    def load_state(self, state: dict[str, float]) -> None:
        """Restore the values of ``state``."""
        require(state, Table(Number()), "the state of AdaptiveIoU")
        for key, value in state.items():
            setattr(self, key, value)


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
            before = self.values.get(name, iou)
            moved = torch.where(before.isnan(), iou, torch.lerp(before, iou, self.rate))
            self.values[name] = torch.where(iou.isnan(), before, moved)

    def log_state(self) -> dict[str, float]:
        """Return the averages by name."""
        return {f"{name}_iou": float(value) for name, value in self.values.items()}
