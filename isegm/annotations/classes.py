"""Lists of classes, as annotation programs and training configurations keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isegm.utils.errors import InputError
from isegm.utils.json_text import decode_json, is_json
from isegm.utils.opening import read_regular
from isegm.utils.schema import Anything, Fields, Items, Kind, Table, Text, Whole, check
from isegm.utils.text_values import as_path
from isegm.utils.yaml_files import read_yaml

LONGEST = 200  # characters of a class
MOST = 100_000  # classes of a file
YAML_ENDINGS = (".yaml", ".yml")
NOT_CLASSES = ("__ignore__", "_background_")  # lines of labelme's lists that stand for no class

_NAME = Text(longest=LONGEST) | Whole()  # YAML reads the class 7 as a number
_NAMES: Kind = Items(_NAME, most=MOST) | Table(_NAME, Whole(0) | Text(), most=MOST)
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


def read_numbered_classes(path: str | Path) -> dict[int, str]:
    """Read the classes that a file lists by their numbers, from 0: of a line, of an entry, or the key before a name.

    Two numbers may have the same name, and numbers may have none.

    Args:
        path: see ``read_classes``.

    Raises:
        InputError: see ``read_classes``.
    """
    return _numbered(path, ())


def _numbered(path: str | Path, left_out: Sequence[str]) -> dict[int, str]:
    """The names of a list by their numbers, ascending, without blank ones and lines of a text that are ``left_out``."""
    path = as_path(path, "the path of a list of classes")
    if path.suffix.lower() in YAML_ENDINGS:
        found = check(read_yaml(path), YAML_LIST, path)["names"]
        names: Sequence[tuple[int, Any]] = _ordered(found, path) if isinstance(found, Mapping) else [*enumerate(found)]
    else:
        content = read_regular(path, "list of classes")
        if is_json(content):
            found = check(decode_json(content, path, "give a list of classes"), COCO_LIST, path)
            names = [*enumerate(entry["name"] for entry in found["categories"])]
        else:
            names = [
                (number, line) for number, line in enumerate(_lines(path, content)) if line.strip() not in left_out
            ]
    classes = {number: str(name).strip() for number, name in names if str(name).strip()}
    if not classes:
        raise InputError(f"{path} lists no classes: write one in each line.")
    odd = next((name for name in classes.values() if len(name) > LONGEST or not name.isprintable()), None)
    if odd is not None:
        raise InputError(f"{path} lists {odd[:40]!r}, which is no class: write a short name in each line, in UTF-8.")
    return classes


def _ordered(found: Mapping[Any, Any], path: Path) -> list[tuple[int, Any]]:
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
