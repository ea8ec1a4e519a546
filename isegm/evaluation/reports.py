"""Scores as text: the table of the published code, all scores, and the protocol in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch

from isegm.evaluation.scores import DatasetScores
from isegm.evaluation.table_form import TableForm
from isegm.inference.postprocess import FocusRefine
from isegm.inference.protocols import RITM, InferenceSettings
from isegm.inference.simulation import EvalSettings
from isegm.inference.transforms import MULTIPLE
from isegm.utils.log import printable

RITM_FORM = TableForm.of(RITM)
ALL_SCORES_MIOU_CLICKS = (1, 3, 5, 10, 20)
NAME_WIDTH, DATASET_WIDTH, COLUMN_WIDTH, SPC_WIDTH, TIME_WIDTH = 13, 11, 9, 7, 9
TIE_RULE = "deepest pixel of the deeper error, a tie gives a negative click and the first pixel row by row"
ANYWHERE = "random pixel of the connected error that reaches deepest, a tie gives a negative click"


@dataclass(frozen=True)
class RunInfo:
    """Facts about an evaluation that do not depend on the data set.

    Attributes:
        model_name: name above the table.
        mode: evaluation mode, one of ``options.MODES``.
        protocol: name of the inference protocol.
        eval_mode: "cvpr" or "fixedN".
        checkpoint: path of the file.
        sha256: checksum of the file.
        network: registered name of the network.
        device: see ``device_name``.
        command: the command line.
        started: date and time in ISO format.
        max_objects: only so many first objects of each data set are evaluated; None for all.
        init_masks: the folder of ``--init-masks`` with a checksum of its masks; None without that option.
        own_protocol: the network's inference protocol, where ``protocol`` is another one; None where it is that.
        first_prompt: what the simulated user gives first, and how the network sees it; None for a click.
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
    init_masks: str | None = None
    own_protocol: str | None = None
    first_prompt: str | None = None


# ---- the table of the published code ----


def table_header(model_name: str, form: TableForm, max_clicks: int) -> str:
    """Return the lines above the rows.

    Args:
        model_name: in the title; empty for none.
        form: columns of the table.
        max_clicks: clicks that scores count.
    """
    columns = [
        f"{form.first:^{NAME_WIDTH}}",
        f"{'Dataset':^{DATASET_WIDTH}}",
        *(f"{f'NoC@{threshold:.0%}':^{COLUMN_WIDTH}}" for threshold in form.thresholds),
        *(f"{f'>={max_clicks}@{threshold:.0%}':^{COLUMN_WIDTH}}" for threshold in form.over_max),
        f"{'SPC,s':^{SPC_WIDTH}}",
        f"{'Time':^{TIME_WIDTH}}",
    ]
    row = _table_line(columns)
    rule = "-" * len(row)
    title = [f"Eval results for model: {printable(model_name)}"] if model_name else []
    return "\n".join([*title, rule, row, rule])


def table_row(
    name: str,
    scores: DatasetScores,
    print_ious: bool = False,
    max_objects: int | None = None,
    settings: Mapping[str, str] | None = None,
    form: TableForm = RITM_FORM,
) -> str:
    """Return one row, and behind it the settings and what the published code appends.

    Args:
        name: of the row: the mode, or the checkpoint if several are compared.
        scores: of the data set.
        print_ious: append mean IoUs after some clicks instead of the scores at an unusual target.
        max_objects: append that only so many first objects were evaluated; None if all were.
        settings: values by options in which rows of one table may differ; None for the bare row.
        form: see ``table_header``.
    """

    def cell(values: Sequence[float], threshold: float, digits: str) -> str:
        index = scores.index(threshold)
        return f"{'?' if index is None else format(values[index], digits):^{COLUMN_WIDTH}}"

    columns = [
        f"{printable(name):^{NAME_WIDTH}}",
        f"{printable(scores.dataset):^{DATASET_WIDTH}}",
        *(cell(scores.noc, threshold, ".2f") for threshold in form.thresholds),
        *(cell(scores.nof_published, threshold, "d") for threshold in form.over_max),
        f"{scores.spc:^{SPC_WIDTH}.3f}",
        f"{timedelta(seconds=int(scores.seconds))!s:^{TIME_WIDTH}}",
    ]
    row = _table_line(columns)
    if settings:
        row += " " + " ".join(f"{option}={value}" for option, value in settings.items())
    if print_ious:
        shown = (k for k in form.miou_clicks if k <= len(scores.miou))
        row += "; " + " ".join(f"mIoU@{k}={scores.miou[k - 1]:.2%};" for k in shown)
    elif scores.target_iou <= 1 and scores.target_iou not in {0.80, *form.thresholds}:
        index = scores.thresholds.index(scores.target_iou)
        target = _percent(scores.target_iou)
        row += (
            f" NoC@{target} = {scores.noc[index]:.2f}; >={scores.max_clicks}@{target} = {scores.nof_published[index]}"
        )
    return row if max_objects is None else f"{row} only the first {max_objects} objects"


