"""Records files of an evaluation that several processes share.

The first process streams its records to the file of the evaluation, ``records_X.jsonl``, the n-th of the others to a
part beside it, ``records_X.jsonl.part<n>``. At the end that file holds all records in the order of the data set, and
the parts are removed. Parts that a stopped run has left are taken in by the next one, of however many processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isegm.evaluation.records import Identity, ObjectRecord, RecordFile, RecordWriter, read_records
from isegm.utils import distributed

PART = re.compile(r"\.part[1-9]\d*")  # follows the name of the records file


@dataclass(frozen=True)
class Share:
    """What one process has evaluated, in this run.

    Attributes:
        objects, clicks: how many.
        seconds: of all its clicks.
    """

    objects: int
    clicks: int
    seconds: float

    @classmethod
    def of(cls, records: Sequence[ObjectRecord]) -> Share:
        """Sum up the records of a process."""
        clicks = sum(len(record.ious) for record in records)
        return cls(len(records), clicks, sum(record.seconds for record in records))


def speed_line(shares: Sequence[Share], seconds: float) -> str:
    """Return a line that says how fast each of several processes was and all of them together; none for one process.

    Args:
        shares: what each process has evaluated.
        seconds: from the first click to the last one of all.
    """
    if len(shares) == 1:
        return ""
    clicks = sum(share.clicks for share in shares)
    each = ", ".join(f"{share.seconds / max(share.clicks, 1):.3f} ({share.objects} objects)" for share in shares)
    together = f"{seconds / max(clicks, 1):.3f} s per click together, {seconds:.0f} s in all"
    return f"\n  {len(shares)} processes, seconds per click of each: {each}; {together}"


class SharedRecords:
    """The records of an evaluation, to which each process adds its own; see ``shared_records``.

    Args:
        writer: of the file of this process.
        earlier: records of a stopped run, the same in all processes.

    Attributes:
        earlier: see above.
        shares: what each process has evaluated, once ``all_records`` has returned in the first process.
    """

    def __init__(self, writer: RecordWriter, earlier: Sequence[ObjectRecord]) -> None:
        self.earlier = list(earlier)
        self.shares: list[Share] = []
        self._writer = writer
        self._mine: list[ObjectRecord] = []

    def write(self, record: ObjectRecord) -> None:
        """Append a record of this process to its file."""
        self._writer.write(record)
        self._mine.append(record)

    def all_records(self) -> list[ObjectRecord]:
        """Bring the records of all processes together, once each has written its last one.

        Returns:
            in the first process all records in the order of the data set, which its file then holds; in the others
            none.
        """
        gathered = distributed.gathered(self._mine)
        if not distributed.is_main():
            return []
        self.shares = [Share.of(records) for records in gathered]
        in_file = [*self.earlier, *self._mine]
        records = sorted((*self.earlier, *(one for part in gathered for one in part)), key=lambda one: one.key)
        if records != in_file:
            self._writer.arrange(records)
        return records


@contextmanager
def shared_records(path: Path, identity: Identity, resume: bool = False) -> Iterator[SharedRecords]:
    """Open the records of an evaluation in all of its processes; until the block ends no other program can do so.

    Args:
        path: the file of the evaluation.
        identity, resume: see ``RecordWriter``.

    Raises:
        InputError: see ``RecordWriter``.
    """
    left = _left_parts(path)
    found = _read(left)
    if distributed.is_main():
        with RecordWriter(path, identity, resume, found) as writer:
            records = SharedRecords(writer, distributed.of_main(lambda: writer.records))
            _remove(left)
            yield records
            distributed.all_gather(None)  # the others may remove their parts
    else:
        earlier: list[ObjectRecord] = distributed.of_main(list)
        _remove(left)
        own = path.with_name(f"{path.name}.part{distributed.rank()}")
        with RecordWriter(own, identity) as writer:
            yield SharedRecords(writer, earlier)
            distributed.all_gather(None)
        own.unlink()


def _left_parts(path: Path) -> list[Path]:
    """List the parts beside a records file, of machines whose disk this process sees."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    return sorted(
        file for file in beside if file.name.startswith(path.name) and PART.fullmatch(file.name, len(path.name))
    )


def _read(parts: Sequence[Path]) -> list[RecordFile]:
    """Return the content of the parts that the processes see, in the first process; each is read by one of them."""
    seen = distributed.all_gather([part.name for part in parts])
    by_others = {name for names in seen[: distributed.rank()] for name in names}
    mine = [read_records(part) for part in parts if part.name not in by_others]
    return [file for files in distributed.gathered(mine) for file in files if file is not None]


def _remove(parts: Sequence[Path]) -> None:
    """Remove parts that were taken in; processes that see the same disk do so together, and then all go on."""
    for part in parts:
        part.unlink(missing_ok=True)
    distributed.all_gather(None)
