"""What an evaluation keeps of each object, and the file it streams them to.

A records file is JSON Lines: the first line, ``{"run": {...}}``, says what was run (network, protocol, data set and
limits), each further line is one object. Lines are appended and flushed one by one, so that a killed run can go on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from isegm.utils.errors import InputError

Identity = Mapping[str, Any]


@dataclass(frozen=True)
class ObjectRecord:
    """How clicking one object went.

    Attributes:
        dataset: name of the data set.
        index: place of the sample in the data set, from 0.
        object_id: the object within the sample.
        name: the sample's name for people.
        clicks: (x, y, label) of each click in pixels of the image; label 1 on the object, 0 on the background.
        ious: IoU after each click; values of float32 precision.
        seconds: wall time spent on the object; within a batch its share of the time.
    """

    dataset: str
    index: int
    object_id: int
    name: str
    clicks: tuple[tuple[int, int, int], ...]
    ious: tuple[float, ...]
    seconds: float

    def to_json(self) -> str:
        """One line without its end."""
        values = asdict(self)
        values["ious"] = [float(str(np.float32(iou))) for iou in self.ious]  # the shortest digits that name the float32
        return json.dumps(values)

    @classmethod
    def from_json(cls, line: str) -> ObjectRecord:
        """The record of a line.

        Raises:
            ValueError: the line is not a record; the message says why.
        """
        values = json.loads(line)
        if not isinstance(values, dict) or set(values) != set(cls.__dataclass_fields__):
            raise ValueError(f"it does not have exactly the fields {', '.join(cls.__dataclass_fields__)}")
        try:
            record = cls(
                dataset=str(values["dataset"]),
                index=int(values["index"]),
                object_id=int(values["object_id"]),
                name=str(values["name"]),
                clicks=tuple((int(x), int(y), int(label)) for x, y, label in values["clicks"]),
                ious=tuple(float(np.float32(iou)) for iou in values["ious"]),
                seconds=float(values["seconds"]),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"a field has a wrong type: {error}") from error
        if not record.ious or len(record.clicks) != len(record.ious):
            raise ValueError(f"it has {len(record.clicks)} clicks and {len(record.ious)} IoUs")
        if not all(math.isfinite(iou) and 0 <= iou <= 1 for iou in record.ious):
            raise ValueError("an IoU is not between 0 and 1")
        return record

    @property
    def key(self) -> tuple[int, int]:
        """(index, object_id): which object of its data set this is."""
        return self.index, self.object_id


@dataclass(frozen=True)
class RecordFile:
    """What ``read_records`` found: what was run, the records, and how many bytes of the file are whole lines."""

    identity: dict[str, Any]
    records: list[ObjectRecord]
    size: int


def read_records(path: str | Path) -> RecordFile | None:
    """Read a records file; a last line that a kill cut off is left out.

    Returns:
        None when not even the first line is whole.

    Raises:
        InputError: no such file, or a whole line is not what it should be (file and line number are named).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no records file {path}: check the path.")
    content = path.read_bytes()
    content = content[: content.rfind(b"\n") + 1]
    if not content:
        return None
    identity: dict[str, Any] = {}
    records: list[ObjectRecord] = []
    seen: set[tuple[int, int]] = set()
    for number, line in enumerate(content[:-1].split(b"\n"), start=1):
        try:
            if number == 1:
                identity = _parse_header(line.decode())
                continue
            record = ObjectRecord.from_json(line.decode())
            if record.key in seen:
                raise ValueError(f"object {record.object_id} of sample {record.index} is there twice")
        except ValueError as error:  # also what json and decode raise
            raise InputError(
                f"line {number} of {path} is damaged ({error}): remove the file, or evaluate again without --resume."
            ) from error
        seen.add(record.key)
        records.append(record)
    return RecordFile(identity, records, len(content))


def _parse_header(line: str) -> dict[str, Any]:
    header = json.loads(line)
    if not isinstance(header, dict) or not isinstance(header.get("run"), dict):
        raise ValueError("the first line should say what was run")
    return header["run"]


class RecordWriter:
    """Appends records to a file, each flushed as soon as it is there. Use as a context manager.

    Args:
        path: the file; folders are made.
        identity: what is run; plain data. A "fingerprint" in it stands for the data set's files.
        resume: go on behind the records that the file holds; otherwise they are put aside as ``<path>.bak``, unless
            more records lie there already.

    Attributes:
        records: the records that were there already, in the order of the file.

    Raises:
        InputError: with ``resume``, the file is damaged or holds records of another run (it is said what differs).
    """

    def __init__(self, path: str | Path, identity: Identity, resume: bool = False) -> None:
        self.path = Path(path)
        identity = json.loads(json.dumps(identity))  # as it comes back from a file: lists for tuples
        found = read_records(self.path) if resume and self.path.is_file() else None
        self.records = found.records if found else []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if found is None:
            self._put_aside()
            self._file = open(self.path, "wb")  # noqa: SIM115, closed by __exit__
            self._append(json.dumps({"run": identity}))
            return
        changes = list(_differences(found.identity, identity))
        if changes:
            raise InputError(
                f"{self.path} holds records of another run ({'; '.join(changes)}): "
                "leave --resume out to put them aside, or choose another --logs-path."
            )
        self._file = open(self.path, "r+b")  # noqa: SIM115, closed by __exit__
        self._file.truncate(found.size)
        self._file.seek(found.size)

    def _put_aside(self) -> None:
        """Keep what a run of hours has left: here, or behind a shorter run that came after it."""
        aside = self.path.with_suffix(".jsonl.bak")
        if self.path.is_file() and (not aside.is_file() or _lines(aside) <= _lines(self.path)):
            self.path.replace(aside)

    def write(self, record: ObjectRecord) -> None:
        """Append one record."""
        self._append(record.to_json())

    def _append(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _differences(before: Identity, now: Identity, prefix: str = "") -> Iterator[str]:
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{prefix}{key}.")
        elif old != new and key == "fingerprint":
            yield "images or masks of the data set have changed since"
        elif old != new:
            yield f"{prefix}{key} was {json.dumps(old)} and is now {json.dumps(new)}"
