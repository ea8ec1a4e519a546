"""The command ``isegm``: each module of this package is a subcommand, ``initial_masks.py`` is ``isegm initial-masks``.

A module has ``main(arguments)``. The arguments are the words behind the subcommand, or None to read ``sys.argv``, as
the scripts in ``scripts/`` do with ``start``. A module is imported when its subcommand runs, so that ``isegm --help``
does not wait for PyTorch, and an interrupt meanwhile is one word.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from isegm import __version__
from isegm.utils.startup import INTERRUPTED, end_on_interrupt

COMMANDS = {
    "predict": "segment an object in an image from clicks",
    "annotate": "segment objects interactively, in a window",
    "evaluate": "count the clicks that a network needs on evaluation sets",
    "compare": "compare evaluations: scores, paired differences, published values",
    "train": "train a network by an experiment script",
    "download": "fetch published data sets and weights",
    "datasets": "check which data sets are there and how complete they are",
    "models": "list networks and published weights",
    "benchmark": "time the work at every click against plain implementations",
    "benchmark-eval": "time an evaluation, stage by stage, against a plain loop",
    "flops": "count multiply-accumulates and parameters of networks",
    "initial-masks": "make initial masks of a wanted IoU from an evaluation set",
    "export": "write a network as an ONNX file, in float32 or 8 bits",
    "pack": "pack images-and-masks folders into one file",
    "convert": "convert annotations of COCO+LVIS, ADE20k and OpenImages for training",
    "plot-ious": "plot the mean IoU per click of several models",
    "measure-latency": "measure how long an image, its first click and the next ones take",
    "measure-refiner": "compare refined with coarse predictions of FocalClick, CDNet and EMC-Click",
}
BAD_INPUT = 2
PLAIN_MEMORY = ("benchmark",)  # measures a forward pass before and after ``keep_freed_memory``


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``isegm <command> <options>`` and end the process.

    Args:
        arguments: words of the command line behind ``isegm``; default: ``sys.argv[1:]``.
    """
    if arguments is None:
        end_on_interrupt()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        _parser().print_help(sys.stderr)
        sys.exit(BAD_INPUT)
    if words[0].startswith("-"):
        _parser().parse_args(words)
    command, *rest = words
    if command not in COMMANDS:
        from isegm.utils.log import say
        from isegm.utils.spelling import nearest

        near = nearest(command, COMMANDS)
        hint = f"did you mean {near}?" if near else f"known are {', '.join(COMMANDS)}."
        say(f"error: there is no command {command}: {hint}")
        sys.exit(BAD_INPUT)
    _run(command, rest)


def start(command: str) -> NoReturn:
    """Run a command with the options in ``sys.argv`` and end the process, as a script does."""
    end_on_interrupt()
    _run(command, None)


def main_of(command: str) -> Callable[..., None]:
    """Import a command's module and return its ``main(arguments)``."""
    main: Callable[..., None] = import_module(f"isegm.cli.{command.replace('-', '_')}").main
    return main


def _run(command: str, arguments: Sequence[str] | None) -> NoReturn:
    try:  # the imports of most commands take seconds
        from isegm.utils.cli import run

        command_main = main_of(command)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    run(partial(command_main, arguments), keep_memory=command not in PLAIN_MEMORY)


def _parser() -> argparse.ArgumentParser:
    from isegm.utils.arguments import CommandParser

    wide = max(map(len, COMMANDS))
    listed = "\n".join(f"  {command:<{wide}}  {what}" for command, what in COMMANDS.items())
    parser = CommandParser(
        prog="isegm",
        usage="isegm [-h] [--version] command ...",
        description="Click-based interactive segmentation.",
        epilog=f"commands:\n{listed}\n\nOptions of a command: isegm <command> --help",
    )
    parser.add_argument("--version", action="version", version=f"isegm {__version__}")
    return parser
