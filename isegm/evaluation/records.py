"""Records of evaluated objects, and the files they are streamed to.

A records file is in JSON Lines: the first line, ``{"run": {...}}``, identifies the run (network, protocol, data set and
limits), each further line is one object. Lines are flushed one by one, so that a killed run can be resumed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write
from isegm.utils.locks import hold_lock
from isegm.utils.log import logger
from isegm.utils.schema import Fields, Items, Kind, Nothing, Number, Plain, Row, Table, Text, Whole, mismatch, shown
from isegm.utils.text_values import as_path

Identity = Mapping[str, Any]
RECORDS_NAME = re.compile(r"\.jsonl(\.bak\d*)?$")  # ends the names of files of records
SHOWN_VALUE = 100  # characters of a value in a message
EACH_OBJECT = "each object of an image on its own"  # what is clicked
COUNT = Whole(least=0)
PROMPT = Fields(
    {"kind": Text(("box", "scribble", "mask"))}, {"points": Items(Row(Number(0), Number(0)), least=2), "seed": COUNT}
)
RECORD = Fields(
    {
        "dataset": Text(),
        "index": COUNT,
        "object_id": COUNT,
        "name": Text(),
        "clicks": Items(Row(COUNT, COUNT, Whole(0, 1))),
        "ious": Items(Number(0, 1), least=1),
        "seconds": Number(least=0),
    },
    {"first_seconds": Number(least=0) | Nothing(), "passes": COUNT | Nothing(), "prompt": PROMPT | Nothing()},
)
# What is read from an identity; all of it may be missing.
IDENTITY_KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        ("checkpoint", "protocol", "own_protocol", "prompt", "objects", "dataset", "fingerprint", "device"), Text()
    ),
    **dict.fromkeys(("samples", "max_clicks", "min_clicks", "n_clicks"), COUNT),
    "max_objects": Whole(least=1) | Nothing(),
    "init_masks": Text() | Nothing(),
    "target_iou": Number(least=0) | Nothing(),
    "threshold": Number(),
    "inference": Table(Plain()),
    "refinement": Fields({"mode": Text()}, others=Plain()),
}
HEADER = Fields({"run": Fields({}, IDENTITY_KINDS, others=Plain())})


@dataclass(frozen=True)
class ObjectRecord:
    """Clicks and IoUs of one object.

    Attributes:
        dataset: name of the data set.
        index: index of the sample in the data set.
        object_id: the object within the sample.
        name: name of the sample, shown to people.
        clicks: (x, y, label) of each click in image pixels; label 1 on the object, 0 on the background.
        ious: IoU after each click, in float32 precision; the first one after ``prompt``, if there is one.
        seconds: wall time of the object; in a batch its share of the batch's time.
        first_seconds: that of the first click, with reading the image if no object of it came before.
        passes: of the network, for all clicks. It and ``first_seconds`` are None in records of earlier versions.
        prompt: what came before the clicks: its kind, and (x, y) points of a box or scribble, or the seed of a
            simulated mask; see ``FirstPrompt``. None where that was a click.
    """

    dataset: str
    index: int
    object_id: int
    name: str
    clicks: tuple[tuple[int, int, int], ...]
    ious: tuple[float, ...]
    seconds: float
    first_seconds: float | None = None
    passes: int | None = None
    prompt: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """Return the line of a records file, without the newline."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        values["ious"] = [float(str(np.float32(iou))) for iou in self.ious]  # the shortest digits that name the float32
        return json.dumps(values)

    @classmethod
    def from_json(cls, line: str) -> ObjectRecord:
        """Parse a line of a records file.

        Raises:
            ValueError: the line is not a record; the message says why.
        """
        values = _parse_json(line)
        problem = mismatch(values, RECORD)
        if problem is not None:
            raise ValueError(problem)
        clicks, ious = values["clicks"], values["ious"]
        prompt = values.get("prompt")
        if len(clicks) + (prompt is not None) != len(ious):
            raise ValueError(f"it has {len(clicks)} clicks and {len(ious)} IoUs")
        if prompt is not None and ("points" in prompt) == (prompt["kind"] == "mask"):
            raise ValueError(f"its prompt is a {prompt['kind']} {'with' if 'points' in prompt else 'without'} points")
        values |= {
            "clicks": tuple((x, y, label) for x, y, label in clicks),
            "ious": tuple(float(np.float32(iou)) for iou in ious),
            "seconds": float(values["seconds"]),
        }
        return cls(**values)

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


