"""Several evaluations of the same objects side by side: pure functions of their records.

Differences are paired: each object's value in a run less its value in the first run, averaged over the objects. The
intervals are percentile bootstrap intervals (Efron and Tibshirani 1993, section 13) that draw objects with replacement;
objects of one image count as independent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isegm.evaluation.published_values import PublishedValue, find_published
from isegm.evaluation.records import ObjectRecord, read_records
from isegm.evaluation.scores import noc_per_object, nof_published, seconds_per_click
from isegm.inference.mask_metrics import first_click_reaching
from isegm.inference.protocols import settings_for
from isegm.model.weights_table import Weights, published_file
from isegm.utils.errors import InputError

THRESHOLDS = (0.85, 0.90)
MIOU_CLICKS = (1, 3, 5, 10, 20)
CONFIDENCE = 0.95
PUBLISHED_CLICKS = 20
PUBLISHED_THRESHOLDS = (0.49, 0.5)
CHUNK = 1 << 22  # objects drawn at a time, which bounds the memory


@dataclass(frozen=True)
class Run:
    """One network's records of one data set.

    Attributes:
        name: for people.
        dataset: the data set.
        records: by (sample, object) in ascending order.
        target_iou, max_clicks: when clicking stopped.
        weights: the published file that was evaluated, as far as its name tells; None for another one.
        departure: what sets the evaluation apart from the published ones; empty where nothing does.
        init_masks: which masks its objects started from, see ``RunInfo``; None for the data set's own or none.
    """

    name: str
    dataset: str
    records: tuple[ObjectRecord, ...]
    target_iou: float
    max_clicks: int
    weights: Weights | None = None
    departure: str = ""
    init_masks: str | None = None

    def per_object(self, metric: str) -> np.ndarray | None:
        """Values of a metric, float64 (N,), whose mean (of NoF the sum) is the score; None where the run has none."""
        kind, _, at = metric.partition("@")
        if kind == "mIoU":
            click = int(at)
            if any(len(record.ious) < click for record in self.records):
                return None
            return np.array([record.ious[click - 1] for record in self.records], dtype=np.float64)
        threshold = int(at) / 100
        if threshold > self.target_iou:
            return None
        if kind == "NoC":
            return noc_per_object(self.records, threshold, self.max_clicks).astype(np.float64)
        firsts = (first_click_reaching(record.ious[: self.max_clicks], threshold) for record in self.records)
        return np.array([first is None for first in firsts], dtype=np.float64)

    @property
    def published(self) -> list[PublishedValue]:
        """Published values of these weights; none where there are none, or where the evaluation was another one."""
        row = self.weights
        return find_published(row.method, row.variant, row.training, self.dataset) if row and not self.departure else []


@dataclass(frozen=True)
class Difference:
    """Mean paired difference to the first run, and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def metrics() -> tuple[str, ...]:
    """Names of what is compared."""
    of_clicks = (f"{kind}@{100 * threshold:g}" for kind in ("NoC", "NoF") for threshold in THRESHOLDS)
    return (*of_clicks, *(f"mIoU@{click}" for click in MIOU_CLICKS))


