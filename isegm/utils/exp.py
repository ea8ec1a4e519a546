"""Configuration files, experiment scripts and experiment folders."""

from __future__ import annotations

import difflib
import importlib.util
import re
import shutil
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from easydict import EasyDict

from isegm.utils.errors import InputError

# Keys that may be missing: a misspelt one would go unnoticed.
OPTIONAL_KEYS = (
    "INTERACTIVE_MODELS_PATH",
    "EXPS_PATH",
    "FOLDER_DATASETS",
    "TRAIN_FOLDERS",
    "IMAGENET_PRETRAINED_MODELS",
    "CLICKSEG_AS_PUBLISHED",
    "SUBCONFIGS",
)


def load_config_file(path: str | Path, model_name: str | None = None, return_edict: bool = True) -> Any:
    """Read a YAML configuration.

    Args:
        path: the file. ``config.yml`` of the working directory may be absent, which is an empty configuration.
        model_name: takes the entry of this name under SUBCONFIGS over the file's own values.
        return_edict: allow ``cfg.KEY`` besides ``cfg["KEY"]``.

    Raises:
        InputError: no such file, it is not a YAML mapping, or a key looks misspelt.
    """
    path = Path(path)
    if not path.is_file() and path != Path("config.yml"):
        raise InputError(f"there is no configuration file {path}: check its path.")
    try:
        content = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold KEY: value lines.")
    for key in ("INTERACTIVE_MODELS_PATH", "EXPS_PATH"):
        if not isinstance(content.get(key) or "", str):
            raise InputError(f"{key} in {path} must be a path.")
    for key in OPTIONAL_KEYS:
        near = difflib.get_close_matches(key, map(str, content), n=1, cutoff=0.85)
        if near and key not in content:
            raise InputError(f"{path} has {near[0]}, which nothing reads: did you mean {key}?")
    subconfigs = content.pop("SUBCONFIGS", None) or {}
    if not isinstance(subconfigs, dict) or not isinstance(subconfigs.get(model_name, {}), dict):
        raise InputError(f"{path} has SUBCONFIGS that do not map script names to KEY: value lines.")
    content.update(subconfigs.get(model_name, {}))
    content = {key: value for key, value in content.items() if value is not None}  # a blank value is one not set
    return EasyDict(content) if return_edict else content


def resolve_config(script: str | Path) -> EasyDict:
    """Read the configuration of an experiment script: files near it win over files farther up.

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
    if not path.is_file() or path.suffix != ".py":
        raise InputError(f"{path} is not an experiment script, a file ending in .py: {_other_scripts(path)}")
    spec = importlib.util.spec_from_file_location("model_script", path)
    assert spec is not None and spec.loader is not None  # as for every path that ends in .py
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "main", None)):
        raise InputError(f"{path} is not an experiment script: it must define main(cfg).")
    return module


def _other_scripts(path: Path) -> str:
    """Return the end of a sentence that helps to find a script: the nearest name, or the folders that hold some."""
    models = next((folder for folder in path.parents if folder.name == "models"), Path("models"))
    scripts = sorted(models.rglob("*.py")) if models.is_dir() else []
    near = difflib.get_close_matches(path.stem, [script.stem for script in scripts], n=1)
    if near:
        return f"did you mean {next(script for script in scripts if script.stem == near[0])}?"
    folders = sorted({str(script.parent) for script in scripts})
    if folders:
        return f"experiment scripts lie in {', '.join(folders)}."
    return "give the path of a script in a folder named models, such as the models/ folder of a checkout of isegm."


def _numbered(parent: Path) -> list[tuple[int, Path]]:
    """List the experiment folders ``NNN`` and ``NNN_name`` in a folder, sorted by number."""
    if not parent.is_dir():
        return []
    found = [(re.fullmatch(r"(\d{3})(_.*)?", p.name), p) for p in parent.iterdir() if p.is_dir()]
    return sorted((int(match[1]), p) for match, p in found if match)


def init_experiment(args: Namespace, script: ModuleType) -> EasyDict:
    """Build the configuration of an experiment; its folders are named, and ``create_experiment`` makes them.

    The folder is EXPS_PATH / <folders of the script below "models"> / <MODEL_NAME or the script's name> /
    NNN[_exp-name]. With ``args.resume_exp`` it is the one folder there whose name starts so. Options of the command
    line join the configuration; a key of the same name in a configuration file wins, as published.

    Raises:
        InputError: the script lies outside a folder named models, or no single folder fits ``resume_exp``.
    """
    path = Path(args.model_path).resolve()
    if "models" not in path.parent.parts:
        raise InputError(f"{args.model_path} lies outside a folder named models: move it below models/.")
    below = path.parent.parts[len(path.parent.parts) - path.parent.parts[::-1].index("models") :]
    cfg = resolve_config(path)
    configured = {name.lower(): value for name, value in cfg.items()}
    for key, value in vars(args).items():
        cfg[key] = configured.get(key.lower(), value)
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
    cfg.CHECKPOINTS_PATH, cfg.VIS_PATH, cfg.LOGS_PATH = (folder / name for name in ("checkpoints", "vis", "logs"))
    return cfg


def create_experiment(cfg: EasyDict) -> None:
    """Make the folders of an experiment and copy its script there; call it once the input is known to be good.

    A script that was given as ``--temp-model-path`` is copied and then deleted.

    Raises:
        InputError: a folder cannot be made, or another run has made it meanwhile.
    """
    try:
        cfg.EXP_PATH.mkdir(parents=True, exist_ok=bool(cfg.resume_exp))
        for folder in (cfg.CHECKPOINTS_PATH, cfg.VIS_PATH, cfg.LOGS_PATH):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{cfg.EXP_PATH} cannot be made ({error.strerror}): set EXPS_PATH in config.yml.") from error
    stamp = datetime.now().strftime("%Y-%m-%d-%H-%M-%S")
    source = Path(cfg.temp_model_path or cfg.model_path)
    shutil.copy(source, cfg.EXP_PATH / f"{Path(cfg.model_path).stem}_{stamp}.py")
    if cfg.temp_model_path:
        source.unlink()
