"""How well a mask agrees with the ground truth."""

from __future__ import annotations

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
