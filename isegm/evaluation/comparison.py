"""Compare evaluations of the same objects: pure functions of their records.

Differences are paired: an object's value in a run minus its value in the first run, averaged over all objects. Their
95 % intervals are percentile bootstrap intervals (Efron and Tibshirani 1993, section 13; ``scipy.stats.bootstrap``)
over objects drawn with replacement; objects of one image count as independent. BCa intervals are not used: they are
undefined where no object differs, which is common for failures.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isegm.evaluation.protocol_names import deviation, protocol_of
from isegm.evaluation.published_values import PublishedValue, find_published
from isegm.evaluation.records import ObjectRecord, RecordFile, is_records_file, read_records, records_below
from isegm.evaluation.scores import noc_per_object, nof_published, seconds_per_click
from isegm.inference.mask_metrics import first_click_reaching
from isegm.model.weights_table import Weights, published_file
from isegm.utils.errors import InputError
from isegm.utils.log import logger
from isegm.utils.schema import Anything, Fields, Items, Text, mismatch

# What is read of a summary, whose other entries may be those of another version.
SUMMARY = Fields({"evaluations": Items(Fields({"checkpoint": Text(), "sha256": Text()}, others=Anything()))})
THRESHOLDS = (0.85, 0.90)
MIOU_CLICKS = (1, 3, 5, 10, 20)
CONFIDENCE = 0.95
BATCH_VALUES = 1 << 20  # resampled float64 values held at a time (8 MiB), which bounds the memory


@dataclass(frozen=True)
class Run:
    """One network's records of one data set.

    Attributes:
        name: shown to people.
        dataset: name of the data set.
        records: sorted by (sample index, object id).
        target_iou: clicking stopped at this IoU; above 1 if it never stopped early.
        max_clicks: clicks of each object that scores count.
        weights: the published file that was evaluated, identified by name and checksum; None for any other file.
        deviation: how the evaluation differs from the published ones, as a clause; empty if it does not.
        init_masks: the initial masks of the objects, see ``RunInfo``; None for the data set's own or none.
        protocol: the inference protocol and what was changed in it; empty where the records do not say.
        sha256: checksum of the checkpoint.
    """

    name: str
    dataset: str
    records: tuple[ObjectRecord, ...]
    target_iou: float
    max_clicks: int
    weights: Weights | None = None
    deviation: str = ""
    init_masks: str | None = None
    protocol: str = ""
    sha256: str | None = None

    def per_object(self, metric: str) -> np.ndarray | None:
        """Values of a metric, float64 (N,).

        Args:
            metric: one of ``metrics()``.

        Returns:
            the values, whose mean (sum for NoF) is the score; None if clicking stopped too early to know them.
        """
        kind, _, level = metric.partition("@")
        if kind == "mIoU":
            click = int(level)
            if any(len(record.ious) < click for record in self.records):
                return None
            return np.array([record.ious[click - 1] for record in self.records], dtype=np.float64)
        threshold = int(level) / 100
        if threshold > self.target_iou:
            return None
        if kind == "NoC":
            return noc_per_object(self.records, threshold, self.max_clicks).astype(np.float64)
        firsts = (first_click_reaching(record.ious[: self.max_clicks], threshold) for record in self.records)
        return np.array([first is None for first in firsts], dtype=np.float64)

    @property
    def published(self) -> list[PublishedValue]:
        """Published values of these weights on this data set; empty if the evaluation deviates from them."""
        if self.weights is None or self.deviation:
            return []
        return find_published(self.weights.method, self.weights.variant, self.weights.training, self.dataset)


@dataclass(frozen=True)
class Difference:
    """Mean paired difference to the first run, and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def metrics() -> tuple[str, ...]:
    """Return the names of all compared metrics, such as "NoC@85" and "mIoU@5"."""
    of_clicks = (f"{kind}@{100 * threshold:g}" for kind in ("NoC", "NoF") for threshold in THRESHOLDS)
    return (*of_clicks, *(f"mIoU@{click}" for click in MIOU_CLICKS))


def read_runs(paths: Sequence[str | Path]) -> list[Run]:
    """Read runs from records files, or from every ``records_*.jsonl`` below a folder.

    A run is named by the part of its folder's path in which the folders differ, and by its file where a folder has
    several of a data set. Links to folders are followed. Files and folders without records, as those of tables, pickles
    and plots beside the runs, and evaluations that ended before their first object are left out with a warning, unless
    there are no others.

    Raises:
        InputError: no such file or folder, no records in any, or damaged ones.
    """
    files: list[tuple[Path, RecordFile | None]] = []
    empty: list[Path] = []
    for path in map(Path, paths):
        found = {file: read_records(file) for file in _records_files(path)}
        begun = {file: content for file, content in found.items() if content is not None and content.records}
        files += (begun or found).items()
        empty += [file for file in found if begun and file not in begun] if found else [path]
    named = ", ".join(map(str, empty))
    if not files:
        raise InputError(f"there are no records_<dataset>.jsonl below {named}: evaluate with isegm evaluate.")
    if empty:
        logger.warning("there are no records of objects in %s: left out", named)
    folders = [Path(os.path.abspath(file)).parent for file, _ in files]
    names = _distinguishing_names(folders)
    runs = [_run_of(*one, names[folder]) for one, folder in zip(files, folders, strict=True)]
    seen = Counter((run.name, run.dataset) for run in runs)
    return [
        run if seen[run.name, run.dataset] == 1 else replace(run, name=f"{run.name}/{file.name}")
        for run, (file, _) in zip(runs, files, strict=True)
    ]


