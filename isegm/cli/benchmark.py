"""Time the work at every click against plain implementations, and print the ratio."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import torch

from isegm.benchmarks.busy_machine import busy_lines
from isegm.benchmarks.click_parts import all_parts
from isegm.benchmarks.network_clicks import NETWORKS, click_on
from isegm.benchmarks.pass_memory import DTYPES, memory_lines
from isegm.benchmarks.scaling import replays_of, scaling_figure, scaling_lines
from isegm.benchmarks.step_stages import step_lines
from isegm.benchmarks.training_throughput import throughput_lines
from isegm.evaluation.plots import save_figure
from isegm.utils.arguments import CommandParser
from isegm.utils.cli import add_thread_option, choose_device, program
from isegm.utils.memory import keep_freed_memory
from isegm.utils.schema import Whole
from isegm.utils.text_values import from_text
from isegm.utils.threads import set_threads

# The benchmark that a first word chooses: the module of its command, None for this one, and the options that it gets.
KINDS: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "clicks": (None, ()),
    "eval": ("benchmark_eval", ()),
    "train": (None, ("--training",)),
    "latency": ("measure_latency", ("--plain",)),
}


# What an option asks for, and the options that say how, with their defaults.
OPTIONS: dict[str, dict[str, Any]] = {
    "busy": {"clicks": 40, "rounds": 3},
    "memory": {"side": 448, "batch": 2, "dtype": "fp32"},
    "scaling": {"objects": 100_000},
    "training": {},
}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options, from ``sys.argv`` by default."""
    parser = CommandParser(
        prog=program("benchmark", arguments),
        description="Time the work at every click against plain implementations of the same results. Words in front of "
        "the options: eval times an evaluation (isegm benchmark-eval), latency an image and its clicks (isegm "
        "measure-latency --plain), train is --training.",
    )
    parser.add_argument(
        "--busy",
        type=from_text(Whole(1, 64)),
        metavar="N",
        help="time clicks instead, idle and beside N processes that spin, spinning bounded or not (default: do not)",
    )
    parser.add_argument(
        "--clicks",
        type=from_text(Whole(1, 10_000)),
        help=f"clicks of a round of --busy (default: {OPTIONS['busy']['clicks']})",
    )
    parser.add_argument(
        "--rounds", type=from_text(Whole(1, 1000)), help=f"rounds of --busy (default: {OPTIONS['busy']['rounds']})"
    )
    parser.add_argument(
        "--training",
        action="store_true",
        help="time training instead, images on --device (default: the CPU) against the data loader (default: do not)",
    )
    parser.add_argument(
        "--memory",
        metavar="NETWORK",
        help="measure the memory of a click and of a training step of this network instead (default: do not)",
    )
    parser.add_argument(
        "--side",
        type=from_text(Whole(32, 4096)),
        help=f"of the square input of --memory, in pixels (default: {OPTIONS['memory']['side']})",
    )
    parser.add_argument(
        "--batch", type=from_text(Whole(1, 1024)), help=f"samples of --memory (default: {OPTIONS['memory']['batch']})"
    )
    parser.add_argument(
        "--dtype",
        choices=tuple(DTYPES),
        help=f"of --memory; bf16 measures the click alone (default: {OPTIONS['memory']['dtype']})",
    )
    parser.add_argument(
        "--scaling",
        metavar="RECORDS",
        help="replay a records file of isegm evaluate with several processes instead (default: do not)",
    )
    parser.add_argument(
        "--objects",
        type=from_text(Whole(1, 10_000_000)),
        help=f"of a second replay, with the same images again and again (default: {OPTIONS['scaling']['objects']})",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw --scaling into this PNG file (default: do not)")
    add_thread_option(parser)
    parser.add_argument(
        "--device", help="time clicks on this device, such as cuda, against the CPU instead; default: none"
    )
    args = parser.parse_args(arguments)
    if args.plot is not None and args.scaling is None:
        parser.error("--plot draws what --scaling replays: give both, or neither")
    asked = [name for name in OPTIONS if getattr(args, name) not in (None, False)]
    if len(asked) > 1:
        parser.error(f"--{asked[0]} and --{asked[1]} are two benchmarks: ask for one of them")
    if args.device is not None and asked not in ([], ["training"]):
        parser.error(f"--{asked[0]} measures on the CPU: leave --device out")
    for name, options in OPTIONS.items():
        for option, default in options.items():
            if getattr(args, option) is None:
                setattr(args, option, default)
            elif name not in asked:
                parser.error(f"--{option} is an option of --{name}: give both, or neither")
    return args


def print_lines(lines: Iterable[object]) -> None:
    """Print each line once it is measured."""
    for line in lines:
        print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the times that the options ask for; a first word of ``KINDS`` chooses another benchmark."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] and words[0] in KINDS:
        command, options = KINDS[words[0]]
        if command is not None:
            import_module(f"isegm.cli.{command}").main([*options, *words[1:]])
            return
        arguments = [*options, *words[1:]]
    args = parse_args(arguments)
    threads = set_threads(args.threads)
    print(f"torch {torch.__version__}, {threads} threads")
    if args.busy is not None:
        print_lines(busy_lines(args.busy, args.clicks, args.rounds, args.threads))
        return
    if args.memory is not None:
        print_lines(memory_lines(args.memory, args.side, args.batch, args.dtype, args.threads))
        return
    if args.scaling is not None:
        replays = replays_of(args.scaling, args.objects)
        print_lines(scaling_lines(replays))
        if args.plot is not None:
            save_figure(scaling_figure(replays), args.plot)
        return
    if args.training:
        keep_freed_memory()  # as isegm train does
        device = choose_device(device=args.device or "cpu")
        print_lines(step_lines(device))
        print_lines(throughput_lines(device))
        return
    if args.device is not None:
        keep_freed_memory()  # as all commands that click do, or the CPU would seem slower than it is
        chosen = choose_device(device=args.device)
        if chosen.type == "cuda":
            print(torch.cuda.get_device_name(chosen))
        for name in NETWORKS:
            print_lines(click_on(chosen, name))
        return
    print_lines(all_parts())
