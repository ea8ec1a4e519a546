"""Count the clicks that a network needs, with the simulated user of the published evaluations."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta

from isegm.evaluation.options import EvalOptions
from isegm.evaluation.run import run_evaluation
from isegm.utils.arguments import CommandParser
from isegm.utils.cli import add_device_options, choose_device, program
from isegm.utils.distributed import device_of_process, launch, process_group, world_size
from isegm.utils.plugins import add_plugin_option
from isegm.utils.run_options import RUN_OPTIONS
from isegm.utils.text_values import from_text
from isegm.utils.threads import set_threads

PATIENCE = timedelta(days=1)  # with the first process, which looks into all files of the data sets
EXAMPLES = """examples:
  isegm evaluate --datasets=Samples --cpu
      the model that comes with the code, on 14 objects that come with it too
  isegm evaluate NoBRS --checkpoint=coco_lvis_h18_itermask --datasets=GrabCut,Berkeley
      a published checkpoint in weights/, on published data sets (isegm download fetches both)
  isegm evaluate --exp-path=light/folder_mobilenetv2/000:last --datasets=folder:my_images --resume
      your own network on your own images; what was stopped goes on
"""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("evaluate", arguments),
        description="Evaluate click models: number of clicks (NoC), failures (NoF), mean IoU, time.",
        epilog=EXAMPLES,
        unclear={"--clicks": ("--n-clicks", "--clicks-limit")},
    )
    what = parser.add_argument_group("what is evaluated")
    add_options(what, "mode")
    add_options(what.add_mutually_exclusive_group(), "checkpoint", "exp_path")
    add_options(what, "model_dir", "datasets", "init_masks", "max_objects")

    clicking = parser.add_argument_group("where clicks lie, and when clicking stops")
    add_options(clicking.add_mutually_exclusive_group(), "target_iou", "iou_analysis")
    add_options(
        clicking, "n_clicks", "max_n_clicks", "min_n_clicks", "thresh", "clicker", "prompts", "box_jitter", "seed"
    )

    network = parser.add_argument_group("what the network sees, and what follows it")
    add_options(network, "eval_mode", "eval_ritm", "infer_size", "target_crop_r", "focus_crop_r", "clicks_limit")
    add_options(network, "cf_n", "cf_click", "acf", "further_looks", "merge")

    machine = parser.add_argument_group("where and how it runs")
    add_plugin_option(machine)
    add_device_options(machine, several="several, with commas: a process for each")
    machine.add_argument(
        "--local_rank",
        "--local-rank",
        type=from_text(RUN_OPTIONS["local_rank"]),
        help="set by launchers; LOCAL_RANK in the environment wins (default: 0)",
    )
    add_options(machine, "batch_size", "precision", "compile", "resume", "config_path")

    written = parser.add_argument_group("what is printed and written")
    add_options(written, "logs_path", "print_ious", "save_ious", "model_name", "overlays", "sheet")
    add_options(written, "vis", "vis_path", "vis_preds")
    return parser.parse_args(arguments)


def add_options(parser: argparse._ActionsContainer, *names: str) -> None:
    """Add options to a parser, each as its field of ``EvalOptions`` declares it."""
    options = {option.name: option for option in fields(EvalOptions)}
    for name in names:
        default, metadata = options[name].default, options[name].metadata
        flag = metadata["flag"] or f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            told = {**metadata["parser"], "help": f"{metadata['parser']['help']} (default: off)"}
            parser.add_argument(flag, dest=name, action=f"store_{str(not default).lower()}", **told)
        elif flag.startswith("-"):
            kind = str if default is None else type(default)
            parser.add_argument(flag, dest=name, default=default, **{"type": kind, **metadata["parser"]})
        else:
            parser.add_argument(flag, nargs="?", default=default, **metadata["parser"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate in as many processes as the options, or the launcher that has started this one, ask for."""
    options = vars(parse_args(arguments))
    started = sys.argv if arguments is None else ["isegm", "evaluate", *arguments]
    gpus, cpu, device, local_rank = (options.pop(name) for name in ("gpus", "cpu", "device", "local_rank"))
    set_threads(options.pop("threads"))
    launch(gpus or "", cpu=cpu, command=sys.argv if arguments is None else ["-m", "isegm", "evaluate", *arguments])
    with process_group("--resume", PATIENCE):
        if device is not None or world_size() == 1:
            chosen = choose_device(gpus, cpu, device)
        else:
            chosen = device_of_process(gpus or "", cpu=cpu, local_rank=local_rank)
        run_evaluation(EvalOptions(**options, device=chosen, command=shlex.join(started)))
