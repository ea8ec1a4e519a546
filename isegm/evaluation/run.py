"""A whole evaluation: select checkpoints, load data sets, evaluate each pair, report.

``LogPaths`` lists the files that are written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from isegm.data import EvaluationDataset
from isegm.data.datasets.base import HasParts
from isegm.data.initial_masks import InitialMaskDataset
from isegm.evaluation import handout, reports, summary
from isegm.evaluation.effective_options import named_settings, without_effect
from isegm.evaluation.inputs import check_inputs, first_prompt, load_datasets, require_one_checkpoint
from isegm.evaluation.log_paths import LogPaths
from isegm.evaluation.loop import evaluate_dataset, usual_batch_size
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.parts import SharedRecords, shared_records, speed_line
from isegm.evaluation.protocol_names import protocol_of
from isegm.evaluation.records import EACH_OBJECT, ObjectRecord
from isegm.evaluation.resuming import recorded_objects
from isegm.evaluation.scores import DatasetScores, score
from isegm.evaluation.selection import Selection, select
from isegm.evaluation.sinks import EvaluationSink
from isegm.evaluation.table_form import TableForm
from isegm.inference.cascade import Cascade
from isegm.inference.mask_metrics import number_of_clicks
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import NO_BRS, RITM, protocol_named
from isegm.inference.simulation import EvalSettings
from isegm.model.checkpoint import load_model
from isegm.model.click_model import ClickModel
from isegm.utils import distributed
from isegm.utils.errors import InputError
from isegm.utils.exp import load_config_file
from isegm.utils.files import atomic_write, sha256
from isegm.utils.log import logger, printable


@dataclass(frozen=True)
class CheckpointRun:
    """One checkpoint that is evaluated.

    Attributes:
        model: the network.
        row_name: of its rows: the mode, or the checkpoint's name if several are evaluated.
        info: for the reports.
        paths: of its files.
    """

    model: ClickModel
    row_name: str
    info: reports.RunInfo
    paths: LogPaths


def run_evaluation(options: EvalOptions) -> None:
    """Evaluate every checkpoint on every data set, print the table and write the files.

    Several processes of ``isegm.utils.distributed`` share the samples of each data set, and the first one reports.

    Raises:
        InputError: an option, a file or a data set is not usable; missing data sets and empty masks are reported before
            the first click.
    """
    if options.box_jitter and options.prompts != "box":
        raise InputError("--box-jitter moves the sides of boxes: give --prompts box too, or leave it out.")
    if options.further_looks and options.refinement() is not None:
        raise InputError(f"--further-looks is for what a network answers itself: leave it out with {options.mode}.")
    cfg = load_config_file(options.config_path)
    lowest = options.eval_settings(RITM).target_iou
    if options.target_iou is not None and options.target_iou < lowest <= 1:
        logger.warning(
            "--target-iou %g is below %g, the lowest of published evaluations: clicking stops at %g",
            *(options.target_iou, lowest, lowest),
        )
    if not options.cf_n and (options.acf or options.cf_click != Cascade.clicks):
        logger.warning("--acf and --cf-click have no effect without --cf-n: give it the number of further passes")
    selection = select(options, cfg)
    require_one_checkpoint(options, selection)
    datasets = load_datasets(options, cfg)
    distributed.of_main(lambda: check_inputs(options, selection, datasets))

    told: set[Path] = set()
    summaries: list[str] = []
    folders: list[str] = []
    only = None if selection.several else _load_checkpoint(options, selection, selection.checkpoints[0], datasets)
    table = None  # its columns: those published with the protocol of the first row
    for dataset in datasets:
        for checkpoint in selection.checkpoints:
            run = only or _load_checkpoint(options, selection, checkpoint, datasets)
            settings = options.eval_settings(run.info.protocol)
            table = table or TableForm.of(run.info.protocol, options.cascade() is not None)
            if checkpoint not in told:
                told.add(checkpoint)
                _warn(options, run)
            predictor = Predictor(
                run.model,
                options.device,
                settings=options.inference_settings(run.info.protocol, dataset.name),
                threshold=settings.threshold,
                refinement=options.refinement(),
            )
            path, identity = run.paths.records(dataset.name), _identity(options, run, dataset, settings, predictor)
            with shared_records(path, identity, options.resume) as shared:
                sink = EvaluationSink(options, run.paths, dataset, run.info, protocol_of(identity, dataset.name))
                started = time.perf_counter()
                _evaluate(options, dataset, settings, predictor, sink, shared, path)
                records = shared.all_records()
                if not distributed.is_main():
                    continue
                took = time.perf_counter() - started
                if not summaries:
                    tqdm.write(reports.table_header(selection.model_name, table, options.n_clicks))
                speed = speed_line(shared.shares, took)
                title = selection.model_name
                summaries.append(_report(options, run, dataset, settings, predictor, records, title, table, speed))
                sink.on_finish(records, predictor)
            folders.append(f"Records, report and pictures: {printable(str(run.paths.folder))}")
    if not distributed.is_main():
        return
    print("", *summaries, *dict.fromkeys(folders), f"Logs: {printable(str(selection.logs_dir))}", sep="\n")


def _load_checkpoint(
    options: EvalOptions, selection: Selection, checkpoint: Path, datasets: Sequence[EvaluationDataset]
) -> CheckpointRun:
    """Load a network, and describe how it is evaluated."""
    model = load_model(checkpoint, options.device)
    assert model.config is not None  # set by load_model
    mode = options.mode or (NO_BRS if options.eval_ritm else protocol_named(model.protocol).mode)
    protocol = replace(options, mode=mode).protocol_of(model)
    names = selection.names(checkpoint)
    info = reports.RunInfo(
        model_name=f"{selection.model_name}, {names.unique}" if selection.several else selection.model_name,
        mode=mode,
        protocol=protocol,
        eval_mode=options.eval_mode,
        checkpoint=str(checkpoint),
        sha256=sha256(checkpoint),
        network=model.config["model"],
        device=reports.device_name(options.device),
        command=options.command,
        started=datetime.now().isoformat(timespec="seconds"),
        max_objects=options.max_objects,
        init_masks=next((one.origin for one in datasets if isinstance(one, InitialMaskDataset)), None),
        own_protocol=None if protocol == model.protocol else model.protocol,
        first_prompt=first_prompt(options, model),
    )
    row_name = names.row if selection.several else TableForm.of(protocol).row_name or mode
    named = _named_settings(options, info)
    paths = LogPaths.of(
        selection,
        checkpoint,
        f"{options.eval_mode}_{mode}_{options.n_clicks}",
        [f"{name}-{value}" for name, value in named.items()],
    )
    return CheckpointRun(model, row_name, info, paths)


def _named_settings(options: EvalOptions, info: reports.RunInfo) -> dict[str, str]:
    """Name what sets the evaluation of a network apart from one with the default options."""
    of_protocol = {"eval-ritm": "yes"} if options.eval_ritm and info.own_protocol else {}
    return of_protocol | named_settings(options, info.protocol)


def _warn(options: EvalOptions, run: CheckpointRun) -> None:
    """Say which options change another thing than one may think, or nothing, for a network."""
    if options.eval_ritm:
        logger.warning("%s", _told_of_eval_ritm(run))
    ignored = without_effect(options, run.info.protocol)
    if ignored:
        logger.warning("the inference protocol %s does not read %s: no effect", run.info.protocol, ", ".join(ignored))


def _told_of_eval_ritm(run: CheckpointRun) -> str:
    """Say what ``--eval-ritm`` changes for a network."""
    network, own = run.info.network, run.info.own_protocol
    if own is None:
        return (
            f"--eval-ritm changes nothing for {network}, whose protocol is RITM's: with one object in each "
            "image and with several, each object is clicked on its own with the option and without"
        )
    return (
        f"--eval-ritm: {network} is evaluated by RITM's protocol instead of its own, {own}; tables, reports and "
        "records say so, and published values do not stand beside them"
    )


def _identity(
    options: EvalOptions, run: CheckpointRun, dataset: EvaluationDataset, settings: EvalSettings, predictor: Predictor
) -> dict[str, Any]:
    """Say everything in which two runs on a data set must agree to be the same one, as plain data."""
    identity: dict[str, Any] = {
        "checkpoint": run.info.sha256,
        "protocol": run.info.protocol,
        "inference": asdict(predictor.settings),
        "dataset": dataset.name,
        "samples": len(dataset),
        "fingerprint": distributed.of_main(lambda: dataset.fingerprint),
        "max_objects": options.max_objects,
        "init_masks": run.info.init_masks,
        "device": options.device.type,
        "objects": EACH_OBJECT,
        **settings.as_dict(),
    }
    if options.n_clicks != settings.max_clicks:  # clicks that scores count
        identity["n_clicks"] = options.n_clicks
    if options.eval_ritm and run.info.own_protocol:
        identity["own_protocol"] = run.info.own_protocol
    if predictor.refinement is not None:
        identity["refinement"] = asdict(predictor.refinement)
    plain: dict[str, Any] = json.loads(json.dumps(identity))  # as it comes back from a file: lists for tuples
    return plain


def _evaluate(
    options: EvalOptions,
    dataset: EvaluationDataset,
    settings: EvalSettings,
    predictor: Predictor,
    sink: EvaluationSink,
    shared: SharedRecords,
    path: Path,
) -> None:
    """Evaluate the objects without records, as many of them as fall to this process."""
    if options.resume and not shared.earlier:
        logger.info("there are no records in %s to resume: a new evaluation begins", path)
    known = distributed.of_main(lambda: recorded_objects(shared.earlier, dataset, options.max_objects, path))
    alone = distributed.world_size() == 1  # then objects are counted when their turn comes, and read once
    work = distributed.of_main(lambda: handout.work_of(dataset, None if alone else options.max_objects))
    if distributed.world_size() > max(work.samples, 1):
        logger.warning(
            "%d processes share the %d images of %s: the others have nothing to do",
            *(distributed.world_size(), work.samples, printable(dataset.name)),
        )
    new_records = evaluate_dataset(
        dataset,
        predictor,
        settings,
        batch_size=options.batch_size or usual_batch_size(options.device),
        done=work.without.union(record.key for record in shared.earlier),
        max_objects=options.max_objects if alone else None,
        on_click=sink.on_click,
        known=known,
        indices=None if alone else handout.handed_out(work),
    )
    for record in _with_progress(new_records, shared.earlier, dataset, settings):
        shared.write(record)


def _with_progress(
    new_records: Iterator[ObjectRecord],
    earlier: Sequence[ObjectRecord],
    dataset: EvaluationDataset,
    settings: EvalSettings,
) -> Iterator[ObjectRecord]:
    """Pass records on; a bar on stderr shows the sample and the running NoC, earlier records included."""
    target = settings.target_iou if settings.target_iou <= 1 else 0.90
    nocs = [number_of_clicks(record.ious, target, settings.max_clicks) for record in earlier]
    with tqdm(
        total=len(dataset),
        initial=earlier[-1].index if earlier else 0,
        desc=printable(dataset.name),
        disable=not distributed.is_main(),
    ) as bar:
        for record in new_records:
            yield record
            nocs.append(number_of_clicks(record.ious, target, settings.max_clicks))
            bar.set_postfix({"objects": len(nocs), f"NoC@{100 * target:g}": f"{np.mean(nocs):.2f}"}, refresh=False)
            bar.update(record.index + 1 - bar.n)
        bar.total = bar.n  # --max-objects ends before the last image
        bar.refresh()


def _report(
    options: EvalOptions,
    run: CheckpointRun,
    dataset: EvaluationDataset,
    settings: EvalSettings,
    predictor: Predictor,
    records: Sequence[ObjectRecord],
    title: str,
    table: TableForm,
    speed: str,
) -> str:
    """Print the row of a data set, write table, report and summary, and return all scores as lines of text."""
    scores = score(records, dataset.name, settings.target_iou, options.n_clicks)
    header = reports.table_header(title, table, options.n_clicks)
    shown = {"protocol": run.info.protocol}
    if scores.objects > scores.images:
        shown["objects"] = f"{scores.objects}-on-{scores.images}-images"
    shown |= {"thresh": str(settings.threshold)} | _named_settings(options, run.info)
    shown = {name: value for name, value in shown.items() if name != "max-objects"}  # which the row says in words
    row = reports.table_row(run.row_name, scores, options.print_ious, options.max_objects, shown, table)
    tqdm.write(row)
    summary.append_row(run.paths.table(dataset.name), row, header, repeat=not options.resume)

    protocol = reports.protocol_line(run.info, settings, predictor.settings, scores)
    parts = _scores_of_parts(dataset, records, scores)
    details = f"{reports.all_scores(run.row_name, scores)}{reports.parts_scores(parts)}\n  {protocol}{speed}"
    with atomic_write(run.paths.report(dataset.name), "w") as file:
        file.write(f"{header}\n{row}\n\n{details}\n")
    entry = summary.summary_entry(run.info, settings, predictor.settings, scores, parts)
    summary.add_to_summary(run.paths.folder, entry)
    return details


def _scores_of_parts(
    dataset: EvaluationDataset, records: Sequence[ObjectRecord], whole: DatasetScores
) -> dict[str, DatasetScores]:
    """Score each part of a data set that has several; parts without an object are left out."""
    parts: Mapping[str, range] = dataset.parts if isinstance(dataset, HasParts) else {}
    if len(parts) < 2:
        return {}
    found = {name: [record for record in records if record.index in part] for name, part in parts.items()}
    return {name: score(part, name, whole.target_iou, whole.max_clicks) for name, part in found.items() if part}
