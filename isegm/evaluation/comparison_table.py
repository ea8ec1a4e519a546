"""The table of a comparison of evaluations, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isegm.evaluation.comparison import metrics

MOVED = "NoC@90"  # whose changes the table counts
COLUMN_WIDTH = 44
OTHER_PROTOCOLS = "The runs follow different protocols: differences are not those of the networks alone."


def comparison_table(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Format the entries of one data set as lines: a column for each run, a row for each metric."""
    lines = [f"  {'':<9}" + "".join(f"{_shortened(entry['run']):>{COLUMN_WIDTH}}" for entry in entries)]
    protocols = [entry["protocol"] or "not said" for entry in entries]
    lines.append(f"  {'protocol':<9}" + "".join(f"{_shortened(name):>{COLUMN_WIDTH}}" for name in protocols))
    for metric in metrics():
        if any(metric in entry["scores"] for entry in entries):
            cells = "".join(f"{_cell(entry, metric):>{COLUMN_WIDTH}}" for entry in entries)
            lines.append(f"  {metric:<9}{cells}")
    lines.append(f"  {'SPC, s':<9}" + "".join(f"{entry['scores']['SPC']:>{COLUMN_WIDTH}.3f}" for entry in entries))
    if len(set(protocols)) > 1:
        lines.append(f"  {OTHER_PROTOCOLS}")
    for entry in entries:
        if MOVED in entry.get("moved", {}):
            count, of = entry["moved"][MOVED], entry["objects"]
            lines.append(f"  {entry['run']}: another {MOVED} than {entries[0]['run']} on {count} of {of} objects")
        for metric, values in entry.get("published", {}).items():
            measured = "not measured" if values["measured"] is None else f"measured {values['measured']:.2f}"
            source = f"{entry['weights']}, {entry['source']}"
            lines.append(f"  {entry['run']}: {metric} {measured}, published {values['published']:g} ({source})")
        if "unlike published" in entry:
            lines.append(f"  {entry['run']}: published values are not shown, as {entry['unlike published']}")
    return lines


def _shortened(name: str) -> str:
    """The name of a run above its column; of a long one the beginning and the end."""
    most = COLUMN_WIDTH - 2
    return name if len(name) <= most else f"{name[: most // 2 - 3]}...{name[-(most // 2) :]}"


def _cell(entry: Mapping[str, Any], metric: str) -> str:
    """Format a score, and behind it its difference to the first run with the interval."""
    cell = _number(metric, entry["scores"][metric]) if metric in entry["scores"] else "?"
    if metric in entry.get("differences", {}):
        difference = entry["differences"][metric]
        value, low, high = (_number(metric, difference[key], "+") for key in ("value", "low", "high"))
        cell += f"  {value} [{low}, {high}]"
    return cell


def _number(metric: str, value: float, sign: str = "") -> str:
    """Format a value of a metric: mIoU in percent, NoF as a whole number."""
    if metric.startswith("mIoU"):
        return f"{100 * value:{sign}.2f} %"
    return f"{value:{sign}.0f}" if metric.startswith("NoF") else f"{value:{sign}.2f}"
