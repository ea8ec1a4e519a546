"""Compare the mean IoU per click of several models, from published pickles or records files.

A published pickle (``evaluate_model.py --iou-analysis``) is a dict with ``dataset_name``, ``model_name`` and
``all_ious``, one array of IoUs per object.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from isegm.evaluation.plots import save_figure
from isegm.evaluation.protocol_names import protocol_of
from isegm.evaluation.records import is_records_file, read_records
from isegm.evaluation.selection import folder_name
from isegm.utils.errors import InputError
from isegm.utils.log import printable
from isegm.utils.safe_pickle import load_plain
from isegm.utils.schema import Anything, Fields, Instance, Items, Number, Text, mismatch
from isegm.utils.text_values import as_path

SHOWN_CLICKS = (1, 3, 5, 10, 20)
KEPT = "objects that stopped earlier keep their last IoU"
MOST_CLICKS = 10_000  # of an object in a pickle
MOST_IOUS = 50_000_000  # of all its objects, of which several may be one list
ALL_CLICKS = -1


@dataclass(frozen=True)
class IouCurve:
    """Mean IoU per click of one model on one data set.

    Attributes:
        dataset, model: names.
        values: float64 (K,), mean IoU in [0, 1] after click 1, 2, ..., as far as any object was clicked.
        objects: number of objects.
        measured: so many first values are means of IoUs that were all measured; behind them, objects that reached the
            target keep their last IoU.
        protocol: of the evaluation; empty where the file does not say, as published ones.
    """

    dataset: str
    model: str
    values: np.ndarray
    objects: int
    measured: int
    protocol: str = ""

    @classmethod
    def of(
        cls, dataset: str, model: str, ious: Sequence[ArrayLike], n_clicks: int = ALL_CLICKS, protocol: str = ""
    ) -> IouCurve:
        """Average the IoUs of objects.

        Args:
            dataset, model, protocol: names.
            ious: for each object its IoUs after click 1, 2, ...; they may differ in length.
            n_clicks: length of the curve at most; ``ALL_CLICKS`` for no limit.
        """
        rows = [np.asarray(row, dtype=np.float64) for row in ious]
        clicks = max(len(row) for row in rows)
        clicks = clicks if n_clicks == ALL_CLICKS else min(clicks, n_clicks)
        total = np.zeros(clicks)
        for row in rows:
            total += np.pad(row[:clicks], (0, max(0, clicks - len(row))), mode="edge")
        return cls(dataset, model, total / len(rows), len(rows), min(clicks, *map(len, rows)), protocol)

    def summary(self) -> str:
        """Describe the curve in one line: mean IoU after some clicks."""
        shown = (f"mIoU@{k}={self.values[k - 1]:.2%}" for k in SHOWN_CLICKS if k <= len(self.values))
        kept = f" ({KEPT})" if self.measured < len(self.values) else ""
        return f"{printable(self.model)} on {printable(self.dataset)}, {self.objects} objects: {'; '.join(shown)}{kept}"


def read_curve(path: str | Path, n_clicks: int = ALL_CLICKS) -> IouCurve:
    """Read the curve of a published pickle, or of the records (``.jsonl``) of an evaluation.

    Raises:
        InputError: the file is damaged, of another kind, or holds no objects.
    """
    path = as_path(path, "the path of IoU curves")
    if is_records_file(path):
        found = read_records(path)
        if found is None or not found.records:
            raise InputError(f"{path} holds no objects yet: evaluate again with --resume.")
        ious = [record.ious for record in found.records]
        model = "/".join(path.resolve().parent.parts[-2:])
        dataset = found.records[0].dataset
        return IouCurve.of(dataset, model, ious, n_clicks, protocol_of(found.identity, dataset))
    content = load_plain(path)
    if isinstance(content, dict) and isinstance(content.get("all_ious"), np.ndarray):
        content["all_ious"] = list(content["all_ious"])
    problem = mismatch(content, CURVE)
    if problem is not None:
        raise InputError(f"{path} is no table of IoUs ({problem}): write it with evaluate_model.py --iou-analysis.")
    rows = content["all_ious"]
    if sum(map(len, rows)) > MOST_IOUS:
        raise InputError(f"{path} holds more than {MOST_IOUS} IoUs: write it with evaluate_model.py --iou-analysis.")
    return IouCurve.of(content["dataset_name"], content["model_name"], rows, n_clicks, content.get("protocol", ""))


def _is_ious(row: np.ndarray) -> bool:
    """Whether an array holds the IoUs of an object."""
    if row.ndim != 1 or not 0 < len(row) <= MOST_CLICKS or row.dtype.kind not in "fiu":
        return False
    return bool(np.isfinite(row).all() and (row >= 0).all() and (row <= 1).all())


CURVE = Fields(
    {
        "dataset_name": Text(),
        "model_name": Text(),
        "all_ious": Items(
            Instance(np.ndarray, "an array of IoUs from 0 to 1", _is_ious)
            | Items(Number(0, 1), least=1, most=MOST_CLICKS),
            least=1,
        ),
    },
    {"protocol": Text()},
    others=Anything(),
)


def told_apart(curves: Sequence[IouCurve], files: Sequence[Path]) -> list[IouCurve]:
    """Name curves of one data set that would have one name by their folders too, and protocols where they differ."""
    protocols: dict[str, set[str]] = {}
    for curve in curves:
        protocols.setdefault(curve.dataset, set()).add(curve.protocol)
    counts = Counter((curve.dataset, curve.model) for curve in curves)
    named = []
    for curve, path in zip(curves, files, strict=True):
        model = curve.model if counts[curve.dataset, curve.model] == 1 else f"{curve.model} in {path.parent}"
        if len(protocols[curve.dataset]) > 1:
            model += f" (protocol {curve.protocol or 'not said'})"
        named.append(replace(curve, model=model))
    return named


def curves_figure(curves: Sequence[IouCurve]) -> Figure:
    """Plot the curves of several models on one data set: mean IoU in percent over the number of clicks."""
    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.add_subplot()
    for curve in curves:
        label = printable(curve.model)
        if curve.measured < len(curve.values):
            label += f", {KEPT}"
        clicks = np.arange(1, len(curve.values) + 1)
        axes.plot(clicks, 100 * curve.values, linewidth=2, marker="o", markersize=4, label=label)
    axes.set(xlabel="number of clicks", ylabel="mIoU, %")
    axes.set_title(printable(curves[0].dataset), parse_math=False)
    longest = max(len(curve.values) for curve in curves)
    axes.set_xticks(range(1, longest + 1, max(1, longest // 20)))
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
        path = next_free(Path(folder), folder_name(dataset, dataset))
        save_figure(curves_figure(group), path)
        written.append(path)
    return written


def select_files(files: Iterable[Path], modes: Sequence[str], datasets: Sequence[str] | None) -> list[Path]:
    """Select files whose stem contains the name of a data set and, if modes are given, of a mode.

    Names are found anywhere in the stem, so that SBD also selects SBD_Train (docs/fidelity.md#names-anywhere). The mode
    of a records file is looked for in the name of its folder too.

    Args:
        files: to select from.
        modes: names of evaluation modes; empty for all.
        datasets: names of data sets; None for all.

    Raises:
        InputError: no file is left.
    """
    files = sorted(dict.fromkeys(files))

    def wanted(path: Path) -> bool:
        searched = f"{path.parent.name}/{path.stem}" if is_records_file(path) else path.stem
        of_dataset = datasets is None or any(name in path.stem for name in datasets)
        return of_dataset and (not modes or any(mode in searched for mode in modes))

    chosen = [path for path in files if wanted(path)]
    if not chosen:
        sought = [f"the data sets {', '.join(datasets)}"] if datasets is not None else []
        sought += [f"the modes {', '.join(modes)}"] if modes else []
        raise InputError(
            f"none of {len(files)} files is of {' and '.join(sought) or 'any data set'}: write some with "
            "evaluate_model.py --iou-analysis, or change --datasets or --mode."
        )
    return chosen
