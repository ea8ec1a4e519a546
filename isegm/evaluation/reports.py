"""What an evaluation prints and writes: the table of the published code, an honest account below it, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import isegm
from isegm.evaluation.loop import EvalSettings
from isegm.evaluation.scores import THRESHOLDS, DatasetScores
from isegm.inference.protocols import InferenceSettings
from isegm.utils.files import atomic_write

TABLE_THRESHOLDS = (0.80, 0.85, 0.90)  # columns of the published table
TABLE_OVER_MAX = (0.85, 0.90)
TABLE_MIOU_CLICKS = (1, 2, 3, 5, 10, 20)
ACCOUNT_MIOU_CLICKS = (1, 3, 5, 10, 20)
NAME_WIDTH, DATASET_WIDTH, COLUMN_WIDTH, SPC_WIDTH, TIME_WIDTH = 13, 11, 9, 7, 9
TIE_RULE = "deepest pixel of the deeper error, a tie gives a negative click and the first pixel row by row"


@dataclass(frozen=True)
class RunFacts:
    """What somebody needs to know to repeat a run or to compare with it.

    Attributes:
        model_name: shown above the table.
        mode: positional argument of the command line, the row's name.
        protocol: name of the inference protocol.
        eval_mode: "cvpr" or "fixedN".
        checkpoint, sha256: the file and its checksum.
        network: registered name of the network.
        device: where it ran.
        command: the command line.
        started: date and time.
        max_objects: where only the first so many objects of a data set were evaluated; None for all.
    """

    model_name: str
    mode: str
    protocol: str
    eval_mode: str
    checkpoint: str
    sha256: str
    network: str
    device: str
    command: str
    started: str
    max_objects: int | None = None


# ---- the table of the published code ----


def table_header(model_name: str, protocol: str, max_clicks: int) -> str:
    """Lines above the rows; without ``model_name`` the first of them is left out."""
    columns = [
        f"{'Pipeline' if protocol == 'clickseg' else 'BRS Type':^{NAME_WIDTH}}",
        f"{'Dataset':^{DATASET_WIDTH}}",
        *(f"{f'NoC@{threshold:.0%}':^{COLUMN_WIDTH}}" for threshold in TABLE_THRESHOLDS),
        *(f"{f'>={max_clicks}@{threshold:.0%}':^{COLUMN_WIDTH}}" for threshold in TABLE_OVER_MAX),
        f"{'SPC,s':^{SPC_WIDTH}}",
        f"{'Time':^{TIME_WIDTH}}",
    ]
    row = _piped(columns)
    rule = "-" * len(row)
    title = [f"Eval results for model: {model_name}"] if model_name else []
    return "\n".join([*title, rule, row, rule])


def table_row(name: str, scores: DatasetScores, print_ious: bool = False) -> str:
    """One row, with what the published code puts behind it.

    Args:
        name: of the row: the mode, or the checkpoint where several are compared.
        scores: of the data set.
        print_ious: append the mean IoU after some clicks instead of the scores at an unusual target.
    """

    def cell(values: Sequence[float], threshold: float, form: str) -> str:
        place = scores.index(threshold)
        return f"{'?' if place is None else format(values[place], form):^{COLUMN_WIDTH}}"

    columns = [
        f"{name:^{NAME_WIDTH}}",
        f"{scores.dataset:^{DATASET_WIDTH}}",
        *(cell(scores.noc, threshold, ".2f") for threshold in TABLE_THRESHOLDS),
        *(cell(scores.nof_published, threshold, "d") for threshold in TABLE_OVER_MAX),
        f"{scores.spc:^{SPC_WIDTH}.3f}",
        f"{timedelta(seconds=int(scores.seconds))!s:^{TIME_WIDTH}}",
    ]
    row = _piped(columns)
    if print_ious:
        shown = (k for k in TABLE_MIOU_CLICKS if k <= len(scores.miou))
        row += "; " + " ".join(f"mIoU@{k}={scores.miou[k - 1]:.2%};" for k in shown)
    elif int(scores.target_iou * 100) not in (80, 85, 90):
        place = scores.thresholds.index(scores.target_iou)
        row += (
            f" NoC@{scores.target_iou:.1%} = {scores.noc[place]:.2f}; "
            f">={scores.max_clicks}@{scores.target_iou:.1%} = {scores.nof_published[place]}"
        )
    return row


def _piped(columns: Sequence[str]) -> str:
    return "|" + "|".join(columns) + "|"


# ---- the honest account ----


def account(name: str, scores: DatasetScores) -> str:
    """A block of lines with every score of a data set; ``name`` is that of its row."""
    shown = [(place, t) for place, t in enumerate(scores.thresholds) if t <= 1]
    miou = [f"@{k} {scores.miou[k - 1]:.2%}" for k in ACCOUNT_MIOU_CLICKS if k <= len(scores.miou)]
    limit = scores.max_clicks
    rows = {
        "NoC (std)": _listed(shown, lambda i: f"{scores.noc[i]:.2f} ({scores.noc_std[i]:.2f})"),
        f"NoF, not reached in {limit} clicks": _listed(shown, lambda i: f"{scores.nof[i]}"),
        f"NoF as published, NoC = {limit}": _listed(shown, lambda i: f"{scores.nof_published[i]}"),
        "mIoU": "   ".join(miou) + ("" if len(scores.miou) == limit else "   (later clicks: --iou-analysis)"),
    }
    lines = [
        f"{name} on {scores.dataset}: {scores.objects} objects, {scores.clicks} clicks, "
        f"{scores.spc:.3f} s per click, {scores.spi:.3f} s per object",
        *(f"  {label:32} {values}" for label, values in rows.items()),
    ]
    return "\n".join(lines)


def _listed(shown: Sequence[tuple[int, float]], value: Callable[[int], str]) -> str:
    return "   ".join(f"@{100 * threshold:g}% {value(place)}" for place, threshold in shown)


def protocol_line(facts: RunFacts, settings: EvalSettings, inference: InferenceSettings) -> str:
    """One line with everything that decides whether two runs may be compared."""
    stop = f"stop at IoU {settings.target_iou:g}" if settings.target_iou <= 1 else "never stop early"
    clicks = f"{settings.min_clicks} to {settings.max_clicks} clicks, {stop}"
    seen = "" if inference.clicks_limit is None else f", the network sees the first {inference.clicks_limit}"
    only = "" if facts.max_objects is None else f"; only the first {facts.max_objects} objects"
    return (
        f"Protocol: {facts.protocol} {facts.eval_mode}, mode {facts.mode}; mask where probability > "
        f"{settings.threshold:g}; {describe(inference)}; {clicks}{seen}; simulated user: {TIE_RULE}; "
        f"device {facts.device}{only}"
    )


def describe(inference: InferenceSettings) -> str:
    """Crop, size and mirroring in words."""
    zoom = inference.zoom_in
    if zoom is None:
        parts = ["no zoom-in"]
    else:
        size = zoom.target_size
        shown = f" to {size[0]}x{size[1]}" if isinstance(size, tuple) else f", longest side {size}" if size else ""
        moves = "follows every answer" if zoom.always_recompute else "kept while it fits"
        parts = [
            f"zoom-in from click {max(1, zoom.skip_clicks + 1)} "
            f"(box x {zoom.expansion_ratio:g}{shown}, at least {zoom.min_crop_size} pixels, {moves})"
        ]
    if inference.resize is not None:
        parts.append(f"network input {inference.resize[0]}x{inference.resize[1]}")
    if inference.max_size is not None:
        parts.append(f"longest side at most {inference.max_size}")
    parts.append("mirror average" if inference.flip else "no mirroring")
    return ", ".join(parts)


# ---- files ----


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "isegm": isegm.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def device_name(device: torch.device) -> str:
    """``cpu``, or the device with the name of the graphics card."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def summary(
    facts: RunFacts, settings: EvalSettings, inference: Sequence[InferenceSettings], scores: Sequence[DatasetScores]
) -> dict[str, Any]:
    """Everything about a run as plain data; ``inference`` belongs to ``scores`` one by one."""
    datasets = []
    for one, used in zip(scores, inference, strict=True):
        places = [place for place, threshold in enumerate(one.thresholds) if threshold <= 1]
        labels = [f"{100 * one.thresholds[place]:g}" for place in places]
        by_threshold = {
            key: dict(zip(labels, (getattr(one, key)[place] for place in places), strict=True))
            for key in ("noc", "noc_std", "nof", "nof_published")
        }
        plain = {key: getattr(one, key) for key in ("dataset", "objects", "clicks", "seconds", "spc", "spi")}
        datasets.append({**plain, **by_threshold, "miou": list(one.miou), "inference": asdict(used)})
    return {
        **asdict(facts),
        "settings": {**asdict(settings), "simulated_user": TIE_RULE},
        "versions": versions(),
        "seconds": sum(one.seconds for one in scores),
        "datasets": datasets,
    }


