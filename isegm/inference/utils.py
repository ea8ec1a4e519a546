"""Compatibility module: loading and scoring under the names that programs for RITM import.

``get_dataset`` and ``get_iou`` are those of ``isegm.data`` and ``isegm.inference.mask_metrics``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isegm.data import get_dataset
from isegm.inference.mask_metrics import first_click_reaching, get_iou
from isegm.model.checkpoint import load_model
from isegm.model.click_model import ClickModel
from isegm.utils import lookup
from isegm.utils.errors import InputError
from isegm.utils.inputs import plain_array, require
from isegm.utils.schema import Flag, Items, Number, Whole
from isegm.utils.text_values import as_path

__all__ = ["compute_noc_metric", "find_checkpoint", "get_dataset", "get_iou", "load_is_model"]


def load_is_model(
    checkpoint: str | Path | Mapping[str, Any], device: torch.device | str, eval_ritm: bool = False, **kwargs: Any
) -> ClickModel:
    """A click model, ours or a published one, ready for inference: see ``load_model``.

    Args:
        checkpoint: path of the file, or the dict that ``torch.load`` read from it.
        device: device of the network.
        eval_ritm: as SimpleClick's programs say for a network of RITM; it is loaded right with it and without it.
        kwargs: constructor arguments in place of those in the checkpoint. ``cpu_dist_maps``, which does not change the
            result, is accepted.

    Raises:
        InputError: see ``load_model``; or the network takes no such argument.
    """
    require(eval_ritm, Flag() | Whole(0, 1), "eval_ritm of load_is_model")
    return load_model(checkpoint, device, **kwargs)


def find_checkpoint(weights_folder: str | Path, checkpoint_name: str) -> str:
    """The path of the one checkpoint that a name means: see ``isegm.utils.lookup.find_checkpoint``."""
    return str(lookup.find_checkpoint(as_path(weights_folder, "the folder of weights"), str(checkpoint_name)))


def compute_noc_metric(
    all_ious: Sequence[np.ndarray], iou_thrs: Sequence[float], max_clicks: int = 20
) -> tuple[list[float], list[int]]:
    """Number of clicks of a data set.

    Args:
        all_ious: for each object its IoUs after each click, such as ``evaluate_dataset`` returns.
        iou_thrs: IoUs to reach.
        max_clicks: number of clicks of an object that does not reach the IoU; one that reaches it later has its own
            number, as published (docs/fidelity.md#clicks-made-and-counted).

    Returns:
        noc: for each threshold the mean number of clicks.
        over_max: for each threshold the number of objects of ``max_clicks`` clicks, among them those that reach the
            threshold exactly at the last click (docs/fidelity.md#failures-at-the-last-click).

    Raises:
        InputError: there is no object, or a number is out of its range.
    """
    require(iou_thrs, Items(Number(0, 1)), "iou_thrs")
    require(max_clicks, Whole(1), "max_clicks")
    if not isinstance(all_ious, (Sequence, np.ndarray)) or isinstance(all_ious, (str, bytes)) or not len(all_ious):
        raise InputError("all_ious must hold the IoUs of at least one object: evaluate a data set first.")
    for ious in all_ious:
        values = plain_array(ious, "the IoUs of an object")
        if values.ndim != 1 or not values.size or not (values.min() >= 0 and values.max() <= 1):
            raise InputError("the IoUs of an object must be numbers from 0 to 1, one for each click.")
    counts = [
        np.array([first_click_reaching(ious, threshold) or max_clicks for ious in all_ious]) for threshold in iou_thrs
    ]
    return [float(count.mean()) for count in counts], [int((count == max_clicks).sum()) for count in counts]
