"""Scores of an evaluation: pure functions of its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isegm.evaluation.records import ObjectRecord
from isegm.inference.mask_metrics import first_click_reaching, number_of_clicks
from isegm.utils.errors import InputError

THRESHOLDS = (0.80, 0.85, 0.90, 0.95)


def thresholds_up_to(target_iou: float) -> tuple[float, ...]:
    """Those of ``THRESHOLDS`` that a run which stops at ``target_iou`` can answer for."""
    return tuple(threshold for threshold in THRESHOLDS if threshold <= min(0.95, target_iou) + 0.001)


def noc_per_object(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> np.ndarray:
    """NoC of each object, int (N,)."""
    return np.array([number_of_clicks(record.ious, threshold, max_clicks) for record in records], dtype=int)


def noc(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> float:
    """Mean number of clicks to reach ``threshold``; an object that never does counts ``max_clicks``."""
    return float(noc_per_object(records, threshold, max_clicks).mean())


def noc_std(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> float:
    """Standard deviation of NoC over the objects."""
    return float(noc_per_object(records, threshold, max_clicks).std())


def nof(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> int:
    """Number of failures: objects that never reach ``threshold`` within ``max_clicks``."""
    reaching = (first_click_reaching(record.ious[:max_clicks], threshold) for record in records)
    return sum(click is None for click in reaching)


def nof_published(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> int:
    """What the published tables print as ``>=N@t%``: objects whose NoC is ``max_clicks``.

    Unlike ``nof`` it also counts the objects that reach the threshold exactly at the last click.
    """
    return int((noc_per_object(records, threshold, max_clicks) == max_clicks).sum())


def miou_per_click(records: Sequence[ObjectRecord]) -> np.ndarray:
    """Mean IoU over all objects after click 1, 2, ..., as far as every object was clicked: float64 (K,)."""
    clicks = min(len(record.ious) for record in records)
    return np.array([record.ious[:clicks] for record in records], dtype=np.float64).mean(axis=0)


def miou_carried_on(records: Sequence[ObjectRecord]) -> np.ndarray:
    """The same up to the longest object; one that stopped earlier keeps its last IoU: float64 (K,)."""
    clicks = max(len(record.ious) for record in records)
    rows = [[*record.ious, *[record.ious[-1]] * (clicks - len(record.ious))] for record in records]
    return np.array(rows, dtype=np.float64).mean(axis=0)


def seconds_per_click(records: Sequence[ObjectRecord]) -> float:
    """SPC: time of the whole loop (reading images, simulated user and IoU included) over the number of clicks."""
    return sum(record.seconds for record in records) / sum(len(record.clicks) for record in records)


def seconds_per_object(records: Sequence[ObjectRecord]) -> float:
    """SPI: the same time over the number of objects."""
    return sum(record.seconds for record in records) / len(records)


@dataclass(frozen=True)
class DatasetScores:
    """All scores of one data set. Tuples over thresholds are in the order of ``thresholds``.

    Attributes:
        dataset: its name.
        target_iou: where clicking stopped; above 1 when it never did.
        max_clicks: clicks an object got at most.
        objects, clicks: how many there were.
        seconds: time of the whole loop.
        thresholds: those of 0.80, 0.85, 0.90, 0.95 that the run can answer for, and the target where it is another one.
        noc, noc_std: mean number of clicks to reach a threshold, and its standard deviation over objects.
        nof: objects that never reached it.
        nof_published: objects whose NoC is ``max_clicks``, as published tables count.
        miou: mean IoU after click 1, 2, ..., as far as every object was clicked.
        spc, spi: seconds per click and per object.
    """

    dataset: str
    target_iou: float
    max_clicks: int
    objects: int
    clicks: int
    seconds: float
    thresholds: tuple[float, ...]
    noc: tuple[float, ...]
    noc_std: tuple[float, ...]
    nof: tuple[int, ...]
    nof_published: tuple[int, ...]
    miou: tuple[float, ...]
    spc: float
    spi: float

    def index(self, threshold: float) -> int | None:
        """Place of a threshold in ``thresholds``, None when the run cannot answer for it."""
        return self.thresholds.index(threshold) if threshold in self.thresholds else None


def score(records: Sequence[ObjectRecord], dataset: str, target_iou: float, max_clicks: int) -> DatasetScores:
    """All scores of a data set's records.

    Raises:
        InputError: there are no records.
    """
    if not records:
        raise InputError(f"{dataset} holds no objects to evaluate: check its folder.")
    thresholds = thresholds_up_to(target_iou)
    if target_iou not in thresholds:
        thresholds = (*thresholds, target_iou)

    def at_each(function):
        return tuple(function(records, threshold, max_clicks) for threshold in thresholds)

    return DatasetScores(
        dataset=dataset,
        target_iou=target_iou,
        max_clicks=max_clicks,
        objects=len(records),
        clicks=sum(len(record.clicks) for record in records),
        seconds=sum(record.seconds for record in records),
        thresholds=thresholds,
        noc=at_each(noc),
        noc_std=at_each(noc_std),
        nof=at_each(nof),
        nof_published=at_each(nof_published),
        miou=tuple(miou_per_click(records).tolist()),
        spc=seconds_per_click(records),
        spi=seconds_per_object(records),
    )