def is_records_file(path: Path) -> bool:
    """Whether a file is named as one of records, or as one that was put aside."""
    return RECORDS_NAME.search(path.name) is not None


def records_below(folder: Path) -> list[Path]:
    """List the records files below a folder, sorted; links to folders are followed."""
    return sorted(file for below in _folders_below(folder) for file in below.glob("records_*.jsonl"))


def read_records(path: str | Path) -> RecordFile | None:
    """Read a records file; an incomplete last line, left by a killed run, is ignored.

    Returns:
        None if not even the first line is complete.

    Raises:
        InputError: no such file, or a complete line is damaged or says what cannot be (the message names the line).
    """
    path = as_path(path, "the path of records")
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
            _check_possible(record, identity)
            if record.key in seen:
                raise ValueError(f"object {record.object_id} of sample {record.index} is there twice")
        except ValueError as error:  # also what json and decode raise
            raise InputError(
                f"line {number} of {path} is damaged ({error}): remove the file, or evaluate again without --resume."
            ) from error
        seen.add(record.key)
        records.append(record)
    return RecordFile(identity, records, len(content))


def _check_possible(record: ObjectRecord, identity: Identity) -> None:
    """Raise ValueError for a record that no run of this identity writes."""
    dataset = identity.get("dataset", record.dataset)
    if record.dataset != dataset:
        raise ValueError(f"an object of {shown(record.dataset)} among those of {shown(dataset)}")
    samples = identity.get("samples")
    if samples is not None and record.index >= samples:
        raise ValueError(f"the data set has {samples} samples, and this would be that of index {record.index}")
    most = identity.get("max_clicks")
    if most is not None and len(record.ious) > most:
        raise ValueError(f"it has {len(record.ious)} clicks, and the run had {most} at most")


def _parse_header(line: str) -> dict[str, Any]:
    """Parse the first line into the identity of the run.

    Raises:
        ValueError: it has another form.
    """
    header = _parse_json(line)
    problem = mismatch(header, HEADER)
    if problem is not None:
        raise ValueError(f"the first line should say what was run, but {problem}")
    return header["run"]


def _parse_json(line: str) -> Any:
    """Parse a line of JSON.

    Raises:
        ValueError: it is none, or holds more lists within lists than Python reads.
    """
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("too many lists or objects within each other") from error


