"""Scores of a mask against the ground truth, and the number of clicks to reach a score.

IoUs are compared with thresholds as float32, so that an IoU of exactly 0.9 reaches the threshold 0.9
(docs/fidelity.md#iou-thresholds).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from isegm.utils.errors import InputError
from isegm.utils.inputs import binary_mask, label_map, require
from isegm.utils.schema import Whole

RIM = 0.02  # width of the rims of ``boundary_iou``, over the diagonal of the image


def get_iou(gt_mask: np.ndarray, pred_mask: np.ndarray, ignore_label: int = -1) -> float:
    """Intersection over union of two masks, over the pixels that are not ignored.

    Args:
        gt_mask: (H, W) integers, 1 on the object, ``ignore_label`` on pixels that do not count.
        pred_mask: (H, W) bool.

    Returns:
        a number in [0, 1]; 1 where both masks are empty, where the published code divides by zero
        (docs/fidelity.md#empty-union).

    Raises:
        InputError: the sizes differ, ``pred_mask`` holds other values than 0 and 1, or ``gt_mask`` fractions or NaN.
    """
    require(ignore_label, Whole(), "ignore_label")
    gt_mask, pred_mask = label_map(gt_mask, "gt_mask"), binary_mask(pred_mask, "pred_mask")
    if gt_mask.shape != pred_mask.shape:
        raise InputError(f"gt_mask is {gt_mask.shape} but pred_mask {pred_mask.shape}: give masks of one image.")
    valid = gt_mask != ignore_label
    object_ = (gt_mask == 1) & valid
    union = np.count_nonzero((pred_mask & valid) | object_)
    return np.count_nonzero(pred_mask & object_) / union if union else 1.0


def boundary_band(mask: np.ndarray, width: float) -> np.ndarray:
    """Pixels within ``width`` pixels of a mask's border on either side, (H, W) bool; the image's border is none."""
    inside = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = np.maximum(
        cv2.distanceTransform(inside, cv2.DIST_L2, 0), cv2.distanceTransform(1 - inside, cv2.DIST_L2, 0)
    )[1:-1, 1:-1]
    return depth <= width if inside.any() and not inside.all() else np.zeros(mask.shape, dtype=bool)


def boundary_error(gt_mask: np.ndarray, pred_mask: np.ndarray, width: float = 5, ignore_label: int = -1) -> float:
    """Share of the pixels within ``width`` pixels of the object's border that a mask has wrong.

    Args:
        gt_mask: (H, W) integers, 1 on the object, ``ignore_label`` on pixels that do not count.
        pred_mask: (H, W) bool.

    Returns:
        a number in [0, 1]; 0 where the object has no border that counts.
    """
    truth = gt_mask == 1
    band = boundary_band(truth, width) & (gt_mask != ignore_label)
    pixels = np.count_nonzero(band)
    return np.count_nonzero((truth != np.asarray(pred_mask, dtype=bool)) & band) / pixels if pixels else 0.0


def boundary_iou(gt_mask: np.ndarray, pred_mask: np.ndarray, ignore_label: int = -1) -> float:
    """IoU of the inner rims of both masks (Cheng et al. 2021, "Boundary IoU", eq. 3).

    The rim of a mask are its pixels within ``RIM`` times the image's diagonal, at least one pixel, of what
    lies outside it, in steps to the eight neighbours; outside the image is outside.

    Args:
        gt_mask: (H, W) integers, 1 on the object, ``ignore_label`` on pixels that do not count.
        pred_mask: (H, W) bool.

    Returns:
        a number in [0, 1]; 1 where both rims are empty.
    """
    steps = max(1, round(RIM * math.hypot(*gt_mask.shape)))
    valid = gt_mask != ignore_label
    truth, prediction = (_rim(mask, steps) & valid for mask in (gt_mask == 1, np.asarray(pred_mask, dtype=bool)))
    union = np.count_nonzero(truth | prediction)
    return np.count_nonzero(truth & prediction) / union if union else 1.0


def _rim(mask: np.ndarray, steps: int) -> np.ndarray:
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    # The distance of C neighbours is exact in OpenCV's 3 x 3 transform.
    return mask & (cv2.distanceTransform(padded, cv2.DIST_C, 3)[1:-1, 1:-1] <= steps)


def first_click_reaching(ious: Sequence[float] | np.ndarray, threshold: float) -> int | None:
    """Number (from 1) of the first click whose IoU is at least ``threshold``; None when no click reaches it."""
    reached = np.asarray(ious, dtype=np.float32) >= np.float32(threshold)
    return int(reached.argmax()) + 1 if reached.any() else None


def number_of_clicks(ious: Sequence[float] | np.ndarray, threshold: float, max_clicks: int) -> int:
    """NoC of one object: the first click that reaches ``threshold``, or ``max_clicks`` when none does."""
    return first_click_reaching(ious[:max_clicks], threshold) or max_clicks
