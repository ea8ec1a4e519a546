"""A whole evaluation, as ``scripts/evaluate_model.py`` starts it: checkpoints x data sets, logs, reports, images.

What is written, with ``<run>`` for ``[<prefix>_]<eval_mode>_<mode>_<n_clicks>``, where the prefix tells the
checkpoints of an experiment and what ``--cf-n`` asks for (``acf4_1clk``: 4 more passes on the first click, adaptive):

- ``<logs dir>/<run>.txt``: the table of the published code, to which rows are appended; when several checkpoints are
  evaluated and there is a prefix, the data set's name stands behind it;
- ``<logs dir>/<run>/``: ``records_<dataset>.jsonl``, ``report_<dataset>.txt`` (the table and all other scores),
  ``miou_<dataset>.png``, ``best_<dataset>.png`` and ``worst_<dataset>.png``; and ``summary.json`` and ``summary.csv``
  of these and of earlier runs into this folder; of several checkpoints each has a folder in it;
- ``<logs dir>/ious/``, ``plots/`` and ``predictions_vis/``: what ``--save-ious``, ``--iou-analysis`` and
  ``--vis-preds`` ask for;
- ``<vis path>/<dataset>/``: what ``--vis`` asks for.

The logs dir is ``<logs path>/others/<stem of the checkpoint>``, of several their names with + between them; with
``--exp-path`` it is ``<logs path>/<experiment>``.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from isegm.data import get_dataset
from isegm.data.initial_masks import STARTED, InitialMaskDataset
from isegm.evaluation import plots, reports
from isegm.evaluation.loop import ClickEvent, EvaluationDataset, evaluate_dataset, replay
from isegm.evaluation.panels import SamplePanels
from isegm.evaluation.records import ObjectRecord, RecordWriter
from isegm.evaluation.scores import DatasetScores, score
from isegm.evaluation.selection import Selection, select_checkpoints, select_experiment
from isegm.inference.cascade import Cascade
from isegm.inference.mask_metrics import number_of_clicks
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import CLICKSEG_MODES, InferenceSettings, settings_for
from isegm.inference.refinement import Refinement, build_refinement, list_refinements
from isegm.inference.simulation import NEVER_STOP, EvalSettings
from isegm.model.base import ClickModel
from isegm.model.checkpoint import DEFAULT_CHECKPOINT, load_model
from isegm.utils.errors import InputError
from isegm.utils.exp import load_config_file
from isegm.utils.files import atomic_write, sha256

CPU = torch.device("cpu")
# What the positional argument may be, and the inference protocol that it asks for; None: the network's own.
MODES: dict[str, str | None] = {"NoBRS": None, **CLICKSEG_MODES, **dict.fromkeys(list_refinements())}
USUAL_MODES = {protocol: mode for mode, protocol in CLICKSEG_MODES.items()}
VIS_PATH = "./experiments/vis_val"
LEAST_SIDE = 32  # of the network's input in pixels, below which nothing is left at its coarsest stage
CASES = 6  # objects on a sheet of best or worst cases


@dataclass(frozen=True)
class EvalOptions:
    """What the command line says; its help explains each option."""

    mode: str | None = None
    checkpoint: str | None = None
    exp_path: str | None = None
    model_dir: str = ""
    datasets: str = "GrabCut,Berkeley,DAVIS,SBD,PascalVOC"
    init_masks: str | None = None
    merge: str = "published"
    device: torch.device = CPU
    target_iou: float = 0.90
    iou_analysis: bool = False
    n_clicks: int = 20
    min_n_clicks: int = 1
    thresh: float = 0.49
    clicks_limit: int | None = None
    eval_mode: str = "cvpr"
    infer_size: int | None = None
    target_crop_r: float = 1.4
    focus_crop_r: float = 1.4
    cf_n: int = 0
    cf_click: int = 1
    acf: bool = False
    save_ious: bool = False
    print_ious: bool = False
    vis_preds: bool = False
    vis: bool = False
    vis_path: str | None = None
    model_name: str | None = None
    config_path: str = "./config.yml"
    logs_path: str = ""
    batch_size: int = 1
    resume: bool = False
    max_objects: int | None = None
    overlays: bool = True
    command: str = ""

    def __post_init__(self) -> None:
        if self.mode is not None and self.mode not in MODES:
            raise InputError(f"there is no mode {self.mode}: known are {', '.join(MODES)}.")
        bounds = (("target_iou", 0.0, 1.0), ("target_crop_r", 1.0, 100.0), ("focus_crop_r", 1.0, 100.0))
        for name, least, most in bounds:
            value = getattr(self, name)
            if not least <= value <= most:  # also refuses NaN
                raise InputError(f"--{name.replace('_', '-')} is {value:g}: give a number from {least:g} to {most:g}.")
        for name, least in (
            ("n_clicks", 1), ("min_n_clicks", 1), ("batch_size", 1), ("max_objects", 1), ("infer_size", LEAST_SIDE),
            ("cf_n", 0), ("cf_click", 1),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"--{name.replace('_', '-')} is {value}: give a number of at least {least}.")
        if self.min_n_clicks > self.n_clicks:
            raise InputError(f"--min-n-clicks {self.min_n_clicks} is more than --n-clicks {self.n_clicks}: lower it.")
        if self.clicks_limit is not None and self.clicks_limit != -1 and self.clicks_limit < 1:
            raise InputError(
                f"--clicks-limit is {self.clicks_limit}: give at least 1, or -1 for the number of --n-clicks."
            )

    def refinement(self) -> Refinement | None:
        """What improves on the network's answers in this mode; None in modes that take them as they are."""
        return build_refinement(self.mode) if self.mode in list_refinements() else None

    def cascade(self) -> Cascade | None:
        """How often a click is answered; None for once."""
        return Cascade(self.cf_n, self.acf, self.cf_click) if self.cf_n else None

    def eval_settings(self) -> EvalSettings:
        """When clicking stops: never early where IoUs of all clicks are asked for, and not below an IoU of 0.8."""
        every_click = (self.iou_analysis or self.print_ious) and self.min_n_clicks <= 1
        target = NEVER_STOP if every_click else max(0.8, self.target_iou)
        return EvalSettings(target, self.n_clicks, self.min_n_clicks, self.thresh)

    def inference_settings(self, protocol: str, dataset: str) -> InferenceSettings:
        """Crop, size, flipping and what follows for a data set."""
        dataset = dataset if self.init_masks is None else dataset.removesuffix(STARTED)
        limit = self.n_clicks if self.clicks_limit == -1 else self.clicks_limit
        sizes = (self.infer_size, self.target_crop_r)
        settings = settings_for(protocol, self.eval_mode, dataset, *sizes, limit, self.focus_crop_r)
        return replace(settings, merge=self.merge, cascade=self.cascade())


