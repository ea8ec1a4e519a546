"""Inventory of the published data sets: which are where config.yml says, and how complete they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from isegm.data.catalogue import JOINED_SETS, configured_path
from isegm.data.download.sources import SOURCES, Source, find_source
from isegm.utils.errors import InputError


@dataclass(frozen=True)
class DatasetStatus:
    """State of one data set on disk.

    Attributes:
        name: of the data set.
        state: "present" with all of its parts, "incomplete" with some, "absent" with none.
        lines: for people: its folder, its parts with their numbers of files, and what to do.
    """

    name: str
    state: Literal["present", "incomplete", "absent"]
    lines: tuple[str, ...]


def dataset_statuses(names: list[str], cfg: Mapping[str, Any]) -> Iterator[DatasetStatus]:
    """Look for data sets on disk, for all of them where ``names`` is empty.

    Args:
        names: keys of ``SOURCES``, or of ``JOINED_SETS`` for several of them.
        cfg: configuration with the paths.

    Raises:
        InputError: an unknown name; the nearest is suggested.
    """
    parts = [part for name in names or SOURCES for part in JOINED_SETS.get(name, (name,))]
    for name, source in [(name, find_source(name)) for name in parts]:
        yield _status(name, source, cfg)


def _status(name: str, source: Source, cfg: Mapping[str, Any]) -> DatasetStatus:
    origin = f"get it from: {source.origin}"
    try:
        root = configured_path(name, cfg)
    except InputError as error:
        return DatasetStatus(name, "absent", (str(error), origin))
    if not root.is_dir():
        return DatasetStatus(name, "absent", (f"there is no folder {root}", origin))
    sizes = [part.size(root) for part in source.parts]
    if not any(sizes):
        return DatasetStatus(name, "absent", (f"{root} holds none of its files", origin))
    complete = [(size or 0) >= (part.count or 1) for part, size in zip(source.parts, sizes, strict=True)]
    lines = [
        f"{'ok ' if enough else '-- '} {part.existing(root)}: {_shown(size, part.count)}"
        for part, size, enough in zip(source.parts, sizes, complete, strict=True)
    ]
    if all(complete):
        return DatasetStatus(name, "present", (str(root), *lines))
    return DatasetStatus(name, "incomplete", (str(root), *lines, origin))


def _shown(size: int | None, count: int | None) -> str:
    """Describe the number of files of a part, beside the published one where it is known."""
    if size is None:
        return "missing"
    return str(size) if count is None else f"{size} of {count}"