def _percent(target: float) -> str:
    """Name a target IoU with one decimal, as published, or with all that it has."""
    published = f"{target:.1%}"
    return published if f"{100 * target:.10g}" == f"{float(published[:-1]):.10g}" else f"{100 * target:.10g}%"


def _table_line(columns: Sequence[str]) -> str:
    return "|" + "|".join(columns) + "|"


# ---- all scores as text ----


def all_scores(name: str, scores: DatasetScores) -> str:
    """Format every score of a data set as lines of text; ``name`` is that of its row."""
    shown = [(index, threshold) for index, threshold in enumerate(scores.thresholds) if threshold <= 1]
    miou = [f"@{k} {scores.miou[k - 1]:.2%}" for k in ALL_SCORES_MIOU_CLICKS if k <= len(scores.miou)]
    limit = scores.max_clicks
    rows = {
        "NoC (std)": _per_threshold(shown, lambda i: f"{scores.noc[i]:.2f} ({scores.noc_std[i]:.2f})"),
        f"NoF, not reached in {limit} clicks": _per_threshold(shown, lambda i: f"{scores.nof[i]}"),
        f"NoF as published, NoC = {limit}": _per_threshold(shown, lambda i: f"{scores.nof_published[i]}"),
        "mIoU": "   ".join(miou) + ("" if len(scores.miou) == limit else "   (later clicks: --iou-analysis)"),
    }
    lines = [
        f"{printable(f'{name} on {scores.dataset}')}: {scores.objects} objects, {scores.clicks} clicks, "
        f"{scores.spc:.3f} s per click{_parts_of(scores)}, {scores.spi:.3f} s per object",
        *(f"  {label:32} {values}" for label, values in rows.items()),
    ]
    return "\n".join(lines)


def parts_scores(parts: Mapping[str, DatasetScores]) -> str:
    """Format the main scores of each part of a data set, in a line of its own behind a newline."""
    width = max(map(len, parts), default=0)
    return "".join(f"\n  {name:{width}} {_main_scores(scores)}" for name, scores in parts.items())


def _main_scores(scores: DatasetScores) -> str:
    shown = [(index, threshold) for index, threshold in enumerate(scores.thresholds) if threshold <= 1]
    noc = _per_threshold(shown, lambda i: f"{scores.noc[i]:.2f}")
    nof = _per_threshold(shown, lambda i: f"{scores.nof[i]}")
    miou = "   ".join(f"@{k} {scores.miou[k - 1]:.2%}" for k in (1, 5) if k <= len(scores.miou))
    return f"{scores.objects} objects: NoC {noc}; NoF {nof}; mIoU {miou}"


