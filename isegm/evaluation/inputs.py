"""What an evaluation reads: checkpoints and data sets, checked before the first click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isegm.data import EvaluationDataset, SamplesDataset, get_dataset
from isegm.data.catalogue import FOLDER_PREFIX, data_path, split_names
from isegm.data.initial_masks import InitialMaskDataset
from isegm.evaluation.options import CPU, MODES, PUBLISHED_SETS, EvalOptions
from isegm.evaluation.selection import Selection
from isegm.model.checkpoint import load_model
from isegm.model.click_model import ClickModel
from isegm.prompts import how_read
from isegm.utils.errors import InputError
from isegm.utils.log import logger

SAMPLES = SamplesDataset.name


def require_one_checkpoint(options: EvalOptions, selection: Selection) -> None:
    """Refuse several checkpoints for published files whose names say only the data set and the mode."""
    for name in ("iou_analysis", "save_ious"):
        if getattr(options, name) and selection.several:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} takes one checkpoint, got {len(selection.checkpoints)}: choose one.")


def load_datasets(options: EvalOptions, cfg: Mapping[str, Any]) -> list[EvaluationDataset]:
    """Load all data sets that the options name, or the published ones that are there.

    Raises:
        InputError: one is missing or named twice, or several are with initial masks.
    """
    if options.datasets is None:
        names = dict.fromkeys(_published_sets_there(cfg))
    else:
        names = dict.fromkeys(name for name in split_names(options.datasets, FOLDER_PREFIX) if name)
    if not names:
        raise InputError("--datasets names no data set: give names with commas between them, such as GrabCut,Berkeley.")
    if options.init_masks is not None and len(names) > 1:
        raise InputError(f"--init-masks belongs to one data set, --datasets names {len(names)}: give one.")
    datasets: list[EvaluationDataset] = [get_dataset(name, cfg) for name in names]
    if options.init_masks is not None:
        datasets = [InitialMaskDataset(datasets[0], options.init_masks, options.max_objects)]
    own_names = [dataset.name for dataset in datasets]
    for name in own_names:
        if own_names.count(name) > 1:
            raise InputError(f"two of the data sets in --datasets are named {name}: evaluate them one by one.")
    return datasets


def check_inputs(options: EvalOptions, selection: Selection, datasets: Sequence[EvaluationDataset]) -> None:
    """Raise InputError for missing files and empty masks, which are better known before hours of clicking.

    And unless all networks can be refined and cascaded as the options ask. One checkpoint is not loaded for that: its
    predictor checks it before the first click.
    """
    for dataset in datasets:
        dataset.check(options.max_objects)
    protocol = None if options.mode is None else MODES[options.mode]
    settings = None if protocol is None else options.inference_settings(protocol, "")
    parts = [part for part in (settings, options.refinement(), options.cascade()) if part is not None]
    if not parts or not selection.several:
        return
    for checkpoint in selection.checkpoints:
        model = load_model(checkpoint, CPU)
        for part in parts:
            part.check(model)


def first_prompt(options: EvalOptions, model: ClickModel) -> str | None:
    """Say how the network sees the first prompt; None where that is a click.

    Raises:
        InputError: it would not see it, nor would its mask change.
    """
    if options.prompts == "click":
        return None
    if options.prompts == "mask" and options.merge == "none" and not model.with_prev_mask:
        raise InputError(
            f"{type(model).__name__} reads no previous mask, and with --merge none predictions replace it, so that "
            "--prompts mask changes nothing: leave one of both out."
        )
    return f"{options.prompts}, {how_read(options.prompts, model.reads_strokes, model.with_prev_mask)}"


def _published_sets_there(cfg: Mapping[str, Any]) -> list[str]:
    """Name the published evaluation sets whose folders exist, or Samples if none does; a warning names the others."""
    there, missing = [], []
    for name in PUBLISHED_SETS:
        try:
            data_path(name, cfg)
        except InputError:
            missing.append(name)
        else:
            there.append(name)
    if missing:
        logger.warning(
            "%s %s not there, so that %s evaluated: isegm datasets says how to get the others, --datasets chooses",
            ", ".join(missing),
            "is" if len(missing) == 1 else "are",
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'}" if there else f"{SAMPLES} is",
        )
    return there or [SAMPLES]
