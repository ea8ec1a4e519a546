"""Compute the scores of an evaluation: pure functions of its records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from isegm.evaluation.records import ObjectRecord
from isegm.inference.mask_metrics import first_click_reaching, number_of_clicks
from isegm.utils.errors import InputError
from isegm.utils.inputs import require
from isegm.utils.schema import Instance, Items, Whole
from isegm.utils.schema import Number as Finite

Number = TypeVar("Number", int, float)
RECORDS = Items(Instance(ObjectRecord, "an ObjectRecord"))
SOME_RECORDS = Items(RECORDS.kind, least=1)
THRESHOLDS = (0.80, 0.85, 0.90, 0.95)


def thresholds_up_to(target_iou: float) -> tuple[float, ...]:
    """Return those of ``THRESHOLDS`` that are known if clicking stops at ``target_iou``."""
    require(target_iou, Finite(), "target_iou")
    return tuple(threshold for threshold in THRESHOLDS if threshold <= min(0.95, target_iou) + 0.001)


def noc_per_object(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> np.ndarray:
    """Compute the number of clicks (NoC) of each object, int (N,)."""
    require(records, RECORDS, "the records")
    require(threshold, Finite(), "threshold")
    require(max_clicks, Whole(1), "max_clicks")
    return np.array([number_of_clicks(record.ious, threshold, max_clicks) for record in records], dtype=int)


def noc(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> float:
    """Compute the mean number of clicks to reach ``threshold``; ``max_clicks`` for an object that never does."""
    return float(noc_per_object(records, threshold, max_clicks).mean())


def noc_std(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> float:
    """Compute the standard deviation of NoC over the objects."""
    return float(noc_per_object(records, threshold, max_clicks).std())


def nof(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> int:
    """Count the failures (NoF): objects that do not reach ``threshold`` within ``max_clicks``."""
    require(records, RECORDS, "the records")
    require(threshold, Finite(), "threshold")
    require(max_clicks, Whole(1), "max_clicks")
    reaching = (first_click_reaching(record.ious[:max_clicks], threshold) for record in records)
    return sum(click is None for click in reaching)


def nof_published(records: Sequence[ObjectRecord], threshold: float, max_clicks: int) -> int:
    """Count the objects whose NoC is ``max_clicks``, printed as ``>=N@t%`` by the published tables.

    Unlike ``nof`` it includes objects that reach the threshold exactly at the last click
    (docs/fidelity.md#failures-at-the-last-click).
    """
    return int((noc_per_object(records, threshold, max_clicks) == max_clicks).sum())


def miou_per_click(records: Sequence[ObjectRecord]) -> np.ndarray:
    """Compute the mean IoU after click 1, 2, ..., as far as every object was clicked: float64 (K,)."""
    require(records, SOME_RECORDS, "the records")
    clicks = min(len(record.ious) for record in records)
    return np.array([record.ious[:clicks] for record in records], dtype=np.float64).mean(axis=0)


def miou_carried_forward(records: Sequence[ObjectRecord]) -> np.ndarray:
    """Compute the mean IoU after click 1, 2, ...; objects that stopped keep their last IoU: float64 (K,)."""
    require(records, SOME_RECORDS, "the records")
    clicks = max(len(record.ious) for record in records)
    rows = [[*record.ious, *[record.ious[-1]] * (clicks - len(record.ious))] for record in records]
    return np.array(rows, dtype=np.float64).mean(axis=0)


def seconds_per_click(records: Sequence[ObjectRecord]) -> float:
    """Compute SPC: time of the whole loop, with reading images, simulated user and IoU, per click."""
    require(records, SOME_RECORDS, "the records")
    return sum(record.seconds for record in records) / sum(len(record.ious) for record in records)


def seconds_of_first_and_next(records: Sequence[ObjectRecord]) -> tuple[float | None, float | None]:
    """Compute the seconds of first clicks and of all others; None where records do not tell, or there are no others."""
    require(records, SOME_RECORDS, "the records")
    firsts = [record.first_seconds for record in records if record.first_seconds is not None]
    if len(firsts) < len(records):
        return None, None
    others = sum(len(record.ious) - 1 for record in records)
    rest = sum(record.seconds for record in records) - sum(firsts)
    return sum(firsts) / len(firsts), rest / others if others else None


def passes_per_click(records: Sequence[ObjectRecord]) -> float | None:
    """Compute the passes through the network per click; None where records do not tell."""
    require(records, SOME_RECORDS, "the records")
    passes = [record.passes for record in records if record.passes is not None]
    return sum(passes) / sum(len(record.ious) for record in records) if len(passes) == len(records) else None


def seconds_per_object(records: Sequence[ObjectRecord]) -> float:
    """Compute SPI: time of the whole loop per object."""
    return sum(record.seconds for record in records) / len(records)


@dataclass(frozen=True)
class DatasetScores:
    """All scores of one data set. Tuples over thresholds are in the order of ``thresholds``.

    Attributes:
        dataset: name of the data set.
        target_iou: clicking stopped at this IoU; above 1 if it never stopped early.
        max_clicks: maximum number of clicks per object.
        objects, images, clicks: numbers of objects, of images on which they lie, and of clicks.
        seconds: time of the whole loop.
        thresholds: those of 0.80, 0.85, 0.90, 0.95 that are known, and the target if it is another one.
        noc, noc_std: mean number of clicks to reach a threshold, and its standard deviation over objects.
        nof: number of objects that never reached it.
        nof_published: number of objects whose NoC is ``max_clicks``, as published tables count.
        miou: mean IoU after click 1, 2, ..., as far as every object was clicked.
        spc, spi: seconds per click and per object.
        first_spc, next_spc: seconds per first click of an object, and per click after it; None if not known.
        passes: of the network per click; None if not known.
    """

    dataset: str
    target_iou: float
    max_clicks: int
    objects: int
    images: int
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
    first_spc: float | None = None
    next_spc: float | None = None
    passes: float | None = None

    def index(self, threshold: float) -> int | None:
        """Return the index of a threshold in ``thresholds``, None if its scores are not known."""
        return self.thresholds.index(threshold) if threshold in self.thresholds else None


def score(records: Sequence[ObjectRecord], dataset: str, target_iou: float, max_clicks: int) -> DatasetScores:
    """Compute all scores of a data set.

    Raises:
        InputError: there are no records.
    """
    require(records, RECORDS, "the records")
    if not records:
        raise InputError(f"{dataset} holds no objects to evaluate: check its folder.")
    thresholds = thresholds_up_to(target_iou)
    if target_iou not in thresholds:
        thresholds = (*thresholds, target_iou)

    def at_each(function: Callable[[Sequence[ObjectRecord], float, int], Number]) -> tuple[Number, ...]:
        return tuple(function(records, threshold, max_clicks) for threshold in thresholds)

    first_spc, next_spc = seconds_of_first_and_next(records)
    return DatasetScores(
        dataset=dataset,
        target_iou=target_iou,
        max_clicks=max_clicks,
        objects=len(records),
        images=len({record.name for record in records}),
        clicks=sum(len(record.ious) for record in records),
        seconds=sum(record.seconds for record in records),
        thresholds=thresholds,
        noc=at_each(noc),
        noc_std=at_each(noc_std),
        nof=at_each(nof),
        nof_published=at_each(nof_published),
        miou=tuple(miou_per_click(records).tolist()),
        spc=seconds_per_click(records),
        spi=seconds_per_object(records),
        first_spc=first_spc,
        next_spc=next_spc,
        passes=passes_per_click(records),
    )
