"""Timed evaluations as a table, and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from isegm.benchmarks.evaluation import STAGES, Throughput
from isegm.utils.log import printable
from isegm.utils.quantities import in_bytes

TARGET = 0.90  # of the NoC that is compared


def throughput_table(rows: Sequence[Throughput]) -> str:
    """Lay out measurements as a table for people, and compare each loop with the plain one in front of it."""
    wide = max(len("network"), *(len(printable(one.name)) for one in rows))
    columns = ("s/click", "clicks/s", "objects/s", *STAGES)
    lines = [f"{'network':<{wide}} {'loop':<5} {' '.join(f'{name:>9}' for name in columns)} {'memory':>9}"]
    for one in rows:
        clicks = max(one.made, 1)
        cells = [f"{one.seconds / clicks:.4f}", f"{clicks / one.seconds:.1f}", f"{len(one.clicks) / one.seconds:.2f}"]
        cells += [f"{1000 * one.stages[name] / clicks:.1f} ms" for name in STAGES]
        loop = loop_of(one)
        shown = " ".join(f"{cell:>9}" for cell in cells)
        lines.append(f"{printable(one.name):<{wide}} {loop:<5} {shown} {in_bytes(one.memory):>9}")
    plain = None
    for one in rows:
        plain = one if one.plain else plain
        if plain is not None and plain is not one and plain.name == one.name:
            how = loop_of(one) + ", compiled" * one.compiled
            lines.append(f"{printable(one.name)}, {how}: {against_plain(plain, one)}")
    return "\n".join(lines)


def loop_of(row: Throughput) -> str:
    """Name the loop: the plain one, or this one with the objects side by side."""
    if row.plain:
        return "plain"
    return "here" if row.batch_size == 1 else f"of {row.batch_size}"


def against_plain(plain: Throughput, here: Throughput) -> str:
    """Say how many times faster one evaluation was per click, and on how many objects the clicks are the same."""
    times = (plain.seconds / max(plain.made, 1)) / (here.seconds / max(here.made, 1))
    busy = "" if here.busy is None else f"; GPU busy {here.busy:.0%}"
    same = sum(one == other for one, other in zip(plain.clicks, here.clicks, strict=True))
    most = max(map(len, (*plain.ious, *here.ious)), default=1)
    moved = plain.moved(here, TARGET, most)
    clicks = f"the same clicks on {same} of {len(here.clicks)} objects, NoC@{TARGET:.0%} moved on {moved}"
    return f"{times:.2f} x; {clicks}{busy}"


def growth_line(row: Throughput) -> str:
    """Tell the memory as objects were evaluated."""
    grown = ", ".join(in_bytes(memory) for memory in row.growth)
    return f"{printable(row.name)}, {loop_of(row)}: memory after each tenth of the objects: {grown}"


def plain_data(row: Throughput) -> dict[str, Any]:
    """Return a measurement as ``--json`` writes it: without the clicks themselves."""
    data = asdict(row) | {"objects": len(row.clicks), "made_clicks": row.made}
    del data["clicks"], data["ious"]
    return data
