"""Configuration files, experiment scripts and experiment folders."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from easydict import EasyDict

from isegm.utils.errors import InputError


def load_config_file(path: str | Path, model_name: str | None = None, return_edict: bool = True) -> Any:
    """Read a YAML configuration.

    Args:
        path: the file.
        model_name: takes the entry of this name under SUBCONFIGS over the file's own values.
        return_edict: allow ``cfg.KEY`` besides ``cfg["KEY"]``.

    Raises:
        InputError: no such file, or it is not a YAML mapping.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no configuration file {path}: give its path with --config-path.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold KEY: value lines.")
    content.update((content.pop("SUBCONFIGS", None) or {}).get(model_name, {}))
    return EasyDict(content) if return_edict else content


def resolve_config(script: str | Path) -> EasyDict:
    """The configuration of an experiment script: files near it win over files farther up.

    ``<script>.yml`` beside the script comes first, then every ``config.yml`` from its folder up to the working
    directory.
    """
    script = Path(script).resolve()
    own = script.with_suffix(".yml")
    cfg = load_config_file(own, script.stem) if own.is_file() else EasyDict()
    stop = Path.cwd().resolve()
    for folder in script.parents:
        if (folder / "config.yml").is_file():
            for key, value in load_config_file(folder / "config.yml", script.stem).items():
                cfg.setdefault(key, value)
        if folder == stop:
            break
    return cfg


def load_script(path: str | Path) -> ModuleType:
    """Import an experiment script from its path.

    Raises:
        InputError: no such file, or it has no ``main(cfg)``.
    """
    path = Path(path)
    if not path.is_file():
        near = sorted(str(p) for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        hint = f"in its folder are {', '.join(near)}." if near else "give the path of a file in models/."
        raise InputError(f"there is no experiment script {path}: {hint}")
    spec = importlib.util.spec_from_file_location("model_script", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["model_script"] = module  # so that what it defines can be pickled for worker processes
    spec.loader.exec_module(module)
    if not callable(getattr(module, "main", None)):
        raise InputError(f"{path} is not an experiment script: it must define main(cfg).")
    return module


def _numbered(parent: Path) -> list[tuple[int, Path]]:
    """Experiment folders ``NNN`` or ``NNN_name`` in a folder, by number."""
    if not parent.is_dir():
        return []
    found = [(re.fullmatch(r"(\d{3})(_.*)?", p.name), p) for p in parent.iterdir() if p.is_dir()]
    return sorted((int(match[1]), p) for match, p in found if match)


def init_experiment(args: Namespace, script: ModuleType) -> EasyDict:
    """Make (or find again) the folder of an experiment and return its configuration.

    The folder is EXPS_PATH / <folders of the script below "models"> / <MODEL_NAME or the script's name> /
    NNN[_exp-name], with ``checkpoints/``, ``vis/`` and ``logs/`` in it and a copy of the script. With
    ``args.resume_exp`` it is the one folder there whose name starts so.

    Raises:
        InputError: the script lies outside a folder named models, or no single folder fits ``resume_exp``.
    """
    path = Path(args.model_path).resolve()
    if "models" not in path.parent.parts:
        raise InputError(f"{args.model_path} lies outside a folder named models: move it below models/.")
    below = path.parent.parts[len(path.parent.parts) - path.parent.parts[::-1].index("models") :]
    cfg = resolve_config(path)
    for key, value in vars(args).items():
        if key.lower() not in {name.lower() for name in cfg}:
            cfg[key] = value
    parent = Path(cfg.get("EXPS_PATH", "./experiments")).joinpath(*below, getattr(script, "MODEL_NAME", path.stem))
    numbered = _numbered(parent)
    if args.resume_exp:
        fitting = [p for _, p in numbered if p.name.startswith(args.resume_exp)]
        if len(fitting) != 1:
            raise InputError(
                f"--resume-exp {args.resume_exp} fits {len(fitting)} experiments in {parent}: give the start of the "
                f"name of one of {', '.join(p.name for _, p in numbered) or 'none'}."
            )
        folder = fitting[0]
    else:
        number = numbered[-1][0] + 1 if numbered else 0
        folder = parent / (f"{number:03d}_{args.exp_name}" if args.exp_name else f"{number:03d}")
    cfg.EXP_PATH = folder
    for key, name in (("CHECKPOINTS_PATH", "checkpoints"), ("VIS_PATH", "vis"), ("LOGS_PATH", "logs")):
        cfg[key] = folder / name
        try:
            cfg[key].mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{cfg[key]} cannot be made ({error.strerror}): set EXPS_PATH in config.yml.") from error
    stamp = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
    shutil.copy(path, folder / f"{path.stem}_{stamp}.py")
    return cfg
