"""Common parts of the JSON formats: object attributes, object numbers, writing, and error messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isegm.annotations.objects import CATEGORY, MAX_NUMBER, NUMBER_COLOR, AnnotatedObject
from isegm.annotations.region import Region
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write
from isegm.utils.schema import shown

COORDINATE_LIMIT = 2**20  # of points, in pixels
CHUNK = 1000  # members of a list that are encoded at a time


@dataclass(frozen=True)
class ReadObject:
    """An object as read from a file, before it has a number.

    Attributes:
        region: its pixels.
        category: its class.
        name: may be empty.
        attributes: as written by ``attributes_of``, or by another program.
    """

    region: Region
    category: str = CATEGORY
    name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


def attributes_of(item: AnnotatedObject) -> dict[str, Any]:
    """Return number, colour and protection, for which the JSON formats have no field of their own."""
    return {"number": item.number, "color": list(item.color), "protected": item.protected}


def assign_numbers(found: Sequence[ReadObject], path: Path) -> tuple[AnnotatedObject, ...]:
    """Turn objects read from a file into annotated objects, in the order of the file.

    Each keeps the number, colour and protection of its attributes. Without valid ones, or where an earlier object has
    the same number, it gets the lowest free number, that number's colour, and no protection.

    Raises:
        InputError: there are more objects than numbers.
    """
    if len(found) > MAX_NUMBER:
        raise InputError(f"{path} has {len(found)} objects in one image: split it into files of {MAX_NUMBER}.")
    wanted = [_number(item.attributes) for item in found]
    owners = {number: index for index, number in reversed(list(enumerate(wanted))) if number}
    free = (number for number in range(1, MAX_NUMBER + 1) if number not in owners)
    objects = []
    for index, (item, number) in enumerate(zip(found, wanted, strict=True)):
        objects.append(
            AnnotatedObject(
                number=number if number and owners[number] == index else next(free),
                region=item.region,
                name=item.name,
                category=item.category if item.category.strip() else CATEGORY,
                color=_color(item.attributes),
                protected=item.attributes.get("protected") is True,
            )
        )
    return tuple(objects)


def _number(attributes: Mapping[str, Any]) -> int | None:
    number = attributes.get("number")
    return number if type(number) is int and 1 <= number <= MAX_NUMBER else None


def _color(attributes: Mapping[str, Any]) -> tuple[int, int, int]:
    color = attributes.get("color")
    if isinstance(color, list) and len(color) == 3 and all(type(part) is int and 0 <= part <= 255 for part in color):
        return color[0], color[1], color[2]
    return NUMBER_COLOR


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write plain data as UTF-8, whole or not at all.

    The content is encoded in chunks, so that other threads never wait for long.

    Args:
        path: file to write.
        content: keys are str; arrays of numbers are written as lists.

    Raises:
        InputError: a text is not valid Unicode, or the file cannot be written.
    """
    with atomic_write(path) as file:
        try:
            for chunk in _encoded(content):
                file.write(chunk.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise InputError(
                f"{path} cannot hold the text {error.object[error.start : error.end]!r}, which is not valid Unicode: "
                "rename the image, object or class."
            ) from error


def _encoded(value: Any) -> Iterator[str]:
    """Encode plain data as JSON, in chunks that take a millisecond at most."""
    if isinstance(value, Mapping):
        for position, (key, member) in enumerate(value.items()):
            yield f"{', ' if position else '{'}{_json(key)}: "
            yield from _encoded(member)
        yield "}" if value else "{}"
    elif isinstance(value, (list, np.ndarray)) and len(value) and _flat(value):
        for start in range(0, len(value), CHUNK):
            part = value[start : start + CHUNK]
            yield (", " if start else "[") + _json(part if isinstance(part, list) else part.tolist())[1:-1]
        yield "]"
    elif isinstance(value, (list, np.ndarray)) and len(value):
        for position, member in enumerate(value):
            yield ", " if position else "["
            yield from _encoded(member)
        yield "]"
    else:
        yield _json(value.tolist() if isinstance(value, np.ndarray) else value)


def _flat(value: list[Any] | np.ndarray) -> bool:
    """Return whether all members of a list are small, judged by the first."""
    if isinstance(value, np.ndarray):
        return value[0].size <= 4
    return not isinstance(value[0], (Mapping, list, np.ndarray))


def text(words: str) -> str:
    """Return a text in quotes, as JSON and YAML have it."""
    return _json(words)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def finish(
    path: Path, found: Sequence[ReadObject], left_out: Sequence[str]
) -> tuple[tuple[AnnotatedObject, ...], tuple[str, ...]]:
    """Return the objects of a file, see ``assign_numbers``, and what was left out.

    Raises:
        InputError: all was left out, or there are more objects than numbers.
    """
    if left_out and not found:
        more = f" (and {len(left_out) - 1} more cannot be read either)" if len(left_out) > 1 else ""
        raise unreadable(path, left_out[0] + more)
    return assign_numbers(found, path), tuple(left_out)


def reason(error: Exception) -> str:
    """Say in a few words why reading a record raised one of ``DECODING``."""
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def side(value: Any) -> int | None:
    """Read the height or width of an image, which may be text; None where it is absent.

    Raises:
        ValueError: it is no whole number.
    """
    if value in (None, "", 0, "0"):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or int(value) != float(value):
        raise ValueError(f"the size of its image is {shown(value)}")
    return int(value)


def require_in_bounds(coordinates: np.ndarray) -> np.ndarray:
    """Return the coordinates unchanged if an image can have them.

    Raises:
        ValueError: they are ``COORDINATE_LIMIT`` pixels off or more, or not numbers.
    """
    if not (np.abs(coordinates) < COORDINATE_LIMIT).all():
        raise ValueError(f"a point lies {COORDINATE_LIMIT} pixels off or more")
    return coordinates


def unreadable(path: Path, what: str, remedy: str = "save it again as masks or polygons") -> InputError:
    """Make the error for a file with a part that cannot be read."""
    return InputError(f"{path}: {what}: {remedy}.")


def require_size(path: Path, found: tuple[int | None, ...], wanted: tuple[int, int]) -> None:
    """Compare the size (H, W) that a file states with the image's; None agrees with any.

    Raises:
        InputError: they differ.
    """
    if any(one not in (None, other) for one, other in zip(found, wanted, strict=True)):
        raise InputError(
            f"{path} is for an image of {found[1]}x{found[0]} pixels, this one has {wanted[1]}x{wanted[0]}: "
            "give the annotations of this image."
        )
