"""Simulated clicks on the errors of whole batches, on the device that holds them."""

from __future__ import annotations

import torch
from torch import Tensor

from isegm.clicks import write_simulated_clicks
from isegm.data.on_device.draws import Draws
from isegm.engine.simulated_clicks import PRED_THRESH
from isegm.utils.distance import squared_distance

MISSING, EXCESS = 1, 2  # labels of errors


def add_clicks_on_device(
    points: Tensor, probs: Tensor, instances: Tensor, order: Tensor, draws: Draws, anywhere: float = 0.0
) -> None:
    """Add to each sample one click on its errors, in place, without reading anything back from the device.

    Args:
        points: (B, 2N, 3), see ``isegm.clicks``; changed in place.
        order: (B,) int64, 1 for a sample's first simulated click, 2 for its second, ...
        probs, instances, draws, anywhere: see ``choose_clicks``.
    """
    is_positive, pixels, there = choose_clicks(probs, instances, draws, anywhere)
    write_simulated_clicks(points, is_positive, pixels, order, there)


def choose_clicks(
    probs: Tensor, instances: Tensor, draws: Draws, anywhere: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose for each sample one click on its errors, without reading anything back from the device.

    The click lies on a random pixel among those that are farther from the boundary of their error than half of the
    largest such distance, of missed or of wrong pixels, whichever reaches farther. Distances are exact, where
    ``add_simulated_clicks`` takes OpenCV's approximate ones, as published.

    Args:
        probs: (B, 1, H, W) probabilities.
        instances: (B, 1, H, W) in {1, 0, -1}; ignored pixels count as background, as published.
        draws: random numbers.
        anywhere: share of the samples whose click may lie on any pixel of the errors of that kind, as people do not
            aim at the middle.

    Returns:
        is_positive (B,) bool; row and column (B, 2) int64; and (B,) bool, whether there is an error to click on.
    """
    truth, predicted = instances[:, 0] > 0.5, probs[:, 0]
    missing, excess = truth & (predicted < PRED_THRESH), ~truth & (predicted > PRED_THRESH)
    errors = missing.to(torch.uint8) * MISSING + excess.to(torch.uint8) * EXCESS
    depth = squared_distance(errors)  # (B, H, W)
    deepest = torch.where(missing, depth, 0).amax((1, 2))
    peak = depth.amax((1, 2))
    is_positive = (deepest == peak) & (torch.where(excess, depth, 0).amax((1, 2)) < peak)
    kind = torch.where(is_positive[:, None, None], missing, excess)
    loose = draws.happens(anywhere, len(probs))
    inner = 4 * depth > torch.where(loose, 0, peak)[:, None, None]
    pixels, there = draws.pixels(kind & inner)
    return is_positive, pixels[:, 0], there[:, 0]
