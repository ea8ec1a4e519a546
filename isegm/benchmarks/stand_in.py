"""Answers for networks without trained weights: what they are timed with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from isegm.clicks import split_points, used
from isegm.model.click_model import ClickModel

REACH = 0.16  # of a click, as a share of the longer side of the network's input


def answer_by_clicks(network: ClickModel) -> None:
    """Let a network do all its work and then answer by a formula of the clicks, in place.

    Random weights answer nothing that a user would go on from: a network that is timed with them would be clicked as
    none is in practice.

    Args:
        network: that of a predictor, compiled where the predictor compiles: a compiler that sees the formula leaves out
            layers whose answer nobody reads.
    """
    decode = network.decode

    def answering(features: Any, points: Tensor, *further: Any, **named: Any) -> dict[str, Any]:
        outputs = decode(features, points, *further, **named)
        size = (outputs["instances"].shape[2], outputs["instances"].shape[3])
        return outputs | {"instances": answer(points, size)}

    network.decode = answering  # type: ignore[method-assign]


def answer(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits (B, 1, H, W) that fall with the distance to the positive clicks, and rise with that to the negative ones.

    Args:
        points: (B, 2N, 3), see ``isegm.clicks``.
        size: (H, W).
    """
    reach = REACH * max(size)
    rows = torch.arange(0, size[0], 4, device=points.device)[:, None]
    columns = torch.arange(0, size[1], 4, device=points.device)

    def near(clicks: Tensor) -> Tensor:
        """1 at a click, 0 from ``reach`` on: (B, 1, H/4, W/4)."""
        y, x = clicks[..., 0, None, None], clicks[..., 1, None, None]
        far = torch.where(used(clicks)[..., None, None], (rows - y) ** 2 + (columns - x) ** 2, torch.inf)
        return (1 - far.amin(1, keepdim=True).sqrt() / reach).clamp_min(0)

    positive, negative = map(near, split_points(points))
    return torch.nn.functional.interpolate(9 * positive - 12 * negative - 2, size, mode="bilinear", align_corners=True)
