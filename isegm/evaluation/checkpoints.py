"""Finding checkpoints by the names that command lines take, and the folders that their logs go to."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

from isegm.utils.errors import InputError

NAMED = 5  # how many candidates an error message lists


@dataclass(frozen=True)
class Selection:
    """Checkpoints to evaluate and where their logs go.

    Attributes:
        checkpoints: in the order in which they are evaluated.
        logs_dir: folder of the logs.
        prefix: begins the names of log files; empty for none.
        model_name: name shown above the table.
    """

    checkpoints: tuple[Path, ...]
    logs_dir: Path
    prefix: str
    model_name: str

    @property
    def several(self) -> bool:
        """Whether checkpoints are compared."""
        return len(self.checkpoints) > 1

    def with_prefix(self, name: str) -> str:
        """A log's name behind the prefix."""
        return f"{self.prefix}_{name}" if self.prefix else name

    def own_name(self, checkpoint: Path) -> str:
        """A name that no other of the checkpoints has: its stem, with its place where stems are equal."""
        equal = [path for path in self.checkpoints if path.stem == checkpoint.stem]
        return checkpoint.stem if len(equal) == 1 else f"{self.checkpoints.index(checkpoint)}_{checkpoint.stem}"


def find_checkpoint(weights_folder: str | Path, name: str) -> Path:
    """The one checkpoint file that ``name`` means.

    ``name`` is a path, with or without its ending; or the beginning of a file name anywhere below ``weights_folder``;
    or ``model:checkpoint``, where ``model`` begins the name of a folder in ``weights_folder`` and ``checkpoint`` that
    of a file below it. A file whose whole stem is the name is preferred to longer ones.

    Raises:
        InputError: no file, or more than one, matches.
    """
    folder = Path(weights_folder)
    whole = [Path(name)] if Path(name).name == name else [Path(name), Path(f"{name}.pth")]
    for path in whole:
        if path.is_file():
            return path
    if ":" in name and not Path(name).is_absolute():
        model, name = name.split(":", 1)
        folder = _only([p for p in _glob(folder, f"{glob.escape(model)}*") if p.is_dir()], "folder", model, folder)
    path = Path(name)
    if path.suffix == ".pth":
        if (folder / path).is_file():
            return folder / path
        raise InputError(f"there is no checkpoint {name}, neither as it stands nor in {folder}: check the path.")
    if path.is_absolute():
        return _only(_glob(path.parent, f"{glob.escape(path.name)}*.pth"), "checkpoint", path.name, path.parent)
    return _only(_glob(folder, f"**/{glob.escape(name)}*.pth"), "checkpoint", path.name, folder)


def _glob(folder: Path, pattern: str) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: give the path of the checkpoint, or the folder it is in.")
    return sorted(folder.glob(pattern))


def _only(found: list[Path], kind: str, beginning: str, folder: Path) -> Path:
    """The only path found, or the only one that is named exactly ``beginning``."""
    exact = [path for path in found if beginning in (path.name, path.stem)]
    if len(found) == 1 or len(exact) == 1:
        return (exact or found)[0]
    if not found:
        raise InputError(f"there is no {kind} {beginning}* in {folder}: check the name.")
    names = ", ".join(str(path.relative_to(folder)) for path in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    raise InputError(f"{kind} {beginning}* is not unique in {folder} ({names}{more}): write the name out.")


def select_checkpoints(names: str, folder: str | Path, logs_root: str | Path) -> Selection:
    """Checkpoints of ``--checkpoint``: one name, or several with commas between them (see ``find_checkpoint``)."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise InputError("--checkpoint names no file: give a path or the beginning of a name.")
    single = Path(names)
    checkpoints = [single] if single.is_file() else [find_checkpoint(folder, name) for name in wanted]
    unique = tuple(dict.fromkeys(checkpoints))
    stems = "+".join(path.stem for path in unique[:NAMED]) + (f"+{len(unique) - NAMED}" if len(unique) > NAMED else "")
    return Selection(unique, Path(logs_root) / "others" / stems, "", stems)


def select_experiment(spec: str, experiments: str | Path, logs_root: str | Path) -> Selection:
    """Checkpoints of ``--exp-path``: ``path[:prefix]``, where ``path`` begins that of one folder below ``experiments``.

    The newest, that is the last by name, comes first. Without a prefix it is all checkpoints of the experiment.

    Raises:
        InputError: no folder, or more than one, matches; or it has no such checkpoint.
    """
    root = Path(experiments)
    path, _, wanted = spec.partition(":")
    start = root / path
    folders = [p for p in _glob(start.parent, f"{glob.escape(start.name)}*") if p.is_dir()]
    experiment = _only(folders, "folder", start.name, start.parent)
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
    inside = experiment.relative_to(root) if experiment.is_relative_to(root) else Path(experiment.name)
    return Selection(tuple(checkpoints), Path(logs_root) / inside, prefix, f"{inside.as_posix()}:{prefix}")
