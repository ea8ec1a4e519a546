"""Make initial masks: the masks of an evaluation set, corrupted to a given IoU."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from isegm.data import get_dataset
from isegm.data.convert.select_davis585 import OBJECTS, select_davis585
from isegm.data.datasets.base import EvaluationDataset
from isegm.data.datasets.davis585 import Davis585Dataset
from isegm.data.initial_masks import DatasetObject
from isegm.data.superpixel_masks import write_initial_masks
from isegm.utils.arguments import CommandParser, add_config_option, read_path, read_path_text, whole_from
from isegm.utils.cli import program
from isegm.utils.errors import InputError
from isegm.utils.exp import load_config_file
from isegm.utils.log import logger


def iou_range(text: str) -> tuple[float, float]:
    """Parse two numbers such as ``0.75,0.85``."""
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not two numbers such as 0.75,0.85") from error
    if not 0 < low < high < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a range of IoUs: give two rising numbers between 0 and 1")
    return low, high


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("initial-masks", arguments),
        description="Make initial masks: the masks of an evaluation set, corrupted to a wanted IoU.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", help="an evaluation set by name, or folder:<path>")
    source.add_argument(
        "--davis585", type=read_path_text, metavar="DAVIS", help="DAVIS 2017, to make DAVIS-585 from it"
    )
    parser.add_argument(
        "--out",
        type=read_path,
        required=True,
        help="folder to write: masks of the same name in it are replaced; for --davis585 it must be empty",
    )
    parser.add_argument("--iou", type=iou_range, default=(0.75, 0.85), help="IoU of the masks (default: 0.75,0.85)")
    parser.add_argument("--seed", type=whole_from(0), default=0, help="of all draws (default: %(default)s)")
    parser.add_argument("--max-objects", type=whole_from(1), help="only the first so many objects (default: all)")
    add_config_option(parser)
    return parser.parse_args(arguments)


def open_dataset(args: argparse.Namespace) -> tuple[EvaluationDataset, Callable[[DatasetObject], Path]]:
    """Open the evaluation set, and return a function that gives the path of an object's mask.

    Raises:
        InputError: the data set cannot be opened, or the masks would lie among its own files.
    """
    if args.davis585 is None:
        dataset = get_dataset(args.dataset, load_config_file(args.config_path))
        if args.out.resolve() in {path.parent.resolve() for pair in getattr(dataset, "pairs", ()) for path in pair}:
            raise InputError(
                f"--out {args.out} holds images or masks of {dataset.name}, among which initial masks would count: "
                "choose another folder."
            )
        return dataset, lambda item: args.out / f"{item.name}.png"
    count = select_davis585(Path(args.davis585), args.out)
    logger.info("%d objects chosen from %s; as published there are %d", count, args.davis585, OBJECTS)
    davis585 = Davis585Dataset(args.out)
    return davis585, lambda item: davis585.initial_mask_path(item.index, "sp")


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    dataset, path_of = open_dataset(args)
    dataset.check(args.max_objects)
    ious = write_initial_masks(dataset, path_of, args.iou, args.seed, args.max_objects)
    low, high = args.iou
    missed = sum(not low <= iou <= high for iou in ious)
    print(f"{args.out}: {len(ious)} initial masks, mean IoU {np.mean(ious):.3f}; {missed} outside {low:g} to {high:g}")