@dataclass(frozen=True)
class Candidate:
    """One checkpoint, how it is evaluated and where that is logged.

    Attributes:
        name: of its rows: the mode, or the checkpoint's name where several are compared.
        facts: for the reports.
        selection: what it was chosen with.
        run_name: what the names of its logs end in.
        folder: of its records, summary and images.
    """

    name: str
    facts: reports.RunInfo
    selection: Selection
    run_name: str
    folder: Path

    def text_log(self, dataset: str) -> Path:
        """The file that the row of a data set goes to."""
        parts = [dataset] if self.selection.several and self.selection.prefix else []
        return self.selection.logs_dir / f"{self.selection.with_prefix('_'.join([*parts, self.run_name]))}.txt"


@dataclass(frozen=True)
class Outcome:
    """A checkpoint's scores on a data set."""

    candidate: Candidate
    inference: InferenceSettings
    scores: DatasetScores


def run_evaluation(options: EvalOptions) -> None:
    """Evaluate every checkpoint on every data set; prints the table and writes what the module's docstring lists.

    Raises:
        InputError: an option, a file or a data set is not usable; missing data sets and empty masks are known before
            the first click.
    """
    cfg = load_config_file(options.config_path)
    settings = options.eval_settings()
    selection = _select(options, cfg)
    for name in ("iou_analysis", "save_ious"):  # their files are named by data set and mode alone, as published
        if getattr(options, name) and selection.several:
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} takes one checkpoint, got {len(selection.checkpoints)}: choose one.")
    datasets = _load_datasets(options, cfg)
    refinement = options.refinement()
    demands = [part for part in (refinement, options.cascade()) if part is not None]
    if demands and selection.several:  # of one checkpoint the predictor asks this in time
        for path in selection.checkpoints:
            network = load_model(path, CPU)
            for part in demands:
                part.check(network)

    outcomes: list[Outcome] = []
    model = candidate = None
    for dataset in datasets:
        for path in selection.checkpoints:
            if model is None or selection.several:  # one checkpoint is read once
                model, candidate = _load(options, selection, path, _init_masks(dataset))
            inference = options.inference_settings(candidate.facts.protocol, dataset.name)
            predictor = Predictor(
                model, options.device, settings=inference, threshold=settings.threshold, refinement=refinement
            )
            records = _evaluate(options, candidate, dataset, settings, predictor)
            scores = score(records, dataset.name, settings.target_iou, settings.max_clicks)
            outcomes.append(Outcome(candidate, predictor.settings, scores))

            header = reports.table_header(selection.model_name, candidate.facts.protocol, settings.max_clicks)
            row = reports.table_row(candidate.name, scores, options.print_ious, options.max_objects)
            if not outcomes[1:]:
                tqdm.write(header)
            tqdm.write(row)
            log = candidate.text_log(dataset.name)
            reports.append_row(log, row, header, repeat=not options.resume)
            with atomic_write(candidate.folder / f"report_{dataset.name}.txt", "w") as file:
                file.write(f"{header}\n{row}\n\n{_account(outcomes[-1], settings)}\n")
            entry = reports.summary_entry(candidate.facts, settings, predictor.settings, scores)
            reports.add_to_summary(candidate.folder, entry)
            _dump_ious(options, candidate, dataset.name, records)
            _draw(options, candidate, dataset, settings, predictor, records)
    print("", *(_account(outcome, settings) for outcome in outcomes), f"Logs: {selection.logs_dir}", sep="\n")