def _records_files(path: Path) -> list[Path]:
    """List the records files at a path; tables and pictures, which ``DIR/*`` names too, are none."""
    if path.is_dir():
        return records_below(path)
    return [path] if is_records_file(path) or not path.is_file() else []


def _distinguishing_names(folders: Sequence[Path]) -> dict[Path, str]:
    """Name folders by their paths without the parts that all of them share, in paths of several lengths at the ends."""
    parts = {folder: folder.parts for folder in folders}
    if len(parts) == 1:
        return {folder: "/".join(folder.parts[-2:]) for folder in parts}
    if len({len(one) for one in parts.values()}) == 1:
        levels = [i for i, shared in enumerate(zip(*parts.values(), strict=True)) if len(set(shared)) > 1]
        return {folder: "/".join(one[i] for i in levels) for folder, one in parts.items()}
    shortest = min(map(len, parts.values())) - 1
    first = next((i for i in range(shortest) if len({one[i] for one in parts.values()}) > 1), shortest)
    left = shortest - first
    last = next((i for i in range(left) if len({one[-1 - i] for one in parts.values()}) > 1), left)
    return {folder: "/".join(one[first : len(one) - last]) for folder, one in parts.items()}


def _run_of(path: Path, found: RecordFile | None, name: str) -> Run:
    if found is None or not found.records:
        raise InputError(f"{path} holds no objects yet: evaluate again with --resume.")
    target = found.identity.get("target_iou")
    max_clicks = found.identity.get("n_clicks", found.identity.get("max_clicks"))  # that scores count
    if not isinstance(target, (int, float)) or not isinstance(max_clicks, int):
        raise InputError(f"{path} does not say its target_iou and max_clicks: evaluate again.")
    dataset = found.records[0].dataset
    records = tuple(sorted(found.records, key=lambda record: record.key))
    checkpoint = found.identity.get("checkpoint")
    weights = _published_weights(path.parent / "summary.json", checkpoint)
    unlike = deviation(found.identity, dataset, max_clicks) if weights else ""
    init_masks, protocol = found.identity.get("init_masks"), protocol_of(found.identity, dataset)
    return Run(name, dataset, records, target, max_clicks, weights, unlike, init_masks, protocol, checkpoint)


def _published_weights(summary: Path, checkpoint: Any) -> Weights | None:
    """Return the published file that the summary beside the records names for this checksum."""
    if not summary.is_file():
        return None
    try:
        content = json.loads(summary.read_text(encoding="utf-8"))
        problem = mismatch(content, SUMMARY)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{summary} is damaged: remove it, or evaluate again.") from error
    if problem is not None:
        raise InputError(f"{summary} is damaged ({problem}): remove it, or evaluate again.")
    entries = content["evaluations"]
    names = {Path(entry["checkpoint"]).name for entry in entries if entry["sha256"] == checkpoint}
    row = published_file(names.pop()) if len(names) == 1 else None
    return None if row is None or row.sha256 not in (None, checkpoint) else row


