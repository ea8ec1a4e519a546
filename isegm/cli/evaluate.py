"""Count the clicks that a network needs, with the simulated user of the published evaluations."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields

from isegm.evaluation.options import EvalOptions
from isegm.evaluation.run import run_evaluation
from isegm.utils.cli import add_device_options, choose_device, program
from isegm.utils.threads import set_threads


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program("evaluate", arguments),
        description="Evaluate click models: number of clicks (NoC), failures (NoF), mean IoU, time.",
    )
    add_options(parser, "mode")
    add_options(parser.add_mutually_exclusive_group(), "checkpoint", "exp_path")
    add_options(parser, "model_dir", "datasets", "init_masks", "merge")

    add_device_options(parser)

    add_options(parser.add_mutually_exclusive_group(), "target_iou", "iou_analysis")
    add_options(parser, "n_clicks", "min_n_clicks", "thresh", "clicks_limit")
    add_options(parser, "eval_mode", "infer_size", "target_crop_r", "focus_crop_r")
    add_options(parser, "cf_n", "cf_click", "acf")
    add_options(parser, "save_ious", "print_ious", "vis_preds", "vis", "vis_path", "overlays", "model_name")
    add_options(parser, "config_path", "logs_path", "batch_size", "resume", "max_objects")
    return parser.parse_args(arguments)


def add_options(parser: argparse._ActionsContainer, *names: str) -> None:
    """Add options to a parser, each as its field of ``EvalOptions`` declares it."""
    options = {option.name: option for option in fields(EvalOptions)}
    for name in names:
        default, metadata = options[name].default, options[name].metadata
        flag = metadata["flag"] or f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(flag, dest=name, action=f"store_{str(not default).lower()}", **metadata["parser"])
        elif flag.startswith("-"):
            kind = str if default is None else type(default)
            parser.add_argument(flag, dest=name, default=default, **{"type": kind, **metadata["parser"]})
        else:
            parser.add_argument(flag, nargs="?", default=default, **metadata["parser"])


def main(arguments: Sequence[str] | None = None) -> None:
    options = vars(parse_args(arguments))
    started = sys.argv if arguments is None else ["isegm", "evaluate", *arguments]
    set_threads(options.pop("threads"))
    device = choose_device(options.pop("gpus"), options.pop("cpu"), options.pop("device"))
    run_evaluation(EvalOptions(**options, device=device, command=shlex.join(started)))
