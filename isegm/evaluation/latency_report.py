"""Measured latencies as a table, and as a plot of the clicks that networks need against the time of a click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from isegm.evaluation.comparison import Run
from isegm.evaluation.latency import Latency, Spread
from isegm.evaluation.published_values import published_of
from isegm.utils.quantities import in_bytes


def latency_table(rows: Sequence[Latency]) -> str:
    """Lay out measurements as a table for people, a network a line."""
    wide = max(len("network"), *(len(one.name) for one in rows))
    lines = [f"{'network':<{wide}} {'image, ms':>19} {'first click, ms':>19} {'next click, ms':>19} {'memory':>9}"]
    for one in rows:
        cells = (f"{s.median:.0f} ({s.least:.0f}-{s.most:.0f})" for s in (one.image, one.first_click, one.next_click))
        lines.append(f"{one.name:<{wide}} {' '.join(f'{cell:>19}' for cell in cells)} {in_bytes(one.memory):>9}")
    for one in rows:
        if one.grid is not None:
            lines.append(
                f"{one.name}: {one.grid.points} points in {one.grid.one_by_one:.3f} s one by one, in "
                f"{one.grid.together:.3f} s together, {one.grid.one_by_one / one.grid.together:.2f} x; probabilities "
                f"differ by {one.grid.difference:.1e} at most"
            )
    return "\n".join(lines)


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
        for one in published_of(row.network, dataset, metric)
    ]


def with_measured(rows: Sequence[Latency], runs: Sequence[Run], dataset: str, metric: str) -> list[Accuracy]:
    """Pair latencies with the scores of evaluations of the same files, where there is one.

    Args:
        rows: latencies.
        runs: evaluations, see ``isegm.evaluation.comparison.read_runs``.
        dataset, metric: such as "DAVIS" and "NoC@90".
    """
    values = {run.sha256: run.per_object(metric) for run in runs if run.dataset == dataset}
    return [
        Accuracy(row.next_click, float(found.mean()), row.name, measured=True)
        for row in rows
        if row.sha256 is not None and (found := values.get(row.sha256)) is not None
    ]


def latency_figure(pairs: Sequence[Accuracy], title: str) -> Figure:
    """Plot clicks that networks need against the milliseconds of a click."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for one in pairs:
        axes.plot(one.latency.median, one.noc, marker="o", color="C0", fillstyle="full" if one.measured else "none")
        axes.annotate(one.label, (one.latency.median, one.noc), xytext=(4, 4), textcoords="offset points", fontsize=7)
    axes.set(xlabel="next click, ms", ylabel="clicks", xscale="log", title=title)
    axes.grid(True)
    return figure
