"""Records of evaluated objects, and the files they are streamed to.

A records file is in JSON Lines: the first line, ``{"run": {...}}``, identifies the run (network, protocol, data set and
limits), each further line is one object. Lines are flushed one by one, so that a killed run can be resumed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from isegm.utils.errors import InputError

Identity = Mapping[str, Any]


@dataclass(frozen=True)
class ObjectRecord:
    """Clicks and IoUs of one object.

    Attributes:
        dataset: name of the data set.
        index: index of the sample in the data set.
        object_id: the object within the sample.
        name: name of the sample, shown to people.
        clicks: (x, y, label) of each click in image pixels; label 1 on the object, 0 on the background.
        ious: IoU after each click, in float32 precision.
        seconds: wall time of the object; in a batch its share of the batch's time.
    """

    dataset: str
    index: int
    object_id: int
    name: str
    clicks: tuple[tuple[int, int, int], ...]
    ious: tuple[float, ...]
    seconds: float

    def to_json(self) -> str:
        """Return the line of a records file, without the newline."""
        values = asdict(self)
        values["ious"] = [float(str(np.float32(iou))) for iou in self.ious]  # the shortest digits that name the float32
        return json.dumps(values)

    @classmethod
    def from_json(cls, line: str) -> ObjectRecord:
        """Parse a line of a records file.

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
        """(index, object_id), which identifies the object in its data set."""
        return self.index, self.object_id


@dataclass(frozen=True)
class RecordFile:
    """Content of a records file.

    Attributes:
        identity: what was run.
        records: in the order of the file.
        size: bytes of the file up to the end of the last complete line.
    """

    identity: dict[str, Any]
    records: list[ObjectRecord]
    size: int


def read_records(path: str | Path) -> RecordFile | None:
    """Read a records file; an incomplete last line, left by a killed run, is ignored.

    Returns:
        None if not even the first line is complete.

    Raises:
        InputError: no such file, or a complete line is damaged (the message names file and line).
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
    """Parse the first line into the identity of the run.

    Raises:
        ValueError: it has another form.
    """
    header = json.loads(line)
    if not isinstance(header, dict) or not isinstance(header.get("run"), dict):
        raise ValueError("the first line should say what was run")
    run = header["run"]
    inference = run.get("inference")
    if isinstance(inference, dict) and "finish" in inference:  # its name in older records
        inference["postprocess"] = inference.pop("finish")
    return run


class RecordWriter:
    """Append records to a file and flush each one. Use it as a context manager.

    Args:
        path: the file; missing folders are created.
        identity: what is run, as plain data. Its "fingerprint" is the checksum of the data set's files.
        resume: append to the records in the file; otherwise the file is renamed to ``<path>.bak``, unless that holds
            more records already.

    Attributes:
        records: the records that the file held before, in their order.

    Raises:
        InputError: with ``resume``, the file is damaged or holds records of another run; the message says how it
            differs.
    """

    def __init__(self, path: str | Path, identity: Identity, resume: bool = False) -> None:
        self.path = Path(path)
        identity = json.loads(json.dumps(identity))  # as it comes back from a file: lists for tuples
        found = read_records(self.path) if resume and self.path.is_file() else None
        self.records = found.records if found else []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if found is None:
            self._back_up()
            self._file: BinaryIO = open(self.path, "wb")  # noqa: SIM115, closed by __exit__
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

    def _back_up(self) -> None:
        """Rename the records of an earlier run, unless the backup is longer: it may be the work of hours."""
        backup = self.path.with_suffix(".jsonl.bak")
        if self.path.is_file() and (not backup.is_file() or _count_lines(backup) <= _count_lines(self.path)):
            self.path.replace(backup)

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


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _differences(before: Identity, now: Identity, prefix: str = "") -> Iterator[str]:
    """Describe every entry in which two identities differ."""
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{prefix}{key}.")
        elif old != new and key == "fingerprint":
            yield "images or masks of the data set have changed since"
        elif old != new:
            yield f"{prefix}{key} was {json.dumps(old)} and is now {json.dumps(new)}"
