"""Write a network as an ONNX file, for ONNX Runtime and other programs."""

import argparse
from collections.abc import Sequence

from isegm.cli.flops import size_from
from isegm.data import get_dataset
from isegm.inference.onnx_clicks import objects_of
from isegm.inference.onnx_files import export_onnx
from isegm.model.checkpoint import DEFAULT_CHECKPOINT, load_model
from isegm.utils.arguments import CommandParser, add_config_option, read_path, read_path_text, whole_from
from isegm.utils.cli import add_thread_option, program
from isegm.utils.exp import load_config_file
from isegm.utils.files import sha256
from isegm.utils.lookup import find_checkpoint
from isegm.utils.plugins import add_plugin_option
from isegm.utils.threads import set_threads


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("export", arguments),
        description="Write a network as an ONNX file, once it agrees with PyTorch over ten simulated clicks.",
    )
    parser.add_argument(
        "--checkpoint",
        type=read_path_text,
        default=str(DEFAULT_CHECKPOINT),
        help="network to write: a path, or the beginning of a name below INTERACTIVE_MODELS_PATH (default: the shipped "
        "one)",
    )
    parser.add_argument("--out", required=True, type=read_path, metavar="FILE", help="file to write, .onnx")
    parser.add_argument(
        "--size",
        help="fix the size of its input in pixels: height,width, or the side of a square (default: any; that of its "
        "protocol with a ViT)",
    )
    parser.add_argument("--int8", action="store_true", help="compute in 8 bits, needs --calibrate (default: off)")
    parser.add_argument(
        "--calibrate",
        metavar="DATASET",
        help="with --int8: data set on whose images clicks are simulated to find the ranges of values, by name as in "
        "evaluations or folder:PATH:train; best of what the network was trained on (default: none)",
    )
    parser.add_argument(
        "--max-objects",
        type=whole_from(1),
        default=40,
        metavar="N",
        help="of --calibrate, one in each image (default: %(default)s)",
    )
    add_config_option(parser)
    add_thread_option(parser)
    add_plugin_option(parser)
    args = parser.parse_args(arguments)
    if args.int8 != (args.calibrate is not None):
        parser.error("give --int8 and --calibrate together: a data set whose images show the ranges of values")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    set_threads(args.threads)
    size = None if args.size is None else size_from(args.size)
    config = load_config_file(args.config_path)
    checkpoint = find_checkpoint(config.get("INTERACTIVE_MODELS_PATH", "./weights"), args.checkpoint)
    dataset = get_dataset(args.calibrate, config) if args.int8 else None
    calibration = None if dataset is None else objects_of(dataset, args.max_objects)
    report = export_onnx(load_model(checkpoint), args.out, sha256(checkpoint), size, calibration)
    sides = "any size" if report.size is None else f"{report.size[0]} x {report.size[1]} pixels"
    print(f"{report.path}: {report.path.stat().st_size / 1e6:.1f} MB, for images of {sides}")
    print(
        f"Over {report.clicks} clicks, probabilities differ from PyTorch's by {report.difference:.2g} at most"
        f"{'.' if report.iou is None else ' in float32.'}"
    )
    if report.iou is not None:
        print(f"In 8 bits the masks have a mean IoU of {report.iou:.4f} with PyTorch's.")
