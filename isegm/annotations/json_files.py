"""What the JSON files of annotation programs share: attributes, numbers, one sentence for what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isegm.annotations.objects import CATEGORY, MAX_NUMBER, AnnotatedObject
from isegm.annotations.region import Region
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write

COORDINATE_LIMIT = 2**20  # of points, in pixels
PIECE = 1000  # members of a list that are encoded at a time


@dataclass(frozen=True)
class Found:
    """An object as a file holds it.

    Attributes:
        attributes: what ``attributes_of`` wrote, or what another program keeps there.
    """

    region: Region
    category: str = CATEGORY
    name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


def attributes_of(item: AnnotatedObject) -> dict[str, Any]:
    """What JSON formats have no place for: number, colour and protection."""
    return {"number": item.number, "color": list(item.color), "protected": item.protected}


def numbered(found: Sequence[Found], path: Path) -> tuple[AnnotatedObject, ...]:
    """Objects in the order of the file.

    Each keeps the number, colour and protection of its attributes. Where they are missing, or are another program's and
    mean something else, it gets the lowest free number, that number's colour, and no protection.

    Raises:
        InputError: there are more objects than numbers.
    """
    if len(found) > MAX_NUMBER:
        raise InputError(f"{path} has {len(found)} objects in one image: split it into files of {MAX_NUMBER}.")
    wanted = [_number(item.attributes) for item in found]
    taken = {number: place for place, number in reversed(list(enumerate(wanted))) if number}
    free = (number for number in range(1, MAX_NUMBER + 1) if number not in taken)
    objects = []
    for place, (item, number) in enumerate(zip(found, wanted, strict=True)):
        objects.append(
            AnnotatedObject(
                number=number if number and taken[number] == place else next(free),
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


def _color(attributes: Mapping[str, Any]) -> tuple[int, int, int] | None:
    color = attributes.get("color")
    fits = isinstance(color, list) and len(color) == 3 and all(type(part) is int and 0 <= part <= 255 for part in color)
    return tuple(color) if fits else None


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write plain data as UTF-8, whole or not at all.

    It is encoded piece by piece, so that other threads never wait for long.

    Args:
        content: keys are str; arrays of numbers are written as lists.

    Raises:
        InputError: a text is not valid Unicode, or the file cannot be written.
    """
    with atomic_write(path) as file:
        try:
            for piece in _encoded(content):
                file.write(piece.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise InputError(
                f"{path} cannot hold the text {error.object[error.start : error.end]!r}, which is not valid Unicode: "
                "rename the image, object or class."
            ) from error


def _encoded(value: Any) -> Iterator[str]:
    """The JSON of plain data, in pieces that take a millisecond at most."""
    if isinstance(value, Mapping):
        for place, (key, member) in enumerate(value.items()):
            yield f"{', ' if place else '{'}{_json(key)}: "
            yield from _encoded(member)
        yield "}" if value else "{}"
    elif isinstance(value, (list, np.ndarray)) and len(value) and _flat(value):
        for start in range(0, len(value), PIECE):
            part = value[start : start + PIECE]
            yield (", " if start else "[") + _json(part if isinstance(part, list) else part.tolist())[1:-1]
        yield "]"
    elif isinstance(value, (list, np.ndarray)) and len(value):
        for place, member in enumerate(value):
            yield ", " if place else "["
            yield from _encoded(member)
        yield "]"
    else:
        yield _json(value.tolist() if isinstance(value, np.ndarray) else value)


def _flat(value: list[Any] | np.ndarray) -> bool:
    """Whether all members of a list are small."""
    if isinstance(value, np.ndarray):
        return value[0].size <= 4
    return not isinstance(value[0], (Mapping, list, np.ndarray))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def bounded(coordinates: np.ndarray) -> np.ndarray:
    """The coordinates, if they can be those of an image.

    Raises:
        ValueError: they are far outside, or no numbers.
    """
    if not (np.abs(coordinates) < COORDINATE_LIMIT).all():
        raise ValueError(f"a point lies {COORDINATE_LIMIT} pixels off or more")
    return coordinates


def unreadable(path: Path, what: str, remedy: str = "save it again as masks or polygons") -> InputError:
    """The error for a file, one part of which cannot be read."""
    return InputError(f"{path}: {what}: {remedy}.")


def require_size(path: Path, found: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Compare the (H, W) that a file is for with the image's.

    Raises:
        InputError: they differ.
    """
    if found != wanted:
        raise InputError(
            f"{path} is for an image of {found[1]}x{found[0]} pixels, this one has {wanted[1]}x{wanted[0]}: "
            "give the annotations of this image."
        )
