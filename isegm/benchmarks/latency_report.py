"""Measured latencies as a table, and as a plot of the clicks that networks need against the time of a click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from isegm.benchmarks.latency import GridLatency, Latency, Spread
from isegm.evaluation.comparison import Run
from isegm.evaluation.published_values import published_of
from isegm.utils.log import logger
from isegm.utils.quantities import in_bytes


def latency_table(rows: Sequence[Latency]) -> str:
    """Lay out measurements as a table for people, a network a line."""
    names = [one.name + ", published layout" * one.plain + ", compiled" * one.compiled for one in rows]
    wide = max(len("network"), *map(len, names))
    lines = [f"{'network':<{wide}} {'image, ms':>19} {'first click, ms':>19} {'next click, ms':>19} {'memory':>9}"]
    for name, one in zip(names, rows, strict=True):
        cells = (f"{s.median:.0f} ({s.least:.0f}-{s.most:.0f})" for s in (one.image, one.first_click, one.next_click))
        lines.append(f"{name:<{wide}} {' '.join(f'{cell:>19}' for cell in cells)} {in_bytes(one.memory):>9}")
    for name, one in zip(names, rows, strict=True):
        if one.grid is not None:
            lines.append(f"{name}: {_in_words(one.grid)}")
    lines += [against_plain(one, plain) for one in rows for plain in rows if plain.plain and _same(one, plain)]
    return "\n".join(lines)


def _in_words(grid: GridLatency) -> str:
    said = f"{grid.points} points in {grid.one_by_one:.3f} s one by one"
    if grid.together is None:
        return said
    return (
        f"{said}, in {grid.together:.3f} s together, {grid.one_by_one / grid.together:.2f} x; probabilities differ by "
        f"{grid.difference:.1e} at most"
    )


def _same(one: Latency, plain: Latency) -> bool:
    return not one.plain and (one.network, one.checkpoint) == (plain.network, plain.checkpoint)


def against_plain(one: Latency, plain: Latency) -> str:
    """Say how many times faster a network is than in the published layout, measured in the same run."""
    parts = [
        f"{name} {theirs.median / ours.median:.2f} x"
        for name, ours, theirs in (
            ("image", one.image, plain.image),
            ("first click", one.first_click, plain.first_click),
            ("next click", one.next_click, plain.next_click),
        )
    ]
    if one.grid is not None and plain.grid is not None:
        difference = float(np.abs(one.grid.samples - plain.grid.samples).max())
        faster = plain.grid.one_by_one / (one.grid.together or one.grid.one_by_one)
        parts.append(f"{one.grid.points} points {faster:.2f} x, probabilities differ by {difference:.1e} at most")
    return f"{one.name} against the published layout: {', '.join(parts)}"


def plain_data(row: Latency) -> dict[str, Any]:
    """Return a measurement as ``--json`` writes it."""
    data = asdict(row)
    if data["grid"] is not None:
        del data["grid"]["samples"]
    return data


@dataclass(frozen=True)
class Accuracy:
    """Clicks that a network of a known latency needs.

    Attributes:
        latency: of a next click.
        noc: clicks.
        label: the network, and what it was trained on.
        measured: here; else published.
    """

    latency: Spread
    noc: float
    label: str
    measured: bool


def with_published(rows: Sequence[Latency], dataset: str, metric: str) -> list[Accuracy]:
    """Pair latencies with the published NoC of their networks, where there is one, for each training set."""
    return [
        Accuracy(row.next_click, one.value, f"{row.name}, {one.training}", measured=False)
        for row in rows
        if not row.plain
        for one in published_of(row.network, dataset, metric)
    ]


def with_measured(rows: Sequence[Latency], runs: Sequence[Run], dataset: str, metric: str) -> list[Accuracy]:
    """Pair latencies with the scores of evaluations of the same files by the same protocol, where there are some.

    Args:
        rows: latencies.
        runs: evaluations, see ``isegm.evaluation.comparison.read_runs``.
        dataset, metric: such as "DAVIS" and "NoC@90".
    """
    found = []
    for row in rows:
        same = [run for run in runs if (run.dataset, run.sha256) == (dataset, row.sha256)]
        for run in () if row.plain or row.sha256 is None else same:
            values = run.per_object(metric)
            if run.protocol not in ("", row.protocol):
                how = f"{run.name} follows {run.protocol}, and the latency of {row.name} is that of {row.protocol}"
                logger.warning("%s: left out", how)
            elif values is not None:
                found.append(Accuracy(row.next_click, float(values.mean()), row.name, measured=True))
    return found


def latency_figure(pairs: Sequence[Accuracy], title: str) -> Figure:
    """Plot clicks that networks need against the milliseconds of a click; numbers stand for the names beside it."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.add_subplot()
    for number, one in enumerate(sorted(pairs, key=lambda one: (one.latency.median, one.noc)), start=1):
        fill = "full" if one.measured else "none"
        place = (one.latency.median, one.noc)
        axes.plot(*place, marker="o", color="C0", fillstyle=fill, linestyle="", label=f"{number}  {one.label}")
        axes.annotate(str(number), place, xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="next click, ms", ylabel="clicks", xscale="log", title=title)
    axes.grid(True)
    if pairs:
        figure.legend(loc="outside right center", fontsize=7)
    return figure
