"""Find files and folders by the beginnings of their names."""

from __future__ import annotations

import glob
from pathlib import Path

from isegm.utils.errors import InputError

DEFAULT_CHECKPOINT = Path(__file__).resolve().parents[1] / "weights" / "mobilenetv2_default.pth"
WEIGHTS_FOLDER = "weights"  # of a checkout, where the shipped model is looked for by published commands
NAMED = 5  # how many candidates an error message lists


def matching(folder: Path, pattern: str) -> list[Path]:
    """List the paths in a folder that fit a pattern of ``glob``, sorted.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: give the path of the checkpoint, or the folder it is in.")
    return sorted(folder.glob(pattern))


def only(found: list[Path], kind: str, beginning: str, folder: Path) -> Path:
    """Return the only path of those found, or the only one that is named exactly ``beginning``.

    Args:
        found: paths in ``folder`` whose names begin so.
        kind: "checkpoint" or "folder", for messages.

    Raises:
        InputError: there is none, or more than one.
    """
    exact = [path for path in found if beginning in (path.name, path.stem)]
    if len(found) == 1 or len(exact) == 1:
        return (exact or found)[0]
    if not found:
        published = "; isegm download weights fetches those that isegm models lists" if kind == "checkpoint" else ""
        raise InputError(f"there is no {kind} {beginning}* in {folder}: check the name{published}.")
    names = ", ".join(str(path.relative_to(folder)) for path in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    raise InputError(f"{kind} {beginning}* is not unique in {folder} ({names}{more}): write the name out.")


def is_file(path: Path) -> bool:
    """Return whether there is such a file; False for a path that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def checkpoints_in(weights_folder: str | Path) -> list[Path]:
    """List the shipped checkpoint, and the others below a folder of weights, sorted; a missing folder has none."""
    others = [path for path in sorted(Path(weights_folder).glob("**/*.pth")) if path.name != DEFAULT_CHECKPOINT.name]
    return [DEFAULT_CHECKPOINT, *others]


def shipped_if_missing(path: Path) -> Path:
    """Return the shipped checkpoint for ``weights/mobilenetv2_default.pth`` where that is no file, else ``path``."""
    named = path.parent.name == WEIGHTS_FOLDER and path.name == DEFAULT_CHECKPOINT.name
    return DEFAULT_CHECKPOINT if named and not is_file(path) else path


def shipped_by_name(path: Path) -> Path:
    """Return the shipped checkpoint for its name, with or without ``.pth``, where that is no file, else ``path``."""
    bare = path.parent == Path() and path.name in (DEFAULT_CHECKPOINT.name, DEFAULT_CHECKPOINT.stem)
    return DEFAULT_CHECKPOINT if bare and not is_file(path) else shipped_if_missing(path)


def find_checkpoint(weights_folder: str | Path, name: str) -> Path:
    """Find the one checkpoint file that a name refers to.

    Args:
        weights_folder: folder of downloaded weights.
        name: a path, with or without ``.pth``; or the beginning of a file name anywhere below ``weights_folder``; or
            ``model:checkpoint``, where ``model`` begins the name of a folder in ``weights_folder`` and ``checkpoint``
            that of a file below it. A file whose whole stem is the name is preferred to longer ones. The shipped
            checkpoint is found by its name, or the beginning of it, where no file of the folder fits.

    Raises:
        InputError: no file, or more than one, matches.
    """
    folder = Path(weights_folder)
    whole = [Path(name)] if Path(name).name == name else [Path(name), Path(f"{name}.pth")]
    for path in map(shipped_if_missing, whole):
        if path.is_file():
            return path
    if name and DEFAULT_CHECKPOINT.name.startswith(name):
        pattern = f"**/{glob.escape(name.removesuffix('.pth'))}*.pth"
        if not folder.is_dir() or not matching(folder, pattern):
            return DEFAULT_CHECKPOINT
    if ":" in name and not Path(name).is_absolute():
        model, name = name.split(":", 1)
        folder = only([p for p in matching(folder, f"{glob.escape(model)}*") if p.is_dir()], "folder", model, folder)
    path = Path(name)
    if path.suffix in (".pth", ".onnx"):
        if (folder / path).is_file():
            return folder / path
        raise InputError(f"there is no checkpoint {name}, neither as it stands nor in {folder}: check the path.")
    if path.is_absolute():
        return only(matching(path.parent, f"{glob.escape(path.name)}*.pth"), "checkpoint", path.name, path.parent)
    return only(matching(folder, f"**/{glob.escape(name)}*.pth"), "checkpoint", path.name, folder)
