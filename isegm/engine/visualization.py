"""Images of training samples."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from isegm.clicks import Click, split_points, used
from isegm.utils.vis import draw_clicks, draw_probmap

IGNORED_HEAT = 0.25


def training_image(image: Tensor, label: Tensor, logits: Tensor, points: Tensor) -> np.ndarray:
    """Image with clicks, label, and prediction side by side.

    Args:
        image: (3, H, W) RGB in 0..1.
        label: (1, H, W) in {1, 0, -1}.
        logits: (1, H, W).
        points: (2N, 3).

    Returns:
        (H, 3W, 3) uint8 RGB.
    """
    pixels = (image.float().cpu().numpy().transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)
    clicks = [
        Click(is_positive, (float(y), float(x)))
        for half, is_positive in zip(split_points(points[None].cpu()), (True, False), strict=True)
        for y, x, _ in half[used(half)]
    ]
    truth = label[0].cpu().numpy()
    heat = draw_probmap(np.where(truth < 0, IGNORED_HEAT, truth))
    return np.concatenate(
        (draw_clicks(pixels, clicks), heat, draw_probmap(logits[0].float().sigmoid().cpu().numpy())), axis=1
    )
