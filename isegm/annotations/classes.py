"""Lists of classes, as annotation programs and training configurations keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from isegm.utils.errors import InputError
from isegm.utils.json_text import decode_json, is_json
from isegm.utils.opening import read_regular
from isegm.utils.schema import Anything, Fields, Items, Kind, Nothing, Table, Text, Whole, check
from isegm.utils.text_values import as_path
from isegm.utils.yaml_files import read_yaml

LONGEST = 200  # characters of a class
MOST = 100_000  # classes of a file
YAML_ENDINGS = (".yaml", ".yml")
NOT_CLASSES = ("__ignore__", "_background_")  # lines of labelme's lists that stand for no class

_NAME = Text(longest=LONGEST) | Whole()  # YAML reads the class 7 as a number
_NAMES: Kind = Items(_NAME, most=MOST) | Table(_NAME, Whole(0) | Text(), most=MOST) | Nothing()
YAML_LIST = Fields({"names": _NAMES}, others=Anything())  # as Ultralytics' data.yaml
COCO_LIST = Fields({"categories": Items(Fields({"name": Text()}, others=Anything()), most=MOST)}, others=Anything())


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Read the classes that a file lists, in its order.

    Args:
        path: a text file in UTF-8 with a class in each line (``classes.txt``, labelme's ``labels.txt``), the ``names``
            of a YAML file (Ultralytics' ``data.yaml``), or the ``categories`` of a COCO file.

    Raises:
        InputError: the file cannot be read, lists no class, or lists something else.
    """
    return tuple(dict.fromkeys(_numbered(path, NOT_CLASSES).values()))


def read_numbered_classes(path: str | Path, least: int = 1) -> dict[int, str]:
    """Read the classes that a file lists by their numbers, from 0: of a line, of an entry, or the key before a name.

    Two numbers may have the same name, and numbers may have none.

    Args:
        path: see ``read_classes``.
        least: number of classes; 0 for a list that is yet to be filled.

    Raises:
        InputError: see ``read_classes``.
    """
    return _numbered(path, (), least)


def numbered_names(content: Any, path: str | Path) -> dict[int, str]:
    """Return the ``names`` in the content of a YAML file by their numbers, without blank ones.

    Raises:
        InputError: it has none, or they are no classes; the message names the file.
    """
    found = check(content, YAML_LIST, path)["names"] or []
    return _named(_ordered(found, path) if isinstance(found, Mapping) else [*enumerate(found)], path)


def _numbered(path: str | Path, left_out: Sequence[str], least: int = 1) -> dict[int, str]:
    """The names of a list by their numbers, ascending, without blank ones and lines of a text that are ``left_out``."""
    path = as_path(path, "the path of a list of classes")
    if path.suffix.lower() in YAML_ENDINGS:
        classes = numbered_names(read_yaml(path), path)
    else:
        content = read_regular(path, "list of classes")
        names = _of_coco(content, path)
        if names is None:
            names = [line if line.strip() not in left_out else "" for line in _lines(path, content)]
        classes = _named(enumerate(names), path)
    if len(classes) < least:
        raise InputError(f"{path} lists no classes: write one in each line.")
    return classes


def _of_coco(content: bytes, path: Path) -> list[str] | None:
    """The categories of a COCO file; None for a text of lines, whose first class may begin as JSON does."""
    if not is_json(content):
        return None
    text = path.suffix.lower() == ".txt"
    try:
        found = decode_json(content, path, "give a list of classes")
    except InputError:
        if text:
            return None
        raise
    if text and not (isinstance(found, dict) and found):
        return None
    return [entry["name"] for entry in check(found, COCO_LIST, path)["categories"]]


def _named(names: Iterable[tuple[int, Any]], path: str | Path) -> dict[int, str]:
    """The names that are not blank by their numbers, in words that a class can have."""
    classes = {number: str(name).strip() for number, name in names if str(name).strip()}
    odd = next((name for name in classes.values() if len(name) > LONGEST or not name.isprintable()), None)
    if odd is not None:
        raise InputError(f"{path} lists {odd[:40]!r}, which is no class: write a short name in each line, in UTF-8.")
    return classes


def _ordered(found: Mapping[Any, Any], path: str | Path) -> list[tuple[int, Any]]:
    """The entries of a mapping from numbers to names, by number."""
    try:
        return sorted((int(number), name) for number, name in found.items())
    except ValueError as error:
        raise InputError(f"{path}: names must have whole numbers as their keys, or be a list.") from error


def _lines(path: Path, content: bytes) -> list[str]:
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8: write one class in each line.") from error
