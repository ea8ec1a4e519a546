"""Configuration files, experiment scripts and experiment folders."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from argparse import Namespace
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any

from easydict import EasyDict

from isegm.utils.errors import InputError
from isegm.utils.locks import hold_lock
from isegm.utils.run_options import RUN_OPTIONS, configured
from isegm.utils.schema import Anything, Fields, Flag, Items, Kind, Nothing, Number, Plain, Table, Text, check, shown
from isegm.utils.spelling import nearest
from isegm.utils.text_values import PathText, as_path
from isegm.utils.yaml_files import read_yaml


class Blank(Nothing):
    """An entry that is not set: empty, or an empty text."""

    def fits(self, value: Any) -> bool:
        return value is None or value == ""


ENTRY = Text(longest=200)
MOST_KEYS = 2000
# What the keys hold that are not data sets' paths. All may be missing: a misspelt one would go unnoticed.
KNOWN_KEYS: dict[str, Kind] = {
    "INTERACTIVE_MODELS_PATH": PathText(),
    "EXPS_PATH": PathText(),
    "FOLDER_DATASETS": Table(PathText(), keys=ENTRY),
    "TRAIN_FOLDERS": Items(PathText()) | Table(Number(above=0, most=1_000_000), keys=PathText()),
    "IMAGENET_PRETRAINED_MODELS": Table(PathText() | Blank(), keys=ENTRY),
    "CLICKSEG_AS_PUBLISHED": Flag(),
    "SUBCONFIGS": Table(Table(Anything(), keys=ENTRY) | Blank(), keys=ENTRY),
}


def load_config_file(path: str | Path, model_name: str | None = None, return_edict: bool = True) -> Any:
    """Read a YAML configuration.

    Args:
        path: the file. ``config.yml`` of the working directory may be absent, which is an empty configuration.
        model_name: takes the entry of this name under SUBCONFIGS over the file's own values.
        return_edict: allow ``cfg.KEY`` besides ``cfg["KEY"]``.

    Raises:
        InputError: no such file, it is not a YAML mapping (see ``read_yaml``), a key looks misspelt, or a value is of
            another kind than ``KNOWN_KEYS`` and ``RUN_OPTIONS`` say.
    """
    path = as_path(path, "the path of a configuration")
    absent = path == Path("config.yml") and not path.exists()
    content = {} if absent else read_yaml(path)
    content = _checked({} if content is None else content, path)
    subconfigs = content.pop("SUBCONFIGS", None) or {}
    content.update(_checked(subconfigs.get(model_name) or {}, path, f"SUBCONFIGS.{model_name}"))
    content = {key: value for key, value in content.items() if not Blank().fits(value)}
    _refuse_names_of_mappings(content, path)
    return EasyDict(content) if return_edict else content


def _checked(content: Any, path: Path, key: str = "") -> dict[str, Any]:
    """Return a configuration, or a part of it, with values as the command line would convert them; else InputError."""
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold KEY: value lines{f' in {key}' if key else ''}.")
    check(content, Table(Anything(), keys=ENTRY, most=MOST_KEYS), path, key)
    for name in KNOWN_KEYS:
        near = nearest(name, content, cutoff=0.85)
        if near and name not in content:
            raise InputError(f"{path} has {near}, which nothing reads: did you mean {name}?")
    options = {name: RUN_OPTIONS[name.lower()] for name in content if name.lower() in RUN_OPTIONS}
    paths = {name: PathText() for name in content if name.endswith("_PATH")}
    content = {name: configured(value, options.get(name, Anything())) for name, value in content.items()}
    kinds = {name: kind | Blank() for name, kind in {**options, **paths, **KNOWN_KEYS}.items()}
    check(content, Fields({}, kinds, others=Plain()), path, key)
    return content


def _refuse_names_of_mappings(content: Any, path: Path) -> None:
    """Raise InputError for a key that ``cfg.KEY`` cannot have, as mappings have a method or attribute of that name."""
    if isinstance(content, dict):
        for key in content:
            if not isinstance(key, str) or hasattr(EasyDict, key):
                raise InputError(f"{path} has the key {shown(key)}, which cannot be one: rename it.")
    for part in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        _refuse_names_of_mappings(part, path)


def resolve_config(script: str | Path) -> EasyDict:
    """Read the configuration of an experiment script: files near it win over files farther up.

    ``<script>.yml`` beside the script comes first, then every ``config.yml`` from its folder up to the working
    directory.
    """
    script = Path(script).resolve()
    own = script.with_suffix(".yml")
    cfg = load_config_file(own, script.stem) if own.exists() else EasyDict()
    stop = Path.cwd().resolve()
    for folder in script.parents:
        if (folder / "config.yml").exists():
            for key, value in load_config_file(folder / "config.yml", script.stem).items():
                if key not in cfg:  # not by setdefault, which sets no attribute before EasyDict 1.14
                    cfg[key] = value
        if folder == stop:
            break
    return cfg


def load_script(path: str | Path) -> ModuleType:
    """Import an experiment script from its path.

    Raises:
        InputError: no such file, it cannot be imported, or it has no ``main(cfg)``.
    """
    path = as_path(path, "the path of an experiment script")
    if not path.exists():
        raise InputError(f"there is no experiment script {path}: {_other_scripts(path)}")
    if not path.is_file() or path.suffix != ".py":
        raise InputError(f"{path} is not an experiment script, a file ending in .py: {_other_scripts(path)}")
    spec = importlib.util.spec_from_file_location("model_script", path)
    assert spec is not None and spec.loader is not None  # as for every path that ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for the module of their annotations
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:  # of a script that anybody has written
        reason = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
        told = f"{type(error).__name__} in line {_line(error, spec.origin)}: {reason or 'no reason given'}"
        raise InputError(f"{path} cannot be imported ({told}): mend the script.") from error
    finally:
        sys.modules.pop(spec.name, None)
    if not callable(getattr(module, "main", None)):
        raise InputError(f"{path} is not an experiment script: it must define main(cfg).")
    return module


def _line(error: Exception, file: str | None) -> int:
    """Return the line of a script, by the path that Python has of it, in which an error was raised; else 1."""
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    own = error.lineno if isinstance(error, SyntaxError) and error.filename == file else None
    return own or (lines or [1])[-1]


def _other_scripts(path: Path) -> str:
    """Return the end of a sentence that helps to find a script: the nearest name, or the folders that hold some."""
    models = next((folder for folder in path.parents if folder.name == "models"), Path("models"))
    scripts = sorted(models.rglob("*.py")) if models.is_dir() else []
    near = nearest(path.stem, (script.stem for script in scripts))
    if near:
        return f"did you mean {next(script for script in scripts if script.stem == near)}?"
    folders = sorted({str(script.parent) for script in scripts})
    if folders:
        return f"experiment scripts lie in {', '.join(folders)}."
    return "give the path of a script in a folder named models, such as the models/ folder of a checkout of isegm."


def _numbered(parent: Path) -> list[tuple[int, Path]]:
    """List the experiment folders ``NNN`` and ``NNN_name``, of three digits or more, in a folder, sorted by number."""
    if not parent.is_dir():
        return []
    found = [(re.fullmatch(r"(\d{3,})(_.*)?", p.name), p) for p in parent.iterdir() if p.is_dir()]
    return sorted((int(match[1]), p) for match, p in found if match)


def init_experiment(args: Namespace, script: ModuleType) -> EasyDict:
    """Build the configuration of an experiment; its folders are named, and ``create_experiment`` makes them.

    The folder is EXPS_PATH / <folders of the script below "models"> / <MODEL_NAME or the script's name> /
    NNN[_exp-name]. With ``args.resume_exp`` it is the one folder there whose name starts so. Options of the command
    line join the configuration; a key of the same name in a configuration file wins, as published.

    Raises:
        InputError: the script lies outside a folder named models, ``exp_name`` or MODEL_NAME is no name of a folder, or
            no single folder fits ``resume_exp``.
    """
    if any(letter in "/\\" or not letter.isprintable() for letter in args.exp_name):
        raise InputError(
            f"--exp-name {args.exp_name} cannot end the name of a folder: give a name without slashes, such as "
            "first-try."
        )
    path = Path(args.model_path).resolve()
    if "models" not in path.parent.parts:
        raise InputError(f"{args.model_path} lies outside a folder named models: move it below models/.")
    below = path.parent.parts[len(path.parent.parts) - path.parent.parts[::-1].index("models") :]
    cfg = resolve_config(path)
    configured = {name.lower(): value for name, value in cfg.items()}
    for key, value in vars(args).items():
        cfg[key] = configured.get(key.lower(), value)
    parent = Path(cfg.get("EXPS_PATH", "./experiments")).joinpath(*below, _model_name(script, path))
    numbered = _numbered(parent)
    if cfg.resume_exp:
        fitting = [p for _, p in numbered if p.name.startswith(cfg.resume_exp)]
        if len(fitting) != 1:
            raise InputError(
                f"--resume-exp {cfg.resume_exp} fits {len(fitting)} experiments in {parent}: give the start of the "
                f"name of one of {', '.join(p.name for _, p in numbered) or 'none'}."
            )
        folder = fitting[0]
    else:
        number = numbered[-1][0] + 1 if numbered else 0
        folder = parent / (f"{number:03d}_{cfg.exp_name}" if cfg.exp_name else f"{number:03d}")
    cfg.EXP_PATH = folder
    cfg.CHECKPOINTS_PATH, cfg.VIS_PATH, cfg.LOGS_PATH = (folder / name for name in ("checkpoints", "vis", "logs"))
    return cfg


def _model_name(script: ModuleType, path: Path) -> str:
    """Return MODEL_NAME of a script, or else the name of its file; InputError if it names no folder below another."""
    name = getattr(script, "MODEL_NAME", path.stem)
    plain = isinstance(name, str) and name.isprintable() and bool(name.strip())
    if not plain or Path(name).anchor or ".." in Path(name).parts:
        raise InputError(f"MODEL_NAME of {path} is {shown(name)}: let it be the name of a folder, such as my_model.")
    return name


def checkpoint_to_resume(cfg: EasyDict) -> Path:
    """Return the one checkpoint of the experiment whose name starts with ``resume_prefix``.

    Raises:
        InputError: there is none, or there are several.
    """
    folder = cfg.CHECKPOINTS_PATH
    names = sorted(path.name for path in folder.glob("[!.]*.pth")) if folder.is_dir() else []
    if not names:
        raise InputError(
            f"{cfg.EXP_PATH} has no checkpoint yet, as its run was stopped before it wrote the first one: start it "
            "again without --resume-exp."
        )
    fitting = [name for name in names if name.startswith(cfg.resume_prefix)]
    if len(fitting) != 1:
        raise InputError(
            f"--resume-prefix {cfg.resume_prefix} fits {len(fitting)} files in {folder}: give the start of the name of "
            f"one of {', '.join(names)}."
        )
    return folder / fitting[0]


def running(cfg: EasyDict) -> AbstractContextManager[None]:
    """Keep other runs out of the experiment's folder, which is there, while the block lasts.

    Raises:
        InputError: another run is at work there.
    """
    advice = "wait until it has ended, stop it, or start a new run without --resume-exp"
    return hold_lock(cfg.EXP_PATH / "running.lock", str(cfg.EXP_PATH), advice)


def create_experiment(cfg: EasyDict) -> None:
    """Make the folders of an experiment and copy its script there; call it once the input is known to be good.

    A script that was given as ``--temp-model-path`` is copied and then deleted, unless it is the experiment's own.

    Raises:
        InputError: a folder cannot be made, or another run has made it meanwhile.
    """
    try:
        cfg.EXP_PATH.mkdir(parents=True, exist_ok=bool(cfg.resume_exp))
        for folder in (cfg.CHECKPOINTS_PATH, cfg.VIS_PATH, cfg.LOGS_PATH):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        if isinstance(error, FileExistsError) and cfg.EXP_PATH.is_dir():
            raise InputError(
                f"{cfg.EXP_PATH} cannot be made, as another run has just made it: start this one again."
            ) from error
        raise InputError(f"{cfg.EXP_PATH} cannot be made ({error.strerror}): set EXPS_PATH in config.yml.") from error
    stamp = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
    source = Path(cfg.temp_model_path or cfg.model_path)
    shutil.copy(source, cfg.EXP_PATH / f"{Path(cfg.model_path).stem}_{stamp}.py")
    if cfg.temp_model_path and source.resolve() != Path(cfg.model_path).resolve():
        source.unlink()
