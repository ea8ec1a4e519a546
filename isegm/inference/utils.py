"""Loading and scoring under the names that programs written for the published code import.

``get_dataset`` and ``get_iou`` are those of ``isegm.data`` and ``isegm.inference.mask_metrics``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isegm.data import get_dataset
from isegm.inference.mask_metrics import get_iou, number_of_clicks
from isegm.model.base import ClickModel
from isegm.model.checkpoint import load_model
from isegm.utils import lookup

__all__ = ["compute_noc_metric", "find_checkpoint", "get_dataset", "get_iou", "load_is_model"]


def load_is_model(checkpoint: str | Path | Mapping[str, Any], device: torch.device | str, **kwargs: Any) -> ClickModel:
    """A click model, ours or a published one, ready for inference: see ``load_model``.

    Args:
        checkpoint: the file, or what ``torch.load`` made of it.
        device: where the network goes.
        kwargs: constructor arguments that win over those in the checkpoint. ``cpu_dist_maps`` and ``eval_ritm``, which
            chose between ways to the same result, are accepted.

    Raises:
        InputError: see ``load_model``; or the network takes no such argument.
    """
    return load_model(checkpoint, device, **{name: value for name, value in kwargs.items() if name != "eval_ritm"})


def find_checkpoint(weights_folder: str | Path, checkpoint_name: str) -> str:
    """The path of the one checkpoint that a name means: see ``isegm.utils.lookup.find_checkpoint``."""
    return str(lookup.find_checkpoint(weights_folder, str(checkpoint_name)))


def compute_noc_metric(
    all_ious: Sequence[np.ndarray], iou_thrs: Sequence[float], max_clicks: int = 20
) -> tuple[list[float], list[int]]:
    """Number of clicks of a data set.

    Args:
        all_ious: for each object its IoUs after each click, such as ``evaluate_dataset`` returns.
        iou_thrs: IoUs to reach.
        max_clicks: what an object counts that never does, or does so later; published code counts the later click,
            which its own evaluation never makes.

    Returns:
        noc: for each threshold the mean number of clicks.
        over_max: for each threshold the objects that count ``max_clicks``; [KEEP] those that reach it exactly at the
            last click are among them.
    """
    counts = [np.array([number_of_clicks(ious, threshold, max_clicks) for ious in all_ious]) for threshold in iou_thrs]
    return [float(count.mean()) for count in counts], [int((count == max_clicks).sum()) for count in counts]
