"""Find the checkpoints that a command line names, and the folder of their logs."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isegm.evaluation.options import EvalOptions
from isegm.model.checkpoint import DEFAULT_CHECKPOINT
from isegm.utils.errors import InputError
from isegm.utils.lookup import find_checkpoint, matching, only

MAX_NAME_BYTES = 100  # of a folder's name; file systems take 255


@dataclass(frozen=True)
class CheckpointNames:
    """Names of one of several checkpoints.

    Attributes:
        unique: the stem of its file, behind the names of the folders that distinguish it from equal stems.
        row: the same for a row of the table, with "last" for "last_checkpoint" as published tables have it.
        folder: the same as the name of a folder.
    """

    unique: str
    row: str
    folder: str


@dataclass(frozen=True)
class Selection:
    """Checkpoints to evaluate and the folder of their logs.

    Attributes:
        checkpoints: in the order of evaluation.
        logs_dir: folder of the logs.
        logs_root: folder of all logs, above ``logs_dir``.
        prefix: begins the names of log files; empty for none.
        model_name: name above the table.
    """

    checkpoints: tuple[Path, ...]
    logs_dir: Path
    logs_root: Path
    prefix: str
    model_name: str

    @property
    def several(self) -> bool:
        """Whether there is more than one checkpoint."""
        return len(self.checkpoints) > 1

    def names(self, checkpoint: Path) -> CheckpointNames:
        """Name one of the checkpoints."""
        unique = _unique_name(checkpoint, self.checkpoints)
        row = re.sub(r"(^|/)last_checkpoint$", r"\1last", unique)
        return CheckpointNames(unique, row, folder_name(unique, str(checkpoint)))

    def with_tag(self, tag: str) -> Selection:
        """Put a tag before the prefix, and name the model by its folder below ``logs_root`` and the new prefix."""
        prefix = f"{tag}_{self.prefix}" if self.prefix else tag
        model = self.logs_dir.relative_to(self.logs_root).as_posix()
        return replace(self, prefix=prefix, model_name=f"{model}:{prefix}")


def select(options: EvalOptions, cfg: Mapping[str, Any]) -> Selection:
    """Select the checkpoints that the options name, or the one that comes with the code if they name none.

    Args:
        options: of the evaluation.
        cfg: the configuration; EXPS_PATH and INTERACTIVE_MODELS_PATH are read.

    Raises:
        InputError: a name matches no checkpoint, or more than one.
    """
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
    return selection.with_tag(f"{kind}{cascade.steps}_{cascade.clicks}clk")


def select_checkpoints(names: str, folder: str | Path, logs_root: str | Path) -> Selection:
    """Select the checkpoints of ``--checkpoint``.

    Args:
        names: one name, or several with commas between them, see ``find_checkpoint``.
        folder: where names are looked for.
        logs_root: folder of all logs.

    Raises:
        InputError: a name matches no checkpoint, or more than one.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise InputError("--checkpoint names no file: give a path or the beginning of a name.")
    found = [Path(names)] if _is_file(Path(names)) else [find_checkpoint(folder, name) for name in wanted]
    unique: dict[str, Path] = {}
    for path in found:
        unique.setdefault(os.path.abspath(path), path)
    checkpoints = tuple(unique.values())
    name = "+".join(_unique_name(path, checkpoints) for path in checkpoints)
    log_folder = folder_name(name, "\n".join(unique))
    model_name = name if len(name) <= MAX_NAME_BYTES else log_folder
    return Selection(checkpoints, Path(logs_root) / "others" / log_folder, Path(logs_root), "", model_name)


def _is_file(path: Path) -> bool:
    """Say whether a file exists; a list of names may be longer than the system allows for a path."""
    try:
        return path.is_file()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def _unique_name(path: Path, paths: Sequence[Path]) -> str:
    """Name one of several paths by its stem, behind the folders in which it differs from others of equal stem."""
    own, *rivals = ([*reversed(Path(os.path.abspath(p)).parts)] for p in (path, *paths) if p.stem == path.stem)
    rivals = [rival for rival in rivals if rival != own]
    name = path.stem
    for level, part in enumerate(own):
        equal = [rival for rival in rivals if rival[level : level + 1] == [part]]
        if len(equal) < len(rivals):
            name = f"{part}/{name}" if level else part
        rivals = equal
    return name


def folder_name(name: str, identity: str) -> str:
    """Turn a name into that of one folder; a long one is cut, and ends in a checksum of ``identity``."""
    name = re.sub(r"[\\/:\x00-\x1f\x7f]+", "_", name)
    encoded = name.encode(errors="backslashreplace")  # of a file whose name is no UTF-8
    if len(encoded) <= MAX_NAME_BYTES:
        return encoded.decode()
    checksum = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{encoded[: MAX_NAME_BYTES - 9].decode(errors='ignore')}-{checksum}"


def select_experiment(spec: str, experiments: str | Path, logs_root: str | Path) -> Selection:
    """Select the checkpoints of ``--exp-path``, the last by name first.

    Args:
        spec: ``path[:prefix]``. The path is the beginning of that of one folder below ``experiments``, and may contain
            the colon of a drive, as in ``C:/experiments/000:last``. The prefix begins the names of the checkpoints;
            without it all are selected.
        experiments: folder of all experiments.
        logs_root: folder of all logs.

    Raises:
        InputError: no folder, or more than one, matches; or it has no such checkpoint.
    """
    root = Path(experiments)
    drive = spec[:2] if re.match(r"[A-Za-z]:[\\/]", spec) else ""
    path, _, wanted = spec[len(drive) :].partition(":")
    start = root / f"{drive}{path}"
    folders = [p for p in matching(start.parent, f"{glob.escape(start.name)}*") if p.is_dir()]
    experiment = only(folders, "folder", start.name, start.parent)
    checkpoints = sorted((experiment / "checkpoints").glob(f"{glob.escape(wanted)}*.pth"), reverse=True)
    if not checkpoints:
        raise InputError(
            f"{experiment / 'checkpoints'} holds no checkpoint {wanted}*.pth: check the part behind the colon."
        )
    if not wanted:
        prefix = "all_checkpoints"
    elif len(checkpoints) == 1:
        prefix = checkpoints[0].stem
    else:
        prefix = f"all_{wanted}"
    folder = experiment.relative_to(root) if experiment.is_relative_to(root) else Path(experiment.name)
    model_name = f"{folder.as_posix()}:{prefix}"
    return Selection(tuple(checkpoints), Path(logs_root) / folder, Path(logs_root), prefix, model_name)