def append_row(path: Path, row: str, header: str = "", repeat: bool = True) -> None:
    """Add a row to a text log.

    Args:
        path: the log; folders are made.
        row: one line.
        header: lines that a new file begins with.
        repeat: add the row even if the very same one is there.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not repeat and row in text.splitlines():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{row}\n" if text or not header else f"{header}\n{row}\n")


def write_json(path: str | Path, content: Any) -> None:
    """Write plain data as a JSON file, whole or not at all."""
    with atomic_write(path, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def write_csv(path: str | Path, content: dict[str, Any]) -> None:
    """Write a ``summary`` as CSV, one row per data set."""
    limits = ["target_iou", "max_clicks", "min_clicks", "threshold"]
    plain = ["dataset", "objects", "clicks", "seconds", "spc", "spi"]
    labels = {f"{100 * threshold:g}": None for threshold in THRESHOLDS}
    labels.update(dict.fromkeys(label for one in content["datasets"] for label in one["noc"]))
    rows = []
    for one in content["datasets"]:
        row = {fact.name: content[fact.name] for fact in fields(RunFacts)}
        row |= {key: content["settings"][key] for key in limits} | {key: one[key] for key in plain}
        for key in ("noc", "noc_std", "nof", "nof_published"):
            row |= {f"{key}@{label}": one[key].get(label, "") for label in labels}
        row |= {f"miou@{k}": one["miou"][k - 1] if k <= len(one["miou"]) else "" for k in TABLE_MIOU_CLICKS}
        rows.append(row | {key: content["versions"][key] for key in content["versions"]})
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path, "w") as file:
        file.write(text.getvalue())