def read_runs(paths: Sequence[str | Path]) -> list[Run]:
    """Runs of records files, and of every ``records_*.jsonl`` below folders; named by what sets their folders apart.

    Raises:
        InputError: no such file or folder, no records in it, or damaged ones.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        below = sorted(path.rglob("records_*.jsonl")) if path.is_dir() else [path]
        if not below:
            raise InputError(
                f"there are no records_<dataset>.jsonl below {path}: evaluate with scripts/evaluate_model.py."
            )
        files += below
    names = _apart([file.resolve().parent for file in files])
    return [_read_run(file, names[file.resolve().parent]) for file in files]


def _apart(folders: Sequence[Path]) -> dict[Path, str]:
    """Names of folders: their paths without the parts that all of them begin or end with."""
    parts = {folder: folder.parts for folder in folders}
    if len(parts) == 1:
        return {folder: "/".join(folder.parts[-2:]) for folder in parts}
    shortest = min(map(len, parts.values())) - 1
    first = next((i for i in range(shortest) if len({one[i] for one in parts.values()}) > 1), shortest)
    left = shortest - first
    last = next((i for i in range(left) if len({one[-1 - i] for one in parts.values()}) > 1), left)
    return {folder: "/".join(one[first : len(one) - last]) for folder, one in parts.items()}


def _read_run(path: Path, name: str) -> Run:
    found = read_records(path)
    if found is None or not found.records:
        raise InputError(f"{path} holds no objects yet: evaluate again with --resume.")
    target, max_clicks = found.identity.get("target_iou"), found.identity.get("max_clicks")
    if not isinstance(target, (int, float)) or not isinstance(max_clicks, int):
        raise InputError(f"{path} does not say its target_iou and max_clicks: evaluate again.")
    dataset = found.records[0].dataset
    records = tuple(sorted(found.records, key=lambda record: record.key))
    checkpoint = found.identity.get("checkpoint")
    weights = _weights_of(path.parent / "summary.json", checkpoint)
    departure = _departure(found.identity, dataset, max_clicks) if weights else ""
    return Run(name, dataset, records, target, max_clicks, weights, departure, found.identity.get("init_masks"))


def _departure(identity: Mapping[str, Any], dataset: str, max_clicks: int) -> str:
    """What sets an evaluation apart from those of the tables: NoBRS, up to 20 clicks on all objects, in mode cvpr."""
    if identity.get("refinement"):
        return f"it ran {identity['refinement'].get('mode', 'a refinement')}"
    if max_clicks != PUBLISHED_CLICKS:
        return f"it had {max_clicks} clicks instead of {PUBLISHED_CLICKS}"
    if identity.get("max_objects"):
        return f"it took only {identity['max_objects']} objects"
    if identity.get("threshold") not in PUBLISHED_THRESHOLDS:
        return f"its masks begin at {identity.get('threshold')}"
    usual = json.loads(json.dumps(asdict(settings_for(identity.get("protocol", ""), dataset_name=dataset))))
    inference = dict.fromkeys(usual) | identity.get("inference", {})  # older records lack what is None by default
    if inference.get("cascade"):
        return "it ran Cascade-Forward Refinement"
    if inference != usual:
        return "it showed the network other crops or sizes"
    return ""


def _weights_of(summary: Path, checkpoint: Any) -> Weights | None:
    """The published file that the summary beside the records names for this checksum."""
    if not summary.is_file():
        return None
    try:
        entries = json.loads(summary.read_text(encoding="utf-8"))["evaluations"]
        names = {Path(entry["checkpoint"]).name for entry in entries if entry["sha256"] == checkpoint}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{summary} is damaged: remove it, or evaluate again.") from error
    row = published_file(names.pop()) if len(names) == 1 else None
    return None if row is None or row.sha256 not in (None, checkpoint) else row


def by_dataset(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs of each data set in the order given.

    Raises:
        InputError: two runs of a data set differ in their objects, in the masks these start from, or in the number of
            clicks.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        group = groups.setdefault(run.dataset, [])
        if group:
            _check_pair(group[0], run)
        group.append(run)
    return groups


def _check_pair(first: Run, run: Run) -> None:
    objects, others = ({(*record.key, record.name) for record in one.records} for one in (first, run))
    if objects != others:
        raise InputError(
            f"{run.name} and {first.name} hold different objects of {run.dataset} ({len(others - objects)} only in the "
            f"former, {len(objects - others)} only in the latter): finish both evaluations on the same files."
        )
    if run.init_masks != first.init_masks:
        raise InputError(
            f"{run.name} and {first.name} start from other masks on {run.dataset} ({run.init_masks}, "
            f"{first.init_masks}): evaluate both with the same --init-masks."
        )
    if run.max_clicks != first.max_clicks:
        raise InputError(
            f"{run.name} has {run.max_clicks} clicks for each object of {run.dataset} and {first.name} has "
            f"{first.max_clicks}: evaluate both with the same --n-clicks."
        )


def scores_of(run: Run) -> dict[str, float]:
    """Scores by metric, those the run has: NoC and NoF honest, mIoU in 0..1, and SPC in seconds."""
    found = {metric: run.per_object(metric) for metric in metrics()}
    scores = {
        metric: float(values.sum() if metric.startswith("NoF") else values.mean())
        for metric, values in found.items()
        if values is not None
    }
    return scores | {"SPC": seconds_per_click(run.records)}


def published_beside(run: Run) -> dict[str, tuple[float, float | None]]:
    """By metric the published value and what the run measured in the same sense (None: not measured).

    NoF is counted as published here, that is with the objects that reach the threshold at the very last click; mIoU is
    in percent.
    """
    beside: dict[str, tuple[float, float | None]] = {}
    for one in run.published:
        metric, values = one.metric, run.per_object(one.metric)
        measured = None if values is None else float(values.mean()) * (100 if metric.startswith("mIoU") else 1)
        if measured is not None and metric.startswith("NoF"):
            measured = float(nof_published(run.records, int(metric.partition("@")[2]) / 100, run.max_clicks))
        beside[metric] = one.value, measured
    return beside


def differences(first: Run, run: Run, resamples: int, seed: int) -> dict[str, Difference]:
    """Paired differences ``run - first`` of every metric that both have.

    Args:
        first, run: two runs on the same objects, see ``by_dataset``.
        resamples: number of bootstrap samples.
        seed: of the random numbers; every metric sees the same draws.
    """
    pairs = {metric: (first.per_object(metric), run.per_object(metric)) for metric in metrics()}
    kept = {metric: b - a for metric, (a, b) in pairs.items() if a is not None and b is not None}
    if not kept:
        return {}
    table = np.stack(list(kept.values()), axis=1)  # (N, metrics)
    means = bootstrap_means(table, resamples, seed)
    tail = 100 * (1 - CONFIDENCE) / 2
    lows, highs = np.percentile(means, [tail, 100 - tail], axis=0)
    scale = np.array([len(table) if metric.startswith("NoF") else 1 for metric in kept])
    rows = np.stack((table.mean(axis=0), lows, highs), axis=1) * scale[:, None]
    return {metric: Difference(*row) for metric, row in zip(kept, rows.tolist(), strict=True)}


def bootstrap_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means of samples drawn with replacement.

    Args:
        values: (N, M) float; rows are drawn.
        resamples: number of samples R, each of N rows.
        seed: of the random numbers.

    Returns:
        (R, M) float64.
    """
    rng = np.random.default_rng(seed)
    count = len(values)
    means = np.empty((resamples, values.shape[1]))
    step = max(1, CHUNK // count)
    for start in range(0, resamples, step):
        drawn = rng.integers(0, count, (min(step, resamples - start), count))
        for column in range(values.shape[1]):
            means[start : start + len(drawn), column] = values[drawn, column].mean(axis=1)
    return means


def compare(runs: Sequence[Run], resamples: int, seed: int) -> dict[str, list[Mapping[str, Any]]]:
    """Everything that is shown of several runs as plain data: by data set a list of runs, the first as reference."""
    shown: dict[str, list[Mapping[str, Any]]] = {}
    for dataset, group in by_dataset(runs).items():
        shown[dataset] = []
        for place, run in enumerate(group):
            entry: dict[str, Any] = {"run": run.name, "objects": len(run.records), "scores": scores_of(run)}
            if place:
                found = differences(group[0], run, resamples, seed)
                entry["differences"] = {name: vars(one) for name, one in found.items()}
            if run.weights and run.departure:
                entry["unlike published"] = run.departure
            if run.published:
                entry["weights"], entry["source"] = run.weights.name, run.published[0].source
                entry["published"] = {
                    metric: {"published": value, "measured": measured}
                    for metric, (value, measured) in published_beside(run).items()
                }
            shown[dataset].append(entry)
    return shown
