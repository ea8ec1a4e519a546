"""Compare the refined predictions of FocalClick and CDNet with the coarse ones for the same clicks."""

import argparse
from collections.abc import Sequence

from tqdm import tqdm

from isegm import Predictor, load_model
from isegm.data import get_dataset
from isegm.data.catalogue import FOLDER_PREFIX, split_names
from isegm.evaluation.refiner import compare_predictions, table
from isegm.inference.protocols import settings_for
from isegm.utils.arguments import CommandParser, add_config_option, number_from, read_path_text, whole_from
from isegm.utils.cli import add_device_options, choose_device, program
from isegm.utils.exp import load_config_file
from isegm.utils.lookup import find_checkpoint
from isegm.utils.plugins import add_plugin_option
from isegm.utils.threads import set_threads

MOST_CLICKS = 1000


def numbers(text: str) -> list[int]:
    """``1,3,5`` as whole numbers."""
    try:
        values = sorted({int(number) for number in text.split(",")})
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 1,3,5") from None
    if not 1 <= values[0] <= values[-1] <= MOST_CLICKS:
        raise argparse.ArgumentTypeError(f"{text!r}: clicks are counted from 1, and {MOST_CLICKS} is the most")
    return values


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("measure-refiner", arguments),
        description="Compare the refined predictions of a network with its coarse ones.",
    )
    parser.add_argument(
        "--checkpoint", required=True, type=read_path_text, help="a network of FocalClick, CDNet or EMC-Click"
    )
    parser.add_argument("--datasets", default="Berkeley", help="names with commas between them (default: %(default)s)")
    parser.add_argument("--clicks", type=numbers, default="1,2,3,5", help="report after these (default: %(default)s)")
    parser.add_argument("--thresh", type=number_from(0, 1), default=0.5, help="mask threshold (default: %(default)s)")
    parser.add_argument(
        "--infer-size", type=whole_from(32, 4096), help="side of the network's input (default: the published one)"
    )
    parser.add_argument(
        "--max-objects", type=whole_from(1), help="only the first so many objects of each data set (default: all)"
    )
    add_config_option(parser)
    add_device_options(parser)
    add_plugin_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    set_threads(args.threads)
    cfg = load_config_file(args.config_path)
    checkpoint = find_checkpoint(cfg.get("INTERACTIVE_MODELS_PATH", "./weights"), args.checkpoint)
    model = load_model(checkpoint, choose_device(args.gpus, args.cpu, args.device))
    datasets = [get_dataset(name, cfg) for name in split_names(args.datasets, FOLDER_PREFIX)]
    for dataset in datasets:
        dataset.check(args.max_objects)
    for dataset in datasets:
        settings = settings_for(model.protocol, dataset_name=dataset.name, infer_size=args.infer_size)
        predictor = Predictor(model, settings=settings, threshold=args.thresh)
        measured = compare_predictions(dataset, predictor, args.clicks[-1], args.max_objects)
        pairs = list(tqdm(measured, desc=dataset.name, unit="click", mininterval=5))
        print(f"{checkpoint} on {dataset.name}\n{table(pairs, args.clicks)}\n")
