"""Segment objects interactively, in a window."""

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from isegm import load_model
from isegm.annotations.classes import read_classes
from isegm.data.datasets.samples import IMAGES, image_path
from isegm.demo.controller import Controller
from isegm.demo.journal import default_folder
from isegm.demo.settings import Settings
from isegm.demo.window import open_window
from isegm.inference.protocols import RITM
from isegm.model.checkpoint import DEFAULT_CHECKPOINT
from isegm.utils.arguments import CommandParser, add_config_option, read_path, read_path_text, whole_from
from isegm.utils.cli import add_device_options, choose_device, program
from isegm.utils.exp import load_config_file
from isegm.utils.lookup import find_checkpoint
from isegm.utils.plugins import add_plugin_option
from isegm.utils.threads import set_threads

SAMPLE = next(image for image in IMAGES if image.name == "cat")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("annotate", arguments), description="Segment objects interactively, in a window."
    )
    parser.add_argument("image", nargs="?", type=read_path_text, help="image to open, or folder of images")
    parser.add_argument(
        "--checkpoint",
        type=read_path_text,
        help="network: a path, with or without .pth, or the beginning of a name below INTERACTIVE_MODELS_PATH; "
        "default: the shipped one",
    )
    add_device_options(parser, "--gpu")
    parser.add_argument(
        "--limit-longest-size",
        type=whole_from(1),
        default=800,
        help="longest side of what the network sees, in pixels; masks keep the image's size (default: %(default)s)",
    )
    parser.add_argument(
        "--eval-ritm",
        action="store_true",
        help="begin with crops as in RITM's evaluations, whatever the network's own protocol (default: off)",
    )
    add_config_option(parser, "--cfg")
    parser.add_argument(
        "--autosave",
        type=read_path,
        default=default_folder(),
        metavar="FOLDER",
        help="where work is kept while it goes on (default: %(default)s)",
    )
    parser.add_argument(
        "--classes",
        type=read_path_text,
        metavar="FILE",
        help="classes to choose from: a text file with one in each line, the names of a data.yaml, or COCO JSON "
        "(default: none)",
    )
    add_plugin_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    Settings(max_size=args.limit_longest_size, target_size=min(400, args.limit_longest_size))
    classes = () if args.classes is None else read_classes(args.classes)
    config = load_config_file(args.config_path)
    weights = config.get("INTERACTIVE_MODELS_PATH", "./weights")
    checkpoint = DEFAULT_CHECKPOINT if args.checkpoint is None else find_checkpoint(weights, args.checkpoint)
    set_threads(args.threads)
    device = choose_device(args.gpu, args.cpu, args.device)
    root = open_window()
    from isegm.demo.view import Program  # imports tkinter

    torch.backends.cudnn.deterministic = True
    model = load_model(checkpoint, device)
    settings = Settings.for_model(model, args.limit_longest_size, RITM if args.eval_ritm else None)
    name = Path(checkpoint).stem
    controller = Controller(
        model, device, settings, autosave=args.autosave, background=True, network=name, classes=classes
    )
    program = Program(root, controller, weights)
    nothing_given = not (sys.argv[1:] if arguments is None else arguments)
    image = image_path(SAMPLE) if nothing_given else args.image
    if image is not None:
        program.open(image)
    gc.freeze()  # what is there by now stays: looking through it for garbage would hold the window up for 90 ms
    program.run()
