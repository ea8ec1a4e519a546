"""How an evaluation scales with its processes, replayed from the measured seconds of each object."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, groupby, islice
from operator import attrgetter

from matplotlib.figure import Figure

from isegm.evaluation.records import ObjectRecord, read_records
from isegm.utils.errors import InputError

PROCESSES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Replay:
    """An evaluation by several processes as it would go if each object took its measured seconds there too.

    Attributes:
        processes: how many.
        objects: how many.
        seconds: from the first click to the last one of all.
        idle: share of the processes' time in which they wait for the last one.
    """

    processes: int
    objects: int
    seconds: float
    idle: float

    @property
    def objects_per_second(self) -> float:
        """Objects of all processes together."""
        return self.objects / self.seconds


def replayed(records: Sequence[ObjectRecord], processes: int, objects: int | None = None) -> Replay:
    """Hand the images of an evaluation out, each to the process that is free first, as ``handout`` does.

    Args:
        records: of a finished evaluation by one process.
        processes: how many there would be.
        objects: at least so many, the images again and again in their order; None for the evaluation itself.

    Raises:
        InputError: there are no records, or they took no time.
    """
    by_index = sorted(records, key=attrgetter("index"))
    images = [[one.seconds for one in group] for _, group in groupby(by_index, key=attrgetter("index"))]
    if not sum(map(sum, images)) > 0:
        raise InputError("the records hold no seconds of clicks: give those of a finished evaluation.")
    free = [0.0] * processes  # when each process is free
    done, busy = 0, 0.0
    for seconds in _enough(images, len(records) if objects is None else objects):
        heapq.heapreplace(free, free[0] + sum(seconds))
        done += len(seconds)
        busy += sum(seconds)
    idle = max(0.0, 1 - busy / (processes * max(free)))  # rounding may leave less than nothing
    return Replay(processes, done, max(free), idle)


def _enough(images: Sequence[list[float]], objects: int) -> Iterable[list[float]]:
    left = objects
    for seconds in islice(cycle(images), objects):
        if left <= 0:
            return
        yield seconds
        left -= len(seconds)


def scaling_figure(replays: Mapping[str, Sequence[Replay]]) -> Figure:
    """Plot how many times faster processes are than one of them, with a line for each set of objects.

    Args:
        replays: by the label of the line; the first of each is by one process.
    """
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    counts = sorted({one.processes for line in replays.values() for one in line})
    axes.plot(counts, counts, color="0.7", linestyle="--", label="no process waits")
    for label, line in replays.items():
        faster = [one.objects_per_second / line[0].objects_per_second for one in line]
        axes.plot([one.processes for one in line], faster, marker="o", label=label)
    axes.set(xlabel="processes", ylabel="times as fast as one process", xscale="log", yscale="log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_yticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.grid(True)
    axes.legend()
    return figure


def replays_of(records: str, objects: int) -> dict[str, list[Replay]]:
    """Replay a finished evaluation with several processes, and with its images again and again.

    Args:
        records: path of the records of one process.
        objects: of the second replay, at least.

    Returns:
        a replay for each of ``PROCESSES``, by the label of the objects.
    """
    file = read_records(records)
    found = [] if file is None else file.records
    return {
        f"{len(found)} objects": [replayed(found, count) for count in PROCESSES],
        f"{objects:,} objects": [replayed(found, count, objects) for count in PROCESSES],
    }


def scaling_lines(replays: Mapping[str, Sequence[Replay]]) -> list[str]:
    """Lay replays out for people; see ``scaling_figure``."""
    lines = []
    for label, line in replays.items():
        lines.append(f"{label}: processes, objects per second, times as fast as one, idle at the end")
        for one in line:
            faster = one.objects_per_second / line[0].objects_per_second
            lines.append(f"{one.processes:>10} {one.objects_per_second:10.2f} {faster:8.2f} x {one.idle:8.2%}")
    return lines
