"""Train a click network."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from isegm.engine.config import RunConfig
from isegm.engine.loading import MOST_WORKERS
from isegm.utils.arguments import CommandParser
from isegm.utils.cli import program
from isegm.utils.distributed import launch, process_group
from isegm.utils.exp import init_experiment, load_script
from isegm.utils.plugins import add_plugin_option
from isegm.utils.run_options import RUN_OPTIONS
from isegm.utils.schema import Flag, Text
from isegm.utils.text_values import from_text
from isegm.utils.threads import set_threads


def value_of(name: str) -> Callable[[str], Any]:
    """Return the function that reads the text of an option of a training run, for ``type=`` of argparse."""
    return from_text(RUN_OPTIONS[name])


def given(name: str) -> Callable[[str], Any]:
    """Return ``value_of(name)`` that also refuses empty text, such as that of a shell variable that is not set."""
    read = value_of(name)

    def read_given(text: str) -> Any:
        if not text.strip():
            raise argparse.ArgumentTypeError("it is empty: give a value, or leave the option out")
        return read(text)

    return read_given


@dataclass(frozen=True)
class Option:
    """An option of a training run.

    Attributes:
        name: its key in ``RUN_OPTIONS``, which says what values it takes, and with dashes its flag.
        help, default, metavar: see ``ArgumentParser.add_argument``.
        further: other arguments of ``add_argument``.
        flag: where it is another one than its name.
        constant: the value that it stands for, where it takes none.
        may_be_empty: whether it takes empty text, such as that of a shell variable that is not set.
    """

    name: str
    help: str
    default: Any = None
    metavar: str | None = None
    further: Mapping[str, Any] = field(default_factory=dict)
    flag: str = ""
    constant: Any = None
    may_be_empty: bool = True

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        """Add the option to a parser."""
        kind = RUN_OPTIONS[self.name]
        told: dict[str, Any] = {"default": self.default, "metavar": self.metavar}
        if isinstance(kind, Flag):
            told = {"action": "store_true"}
        elif self.constant is not None:
            told = {"action": "store_const", "const": self.constant}
        elif isinstance(kind, Text) and kind.choices:
            told["choices"] = kind.choices
        else:
            told["type"] = value_of(self.name) if self.may_be_empty else given(self.name)
        flag = self.flag or f"--{self.name.replace('_', '-')}"
        parser.add_argument(flag, dest=self.name, help=self.help, **{**told, **self.further})


WHAT_IS_LEARNT = (
    Option("exp_name", "ending of the experiment folder's name (default: none)", ""),
    Option("data", "images-and-masks folders or packed files, comma-separated; default: TRAIN_FOLDERS in config.yml"),
    Option("batch_size", "samples per step, all processes' together; default: the script's", -1),
    Option(
        "micro_batch",
        "samples of a step whose gradients are computed at once, fewer to need less memory, where BatchNorm is "
        "frozen; default: the script's",
        metavar="N",
    ),
    Option("epochs", "epochs of training; default: the script's", -1),
    Option("epochs", "the same as --epochs 1, an option of CFR-ICL", flag="--debug", constant=1),
    Option("epoch_len", "samples per epoch; default: the script's", -1),
    Option("lr", "base learning rate; default: the script's"),
    Option(
        "layerwise_decay",
        "a layer of a plain vision transformer learns at 0.75 times the learning rate of the next, with a "
        "weight decay of 0.02 (default: all layers learn alike)",
    ),
    Option("upsample", "finer logits of SimpleClick's networks, from fewer channels (default: %(default)s)", "x1"),
    Option(
        "random_split",
        "every block of SimpleClick's networks attends to the whole image (default: most within windows)",
    ),
    Option(
        "recipe_fields",
        "another value, as YAML has it, for a field of the script's recipe, such as ema=null or crop=[256,256]; "
        "may be repeated; docs/training.md#fields-of-a-recipe lists the fields (default: none)",
        [],
        "FIELD=VALUE",
        further={"action": "append"},
        flag="--set",
    ),
    Option("accumulate_grad", "batches of an optimiser step; default: %(default)s", RunConfig.accumulate, "K"),
    Option("clip_grad_norm", "largest norm of the gradient; default: the script's"),
)
PROCESSES = (
    Option(
        "workers",
        f"processes that load data, for each process that trains; default: one for each core, at most {MOST_WORKERS}",
    ),
    Option(
        "threads",
        "threads that compute on the CPU, for each process that trains; default: one for each core that it may use, "
        "or OMP_NUM_THREADS",
        metavar="N",
    ),
    Option("ngpus", "processes on this machine, a GPU each, without --gpus", 1),
)
DEVICES = (
    Option("gpus", "CUDA ids, a process for each; default: as many as --ngpus, from 0 on", ""),
    Option("cpu", "train on the CPU"),
)
HOW_IT_RUNS = (
    Option("amp", "mixed precision, fp16 without a value; default: float32", further={"nargs": "?", "const": "fp16"}),
    Option("sync_bn", "BatchNorm over the samples of all GPUs"),
    Option("compile", "compile the network with torch.compile"),
    Option(
        "data_on_device",
        "keep the images of folders on the device, and augment and click there; default: on a GPU where they fit",
        further={"action": argparse.BooleanOptionalAction},
    ),
    Option(
        "minutes",
        "write the checkpoint and end after M minutes, to go on with --resume-exp; default: train to the end",
        metavar="M",
    ),
    Option("local_rank", "set by launchers; LOCAL_RANK in the environment wins (default: 0)"),
    Option("seed", "seed of weights, samples and simulated clicks", RunConfig.seed),
    Option(
        "save_every",
        "steps between checkpoints within an epoch, 0: no checkpoint by this rule; default: %(default)s",
        RunConfig.save_every,
    ),
    Option(
        "save_seconds",
        "seconds between checkpoints within an epoch, 0: no checkpoint by this rule; default: %(default)s",
        RunConfig.save_seconds,
    ),
)
WHERE_IT_STARTS = (
    Option(
        "resume_exp",
        "start of the name of the experiment folder to resume (default: start a new one)",
        may_be_empty=False,
    ),
    Option("resume_prefix", "start of the name of the checkpoint to resume from", "last"),
    Option(
        "start_epoch",
        "first epoch, for a checkpoint without training state; a new run leaves out those before (default: the "
        "state's)",
    ),
    Option("weights", "checkpoint whose weights to start from (default: the script's)", may_be_empty=False),
    Option("backbone", "name in timm, for models/light/timm_*.py; default: the script's", may_be_empty=False),
    Option(
        "temp_model_path",
        "read the experiment script from here instead, and delete it once it is copied (default: from model_path)",
        may_be_empty=False,
    ),
)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options of a training run, from ``sys.argv`` by default; those of ``RunConfig`` have its defaults."""
    parser = CommandParser(
        prog=program("train", arguments), description="Train a click network by an experiment script."
    )
    parser.add_argument("model_path", type=value_of("model_path"), help="experiment script in models/")
    for place, options in (
        (parser, (*WHAT_IS_LEARNT, *PROCESSES)),
        (parser.add_mutually_exclusive_group(), DEVICES),
        (parser, (*HOW_IT_RUNS, *WHERE_IT_STARTS)),
    ):
        for option in options:
            option.add_to(place)
    add_plugin_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train by an experiment script, in as many processes as the options ask for."""
    args = parse_args(arguments)
    command = sys.argv if arguments is None else ["-m", "isegm", "train", *arguments]
    launch(args.gpus, args.ngpus, args.cpu, command)
    with process_group():
        script = load_script(args.temp_model_path or args.model_path)
        torch.manual_seed(args.seed)
        cfg = init_experiment(args, script)
        set_threads(cfg.threads)
        script.main(cfg)
