"""Train a click network."""

import argparse
import sys
from collections.abc import Callable, Sequence
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


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options of a training run, from ``sys.argv`` by default; those of ``RunConfig`` have its defaults."""
    parser = CommandParser(
        prog=program("train", arguments), description="Train a click network by an experiment script."
    )
    parser.add_argument("model_path", type=value_of("model_path"), help="experiment script in models/")
    parser.add_argument(
        "--exp-name",
        type=value_of("exp_name"),
        default="",
        help="ending of the experiment folder's name (default: none)",
    )
    parser.add_argument(
        "--data",
        type=value_of("data"),
        help="images-and-masks folders or packed files, comma-separated; default: TRAIN_FOLDERS in config.yml",
    )
    parser.add_argument(
        "--batch-size",
        type=value_of("batch_size"),
        default=-1,
        help="samples per step, all processes' together; default: the script's",
    )
    parser.add_argument(
        "--micro-batch",
        type=value_of("micro_batch"),
        metavar="N",
        help="samples of a step whose gradients are computed at once, fewer to need less memory, where BatchNorm is "
        "frozen; default: the script's",
    )
    parser.add_argument(
        "--epochs", type=value_of("epochs"), default=-1, help="epochs of training; default: the script's"
    )
    parser.add_argument(
        "--debug", action="store_const", const=1, dest="epochs", help="the same as --epochs 1, an option of CFR-ICL"
    )
    parser.add_argument(
        "--epoch-len", type=value_of("epoch_len"), default=-1, help="samples per epoch; default: the script's"
    )
    parser.add_argument("--lr", type=value_of("lr"), help="base learning rate; default: the script's")
    parser.add_argument(
        "--layerwise-decay",
        "--layerwise_decay",
        action="store_true",
        help="a layer of a plain vision transformer learns at 0.75 times the learning rate of the next, with a "
        "weight decay of 0.02 (default: all layers learn alike)",
    )
    parser.add_argument(
        "--upsample",
        choices=("x1", "x2", "x4"),
        default="x1",
        help="finer logits of SimpleClick's networks, from fewer channels (default: %(default)s)",
    )
    parser.add_argument(
        "--random-split",
        action="store_true",
        help="every block of SimpleClick's networks attends to the whole image (default: most within windows)",
    )
    parser.add_argument(
        "--set",
        action="append",
        type=value_of("recipe_fields"),
        default=[],
        dest="recipe_fields",
        metavar="FIELD=VALUE",
        help="another value, as YAML has it, for a field of the script's recipe, such as ema=null or crop=[256,256]; "
        "may be repeated; docs/training.md#fields-of-a-recipe lists the fields (default: none)",
    )
    parser.add_argument(
        "--accumulate-grad",
        type=value_of("accumulate_grad"),
        default=RunConfig.accumulate,
        metavar="K",
        help="batches of an optimiser step; default: %(default)s",
    )
    parser.add_argument(
        "--clip-grad-norm", type=value_of("clip_grad_norm"), help="largest norm of the gradient; default: the script's"
    )
    parser.add_argument(
        "--workers",
        type=value_of("workers"),
        help="processes that load data, for each process that trains; default: one for each core, at most "
        f"{MOST_WORKERS}",
    )
    parser.add_argument(
        "--threads",
        type=value_of("threads"),
        metavar="N",
        help="threads that compute on the CPU, for each process that trains; default: one for each core that it "
        "may use, or OMP_NUM_THREADS",
    )
    parser.add_argument(
        "--ngpus", type=value_of("ngpus"), default=1, help="processes on this machine, a GPU each, without --gpus"
    )
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument(
        "--gpus",
        type=value_of("gpus"),
        default="",
        help="CUDA ids, a process for each; default: as many as --ngpus, from 0 on",
    )
    devices.add_argument("--cpu", action="store_true", help="train on the CPU")
    parser.add_argument(
        "--amp",
        nargs="?",
        const="fp16",
        choices=("bf16", "fp16"),
        help="mixed precision, fp16 without a value; default: float32",
    )
    parser.add_argument("--sync-bn", action="store_true", help="BatchNorm over the samples of all GPUs")
    parser.add_argument("--compile", action="store_true", help="compile the network with torch.compile")
    parser.add_argument(
        "--data-on-device",
        action=argparse.BooleanOptionalAction,
        help="keep the images of folders on the device, and augment and click there; default: on a GPU where they fit",
    )
    parser.add_argument(
        "--minutes",
        type=value_of("minutes"),
        metavar="M",
        help="write the checkpoint and end after M minutes, to go on with --resume-exp; default: train to the end",
    )
    parser.add_argument(
        "--local_rank",
        "--local-rank",
        type=value_of("local_rank"),
        help="set by launchers; LOCAL_RANK in the environment wins (default: 0)",
    )
    parser.add_argument(
        "--seed", type=value_of("seed"), default=RunConfig.seed, help="seed of weights, samples and simulated clicks"
    )
    parser.add_argument(
        "--save-every",
        type=value_of("save_every"),
        default=RunConfig.save_every,
        help="steps between checkpoints within an epoch, 0: no checkpoint by this rule; default: %(default)s",
    )
    parser.add_argument(
        "--save-seconds",
        type=value_of("save_seconds"),
        default=RunConfig.save_seconds,
        help="seconds between checkpoints within an epoch, 0: no checkpoint by this rule; default: %(default)s",
    )
    parser.add_argument(
        "--resume-exp",
        type=given("resume_exp"),
        help="start of the name of the experiment folder to resume (default: start a new one)",
    )
    parser.add_argument("--resume-prefix", default="last", help="start of the name of the checkpoint to resume from")
    parser.add_argument(
        "--start-epoch",
        type=value_of("start_epoch"),
        help="first epoch, for a checkpoint without training state (default: the state's)",
    )
    parser.add_argument(
        "--weights", type=given("weights"), help="checkpoint whose weights to start from (default: the script's)"
    )
    parser.add_argument(
        "--backbone",
        type=given("backbone"),
        help="name in timm, for models/light/timm_folder.py; default: the script's",
    )
    parser.add_argument(
        "--temp-model-path",
        type=given("temp_model_path"),
        help="read the experiment script from here instead (default: from model_path)",
    )
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
