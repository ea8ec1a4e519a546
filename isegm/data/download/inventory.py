"""Which of the published data sets lie where config.yml says, and how complete they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isegm.data.catalogue import JOINED_SETS, configured_path
from isegm.data.download.sources import SOURCES, Source, find_source
from isegm.utils.errors import InputError


@dataclass(frozen=True)
class Finding:
    """What was found of one data set: its state, and a line for each of its parts or for what to do.

    Attributes:
        state: "present", "incomplete" or "absent".
    """

    name: str
    state: str
    lines: tuple[str, ...]


def inspect(names: list[str], cfg: Mapping[str, Any]) -> Iterator[Finding]:
    """Look for data sets, all of them where ``names`` is empty.

    Raises:
        InputError: an unknown name; the nearest is suggested.
    """
    parts = [part for name in names or SOURCES for part in JOINED_SETS.get(name, (name,))]
    for name, source in [(name, find_source(name)) for name in parts]:
        yield _inspect(name, source, cfg)


def _inspect(name: str, source: Source, cfg: Mapping[str, Any]) -> Finding:
    origin = f"get it from: {source.origin}"
    try:
        root = configured_path(name, cfg)
    except InputError as error:
        return Finding(name, "absent", (str(error), origin))
    if not root.is_dir():
        return Finding(name, "absent", (f"there is no folder {root}", origin))
    sizes = [part.size(root) for part in source.parts]
    if not any(sizes):
        return Finding(name, "absent", (f"{root} holds none of its files", origin))
    lines, complete = [str(root)], True
    for part, size in zip(source.parts, sizes, strict=True):
        enough = bool(size) and size >= (part.count or 1)
        complete = complete and enough
        published = "" if part.count is None else f" of {part.count}"
        found = "missing" if size is None else f"{size}{published}"
        lines.append(f"{'ok ' if enough else '-- '} {part.shown(root)}: {found}")
    return Finding(name, "present" if complete else "incomplete", (*lines, *([] if complete else [origin])))
