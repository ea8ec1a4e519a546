"""The parser of all commands: dashes or underscores, defaults in the help, errors in one sentence."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from isegm.utils.log import printable
from isegm.utils.schema import Number, Whole
from isegm.utils.spelling import nearest
from isegm.utils.text_values import PathText, from_text

BAD_INPUT = 2


def program(command: str, arguments: Sequence[str] | None) -> str | None:
    """Return the program name for the usage line of a command.

    Returns:
        ``isegm <command>``; None, which argparse replaces by the name of the script, where the arguments come from
        ``sys.argv``.
    """
    return None if arguments is None else f"isegm {command}"


class CommandParser(argparse.ArgumentParser):
    """A parser of a command's options.

    ``--exp-name`` and ``--exp_name`` are the same option, however it was declared. The help of an option that takes a
    value tells its default. Errors are one sentence, escaped and shortened as all messages are.

    Args:
        unclear: beginnings of options that are refused, each with the options that people may mean by it.
        args, options: of ``argparse.ArgumentParser``.
    """

    def __init__(self, *args: Any, unclear: Mapping[str, Sequence[str]] | None = None, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": _WithDefaults, **options})
        self._unclear = unclear or {}

    def parse_known_args(  # type: ignore[override]  # the overloads of typeshed
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words = list(sys.argv[1:] if args is None else args)
        end = words.index("--") if "--" in words else len(words)
        options = [*map(self._as_declared, words[:end])]
        for name in (option.partition("=")[0] for option in options):
            if name in self._unclear:
                self.error(f"{name} is ambiguous: say {' or '.join(self._unclear[name])}")
        if unknown := [*filter(None, map(self._as_unknown, options))]:
            self.error(
                f"unrecognized arguments: {' '.join(unknown)}"
            )  # before argparse asks for those that are missing
        return super().parse_known_args([*options, *words[end:]], namespace)

    def _as_declared(self, word: str) -> str:
        """Write the name of an option, or the beginning of one, with the dashes and underscores that it has."""
        name, equals, value = word.partition("=")
        known = [option for option in self._option_string_actions if option.startswith("--")]
        if not name.startswith("--") or any(option.startswith(name) for option in known):
            return word
        asked = name[2:].replace("_", "-")
        for option in known:
            if option[2:].replace("_", "-").startswith(asked):
                return f"{option[: len(name)]}{equals}{value}"
        return word

    def _as_unknown(self, word: str) -> str | None:
        """Return an option that there is not, with the nearest one that there is; None for every other word."""
        name = word.partition("=")[0]
        if not re.match(r"--?[A-Za-z]", name) or " " in word:
            return None
        known = [*self._option_string_actions]
        if any(option.startswith(name) or (name[1] != "-" and name.startswith(option)) for option in known):
            return None
        near = nearest(f"--{name.lstrip('-')}", known)
        return f"{name} (did you mean {near}?)" if near else name

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: error: {printable(message)}; {self.prog} --help lists the options.\n")


class _WithDefaults(argparse.RawDescriptionHelpFormatter):
    """Help texts that end with the default, unless they tell it in words of their own."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = "default" in (action.help or "") or action.default in (None, argparse.SUPPRESS, "", [])
        if told or action.nargs == 0 or not action.option_strings:
            return action.help
        return f"{action.help} (default: %(default)s)"


read_path_text = from_text(PathText())


def read_path(text: str) -> Path:
    """Read a path, for ``type=`` of argparse."""
    return Path(read_path_text(text))


def whole_from(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """Make a function that reads a whole number from ``least`` to ``most``, for ``type=`` of argparse."""
    return from_text(Whole(least, most))


def number_from(least: float, most: float) -> Callable[[str], float]:
    """Make a function that reads a number from ``least`` to ``most``, for ``type=`` of argparse."""
    return from_text(Number(least, most))


def add_config_option(parser: argparse.ArgumentParser, *others: str) -> None:
    """Add ``--config-path``, under further names too."""
    parser.add_argument(
        "--config-path",
        *others,
        type=read_path_text,
        default="config.yml",
        help="configuration; the default file may be missing (default: %(default)s)",
    )
