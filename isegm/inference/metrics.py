"""How well a mask agrees with the ground truth, and how many clicks that took.

IoUs are compared with thresholds as float32 numbers, so that an IoU of exactly 0.9 reaches the threshold 0.9.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def get_iou(gt_mask: np.ndarray, pred_mask: np.ndarray, ignore_label: int = -1) -> float:
    """Intersection over union of two masks, over the pixels that are not ignored.

    Args:
        gt_mask: (H, W) integers, 1 on the object, ``ignore_label`` on pixels that do not count.
        pred_mask: (H, W) bool.

    Returns:
        a number in [0, 1]; 1 where both masks are empty. The published code divides by zero there, which only an empty
        ground truth can cause, and the evaluator refuses one before it clicks.
    """
    pred_mask = np.asarray(pred_mask, dtype=bool)
    valid = gt_mask != ignore_label
    object_ = (gt_mask == 1) & valid
    union = np.count_nonzero((pred_mask & valid) | object_)
    return np.count_nonzero(pred_mask & object_) / union if union else 1.0


def first_click_reaching(ious: Sequence[float], threshold: float) -> int | None:
    """Number (from 1) of the first click whose IoU is at least ``threshold``; None when no click reaches it."""
    reached = np.asarray(ious, dtype=np.float32) >= np.float32(threshold)
    return int(reached.argmax()) + 1 if reached.any() else None


def number_of_clicks(ious: Sequence[float], threshold: float, max_clicks: int) -> int:
    """NoC of one object: the first click that reaches ``threshold``, or ``max_clicks`` when none does."""
    return first_click_reaching(ious[:max_clicks], threshold) or max_clicks
