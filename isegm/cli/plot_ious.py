"""Plot the mean IoU per click of several models, one figure per data set, and print it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from isegm.evaluation.iou_curves import ALL_CLICKS, plot_curves, read_curve, select_files, told_apart
from isegm.evaluation.options import MODES
from isegm.evaluation.records import records_below
from isegm.utils.arguments import CommandParser, add_config_option, read_path, whole_from
from isegm.utils.cli import program
from isegm.utils.errors import InputError
from isegm.utils.exp import load_config_file

DATASETS = "GrabCut,Berkeley,DAVIS,COCO_MVal,SBD"


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("plot-ious", arguments), description="Plot the mean IoU per click of several models."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--folder", type=read_path, help="folder of .pickle files of --iou-analysis")
    source.add_argument(
        "--files",
        type=read_path,
        nargs="+",
        help=".pickle files, records_<dataset>.jsonl files, or folders with such records below them",
    )
    source.add_argument(
        "--model-dirs", type=read_path, nargs="+", help="folders of logs, in which plots/*.pickle are read"
    )
    source.add_argument(
        "--exp-models",
        nargs="+",
        metavar="EXP[:PREFIX]",
        help="experiments below EXPS_PATH/evaluation_logs, and the beginning of the names in their plots/",
    )
    parser.add_argument("--mode", nargs="*", choices=MODES, default=[], help="only files of these modes (default: all)")
    parser.add_argument(
        "--datasets",
        help=f"only files of these data sets, with commas between them (default: all of --files, else {DATASETS})",
    )
    add_config_option(parser)
    parser.add_argument(
        "--n-clicks",
        type=whole_from(ALL_CLICKS, 10_000),
        default=ALL_CLICKS,
        help="how many clicks to show; -1: all (default: %(default)s)",
    )
    parser.add_argument(
        "--plots-path", type=read_path, help="folder of figures (default: EXPS_PATH/evaluation_logs/iou_analysis)"
    )
    return parser.parse_args(arguments)


def candidates(args: argparse.Namespace, logs: Path) -> list[Path]:
    """List the files that the options name, before they are filtered by mode and data set."""
    if args.files:
        return [path for named in args.files for path in curve_files(named)]
    if args.folder:
        return pickles(args.folder)
    if args.model_dirs:
        return [path for folder in args.model_dirs for path in pickles(folder / "plots")]
    found = []
    for model in args.exp_models:
        experiment, _, prefix = model.partition(":")
        found += [path for path in pickles(logs / experiment / "plots") if path.name.startswith(prefix)]
    return found


def curve_files(path: Path) -> list[Path]:
    """Return the records below a folder, or the file itself."""
    if not path.is_dir():
        return [path]
    if not (found := records_below(path)):
        raise InputError(f"there are no records_<dataset>.jsonl below {path}: evaluate with isegm evaluate.")
    return found


def pickles(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: evaluate with --iou-analysis first, or check the path.")
    return list(folder.glob("*.pickle"))


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    if args.n_clicks == 0:
        raise InputError(f"--n-clicks is {args.n_clicks}: give a number of at least 1, or -1 for all.")
    logs = Path(load_config_file(args.config_path).get("EXPS_PATH", "./experiments")) / "evaluation_logs"
    named = args.datasets or ("" if args.files else DATASETS)
    datasets = [name.strip() for name in named.split(",") if name.strip()] or None
    files = select_files(candidates(args, logs), args.mode, datasets)
    curves = told_apart([read_curve(path, args.n_clicks) for path in files], files)
    for curve in curves:
        print(curve.summary())
    for path in plot_curves(curves, args.plots_path or logs / "iou_analysis"):
        print(f"written: {path}")
