"""Fields of a dataclass that are options of the command line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any

from isegm.utils.errors import InputError
from isegm.utils.schema import shown


def option(
    help: str,
    *,
    flag: str | None = None,
    type: Callable[[str], Any] | None = None,
    choices: Collection[str] | None = None,
    metavar: str | None = None,
    least: float | None = None,
    most: float | None = None,
) -> dict[str, Any]:
    """Make the metadata of a field that is an option of the command line.

    A field whose default is a bool is an option without a value, which inverts the default.

    Args:
        help: shown by ``--help``.
        flag: how it is written; None: ``--`` and the field's name with hyphens. Without hyphens it is positional.
        type: of its value, or a function that reads it; None: the type of the default, str for None.
        choices: the values that are allowed; None for all.
        metavar: name of the value in ``--help``.
        least, most: bounds of its value, included.
    """
    parser = {"help": help, "type": type, "choices": choices, "metavar": metavar}
    given = {name: value for name, value in parser.items() if value is not None}
    return {"flag": flag, "parser": given, "least": least, "most": most}


def check_bounds(options: Any) -> None:
    """Check the values of a dataclass whose fields have the metadata of ``option``.

    Args:
        options: an instance of it.

    Raises:
        InputError: one is out of its bounds, as NaN is.
    """
    for field in fields(options):
        value, least, most = getattr(options, field.name), field.metadata.get("least"), field.metadata.get("most")
        flag = f"--{field.name.replace('_', '-')}"
        if value is None or least is None:
            continue
        if most is not None and not least <= value <= most:
            raise InputError(f"{flag} is {shown(value)}: give a number from {least:g} to {most:g}.")
        if most is None and value < least:
            raise InputError(f"{flag} is {shown(value)}: give a number of at least {least}.")
