"""Data sets, training samples and augmentations."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from isegm.data.benchmarks import BerkeleyDataset, CocoMValDataset, DavisDataset, GrabCutDataset
from isegm.data.folder import FolderDataset
from isegm.data.sample import DSample
from isegm.data.samples import SamplesDataset
from isegm.utils.errors import InputError

__all__ = ["EVALUATION_SETS", "DSample", "FolderDataset", "SamplesDataset", "get_dataset"]

# Name of an evaluation set, the key of config.yml that holds its path (None: it needs none), and its reader.
EVALUATION_SETS: dict[str, tuple[str | None, Callable[..., Any]]] = {
    "GrabCut": ("GRABCUT_PATH", GrabCutDataset),
    "Berkeley": ("BERKELEY_PATH", BerkeleyDataset),
    "DAVIS": ("DAVIS_PATH", DavisDataset),
    "COCO_MVal": ("COCO_MVAL_PATH", CocoMValDataset),
    "Samples": (None, SamplesDataset),
}
FOLDER_PREFIX = "folder:"
VALIDATION_ENDING = ":val"


def get_dataset(name: str, cfg: Mapping[str, Any]) -> Any:
    """An evaluation set by name.

    Args:
        name: a key of ``EVALUATION_SETS``; a name under FOLDER_DATASETS in config.yml; or ``folder:<path>`` for an
            images-and-masks folder, ``folder:<path>:val`` for the part of it that training does not see.
        cfg: configuration with the paths.

    Raises:
        InputError: an unknown name (the nearest is suggested), a path that is not set, or files that are not there.
    """
    folders = cfg.get("FOLDER_DATASETS") or {}
    if not isinstance(folders, Mapping) or not all(isinstance(path, str) for path in folders.values()):
        raise InputError("FOLDER_DATASETS in config.yml must map names to paths.")
    if name.startswith(FOLDER_PREFIX):
        path = name[len(FOLDER_PREFIX) :]
        if not path:
            raise InputError("folder: names no folder: write folder:<path>.")
        if not path.endswith(VALIDATION_ENDING):
            return FolderDataset(path)
        dataset = FolderDataset(path.removesuffix(VALIDATION_ENDING), part="val")
        dataset.name += "_val"
        return dataset
    if name in folders:
        dataset = FolderDataset(folders[name])
        dataset.name = name
        return dataset
    if name not in EVALUATION_SETS:
        known = [*EVALUATION_SETS, *folders]
        near = difflib.get_close_matches(name.lower(), [other.lower() for other in known], n=1)
        meant = next((other for other in known if near and other.lower() == near[0]), None)
        hint = f"did you mean {meant}?" if meant else f"known are {', '.join(known)} and folder:<path>."
        raise InputError(f"there is no data set named {name}: {hint}")
    key, reader = EVALUATION_SETS[name]
    if key is None:
        return reader()
    if not cfg.get(key):
        raise InputError(f"the path of {name} is not set: add {key} to config.yml.")
    if not isinstance(cfg[key], str):
        raise InputError(f"{key} in config.yml must be a path.")
    return reader(cfg[key])
