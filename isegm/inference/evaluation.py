"""Compatibility module: ``evaluate_sample`` and ``evaluate_dataset`` as programs for RITM call them.

The evaluation of this code base, with batches, records and resuming, is ``isegm.evaluation.loop``. Both click by
``isegm.inference.simulation``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from isegm.clicks import Click
from isegm.data.sample import DSample
from isegm.inference.clicker import Clicker
from isegm.inference.simulation import ClickSimulation, EvalSettings
from isegm.utils.errors import InputError
from isegm.utils.inputs import CALLABLE, label_map, require
from isegm.utils.schema import Instance, Nothing

PREDICTOR = Instance(
    object,
    "what get_predictor returns",
    lambda value: hasattr(value, "set_input_image") and hasattr(value, "get_prediction"),
)


DATASET = Instance(
    object,
    "a data set, with get_sample and a length",
    lambda value: hasattr(value, "get_sample") and hasattr(value, "__len__"),
)


class ClickedPredictor(Protocol):
    """The methods that ``evaluate_sample`` calls; ``isegm.inference.predictors.get_predictor`` builds such a predictor.

    ``set_prev_mask`` and ``merged`` are used only with an initial mask.
    """

    @property
    def merged(self) -> np.ndarray | None: ...

    def set_input_image(self, image: ArrayLike) -> None: ...

    def set_prev_mask(self, mask: np.ndarray) -> None: ...

    def get_prediction(self, clicker: Clicker) -> np.ndarray: ...


class Samples(Protocol):
    """The part of a data set that ``evaluate_dataset`` reads; any object with ``image`` and ``gt_mask`` is a sample."""

    def __len__(self) -> int: ...

    def get_sample(self, index: int) -> DSample: ...


# image, gt_mask, probabilities, sample_id, index of the click from 0, all clicks so far
ClickCallback = Callable[[ArrayLike, np.ndarray, np.ndarray, Any, int, Sequence[Click]], None]


def evaluate_sample(
    image: ArrayLike,
    gt_mask: np.ndarray,
    predictor: ClickedPredictor,
    max_iou_thr: float,
    pred_thr: float = 0.49,
    min_clicks: int = 1,
    max_clicks: int = 20,
    sample_id: Any = None,
    callback: ClickCallback | None = None,
    init_mask: np.ndarray | None = None,
) -> tuple[list[Click], np.ndarray, np.ndarray]:
    """Click one object until its mask is good enough.

    Args:
        image: passed to ``predictor.set_input_image``.
        gt_mask: (H, W) integers, 1 on the object, -1 where pixels do not count.
        predictor: gets the image, and after each click the clicker.
        max_iou_thr: clicking stops after the click that reaches this IoU; above 1 for never.
        pred_thr: pixels of a strictly greater probability are in the mask.
        min_clicks, max_clicks: smallest and largest number of clicks.
        sample_id: passed to ``callback``.
        callback: called after each prediction with (image, gt_mask, probabilities, sample_id, index of the click from
            0, clicks so far).
        init_mask: (H, W) mask to start from, into which predictions are merged (at the ``prob_thresh`` of the
            predictor, which should be ``pred_thr``); None for an empty one.

    Returns:
        clicks: all clicks in order.
        ious: float32 (clicks,), after each of them.
        probs: (H, W) float32 probabilities after the last.

    Raises:
        InputError: a number is out of its range (see ``EvalSettings``), ``gt_mask`` holds no object or is of another
            size than the image; or the errors of the predictor.
    """
    gt_mask = label_map(gt_mask, "gt_mask")
    require(callback, CALLABLE | Nothing(), "callback")
    require(predictor, PREDICTOR, "predictor")
    if not (gt_mask == 1).any():
        raise InputError(
            f"gt_mask holds no object, whose pixels must be 1: it holds {np.unique(gt_mask)[:5].tolist()}. "
            "Divide masks of 0 and 255 by 255."
        )
    simulation = ClickSimulation(gt_mask, EvalSettings(max_iou_thr, max_clicks, min_clicks, pred_thr))
    predictor.set_input_image(image)
    if init_mask is not None:
        predictor.set_prev_mask(init_mask)
        simulation.mask = _merged_mask(predictor)
    while not simulation.finished:
        simulation.next_click()
        probs = predictor.get_prediction(simulation.clicker)
        if probs.shape != gt_mask.shape:
            raise InputError(
                f"gt_mask is {gt_mask.shape} pixels, the image {probs.shape}: give the mask of this image."
            )
        if callback is not None:
            callback(image, gt_mask, probs, sample_id, len(simulation.ious), simulation.clicker.clicks_list)
        simulation.update(probs > pred_thr if init_mask is None else _merged_mask(predictor))
    return simulation.clicker.clicks_list, np.array(simulation.ious, dtype=np.float32), probs


def _merged_mask(predictor: ClickedPredictor) -> np.ndarray:
    """The merged mask of a predictor that was given an initial mask."""
    if predictor.merged is None:
        raise RuntimeError(f"{type(predictor).__name__} has no merged mask after set_prev_mask.")
    return predictor.merged


def evaluate_dataset(dataset: Samples, predictor: ClickedPredictor, **kwargs: Any) -> tuple[list[np.ndarray], float]:
    """Click every object of a data set, one after the other.

    Args:
        dataset: samples with their objects, such as ``get_dataset`` returns. Those of other people may give the mask
            of an object as RITM's do, ``gt_mask``, or as SimpleClick's, ``gt_mask(i)`` for the i-th of ``objects_ids``.
        predictor, kwargs: see ``evaluate_sample``; ``sample_id`` is the index of the sample.

    Returns:
        all_ious: for each object the float32 IoUs after its clicks.
        elapsed_time: seconds, reading of images and simulated user included.
    """
    require(dataset, DATASET, "the data set")
    started = time.perf_counter()
    all_ious = [
        evaluate_sample(
            sample.image,
            gt_mask,
            predictor,
            sample_id=index,
            init_mask=getattr(sample, "init_mask", None),
            **kwargs,
        )[1]
        for index, sample, gt_mask in _objects(dataset)
    ]
    return all_ious, time.perf_counter() - started


def _objects(dataset: Samples) -> Iterable[tuple[int, DSample, np.ndarray]]:
    for index in range(len(dataset)):
        sample = dataset.get_sample(index)
        if not hasattr(sample, "objects_ids"):  # data sets of RITM's users, with one object a sample
            yield index, sample, sample.gt_mask
            continue
        of_number: Any = None if hasattr(sample, "get_object_mask") else sample.gt_mask  # of SimpleClick's users
        for number, object_id in enumerate(sample.objects_ids):
            yield index, sample, sample.get_object_mask(object_id) if of_number is None else of_number(number)
