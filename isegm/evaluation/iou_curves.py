"""Compare the mean IoU per click of several models, from published pickles or records files.

A published pickle (``evaluate_model.py --iou-analysis``) is a dict with ``dataset_name``, ``model_name`` and
``all_ious``, one array of IoUs per object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from isegm.evaluation.plots import save_figure
from isegm.evaluation.records import read_records
from isegm.utils.errors import InputError
from isegm.utils.safe_pickle import load_plain

SHOWN_CLICKS = (1, 3, 5, 10, 20)
ALL_CLICKS = -1


@dataclass(frozen=True)
class IouCurve:
    """Mean IoU per click of one model on one data set.

    Attributes:
        dataset, model: names.
        values: float64 (K,), mean IoU in [0, 1] after click 1, 2, ..., as far as every object was clicked.
        objects: number of objects.
    """

    dataset: str
    model: str
    values: np.ndarray
    objects: int

    @classmethod
    def of(cls, dataset: str, model: str, ious: Sequence[ArrayLike], n_clicks: int = ALL_CLICKS) -> IouCurve:
        """Average the IoUs of objects.

        Args:
            dataset, model: names.
            ious: for each object its IoUs after click 1, 2, ...; they may differ in length.
            n_clicks: length of the curve at most; ``ALL_CLICKS`` for no limit.
        """
        rows = [np.asarray(row, dtype=np.float64) for row in ious]
        clicks = min(len(row) for row in rows)
        clicks = clicks if n_clicks == ALL_CLICKS else min(clicks, n_clicks)
        return cls(dataset, model, np.mean([row[:clicks] for row in rows], axis=0), len(rows))

    def summary(self) -> str:
        """Describe the curve in one line: mean IoU after some clicks."""
        shown = (f"mIoU@{k}={self.values[k - 1]:.2%}" for k in SHOWN_CLICKS if k <= len(self.values))
        return f"{self.model} on {self.dataset}, {self.objects} objects: {'; '.join(shown)}"


def read_curve(path: str | Path, n_clicks: int = ALL_CLICKS) -> IouCurve:
    """Read the curve of a published pickle, or of the records (``.jsonl``) of an evaluation.

    Raises:
        InputError: the file is damaged, of another kind, or holds no objects.
    """
    path = Path(path)
    if path.suffix == ".jsonl":
        found = read_records(path)
        if found is None or not found.records:
            raise InputError(f"{path} holds no objects yet: evaluate again with --resume.")
        ious = [record.ious for record in found.records]
        model = "/".join(path.resolve().parent.parts[-2:])
        return IouCurve.of(found.records[0].dataset, model, ious, n_clicks)
    content = load_plain(path)
    keys = ("dataset_name", "model_name", "all_ious")
    if not isinstance(content, Mapping) or not all(key in content for key in keys):
        raise InputError(f"{path} does not hold {', '.join(keys)}: write it with evaluate_model.py --iou-analysis.")
    try:
        rows = [np.asarray(row, dtype=np.float64) for row in content["all_ious"]]
    except (TypeError, ValueError) as error:
        raise InputError(f"all_ious in {path} are no lists of numbers: write it with --iou-analysis again.") from error
    if not rows or any(row.ndim != 1 or not len(row) or not np.isfinite(row).all() for row in rows):
        raise InputError(f"all_ious in {path} should be a list of IoUs for each object: write it again.")
    return IouCurve.of(str(content["dataset_name"]), str(content["model_name"]), rows, n_clicks)


def curves_figure(curves: Sequence[IouCurve]) -> Figure:
    """Plot the curves of several models on one data set: mean IoU in percent over the number of clicks."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.add_subplot()
    for curve in curves:
        axes.plot(np.arange(1, len(curve.values) + 1), 100 * curve.values, linewidth=2, label=curve.model)
    axes.set(xlabel="number of clicks", ylabel="mIoU, %")
    axes.set_title(curves[0].dataset, parse_math=False)
    axes.set_xticks(range(1, max(len(curve.values) for curve in curves) + 1))
    axes.grid(True)
    for text in axes.legend(loc="lower right").get_texts():
        text.set_parse_math(False)
    return figure


def next_free(folder: Path, dataset: str) -> Path:
    """Name a new figure ``<dataset>_<NNN>.png``, one number above the highest in the folder."""
    name = re.compile(re.escape(dataset) + r"_(\d{3,})\.png")
    taken = [int(match[1]) for path in folder.glob("*.png") if (match := name.fullmatch(path.name))]
    return folder / f"{dataset}_{max(taken, default=-1) + 1:03d}.png"


def plot_curves(curves: Iterable[IouCurve], folder: str | Path) -> list[Path]:
    """Write one figure per data set; returns the files."""
    groups: dict[str, list[IouCurve]] = {}
    for curve in curves:
        groups.setdefault(curve.dataset, []).append(curve)
    written = []
    for dataset, group in groups.items():
        path = next_free(Path(folder), dataset.replace("/", "_").replace("\\", "_"))
        save_figure(curves_figure(group), path)
        written.append(path)
    return written


def select_files(files: Iterable[Path], modes: Sequence[str], datasets: Sequence[str]) -> list[Path]:
    """Select files whose stem contains the name of a data set and, if modes are given, of a mode.

    Names are found anywhere in the stem, so that SBD also selects SBD_Train (docs/fidelity.md#names-anywhere). The mode
    of a records file is looked for in the name of its folder too.

    Args:
        files: to select from.
        modes: names of evaluation modes; empty for all.
        datasets: names of data sets.

    Raises:
        InputError: no file is left.
    """
    files = sorted(dict.fromkeys(files))

    def wanted(path: Path) -> bool:
        searched = f"{path.parent.name}/{path.stem}" if path.suffix == ".jsonl" else path.stem
        return any(name in path.stem for name in datasets) and (not modes or any(mode in searched for mode in modes))

    chosen = [path for path in files if wanted(path)]
    if not chosen:
        raise InputError(
            f"none of {len(files)} files is of the data sets {', '.join(datasets)}"
            f"{' and the modes ' + ', '.join(modes) if modes else ''}: write some with evaluate_model.py "
            "--iou-analysis, or change --datasets or --mode."
        )
    return chosen
