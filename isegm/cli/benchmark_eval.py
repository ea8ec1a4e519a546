"""Time an evaluation, stage by stage, against a plain loop that works as the published ones do."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from isegm.benchmarks.evaluation import Throughput, Wanted, measured
from isegm.benchmarks.evaluation_report import growth_line, plain_data, throughput_table
from isegm.benchmarks.measurement import measured_apart
from isegm.cli.models import add_network_options, chosen_networks
from isegm.data import get_dataset
from isegm.evaluation.summary import versions
from isegm.utils.arguments import CommandParser, add_config_option, read_path, whole_from
from isegm.utils.cli import add_device_options, choose_device, program
from isegm.utils.exp import load_config_file
from isegm.utils.files import atomic_write
from isegm.utils.log import printable
from isegm.utils.plugins import add_plugin_option


def batch_sizes_from(text: str) -> list[int]:
    """Read numbers with commas between them, see ``whole_from``."""
    return [whole_from(1, 4096)(word) for word in text.split(",")]


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options, from ``sys.argv`` by default."""
    parser = CommandParser(
        prog=program("benchmark-eval", arguments),
        description="Time an evaluation, stage by stage, against a simple loop like the published code: one object at "
        "a time, BatchNorm not folded, click simulation on the full image.",
    )
    add_network_options(
        parser, "with random weights, which run as usual, but the mask comes from a formula of the clicks"
    )
    parser.add_argument("--dataset", help="its name (default: Samples)")
    parser.add_argument(
        "--made-up",
        type=whole_from(1, 10**7),
        metavar="N",
        help="see how memory grows with so many synthetic objects on small images, this loop alone (default: do not)",
    )
    parser.add_argument(
        "--max-objects", type=whole_from(1, 10**9), help="only so many first objects of it (default: all)"
    )
    parser.add_argument(
        "--n-clicks", type=whole_from(1, 1000), default=20, help="on an object at most (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-size",
        type=batch_sizes_from,
        metavar="N,N",
        help="objects side by side, not in the plain loop; several numbers with commas are timed one by one "
        "(default: 1)",
    )
    parser.add_argument(
        "--repeats",
        type=whole_from(1, 100),
        default=1,
        metavar="N",
        help="time all loops so often, in turns, and show the fastest of each (default: %(default)s)",
    )
    parser.add_argument("--plain", action="store_true", help="time the plain loop alone (default: both, one by one)")
    parser.add_argument("--json", type=read_path, metavar="FILE", help="also write the figures (default: do not)")
    add_config_option(parser)
    add_device_options(parser)
    parser.set_defaults(plugins=[])  # for the processes that measure
    add_plugin_option(parser)
    args = parser.parse_args(arguments)
    if args.made_up is not None and (args.dataset, args.max_objects) != (None, None):
        parser.error("--made-up makes its objects itself: leave --dataset and --max-objects out")
    if args.plain and (args.compile or args.batch_size is not None):
        parser.error(
            "the plain loop has one object at a time and compiles nothing: leave --compile and --batch-size out"
        )
    args.dataset = "Samples" if args.dataset is None else args.dataset
    args.batch_size = args.batch_size or [1]
    return args


def wanted_from(args: argparse.Namespace) -> list[Wanted]:
    """Return what to measure: the plain loop of each network in front of the one of this code.

    Raises:
        InputError: there is no such network, file, data set or device.
    """
    device = str(choose_device(args.gpus, args.cpu, args.device, elsewhere=True))
    cfg = load_config_file(args.config_path)
    if args.made_up is None:
        get_dataset(args.dataset, cfg)  # which refuses what is not there before the first network is measured
    dataset, objects = (args.dataset, args.max_objects) if args.made_up is None else (None, args.made_up)
    loops = [] if args.made_up is not None and not args.plain else [(1, True)]
    loops += [] if args.plain else [(size, False) for size in args.batch_size]
    return [
        Wanted(
            **which, dataset=dataset, config=str(args.config_path), objects=objects, clicks=args.n_clicks,
            device=device, threads=args.threads, plugins=args.plugins, batch_size=size, plain=plain,
            compiled=args.compile,
        )
        for which in chosen_networks(args, cfg)
        for size, plain in loops
    ]  # fmt: skip


def _measured(wanted: Wanted, number: int, count: int) -> Throughput:
    loop = "the plain loop" if wanted.plain else "this loop"
    print(f"measuring {number} of {count}: {wanted.name}, {loop}", file=sys.stderr, flush=True)
    return measured_apart(measured, wanted)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the times of each network."""
    args = parse_args(arguments)
    wanted = wanted_from(args)
    with ExitStack() as opened:  # before the measurement, which takes minutes
        figures = None if args.json is None else opened.enter_context(atomic_write(args.json, "w"))
        in_turns = wanted * args.repeats
        found = [_measured(one, number, len(in_turns)) for number, one in enumerate(in_turns, start=1)]
        rows = [min(found[i :: len(wanted)], key=lambda one: one.seconds) for i in range(len(wanted))]
        if figures is not None:
            json.dump({"versions": versions(), "evaluations": list(map(plain_data, rows))}, figures, indent=2)
    name = printable(args.dataset) if args.made_up is None else "a synthetic data set"
    print(f"{rows[0].device}, {rows[0].threads} threads; {len(rows[0].clicks)} objects of {name}")
    print(throughput_table(rows))
    if args.made_up is not None:
        for row in rows:
            print(growth_line(row))