def by_dataset(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Group runs by data set, in the order given.

    Raises:
        InputError: two runs of a data set differ in their objects, their initial masks or their number of clicks.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        group = groups.setdefault(run.dataset, [])
        if group:
            _check_pair(group[0], run)
        group.append(run)
    return groups


def together(runs: Sequence[Run]) -> list[Run]:
    """Join the records of each run over all data sets, as if they were one, of which every object counts alike.

    Args:
        runs: of at least two data sets, each evaluated once by every run of the same name.

    Raises:
        InputError: see ``by_dataset``; there is one data set only, or a run lacks one.
    """
    groups = by_dataset(runs)
    if len(groups) < 2:
        raise InputError("--together joins data sets, and the runs have one: leave it out.")
    joined = []
    for name in dict.fromkeys(run.name for run in runs):
        parts = [run for group in groups.values() for run in group if run.name == name]
        if [run.dataset for run in parts] != list(groups) or len({run.max_clicks for run in parts}) > 1:
            raise InputError(
                f"--together joins data sets, and {name} has not each of {', '.join(groups)} once, with one number of "
                "clicks: give finished evaluations of all of them."
            )
        first, same = parts[0], {(run.target_iou, run.protocol, run.init_masks) for run in parts}
        joined.append(
            Run(
                name=name,
                dataset=f"all {len(groups)} data sets together",
                records=tuple(record for run in parts for record in run.records),
                target_iou=min(run.target_iou for run in parts),
                max_clicks=first.max_clicks,
                init_masks=first.init_masks if len(same) == 1 else None,
                protocol=first.protocol if len(same) == 1 else "",
                sha256=first.sha256,
            )
        )
    return joined


def _check_pair(first: Run, run: Run) -> None:
    """Raise InputError unless both runs clicked the same objects in the same way."""
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


def run_scores(run: Run) -> dict[str, float]:
    """Compute the scores of a run by metric, as far as it has them.

    NoF counts objects that never reach the threshold (docs/fidelity.md#failures-at-the-last-click), mIoU is in [0, 1],
    SPC in seconds.
    """
    found = {metric: run.per_object(metric) for metric in metrics()}
    scores = {
        metric: float(values.sum() if metric.startswith("NoF") else values.mean())
        for metric, values in found.items()
        if values is not None
    }
    return scores | {"SPC": seconds_per_click(run.records)}


def published_and_measured(run: Run) -> dict[str, tuple[float, float | None]]:
    """Pair each published value with the value measured by its definition, None if it was not measured.

    NoF includes objects that reach the threshold at the last click (docs/fidelity.md#failures-at-the-last-click); mIoU
    is in percent.
    """
    pairs: dict[str, tuple[float, float | None]] = {}
    for published in run.published:
        metric, values = published.metric, run.per_object(published.metric)
        measured = None if values is None else float(values.mean()) * (100 if metric.startswith("mIoU") else 1)
        if measured is not None and metric.startswith("NoF"):
            measured = float(nof_published(run.records, int(metric.partition("@")[2]) / 100, run.max_clicks))
        pairs[metric] = published.value, measured
    return pairs


def differences(first: Run, run: Run, resamples: int, seed: int) -> dict[str, Difference]:
    """Compute the paired differences ``run - first`` of every metric that both runs have.

    Args:
        first, run: two runs on the same objects, see ``by_dataset``.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap; all metrics use the same samples.
    """
    pairs = {metric: (first.per_object(metric), run.per_object(metric)) for metric in metrics()}
    per_object = {metric: b - a for metric, (a, b) in pairs.items() if a is not None and b is not None}
    if not per_object:
        return {}
    table = np.stack(list(per_object.values()), axis=1)  # (N, metrics)
    lows, highs = mean_interval(table, resamples, seed)
    scale = np.array([len(table) if metric.startswith("NoF") else 1 for metric in per_object])  # NoF is a sum
    rows = np.stack((table.mean(axis=0), lows, highs), axis=1) * scale[:, None]
    return {metric: Difference(*row) for metric, row in zip(per_object, rows.tolist(), strict=True)}


def moved(first: Run, run: Run) -> dict[str, int]:
    """Count the objects whose NoC is another one in a second run, by metric."""
    pairs = {metric: (first.per_object(metric), run.per_object(metric)) for metric in metrics() if "NoC" in metric}
    return {
        metric: int(np.count_nonzero(a != b)) for metric, (a, b) in pairs.items() if a is not None and b is not None
    }


def mean_interval(values: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute 95 % percentile bootstrap intervals of column means.

    Args:
        values: (N, M) float64; whole rows are drawn. The interval of a single row is its value.
        resamples: number of bootstrap samples, each of N rows.
        seed: seed of the random numbers.

    Returns:
        lower and upper ends, each float64 (M,).
    """
    if len(values) == 1:
        return values[0], values[0]
    from scipy import stats  # takes half a second, which who only reads records need not spend

    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, BATCH_VALUES // values.size),
        axis=0,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def compare(runs: Sequence[Run], resamples: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Compare runs on every data set as plain data: a list of entries per data set, the first the reference.

    Args:
        runs: at least one.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.

    Raises:
        InputError: see ``by_dataset``.
    """
    entries: dict[str, list[dict[str, Any]]] = {}
    for dataset, group in by_dataset(runs).items():
        reference = group[0]
        entries[dataset] = []
        for run in group:
            entry: dict[str, Any] = {
                "run": run.name,
                "protocol": run.protocol,
                "objects": len(run.records),
                "scores": run_scores(run),
            }
            if run is not reference:
                found = differences(reference, run, resamples, seed)
                entry["differences"] = {metric: vars(difference) for metric, difference in found.items()}
                entry["moved"] = moved(reference, run)
            if run.weights is not None and run.deviation:
                entry["unlike published"] = run.deviation
            if run.weights is not None and run.published:
                entry["weights"], entry["source"] = run.weights.name, run.published[0].source
                entry["published"] = {
                    metric: {"published": published, "measured": measured}
                    for metric, (published, measured) in published_and_measured(run).items()
                }
            entries[dataset].append(entry)
    return entries