def _select(options: EvalOptions, cfg: Mapping[str, Any]) -> Selection:
    """The checkpoints that the options name; the shipped one when they name none."""
    experiments = Path(cfg.get("EXPS_PATH", "./experiments"))
    logs_root = Path(options.logs_path) if options.logs_path else experiments / "evaluation_logs"
    if options.exp_path is not None:
        selection = select_experiment(options.exp_path, experiments, logs_root)
    else:
        folder = options.model_dir or cfg.get("INTERACTIVE_MODELS_PATH", "./weights")
        names = str(DEFAULT_CHECKPOINT) if options.checkpoint is None else options.checkpoint
        selection = select_checkpoints(names, folder, logs_root)
    cascade = options.cascade()
    if cascade is None:
        return selection
    kind = "acf" if cascade.adaptive else "cf"
    return selection.tagged(f"{kind}{cascade.steps}_{cascade.clicks}clk", logs_root)


def _load_datasets(options: EvalOptions, cfg: Mapping[str, Any]) -> list[EvaluationDataset]:
    """All data sets, so that a missing file and an empty mask are known before hours of clicking."""
    wanted = dict.fromkeys(name.strip() for name in options.datasets.split(",") if name.strip())
    if not wanted:
        raise InputError("--datasets names no data set: give names with commas between them, such as GrabCut,Berkeley.")
    if options.init_masks is not None and len(wanted) > 1:
        raise InputError(f"--init-masks belongs to one data set, --datasets names {len(wanted)}: give one.")
    datasets = [get_dataset(name, cfg) for name in wanted]
    if options.init_masks is not None:
        datasets = [InitialMaskDataset(datasets[0], options.init_masks, options.max_objects)]
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two of the data sets in --datasets are named {name}: evaluate them one by one.")
    for dataset in datasets:
        dataset.check(options.max_objects)
    return datasets


def _init_masks(dataset: EvaluationDataset) -> str | None:
    """Which masks ``--init-masks`` starts the objects from; None without it."""
    return dataset.origin if isinstance(dataset, InitialMaskDataset) else None


def _load(
    options: EvalOptions, selection: Selection, path: Path, init_masks: str | None
) -> tuple[ClickModel, Candidate]:
    """A network, and how it is evaluated."""
    model = load_model(path, options.device)
    mode = options.mode or USUAL_MODES.get(model.protocol, "NoBRS")
    facts = reports.RunInfo(
        model_name=f"{selection.model_name}, {selection.own_name(path)}" if selection.several else selection.model_name,
        mode=mode,
        protocol=MODES[mode] or model.protocol,
        eval_mode=options.eval_mode,
        checkpoint=str(path),
        sha256=sha256(path),
        network=model.config["model"],
        device=reports.device_name(options.device),
        command=options.command,
        started=datetime.now().isoformat(timespec="seconds"),
        max_objects=options.max_objects,
        init_masks=init_masks,
    )
    run_name = f"{options.eval_mode}_{mode}_{options.n_clicks}"
    folder = selection.logs_dir / selection.with_prefix(run_name)
    if not selection.several:
        return model, Candidate(mode, facts, selection, run_name, folder)
    return model, Candidate(selection.row_name(path), facts, selection, run_name, folder / selection.folder_name(path))


