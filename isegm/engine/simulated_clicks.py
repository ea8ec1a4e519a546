"""Simulated clicks on the errors of a prediction, for training (Sofiiuk et al. 2021, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from isegm.clicks import append_simulated_clicks, simulated_counts, write_only_click, write_simulated_click
from isegm.utils.device import sent

PRED_THRESH = 0.49


def click_candidates(probs: np.ndarray, label: np.ndarray, threshold: float = PRED_THRESH) -> tuple[bool, np.ndarray]:
    """Return the pixels that a simulated click may hit: those farthest inside the deepest error.

    Errors are missed object pixels or wrong object pixels, whichever kind reaches the larger distance from its
    boundary; candidates have more than half of that distance. Distances are OpenCV's approximate ones (5 x 5 mask);
    evaluation uses exact ones (docs/fidelity.md#training-clicks).

    Args:
        probs: (H, W) float, the network's probabilities.
        label: (H, W) in {1, 0, -1}; ignored pixels count as background (docs/fidelity.md#training-clicks).
        threshold: probability above which a pixel is predicted as object.

    Returns:
        whether the click is positive, and the flat indices of the candidates, empty where there is no error.
    """
    truth = label > 0.5
    missing = _depth(truth & (probs < threshold))
    excess = _depth(~truth & (probs > threshold))
    deepest_missing, deepest_excess = missing.max(), excess.max()
    is_positive = bool(deepest_missing > deepest_excess)
    depth = missing if is_positive else excess
    return is_positive, np.flatnonzero(depth > max(deepest_missing, deepest_excess) / 2)


def _depth(error: np.ndarray) -> np.ndarray:
    """Distance of each wrong pixel to the boundary of its region, the image border included: (H, W) float32."""
    depth = np.zeros(error.shape, dtype=np.float32)
    rows = np.flatnonzero(error.any(axis=1))
    if len(rows):
        columns = np.flatnonzero(error.any(axis=0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        padded = np.pad(error[box].astype(np.uint8), 1)
        depth[box] = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return depth


def add_simulated_clicks(
    points: Tensor, probs: Tensor, labels: np.ndarray, order: int, rngs: Sequence[np.random.Generator]
) -> None:
    """Add to each sample of a batch one click on a random candidate of its errors, in place.

    Args:
        points: (B, 2N, 3), see ``isegm.clicks``; changed in place.
        probs: (B, 1, H, W) probabilities.
        labels: (B, H, W) in {1, 0, -1}.
        order: 1 for the first simulated click, 2 for the second, ...
        rngs: for each sample the generator that chooses its candidate.
    """
    rows = points.cpu()  # the same memory on the CPU; else one copy down and one up for the whole batch
    for sample, click in enumerate(_random_clicks(probs, labels, rngs)):
        if click is not None:
            write_simulated_click(rows, sample, *click, order)
    if rows is not points:
        points.copy_(rows)


def add_clicks_of_random_sign(
    points: Tensor, probs: Tensor, labels: np.ndarray, rngs: Sequence[np.random.Generator]
) -> None:
    """Add to each sample of a batch one click as EMC-Click does, in place.

    The click is positive with probability p / (p + n), p and n being the largest depths of missed and of wrong object
    pixels. It lies where the depth of its sign exceeds half of the larger of both; without such a pixel there is none.
    At most N - 1 positive clicks and N negative ones are added, after which the other sign is taken.

    For arguments see ``add_simulated_clicks``.
    """
    rows = points.cpu()
    slots, width = points.shape[1] // 2, probs.shape[-1]
    predictions = probs[:, 0].float().cpu().numpy()
    for sample, (prediction, label, rng) in enumerate(zip(predictions, labels, rngs, strict=True)):
        truth = label > 0.5
        missing, excess = _depth(truth & (prediction < PRED_THRESH)), _depth(~truth & (prediction > PRED_THRESH))
        deepest = missing.max(), excess.max()
        if max(deepest) == 0:
            continue
        is_positive = bool(rng.random() < deepest[0] / (deepest[0] + deepest[1]))
        positive, negative = simulated_counts(rows, sample)
        full = {True: positive >= slots - 1, False: negative >= slots}
        is_positive ^= full[is_positive]
        candidates = np.flatnonzero((missing if is_positive else excess) > max(deepest) / 2)
        if full[is_positive] or not len(candidates):
            continue
        flat = int(candidates[int(rng.integers(len(candidates)))])
        order = (positive if is_positive else negative) + 1
        write_simulated_click(rows, sample, is_positive, flat // width, flat % width, order)
    if rows is not points:
        points.copy_(rows)


def append_clicks(points: Tensor, probs: Tensor, labels: np.ndarray, rngs: Sequence[np.random.Generator]) -> None:
    """Add to each sample one click on a random candidate of its errors, behind those it has, in place.

    For arguments see ``add_simulated_clicks``, and for its place ``isegm.clicks.append_simulated_clicks``.
    """
    clicks = _random_clicks(probs, labels, rngs)
    rows = torch.tensor([click or (False, 0, 0) for click in clicks], dtype=torch.int64).reshape(-1, 3)
    there = torch.tensor([click is not None for click in clicks], dtype=torch.bool)
    is_positive, pixels, there = (sent(part, points.device) for part in (rows[:, 0] > 0, rows[:, 1:], there))
    append_simulated_clicks(points, is_positive, pixels, there)


def _random_clicks(
    probs: Tensor, labels: np.ndarray, rngs: Sequence[np.random.Generator]
) -> list[tuple[bool, int, int] | None]:
    """Choose a click of each sample, (is_positive, row, column); None where there is no error."""
    width = probs.shape[-1]
    predictions = probs[:, 0].float().cpu().numpy()
    clicks: list[tuple[bool, int, int] | None] = []
    for prediction, truth, rng in zip(predictions, labels, rngs, strict=True):
        is_positive, candidates = click_candidates(prediction, truth)
        flat = int(candidates[int(rng.integers(len(candidates)))]) if len(candidates) else None
        clicks.append(None if flat is None else (is_positive, flat // width, flat % width))
    return clicks


def start_from_masks(
    points: Tensor, masks: np.ndarray, labels: np.ndarray, rngs: Sequence[np.random.Generator]
) -> None:
    """Let samples that start from a mask start with one click, on a random candidate of its errors, in place.

    Args:
        points: (B, 2N, 3), see ``isegm.clicks``; changed in place.
        masks: (B, H, W) float in {0, 1}; a sample whose mask is empty, or right, keeps the clicks it has.
        labels: (B, H, W) in {1, 0, -1}.
        rngs: for each sample the generator that chooses its candidate.
    """
    for sample, (mask, truth, rng) in enumerate(zip(masks, labels, rngs, strict=True)):
        is_positive, candidates = click_candidates(mask, truth) if mask.any() else (True, ())
        if len(candidates):
            flat = int(candidates[int(rng.integers(len(candidates)))])
            write_only_click(points, sample, is_positive, flat // mask.shape[1], flat % mask.shape[1])
