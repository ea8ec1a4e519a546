"""Files that gather the scores of evaluations: ``summary.json``, ``summary.csv``, and tables as text."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import isegm
from isegm.evaluation.reports import RunInfo, simulated_user
from isegm.evaluation.scores import THRESHOLDS, DatasetScores
from isegm.evaluation.summary_form import SUMMARY
from isegm.evaluation.table_form import TABLE_MIOU_CLICKS
from isegm.inference.protocols import InferenceSettings
from isegm.inference.simulation import EvalSettings
from isegm.utils.files import atomic_write
from isegm.utils.locks import hold_lock
from isegm.utils.log import logger
from isegm.utils.schema import mismatch

# Of a summary, beside the scores per threshold.
TOTALS = ("dataset", "objects", "images", "clicks", "seconds", "spc", "spi", "first_spc", "next_spc", "passes")
# Entries of a summary that agree in these keys come from the same evaluation.
IDENTITY_KEYS = (
    "dataset", "init_masks", "max_objects", "sha256", "network", "mode", "protocol", "eval_mode", "settings",
    "inference", "device",
)  # fmt: skip
LOCK_WAIT = 60.0  # seconds for which to wait for another evaluation that adds its scores to the same file


def versions() -> dict[str, str]:
    """Return the versions of everything that scores depend on."""
    return {
        "isegm": isegm.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "scipy": version("scipy"),
    }


def summary_entry(
    info: RunInfo,
    settings: EvalSettings,
    inference: InferenceSettings,
    scores: DatasetScores,
    parts: Mapping[str, DatasetScores],
) -> dict[str, Any]:
    """Return everything about the evaluation of a data set, and the scores of its ``parts``, as plain data."""
    entry = {
        **asdict(info),
        "settings": {**settings.as_dict(), "simulated_user": simulated_user(settings)},
        "inference": asdict(inference),
        "versions": versions(),
        **{key: getattr(scores, key) for key in TOTALS},
        "n_clicks": scores.max_clicks,  # that scores count, where "max_clicks" were made
        **_by_click(scores),
    }
    if parts:
        entry["parts"] = {name: {"objects": part.objects, **_by_click(part)} for name, part in parts.items()}
    return entry


def _by_click(scores: DatasetScores) -> dict[str, Any]:
    """The scores by threshold and by click."""
    shown = [index for index, threshold in enumerate(scores.thresholds) if threshold <= 1]
    labels = [f"{100 * scores.thresholds[index]:g}" for index in shown]
    by_threshold: dict[str, Any] = {
        key: dict(zip(labels, (getattr(scores, key)[index] for index in shown), strict=True))
        for key in ("noc", "noc_std", "nof", "nof_published")
    }
    return by_threshold | {"miou": list(scores.miou)}


def add_to_summary(folder: Path, entry: Mapping[str, Any]) -> None:
    """Add a ``summary_entry`` to ``summary.json`` and ``summary.csv`` of a folder.

    It replaces an earlier entry of the same evaluation, see ``IDENTITY_KEYS``; all others stay. A summary of another
    form is renamed to ``summary.json.bak``, with a warning.
    """
    path = folder / "summary.json"
    new: dict[str, Any] = json.loads(json.dumps(entry))  # as it comes back from a file: lists for tuples
    with _alone(path):
        entries = [old for old in _summary_entries(path) if any(old[key] != new[key] for key in IDENTITY_KEYS)]
        entries.append(new)
        write_json(path, {"evaluations": entries})
        write_csv(folder / "summary.csv", entries)


def _alone(path: Path) -> AbstractContextManager[None]:
    """Keep other evaluations from changing a file in which several write, for the moment of a change."""
    return hold_lock(path.with_name(f"{path.name}.lock"), str(path), "try again with --resume", wait=LOCK_WAIT)


def _summary_entries(path: Path) -> list[dict[str, Any]]:
    """Read the entries of a summary; none if there is no file, or if it has another form."""
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        problem = mismatch(content, SUMMARY)
    except (ValueError, RecursionError):
        problem = "it is no JSON"
    if problem is None:
        return content["evaluations"]
    aside = path.with_suffix(".json.bak")
    logger.warning("%s is damaged or of another version (%s): it is put aside as %s", path, problem, aside.name)
    path.replace(aside)
    return []


def append_row(path: Path, row: str, header: str = "", repeat: bool = True) -> None:
    """Append a row to a text log.

    Args:
        path: the log; missing folders are created.
        row: one line.
        header: first lines of a new file; empty for none.
        repeat: append the row even if the log already has the same one.
    """
    with _alone(path):
        text = path.read_bytes() if path.is_file() else b""
        if not repeat and row.encode(errors="backslashreplace") in text.splitlines():
            return
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{row}\n" if text or not header else f"{header}\n{row}\n")


def write_json(path: str | Path, content: Any) -> None:
    """Write plain data as a JSON file, atomically."""
    with atomic_write(path, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def write_csv(path: str | Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write the entries of a summary as CSV, one row each."""
    limits = ["target_iou", "max_clicks", "min_clicks", "threshold"]
    labels = {f"{100 * threshold:g}": None for threshold in THRESHOLDS}
    labels.update(dict.fromkeys(label for one in entries for label in one["noc"]))
    rows = []
    for one in entries:
        row = {field.name: one[field.name] for field in fields(RunInfo)}
        row |= {key: one["settings"][key] for key in limits} | {key: one[key] for key in (*TOTALS, "n_clicks")}
        for key in ("noc", "noc_std", "nof", "nof_published"):
            row |= {f"{key}@{label}": one[key].get(label, "") for label in labels}
        row |= {f"miou@{k}": one["miou"][k - 1] if k <= len(one["miou"]) else "" for k in TABLE_MIOU_CLICKS}
        rows.append(row | one["versions"])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path, "w") as file:
        file.write(text.getvalue())