def _parts_of(scores: DatasetScores) -> str:
    """Tell first clicks from the others, and how often the network ran, as far as that is known."""
    parts = [
        f"{name} {value:{form}}"
        for name, value, form in (
            ("first", scores.first_spc, ".3f"),
            ("next", scores.next_spc, ".3f"),
            ("network passes", scores.passes, ".2f"),
        )
        if value is not None
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _per_threshold(shown: Sequence[tuple[int, float]], value: Callable[[int], str]) -> str:
    return "   ".join(f"@{100 * threshold:g}% {value(index)}" for index, threshold in shown)


def protocol_line(
    info: RunInfo, settings: EvalSettings, inference: InferenceSettings, scores: DatasetScores | None = None
) -> str:
    """Return one line with everything in which two evaluations must agree to be comparable.

    Args:
        info, settings, inference: of the evaluation.
        scores: tell how many objects the images hold; None where that is not known.
    """
    stop = f"stop at IoU {settings.target_iou:g}" if settings.target_iou <= 1 else "never stop early"
    clicks = f"{settings.min_clicks} to {settings.max_clicks} clicks, {stop}"
    seen = "" if inference.clicks_limit is None else f", the network sees the first {inference.clicks_limit}"
    only = "" if info.max_objects is None else f"; only the first {info.max_objects} objects"
    only += "" if info.init_masks is None else f"; initial masks: {printable(info.init_masks)}"
    instead = "" if info.own_protocol is None else f" (the network's own is {info.own_protocol})"
    first = "" if info.first_prompt is None else f"; first prompt: {info.first_prompt}"
    objects = "" if scores is None else f"objects: {objects_of(scores)}; "
    return (
        f"Protocol: {info.protocol} {info.eval_mode}{instead}, mode {info.mode}; {objects}mask where probability > "
        f"{settings.threshold:g}; {describe(inference)}; {clicks}{seen}; simulated user: {simulated_user(settings)}"
        f"{first}; device {info.device}{only}"
    )


def objects_of(scores: DatasetScores) -> str:
    """Say whether images hold several objects, each of which is then clicked on its own."""
    if scores.objects > scores.images:
        return f"{scores.objects} on {scores.images} images, each clicked on its own"
    return "one in each image"


def simulated_user(settings: EvalSettings) -> str:
    """Say where the simulated user clicks."""
    parts = [TIE_RULE if settings.clicker == "centre" else f"{ANYWHERE}, seed {settings.seed}"]
    if settings.box_jitter:
        parts.append(f"boxes off by up to {settings.box_jitter:g} of their sides, seed {settings.seed}")
    if settings.prompt == "mask":
        parts.append(f"simulated masks of seed {settings.seed}")
    return "; ".join(parts)


def describe(inference: InferenceSettings) -> str:
    """Describe crop, input size, flipping and what follows in words."""
    zoom = inference.zoom_in
    if zoom is None:
        parts = ["no zoom-in"]
    else:
        size = zoom.target_size
        shown = f" to {size[0]}x{size[1]}" if isinstance(size, tuple) else f", longest side {size}" if size else ""
        moves = "follows every prediction" if zoom.always_recompute else "kept while it fits"
        parts = [
            f"zoom-in from click {max(1, zoom.skip_clicks + 1)} "
            f"(box x {zoom.expansion_ratio:g}{shown}, at least {zoom.min_crop_size} pixels, {moves})"
        ]
    if inference.resize is not None:
        parts.append(f"network input {inference.resize[0]}x{inference.resize[1]}")
    if inference.short_side is not None:
        parts.append(f"shorter side {inference.short_side}, sides multiples of {MULTIPLE}")
    if inference.max_size is not None:
        parts.append(f"longest side at most {inference.max_size}")
    parts.append("flip average" if inference.flip else "no flipping")
    if isinstance(inference.postprocess, FocusRefine):
        parts.append(f"refined in a focus crop (box x {inference.postprocess.crop_ratio:g})")
    elif inference.postprocess is not None:
        parts.append("pixel diffusion")
    if inference.corrects_masks:
        parts.append("backbone at the first click only")
    if cascade := inference.cascade:
        first = "the first click" if cascade.clicks == 1 else f"the first {cascade.clicks} clicks"
        more = "up to " if cascade.adaptive else ""
        parts.append(f"cascade of {more}{cascade.steps} more {'pass' if cascade.steps == 1 else 'passes'} on {first}")
    if inference.second_look:
        parts.append("a second look at the first click")
    if inference.widen:
        parts.append(f"up to {inference.widen} looks with larger crops")
    if inference.precision is not None:
        parts.append(f"computed in {inference.precision}")
    if inference.compiled:
        parts.append("compiled")
    if inference.merge != "published":
        parts.append(f"merging into initial masks: {inference.merge}")
    return ", ".join(parts)


def device_name(device: torch.device) -> str:
    """Name a device: ``cpu``, or ``cuda:0`` with the name of the GPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
