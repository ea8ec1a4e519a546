"""Modules of other people that register networks: named on a command line, or installed under an entry point."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from isegm.utils.errors import InputError
from isegm.utils.log import logger

GROUP = "isegm.plugins"  # of entry points; each names a module


def add_plugin_option(parser: argparse._ActionsContainer) -> None:
    """Add ``--plugin``, which imports a module while the command line is read.

    Names are kept in the parser's default ``plugins``, a list, where it has one.
    """
    parser.add_argument(
        "--plugin",
        action=_Plugin,
        metavar="MODULE",
        help="module, or .py file, that registers networks of your own; it is run, and may be repeated (default: none)",
    )


def load_plugin(name: str) -> None:
    """Import a module by its name, or a ``.py`` file by its path, once.

    Args:
        name: of a module that Python finds, or of one beside which the command was started; or a path.

    Raises:
        InputError: there is none, or it cannot be imported.
    """
    file = Path(name if name.endswith(".py") else f"{name}.py")
    try:
        if name.endswith(".py") or (file.is_file() and not _is_installed(name)):
            _run_file(file)
        else:
            import_module(name)
    except (KeyboardInterrupt, SystemExit, InputError):
        raise
    except Exception as error:  # of a module that anybody has written
        reason = str(error).partition("\n")[0] or "no reason given"
        raise InputError(
            f"--plugin {name} cannot be imported ({type(error).__name__}: {reason}): give a module that is installed, "
            "or the path of a .py file."
        ) from error


@cache
def load_installed_plugins() -> None:
    """Import the modules that installed packages name under the entry point ``isegm.plugins``, once.

    One that cannot be imported is named in a warning; the others are not affected.
    """
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:  # of a package that anybody has written
            logger.warning("the plugin %s cannot be imported (%s: %s)", entry.value, type(error).__name__, error)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _run_file(path: Path) -> None:
    """Import a file under a name of its own, unless it has been imported already."""
    if not path.is_file():
        raise InputError(f"there is no plugin {path}: check the path.")
    name = f"isegm_plugin_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ is not None and path.samefile(known.__file__):
        return
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    assert spec is not None and spec.loader is not None  # as for every path that ends in .py
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


class _Plugin(argparse.Action):
    """Import a module where the option stands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dest": argparse.SUPPRESS, "default": argparse.SUPPRESS})

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        load_plugin(str(values))
        if hasattr(namespace, "plugins"):
            namespace.plugins = [*namespace.plugins, str(values)]
