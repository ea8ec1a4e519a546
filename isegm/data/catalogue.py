"""Table of all data sets by name: the reader, and the key of config.yml that holds the path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isegm.data.compose import ComposeDataset, Reader
from isegm.data.datasets.ade20k import Ade20kClassesDataset, Ade20kDataset, Ade20kFullDataset
from isegm.data.datasets.base import EvaluationDataset
from isegm.data.datasets.benchmarks import (
    BerkeleyDataset,
    CocoMValBrightDataset,
    CocoMValDataset,
    DavisDataset,
    GrabCutDataset,
    HardDataset,
)
from isegm.data.datasets.coco import CocoDataset
from isegm.data.datasets.coco_lvis import CocoLvisDataset
from isegm.data.datasets.davis585 import Davis585Dataset
from isegm.data.datasets.hqseg44k import PARTS as HQSEG44K_PARTS
from isegm.data.datasets.hqseg44k import HQSeg44KDataset
from isegm.data.datasets.lvis import LvisDataset
from isegm.data.datasets.medical import BratsDataset, OaiZibDataset, SsTemDataset
from isegm.data.datasets.openimages import OpenImagesDataset
from isegm.data.datasets.packed import open_folder
from isegm.data.datasets.saliency import DutsTeDataset, DutsTrDataset, HFlickrDataset, Msra10kDataset, ThinObjectDataset
from isegm.data.datasets.samples import SamplesDataset
from isegm.data.datasets.sbd import SbdDataset, SbdEvaluationDataset
from isegm.data.datasets.voc import PascalVocDataset, PascalVocEvaluationDataset
from isegm.data.datasets.youtube_vos import YouTubeVosDataset
from isegm.utils.errors import InputError
from isegm.utils.inputs import require
from isegm.utils.schema import Instance, Text
from isegm.utils.spelling import nearest

FOLDER_PREFIX = "folder:"
PARTS = ("val", "train")  # of a folder, behind a colon
MOST_COMMAS = 20  # in the path of a folder, see ``split_names``
MOST_NAMES = 1000  # among which paths with commas are looked for
# Keys that are read where the first is not set: RITM's baselines on LVIS read LVIS_PATH, other scripts LVIS_v1_PATH.
OTHER_KEYS = {"LVIS_v1_PATH": ("LVIS_PATH",), "LVIS_PATH": ("LVIS_v1_PATH",)}


@dataclass(frozen=True)
class DataSet:
    """Row of the table.

    Attributes:
        reader: called with the path, if there is one, and ``options``.
        key: key of config.yml that holds the path; None for a data set without a path.
        options: further arguments of the reader.
    """

    reader: Callable[..., Any]
    key: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


EVALUATION_SETS: dict[str, DataSet] = {
    "GrabCut": DataSet(GrabCutDataset, "GRABCUT_PATH"),
    "Berkeley": DataSet(BerkeleyDataset, "BERKELEY_PATH"),
    "DAVIS": DataSet(DavisDataset, "DAVIS_PATH"),
    "COCO_MVal": DataSet(CocoMValDataset, "COCO_MVAL_PATH"),
    "COCO_MVal_CS": DataSet(CocoMValBrightDataset, "COCO_MVAL_PATH"),
    "D585_ZERO": DataSet(Davis585Dataset, "DAVIS585_PATH"),
    "D585_SP": DataSet(Davis585Dataset, "DAVIS585_PATH", {"start": "sp", "name": "D585_SP"}),
    "D585_STM": DataSet(Davis585Dataset, "DAVIS585_PATH", {"start": "stm", "name": "D585_STM"}),
    "SBD": DataSet(SbdEvaluationDataset, "SBD_PATH"),
    "SBD_Train": DataSet(SbdEvaluationDataset, "SBD_PATH", {"split": "train", "name": "SBD_Train"}),
    "PascalVOC": DataSet(PascalVocEvaluationDataset, "PASCALVOC_PATH"),
    "PascalVOC_SN": DataSet(PascalVocDataset, "PASCALVOC_PATH", {"split": "val", "name": "PascalVOC_SN"}),
    "ADE20K": DataSet(Ade20kClassesDataset, "ADE20K_PATH"),
    "BraTS": DataSet(BratsDataset, "BraTS_PATH"),
    "ssTEM": DataSet(SsTemDataset, "ssTEM_PATH"),
    "OAIZIB": DataSet(OaiZibDataset, "OAIZIB_PATH"),
    "HARD": DataSet(HardDataset, "HARD_PATH"),
    "HQSeg44K": DataSet(HQSeg44KDataset, "HQSeg44K_PATH", {"split": "val"}),
    **{
        f"HQSeg44K_{part}": DataSet(HQSeg44KDataset, "HQSeg44K_PATH", {"split": "val", "part": part})
        for part in HQSEG44K_PARTS["val"]
    },
    "Samples": DataSet(SamplesDataset),
}
TRAINING_SETS: dict[str, DataSet] = {
    "SBD": DataSet(SbdDataset, "SBD_PATH"),
    "PascalVOC": DataSet(PascalVocDataset, "PASCALVOC_PATH"),
    "COCO": DataSet(CocoDataset, "COCO_PATH"),
    "LVIS": DataSet(LvisDataset, "LVIS_PATH"),
    "COCO_LVIS": DataSet(CocoLvisDataset, "LVIS_v1_PATH"),
    "ADE20k": DataSet(Ade20kDataset, "ADE20K_PATH"),
    "ADE20k_full": DataSet(Ade20kFullDataset, "ADE20K_PATH"),
    "OpenImages": DataSet(OpenImagesDataset, "OPENIMAGES_PATH"),
    "MSRA10K": DataSet(Msra10kDataset, "MSRA10K_PATH"),
    "DUTS_TR": DataSet(DutsTrDataset, "DUT_TR_PATH"),
    "DUTS_TE": DataSet(DutsTeDataset, "DUT_TE_PATH"),
    "ThinObject": DataSet(ThinObjectDataset, "THINOBJECT_PATH"),
    "HFlickr": DataSet(HFlickrDataset, "HFLICKER_PATH"),
    "HQSeg44K": DataSet(HQSeg44KDataset, "HQSeg44K_PATH"),
    "YouTubeVOS": DataSet(YouTubeVosDataset, "YTBVOS_PATH"),
}
JOINED_SETS: dict[str, tuple[str, ...]] = {"Saliency": ("MSRA10K", "DUTS_TR", "DUTS_TE")}


def split_names(text: str, prefix: str = "") -> list[str]:
    """Split names of data sets at commas, except for commas in the path of a folder or packed file that exists.

    Args:
        text: such as ``GrabCut,folder:my_images``; spaces around a name are left out. Among more than 1000 parts no
            path with commas is looked for.
        prefix: what paths begin with; in ``--datasets`` that is ``folder:``, in ``--data`` nothing.
    """
    parts = text.split(",")
    if len(parts) > MOST_NAMES:
        return [part.strip() for part in parts]
    names = []
    while parts:
        joined = [",".join(parts[:count]).strip() for count in range(min(len(parts), MOST_COMMAS + 1), 0, -1)]
        name = next((name for name in joined if _is_path(name, prefix)), joined[-1])
        names.append(name)
        parts = parts[len(joined) - joined.index(name) :]
    return names


def _is_path(name: str, prefix: str) -> bool:
    path = name.removeprefix(prefix)
    paths = (path, *(path.removesuffix(f":{part}") for part in PARTS))
    return name.startswith(prefix) and any(map(os.path.exists, paths))


def get_dataset(name: str, cfg: Mapping[str, Any]) -> EvaluationDataset:
    """Open an evaluation set by name.

    Args:
        name: a key of ``EVALUATION_SETS``; a name under FOLDER_DATASETS in config.yml; ``folder:<path>`` for a folder
            with images/ and masks/, or for a packed file; or ``folder:<path>:val`` for the part that training does not
            see, ``folder:<path>:train`` for the other one.
        cfg: configuration with the paths.

    Raises:
        InputError: the name is unknown (the nearest is suggested), its path is not set, or files are missing.
    """
    _require_names(name, cfg)
    folders = cfg.get("FOLDER_DATASETS") or {}
    if not isinstance(folders, Mapping) or not all(isinstance(path, str) for path in folders.values()):
        raise InputError("FOLDER_DATASETS in config.yml must map names to paths.")
    if name.startswith(FOLDER_PREFIX):
        path = name[len(FOLDER_PREFIX) :]
        if not path:
            raise InputError("folder: names no folder: write folder:<path>.")
        part = next((part for part in PARTS if path.endswith(f":{part}")), None)
        if part is None:
            return open_folder(path)
        dataset = open_folder(path.removesuffix(f":{part}"), part=part)
        dataset.name += f"_{part}"
        return dataset
    if name in folders:
        dataset = open_folder(folders[name])
        dataset.name = name
        return dataset
    if name not in EVALUATION_SETS:
        if os.path.isdir(name):  # False for a name that no path can have
            raise InputError(f"there is no data set named {name}: write {FOLDER_PREFIX}{name} for that folder.")
        raise unknown_name(name, [*EVALUATION_SETS, *folders], f" and {FOLDER_PREFIX}<path>")
    return _open(name, EVALUATION_SETS[name], cfg)


def get_training_set(name: str, cfg: Mapping[str, Any], split: str = "train", **options: Any) -> Reader:
    """Open a training set by name, for ``TrainSet`` or ``ComposeDataset``.

    Args:
        name: a key of ``TRAINING_SETS``, or of ``JOINED_SETS`` for several of them joined.
        cfg: configuration with the paths.
        split: "train", "val" or another split of the reader.
        options: further arguments of every reader, such as ``stuff_prob``.

    Raises:
        InputError: the name is unknown (the nearest is suggested), its path is not set, or files are missing.
    """
    _require_names(name, cfg)
    if name in JOINED_SETS:
        return ComposeDataset([get_training_set(part, cfg, split, **options) for part in JOINED_SETS[name]])
    if name not in TRAINING_SETS:
        raise unknown_name(name, [*TRAINING_SETS, *JOINED_SETS])
    return _open(name, TRAINING_SETS[name], cfg, split=split, **options)


def _require_names(name: Any, cfg: Any) -> None:
    require(name, Text(), "the name of a data set")
    require(cfg, Instance(Mapping, "a mapping, such as load_config returns"), "the configuration")


def unknown_name(name: str, known: Iterable[str], more: str = "") -> InputError:
    """Make the error for an unknown name of a data set; it suggests the nearest known one, or lists all."""
    known = list(known)
    near = nearest(name.lower(), (other.lower() for other in known))
    meant = next((other for other in known if other.lower() == near), None)
    hint = f"did you mean {meant}?" if meant else f"known are {', '.join(known)}{more}."
    return InputError(f"there is no data set named {name}: {hint}")


def configured_path(name: str, cfg: Mapping[str, Any]) -> Path:
    """Look up the path of a data set in config.yml, under its key or the key's old name; it may not exist.

    Raises:
        InputError: the path is not set (a misspelt key is pointed out), or is not a text.
    """
    return Path(cfg[_key(name, cfg)])


def data_path(name: str, cfg: Mapping[str, Any]) -> Path:
    """Look up the existing folder of a data set in config.yml.

    Raises:
        InputError: the path is not set (see ``configured_path``), or the folder is missing.
    """
    path = configured_path(name, cfg)
    if not path.is_dir():
        raise InputError(
            f"there is no data folder {path} ({_key(name, cfg)} in config.yml), where {name} should lie: correct the "
            f"path, or run isegm datasets {name} to see where to get it."
        )
    return path


def _key(name: str, cfg: Mapping[str, Any]) -> str:
    """Find the key, of those that may hold the path of a data set, that is set in ``cfg``."""
    wanted = (EVALUATION_SETS.get(name) or TRAINING_SETS[name]).key
    if wanted is None:
        raise ValueError(f"{name} needs no path")
    key = next((key for key in (wanted, *OTHER_KEYS.get(wanted, ())) if cfg.get(key)), None)
    if key is None:
        near = nearest(wanted, (str(other) for other in cfg if other not in KEYS), cutoff=0.8)
        hint = f"add {wanted} to config.yml" + (f", which has {near}: is it misspelt?" if near else ".")
        raise InputError(f"the path of {name} is not set: {hint}")
    if not isinstance(cfg[key], str):
        raise InputError(f"{key} in config.yml must be a path.")
    return key


KEYS = {entry.key for entry in (*EVALUATION_SETS.values(), *TRAINING_SETS.values())}.union(*OTHER_KEYS.values())


def _open(name: str, entry: DataSet, cfg: Mapping[str, Any], **options: Any) -> Any:
    if entry.key is None:
        return entry.reader()
    return entry.reader(data_path(name, cfg), **entry.options, **options)
