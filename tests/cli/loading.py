"""Scripts as modules, and running their ``main`` as the command line does."""

import importlib.util
import sys
from pathlib import Path

import pytest

from isegm.utils import cli

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def load(name):
    """A file of scripts/, or one with a path, as a module."""
    path = SCRIPTS / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{path.stem}_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_main(monkeypatch, module, *arguments):
    """The exit code of a script with these arguments."""
    monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.run(module.main)
    return end.value.code
