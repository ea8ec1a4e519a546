"""Compare evaluations: scores side by side, paired differences to the first with 95 % intervals, published values."""

import argparse
from collections.abc import Sequence

from isegm.evaluation.comparison import compare, read_runs, together
from isegm.evaluation.comparison_table import comparison_table
from isegm.evaluation.summary import write_json
from isegm.utils.arguments import CommandParser, read_path, read_path_text, whole_from
from isegm.utils.cli import program


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(prog=program("compare", arguments), description="Compare evaluations object by object.")
    parser.add_argument(
        "runs",
        nargs="+",
        type=read_path_text,
        help="records_<dataset>.jsonl files, or folders with such files below them",
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="also compare over the objects of all data sets, as if they were one (default: off)",
    )
    parser.add_argument(
        "--resamples", type=whole_from(1, 1_000_000), default=2000, help="bootstrap samples (default: %(default)s)"
    )
    parser.add_argument("--seed", type=whole_from(0), default=0, help="seed of the bootstrap (default: %(default)s)")
    parser.add_argument(
        "--json", type=read_path, metavar="FILE", help="also write the numbers to a JSON file (default: none)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    runs = read_runs(args.runs)
    if args.together:
        runs += together(runs)
    comparison = compare(runs, args.resamples, args.seed)
    for dataset, entries in comparison.items():
        print(f"{dataset}, {entries[0]['objects']} objects", *comparison_table(entries), "", sep="\n")
    print("Behind a score: difference to the first run, paired by object, with its 95 % bootstrap interval.")
    print("NoF: objects that never reach the IoU.")
    if args.json:
        write_json(args.json, comparison)