def _evaluate(
    options: EvalOptions,
    candidate: Candidate,
    dataset: EvaluationDataset,
    settings: EvalSettings,
    predictor: Predictor,
) -> list[ObjectRecord]:
    """Records of a data set: those that ``--resume`` finds, and the rest evaluated now."""
    identity = {
        "checkpoint": candidate.facts.sha256,
        "protocol": candidate.facts.protocol,
        "inference": asdict(predictor.settings),
        "dataset": dataset.name,
        "samples": len(dataset),
        "fingerprint": dataset.fingerprint,
        "max_objects": options.max_objects,
        "init_masks": candidate.facts.init_masks,
        "device": options.device.type,
        **asdict(settings),
    }
    if predictor.refinement is not None:
        identity["refinement"] = asdict(predictor.refinement)
    drawing = _drawing(options, candidate, dataset)

    def on_click(event: ClickEvent) -> None:
        for draw in drawing:
            draw(event)

    with RecordWriter(candidate.folder / f"records_{dataset.name}.jsonl", identity, options.resume) as writer:
        records = list(writer.records)
        done = {record.key for record in records}
        fresh = evaluate_dataset(dataset, predictor, settings, options.batch_size, done, options.max_objects, on_click)
        for record in _with_progress(fresh, records, dataset, settings):
            writer.write(record)
            records.append(record)
    return records


def _drawing(
    options: EvalOptions, candidate: Candidate, dataset: EvaluationDataset
) -> list[Callable[[ClickEvent], None]]:
    """What draws each click, or each object's end."""

    def folder(root: Path) -> Path:
        return (root / candidate.folder.name if candidate.selection.several else root) / dataset.name

    drawing: list[Callable[[ClickEvent], None]] = []
    if options.vis_preds:
        drawing.append(plots.ClickImages(folder(candidate.selection.logs_dir / "predictions_vis")))
    if options.vis or options.vis_path is not None:
        drawing.append(SamplePanels(folder(Path(options.vis_path or VIS_PATH)), options.resume))
    return drawing


def _with_progress(
    fresh: Iterator[ObjectRecord], there: list[ObjectRecord], dataset: EvaluationDataset, settings: EvalSettings
) -> Iterator[ObjectRecord]:
    """Pass records on while a bar on stderr shows the sample and the running NoC, those already there included."""
    target = settings.target_iou if settings.target_iou <= 1 else 0.90
    counts = [number_of_clicks(record.ious, target, settings.max_clicks) for record in there]
    with tqdm(total=len(dataset), initial=there[-1].index if there else 0, desc=dataset.name) as bar:
        for record in fresh:
            yield record
            counts.append(number_of_clicks(record.ious, target, settings.max_clicks))
            bar.set_postfix({"objects": len(counts), f"NoC@{100 * target:g}": f"{np.mean(counts):.2f}"}, refresh=False)
            bar.update(record.index + 1 - bar.n)


def _account(outcome: Outcome, settings: EvalSettings) -> str:
    """All scores of a data set, and by which protocol they came about."""
    candidate = outcome.candidate
    protocol = reports.protocol_line(candidate.facts, settings, outcome.inference)
    return f"{reports.account(candidate.name, outcome.scores)}\n  {protocol}"


def _dump_ious(options: EvalOptions, candidate: Candidate, dataset: str, records: list[ObjectRecord]) -> None:
    """The pickles of ``--save-ious`` and ``--iou-analysis`` in the form of the published code."""
    ious = [np.array(record.ious, dtype=np.float32) for record in records]
    selection, stem = candidate.selection, f"{dataset}_{candidate.run_name}"
    if options.save_ious:
        with atomic_write(selection.logs_dir / "ious" / selection.prefix / f"{stem}.pkl") as file:
            pickle.dump(ious, file)
    if options.iou_analysis:
        shown = f"{options.model_name or selection.model_name}_{candidate.facts.mode}"
        with atomic_write(selection.logs_dir / "plots" / f"{selection.with_prefix(stem)}.pickle") as file:
            pickle.dump({"dataset_name": dataset, "model_name": shown, "all_ious": ious}, file)


def _draw(
    options: EvalOptions,
    candidate: Candidate,
    dataset: EvaluationDataset,
    settings: EvalSettings,
    predictor: Predictor,
    records: list[ObjectRecord],
) -> None:
    """The plot of mean IoU per click, and the sheets of best and worst objects unless they are not wanted."""
    title = f"{candidate.facts.model_name} ({candidate.facts.mode}) on {dataset.name}"
    plots.save_figure(plots.miou_figure(records, title), candidate.folder / f"miou_{dataset.name}.png")
    if not options.overlays:
        return
    order = plots.ranked(records, settings.target_iou, settings.max_clicks)
    for kind, chosen in (("best", order[:CASES]), ("worst", order[: -CASES - 1 : -1])):
        cases = []
        for record in chosen:
            sample = dataset.get_sample(record.index)
            mask = replay(record, sample, predictor).mask(settings.threshold)
            cases.append(plots.Case(record, sample.image, sample.get_object_mask(record.object_id), mask))
        sheet = plots.contact_sheet(cases, f"{kind} of {title}")
        plots.save_figure(sheet, candidate.folder / f"{kind}_{dataset.name}.png")
