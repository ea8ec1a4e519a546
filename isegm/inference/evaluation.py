"""One object clicked by the simulated user, and whole evaluations as programs for the published code call them.

``isegm.evaluation.loop`` is the evaluation with batches, records and resuming; it clicks each object by the same
``Course``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from isegm.clicks import Click
from isegm.data.sample import DSample
from isegm.inference.clicker import Clicker
from isegm.inference.mask_metrics import get_iou
from isegm.utils.errors import InputError

NEVER_STOP = 1.01  # a target that no IoU reaches: every object gets all clicks


@dataclass(frozen=True)
class EvalSettings:
    """When clicking stops, and where the mask's border lies.

    Attributes:
        target_iou: an object is done after the click that reaches it; ``NEVER_STOP`` clicks on to the end.
        max_clicks: clicks an object gets at most.
        min_clicks: clicks an object gets at least.
        threshold: the mask is where probabilities are strictly greater.
    """

    target_iou: float = 0.90
    max_clicks: int = 20
    min_clicks: int = 1
    threshold: float = 0.49

    def __post_init__(self) -> None:
        if self.max_clicks < 1 or self.min_clicks < 1:
            raise InputError(
                f"an object gets {self.min_clicks} to {self.max_clicks} clicks: both numbers must be at least 1."
            )
        if not 0 < self.target_iou < 2:
            raise InputError(f"the target IoU is {self.target_iou:g}: give a fraction such as 0.9, not a percentage.")
        if not 0 < self.threshold < 1:
            raise InputError(f"the mask threshold is {self.threshold:g}: give a probability between 0 and 1.")


class Course:
    """One object while the simulated user clicks it.

    Args:
        gt_mask: (H, W) integers, 1 on the object, -1 where pixels do not count.
        settings: when to stop, and where the mask's border lies.
        mask: (H, W) bool, what the user sees before the first click; None for nothing.

    Attributes:
        clicker: the user, who holds the clicks.
        mask: (H, W) bool, after the last click.
        ious: after each click, at the precision of float32.
        finished: the object needs no further click, or gets none.
    """

    def __init__(self, gt_mask: np.ndarray, settings: EvalSettings, mask: np.ndarray | None = None) -> None:
        self.gt_mask = gt_mask
        self.settings = settings
        self.mask = np.zeros(gt_mask.shape, dtype=bool) if mask is None else mask
        self.clicker = Clicker(gt_mask)
        self.ious: list[float] = []
        self.finished = False

    def next_click(self) -> Click:
        """Make the next click, see ``Clicker.make_next_click``."""
        return self.clicker.make_next_click(self.mask)

    def judge(self, mask: np.ndarray) -> float:
        """Take in the answer to the last click, (H, W) bool; returns its IoU."""
        self.mask = mask
        iou = get_iou(self.gt_mask, self.mask)
        self.ious.append(float(np.float32(iou)))
        made = len(self.ious)
        reached = iou >= self.settings.target_iou and made >= self.settings.min_clicks
        self.finished = reached or made >= self.settings.max_clicks
        return iou


class ClickedPredictor(Protocol):
    """What ``evaluate_sample`` needs of a predictor; ``isegm.inference.predictors.get_predictor`` makes one."""

    def set_input_image(self, image: ArrayLike) -> None: ...

    def get_prediction(self, clicker: Clicker) -> np.ndarray: ...


class MergingPredictor(ClickedPredictor, Protocol):
    """What it needs to start from a mask."""

    @property
    def merged(self) -> np.ndarray | None: ...

    def set_prev_mask(self, mask: np.ndarray) -> None: ...


class Samples(Protocol):
    """What ``evaluate_dataset`` needs of a data set; a sample may also be any object with ``image`` and ``gt_mask``."""

    def __len__(self) -> int: ...

    def get_sample(self, index: int) -> DSample: ...


# image, gt_mask, probabilities, sample_id, number of the click from 0, all clicks so far
ClickCallback = Callable[[np.ndarray, np.ndarray, np.ndarray, Any, int, Sequence[Click]], None]


def evaluate_sample(
    image: ArrayLike,
    gt_mask: np.ndarray,
    predictor: ClickedPredictor | MergingPredictor,
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
        image: what ``predictor.set_input_image`` takes.
        gt_mask: (H, W) integers, 1 on the object, -1 where pixels do not count.
        predictor: is given the image, and after each click the clicker.
        max_iou_thr: clicking stops after the click that reaches this IoU; above 1 for never.
        pred_thr: the mask is where probabilities are strictly greater.
        min_clicks, max_clicks: how many clicks the object gets at least and at most.
        sample_id: handed to ``callback``.
        callback: called after each prediction with (image, gt_mask, probabilities, sample_id, number of the click
            from 0, clicks so far).
        init_mask: (H, W) mask to start from, into which answers are merged (at the ``prob_thresh`` of the predictor,
            which should be ``pred_thr``); None for none.

    Returns:
        clicks: those that were made.
        ious: float32 (clicks,), after each of them.
        probs: (H, W) float32 probabilities after the last.

    Raises:
        InputError: a number is out of its range (see ``EvalSettings``), ``gt_mask`` holds no object or is of another
            size than the image; or what the predictor raises.
    """
    gt_mask = np.asarray(gt_mask)
    if not (gt_mask == 1).any():
        raise InputError(
            f"gt_mask holds no object, whose pixels must be 1: it holds {np.unique(gt_mask)[:5].tolist()}. "
            "Divide masks of 0 and 255 by 255."
        )
    course = Course(gt_mask, EvalSettings(max_iou_thr, max_clicks, min_clicks, pred_thr))
    predictor.set_input_image(image)
    if init_mask is not None:
        predictor.set_prev_mask(init_mask)
        course.mask = predictor.merged
    while not course.finished:
        course.next_click()
        probs = predictor.get_prediction(course.clicker)
        if probs.shape != gt_mask.shape:
            raise InputError(
                f"gt_mask is {gt_mask.shape} pixels, the image {probs.shape}: give the mask of this image."
            )
        if callback is not None:
            callback(image, gt_mask, probs, sample_id, len(course.ious), course.clicker.clicks_list)
        course.judge(probs > pred_thr if init_mask is None else predictor.merged)
    return course.clicker.clicks_list, np.array(course.ious, dtype=np.float32), probs


def evaluate_dataset(dataset: Samples, predictor: ClickedPredictor, **kwargs: Any) -> tuple[list[np.ndarray], float]:
    """Click every object of a data set, one after the other.

    Args:
        dataset: samples with their objects, such as ``get_dataset`` gives.
        predictor, kwargs: see ``evaluate_sample``, which gets the index of the sample as ``sample_id``.

    Returns:
        all_ious: for each object the float32 IoUs after its clicks.
        elapsed_time: seconds, reading of images and simulated user included.
    """
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
        for object_id in sample.objects_ids:
            yield index, sample, sample.get_object_mask(object_id)