class RecordWriter:
    """Append records to a file and flush each one. Use it as a context manager.

    Until it is closed no other program can write to the same file.

    Args:
        path: the file; missing folders are created.
        identity: what is run, as plain data. Its "fingerprint" is the checksum of the data set's files.
        resume: append to the records in the file; otherwise the file is renamed to ``<path>.bak``, unless that holds
            more records of the same run already. Records of several runs are renamed to ``.bak``, ``.bak2``, ...
        parts: what other processes of a stopped run have written, which is first taken into the file.

    Attributes:
        records: the records that the file held before, in their order.

    Raises:
        InputError: another program writes to the file; or with ``resume``, it is damaged or holds records of another
            run (the message says how it differs).
    """

    def __init__(
        self, path: str | Path, identity: Identity, resume: bool = False, parts: Sequence[RecordFile] = ()
    ) -> None:
        self.path = as_path(path, "the path of records")
        lock = hold_lock(
            self.path.with_name(f"{self.path.name}.lock"),
            str(self.path),
            "wait for the end of that evaluation, or choose another --logs-path",
        )
        with ExitStack() as stack:
            stack.enter_context(lock)
            self._take_in(parts)
            self._file = stack.enter_context(self._opened(json.loads(json.dumps(identity)), resume))
            self._open = stack.pop_all()

    def _take_in(self, parts: Sequence[RecordFile]) -> None:
        """Write the records of parts of a stopped run into the file."""
        if not parts:
            return
        file = (read_records(self.path) if self.path.is_file() else None) or parts[0]
        records = {record.key: record for record in file.records}
        for part in parts:
            changes = list(_differences(file.identity, part.identity))
            if changes:
                raise InputError(
                    f"the files {self.path.name}.part* beside {self.path} are of another run ({'; '.join(changes)}): "
                    "remove them, or choose another --logs-path."
                )
            records |= {record.key: record for record in part.records}
        with atomic_write(self.path) as target:
            _append(target, json.dumps({"run": file.identity}))
            for _, record in sorted(records.items()):
                _append(target, record.to_json())

    def _opened(self, identity: Identity, resume: bool) -> IO[bytes]:
        """Open the file at the place of the next record; ``identity`` is as it comes back from a file."""
        found = read_records(self.path) if resume and self.path.is_file() else None
        self.records = found.records if found else []
        if found is None:
            self._back_up(identity)
            file: IO[bytes] = open(self.path, "w+b")  # noqa: SIM115, closed by __exit__
            with _told_of(self.path):
                _append(file, json.dumps({"run": identity}))
            return file
        changes = list(_differences(found.identity, identity))
        if changes:
            raise InputError(
                f"{self.path} holds records of another run ({'; '.join(changes)}): "
                "leave --resume out to put them aside, or choose another --logs-path."
            )
        file = open(self.path, "r+b")  # noqa: SIM115, closed by __exit__
        file.truncate(found.size)
        file.seek(found.size)
        return file

    def _back_up(self, identity: Identity) -> None:
        """Rename earlier records, unless the backup of the same run is longer: it may be the work of hours."""
        if not self.path.is_file():
            return
        before = _identity_in(self.path)
        backup = self.path.with_name(f"{self.path.name}.bak")
        for number in count(2):
            if not backup.is_file() or _identity_in(backup) == before:
                break
            backup = self.path.with_name(f"{self.path.name}.bak{number}")
        if backup.is_file() and _count_lines(backup) > _count_lines(self.path):
            return
        self.path.replace(backup)
        changes = "; ".join(_differences(before or identity, identity))
        if changes:
            logger.warning("the records of another run (%s) are put aside as %s", changes, backup)
        else:
            logger.info("the records of an earlier run are put aside as %s", backup)

    def write(self, record: ObjectRecord) -> None:
        """Append one record.

        Raises:
            InputError: the file cannot be written, such as for lack of room.
        """
        with _told_of(self.path):
            _append(self._file, record.to_json())

    def arrange(self, records: Sequence[ObjectRecord]) -> None:
        """Let the file hold these records in this order; nothing can be written after that."""
        with self._file:
            self._file.seek(0)
            content = [self._file.readline()]  # what was run
        content += [record.to_json().encode() + b"\n" for record in records]
        with atomic_write(self.path) as file:
            file.writelines(content)

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()


def _folders_below(path: Path) -> Iterator[Path]:
    """Yield a folder and those below it, each of them once, however many links lead to it."""
    seen = set()
    for folder, names, _ in os.walk(path, followlinks=True):
        names.sort()
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
        else:
            seen.add(real)
            yield Path(folder)


def _append(file: IO[bytes], line: str) -> None:
    file.write(line.encode() + b"\n")
    file.flush()


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """Name the file in the error of a write, which the system's does not."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): make room on its disk, or choose another --logs-path."
        ) from error


def _identity_in(path: Path) -> dict[str, Any] | None:
    """Read what was run from a file of records; None where it does not say so."""
    with path.open("rb") as file:
        try:
            return _parse_header(file.readline().decode())
        except ValueError:
            return None


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _differences(before: Identity, now: Identity, prefix: str = "") -> Iterator[str]:
    """Describe every entry in which two identities differ."""
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{prefix}{key}.")
        elif old != new and key == "fingerprint":
            yield "they are of another data set of this name, or its images or masks have changed since"
        elif old != new:
            yield f"{prefix}{key} was {_shortened(old)} and is now {_shortened(new)}"


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN_VALUE else f"{text[:SHOWN_VALUE]}..."
