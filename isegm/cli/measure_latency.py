"""Measure the time of an image, of its first click and of the next ones, and the memory, for any networks."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from PIL import Image

from isegm.benchmarks.latency import Wanted, measured
from isegm.benchmarks.latency_report import latency_figure, latency_table, plain_data, with_measured, with_published
from isegm.benchmarks.measurement import measured_apart
from isegm.cli.flops import size_from
from isegm.cli.models import add_network_options, chosen_networks
from isegm.data.datasets.samples import SamplesDataset
from isegm.evaluation.comparison import metrics, read_runs
from isegm.evaluation.plots import draw_figure
from isegm.evaluation.published_values import PUBLISHED_VALUES
from isegm.evaluation.summary import versions
from isegm.inference.images import rgb_image
from isegm.utils.arguments import CommandParser, add_config_option, read_path, read_path_text, whole_from
from isegm.utils.cli import add_device_options, choose_device, program
from isegm.utils.errors import InputError
from isegm.utils.exp import load_config_file
from isegm.utils.files import atomic_write
from isegm.utils.plugins import add_plugin_option
from isegm.utils.schema import shown


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("measure-latency", arguments),
        description="Measure how long an image, its first click and the next ones take, each network by its own "
        "protocol and in a process of its own.",
    )
    add_network_options(parser)
    parser.add_argument("--image", type=read_path_text, help="of a file (default: a sample)")
    parser.add_argument(
        "--size", help="height,width to which the image is resized (default: 480,854; --image as it is)"
    )
    parser.add_argument(
        "--rounds",
        type=whole_from(1, 1000),
        default=5,
        help="of one first click and three next ones (default: %(default)s)",
    )
    parser.add_argument(
        "--grid",
        type=whole_from(1, 64),
        metavar="N",
        help="also time N x N clicks, each on an object of its own (default: do not; the paper of SegNext has 16)",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="also time each network in the published layout, and print ratios (default: do not)",
    )
    parser.add_argument("--json", type=read_path, metavar="FILE", help="also write the figures (default: do not)")
    parser.add_argument(
        "--plot", type=read_path, metavar="FILE", help="draw clicks needed against latency into a PNG (default: do not)"
    )
    parser.add_argument("--dataset", default="DAVIS", help="whose clicks --plot shows (default: %(default)s)")
    parser.add_argument(
        "--metric", choices=metrics()[:2], default="NoC@90", help="that --plot shows (default: %(default)s)"
    )
    parser.add_argument(
        "--records",
        nargs="+",
        type=read_path_text,
        default=[],
        help="evaluations of the same files, folders or records, that --plot shows (default: published values alone)",
    )
    add_config_option(parser)
    add_device_options(parser)
    parser.set_defaults(plugins=[])  # for the processes that measure
    add_plugin_option(parser)
    args = parser.parse_args(arguments)
    if args.records and args.plot is None:
        parser.error("--records are for --plot: give both, or neither")
    return args


def image_of(path: str | None, size: tuple[int, int] | None) -> np.ndarray:
    """Return the image to click on, (H, W, 3) uint8 RGB."""
    pixels = SamplesDataset().get_sample(0).image if path is None else rgb_image(path)
    if path is not None and size is None:
        return pixels
    height, width = size or (480, 854)
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def wanted_from(args: argparse.Namespace) -> list[Wanted]:
    """Return what to measure, each network by its name or by the path of its file.

    Raises:
        InputError: there is no such network, file, image or device.
    """
    image = image_of(args.image, None if args.size is None else size_from(args.size))
    device = str(choose_device(args.gpus, args.cpu, args.device, elsewhere=True))
    return [
        Wanted(
            **which, image=image, device=device, threads=args.threads, rounds=args.rounds, grid=args.grid,
            plugins=args.plugins, plain=plain, compiled=args.compile,
        )
        for which in chosen_networks(args, load_config_file(args.config_path))
        for plain in (False, True)[: 1 + args.plain]
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    runs = read_runs(args.records) if args.records else []
    known = {run.dataset for run in runs} | {one.dataset for one in PUBLISHED_VALUES if one.metric == args.metric}
    if args.plot is not None and args.dataset not in known:
        raise InputError(f"--dataset is {shown(args.dataset)}: for --plot take one of {', '.join(sorted(known))}.")
    wanted = wanted_from(args)
    with ExitStack() as opened:  # before the measurement, which takes minutes
        figures = None if args.json is None else opened.enter_context(atomic_write(args.json, "w"))
        plot = None if args.plot is None else opened.enter_context(atomic_write(args.plot))
        rows = []
        for number, one in enumerate(wanted, start=1):
            print(f"measuring {number} of {len(wanted)}: {one.network or one.checkpoint}", file=sys.stderr, flush=True)
            rows.append(measured_apart(measured, one))
        if figures is not None:
            json.dump({"versions": versions(), "latencies": list(map(plain_data, rows))}, figures, indent=2)
        if plot is not None:
            pairs = with_published(rows, args.dataset, args.metric)
            pairs += with_measured(rows, runs, args.dataset, args.metric)
            title = f"{args.metric} on {args.dataset}: filled measured, open published; on {rows[0].device}"
            draw_figure(latency_figure(pairs, title), plot)
    height, width = rows[0].image_size
    print(f"{rows[0].device}, {rows[0].threads} threads; image of {height} x {width}; medians, and from least to most")
    print(latency_table(rows))
