"""Finding checkpoints by the names that command lines take, and the folders that their logs go to."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from isegm.utils.errors import InputError
from isegm.utils.lookup import find_checkpoint, matching, only

LONGEST = 100  # bytes of a folder's name; file systems take 255


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

    def tagged(self, tag: str, logs_root: str | Path) -> Selection:
        """The selection with a tag before its prefix; its name becomes folder below ``logs_root`` and prefix."""
        prefix = f"{tag}_{self.prefix}" if self.prefix else tag
        return replace(self, prefix=prefix, model_name=f"{self.logs_dir.relative_to(logs_root).as_posix()}:{prefix}")

    def own_name(self, checkpoint: Path) -> str:
        """A name that no other of the checkpoints has: its stem, behind folders that tell it from equal stems."""
        return _own_name(checkpoint, self.checkpoints)

    def row_name(self, checkpoint: Path) -> str:
        """The same as published tables write it, with "last" for "last_checkpoint"."""
        return re.sub(r"(^|/)last_checkpoint$", r"\1last", self.own_name(checkpoint))

    def folder_name(self, checkpoint: Path) -> str:
        """The same as the name of a folder."""
        return _folder_name(self.own_name(checkpoint), str(checkpoint))


def select_checkpoints(names: str, folder: str | Path, logs_root: str | Path) -> Selection:
    """Checkpoints of ``--checkpoint``: one name, or several with commas between them (see ``find_checkpoint``)."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise InputError("--checkpoint names no file: give a path or the beginning of a name.")
    found = [Path(names)] if _is_file(Path(names)) else [find_checkpoint(folder, name) for name in wanted]
    unique: dict[str, Path] = {}
    for path in found:
        unique.setdefault(os.path.abspath(path), path)
    checkpoints = tuple(unique.values())
    name = "+".join(_own_name(path, checkpoints) for path in checkpoints)
    inside = _folder_name(name, "\n".join(unique))
    return Selection(checkpoints, Path(logs_root) / "others" / inside, "", name if len(name) <= LONGEST else inside)


def _is_file(path: Path) -> bool:
    """Whether there is such a file; several names with commas together may be longer than any file's."""
    try:
        return path.is_file()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def _own_name(path: Path, paths: Sequence[Path]) -> str:
    """Stem of one of several paths, behind the names of the folders in which it differs from those of equal stem."""
    own, *rivals = ([*reversed(Path(os.path.abspath(p)).parts)] for p in (path, *paths) if p.stem == path.stem)
    rivals = [rival for rival in rivals if rival != own]
    name = path.stem
    for level, part in enumerate(own):
        equal = [rival for rival in rivals if rival[level : level + 1] == [part]]
        if len(equal) < len(rivals):
            name = f"{part}/{name}" if level else part
        rivals = equal
    return name


def _folder_name(name: str, told_by: str) -> str:
    """A name as that of one folder; a long one is cut, and a checksum of ``told_by`` tells it from others."""
    name = re.sub(r"[\\/:]+", "_", name)
    if len(name.encode()) <= LONGEST:
        return name
    checksum = hashlib.sha256(told_by.encode()).hexdigest()[:8]
    return f"{name.encode()[: LONGEST - 9].decode(errors='ignore')}-{checksum}"


def select_experiment(spec: str, experiments: str | Path, logs_root: str | Path) -> Selection:
    """Checkpoints of ``--exp-path``: ``path[:prefix]``, where ``path`` begins that of one folder below ``experiments``.

    The newest, that is the last by name, comes first. Without a prefix it is all checkpoints of the experiment.
    The colon of a drive, as in ``C:/experiments/000:last``, belongs to the path.

    Raises:
        InputError: no folder, or more than one, matches; or it has no such checkpoint.
    """
    root = Path(experiments)
    path, wanted = re.fullmatch(r"((?:[A-Za-z]:(?=[\\/]))?[^:]*):?(.*)", spec, re.DOTALL).groups()
    start = root / path
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
    inside = experiment.relative_to(root) if experiment.is_relative_to(root) else Path(experiment.name)
    return Selection(tuple(checkpoints), Path(logs_root) / inside, prefix, f"{inside.as_posix()}:{prefix}")
