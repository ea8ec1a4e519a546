"""Compare evaluations: scores side by side, paired differences to the first with 95 % intervals, published values."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from isegm.evaluation.compare import compare, metrics, read_runs
from isegm.evaluation.reports import write_json
from isegm.utils.cli import program
from isegm.utils.errors import InputError

WIDTH = 44  # of a column


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program("compare", arguments), description="Compare evaluations object by object."
    )
    parser.add_argument("runs", nargs="+", help="records_<dataset>.jsonl files, or folders with such files below them")
    parser.add_argument("--resamples", type=int, default=2000, help="bootstrap samples (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to a file")
    return parser.parse_args(arguments)


def number(metric: str, value: float, sign: str = "") -> str:
    if metric.startswith("mIoU"):
        return f"{100 * value:{sign}.2f} %"
    return f"{value:{sign}.0f}" if metric.startswith("NoF") else f"{value:{sign}.2f}"


def table(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Format one data set: a column for each run, a row for each metric."""
    first, *others = entries
    lines = [f"  {'':<9}" + "".join(f"{entry['run'][-WIDTH + 2 :]:>{WIDTH}}" for entry in entries)]
    for metric in metrics():
        if not any(metric in entry["scores"] for entry in entries):
            continue
        cells = [number(metric, first["scores"][metric]) if metric in first["scores"] else "?"]
        for entry in others:
            cell = number(metric, entry["scores"][metric]) if metric in entry["scores"] else "?"
            if metric in entry["differences"]:
                by = entry["differences"][metric]
                low, high = (number(metric, by[end], "+") for end in ("low", "high"))
                cell += f"  {number(metric, by['value'], '+')} [{low}, {high}]"
            cells.append(cell)
        lines.append(f"  {metric:<9}" + "".join(f"{cell:>{WIDTH}}" for cell in cells))
    lines.append(f"  {'SPC, s':<9}" + "".join(f"{entry['scores']['SPC']:>{WIDTH}.3f}" for entry in entries))
    for entry in entries:
        for metric, both in entry.get("published", {}).items():
            measured = "not measured" if both["measured"] is None else f"measured {both['measured']:.2f}"
            of = f"{entry['weights']}, {entry['source']}"
            lines.append(f"  {entry['run']}: {metric} {measured}, published {both['published']:g} ({of})")
        if "unlike published" in entry:
            lines.append(f"  {entry['run']}: published values are not shown, as {entry['unlike published']}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    if args.resamples < 1:
        raise InputError(f"--resamples is {args.resamples}: give a number of at least 1.")
    if args.seed < 0:
        raise InputError(f"--seed is {args.seed}: give a number of at least 0.")
    shown = compare(read_runs(args.runs), args.resamples, args.seed)
    for dataset, entries in shown.items():
        print(f"{dataset}, {entries[0]['objects']} objects", *table(entries), "", sep="\n")
    print("Behind a score: difference to the first run, paired by object, with its 95 % bootstrap interval.")
    print("NoF: objects that never reach the IoU.")
    if args.json:
        write_json(args.json, shown)
