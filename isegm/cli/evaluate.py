"""Count the clicks that a network needs, with the simulated user of the published evaluations."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from isegm.evaluation.run import MODES, VIS_PATH, EvalOptions, run_evaluation
from isegm.inference.protocols import MERGES
from isegm.utils.cli import choose_device, program


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    defaults = EvalOptions()
    parser = argparse.ArgumentParser(
        prog=program("evaluate", arguments),
        description="Evaluate click models: number of clicks (NoC), failures (NoF), mean IoU, time.",
    )
    parser.add_argument(
        "mode",
        nargs="?",
        choices=MODES,
        help="NoBRS: the protocol the network was published with; Baseline, FocalClick, CDNet: those of ClickSEG; "
        "the others fit features (f-BRS), the image (RGB-BRS) or the click maps (DistMap-BRS) to the clicks. "
        "Left out, it is chosen by the network.",
    )

    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--checkpoint",
        help="path; or beginning of a file name below --model_dir; or model:checkpoint; several with commas. "
        "Left out with --exp-path too, it is the checkpoint that comes with the code.",
    )
    which.add_argument("--exp-path", help="experiment below EXPS_PATH, as path[:prefix of its checkpoints]")
    parser.add_argument(
        "--model_dir",
        default=defaults.model_dir,
        help="where --checkpoint is looked for (default: INTERACTIVE_MODELS_PATH of the configuration)",
    )
    parser.add_argument(
        "--datasets", default=defaults.datasets, help="names, or folder:<path>, with commas (default: %(default)s)"
    )

    parser.add_argument(
        "--init-masks",
        metavar="FOLDER",
        help="start from these masks, which scripts/make_initial_masks.py makes, on one data set",
    )

    parser.add_argument(
        "--merge",
        choices=MERGES,
        default=defaults.merge,
        help="how answers change an initial mask: by the published rule, also guarded against clicks that change "
        "nothing, or not merged into it at all (default: %(default)s)",
    )

    device = parser.add_mutually_exclusive_group()
    device.add_argument(
        "--gpus", help="id of the CUDA device; of several the first is used (default: 0 where there is one)"
    )
    device.add_argument("--cpu", action="store_true", help="run on the CPU")
    device.add_argument("--device", help="cpu, cuda, cuda:1 or mps")

    stop = parser.add_mutually_exclusive_group()
    stop.add_argument(
        "--target-iou",
        type=float,
        default=defaults.target_iou,
        help="stop clicking an object at this IoU, at least 0.8 (default: %(default)s)",
    )
    stop.add_argument(
        "--iou-analysis",
        action="store_true",
        help="give every object all clicks, and pickle IoUs as published plots read them",
    )
    parser.add_argument(
        "--n-clicks", type=int, default=defaults.n_clicks, help="clicks per object at most (default: %(default)s)"
    )
    parser.add_argument(
        "--min-n-clicks",
        type=int,
        default=defaults.min_n_clicks,
        help="clicks per object at least (default: %(default)s)",
    )
    parser.add_argument(
        "--thresh",
        type=float,
        default=defaults.thresh,
        help="the mask is where the probability is greater (default: %(default)s)",
    )
    parser.add_argument(
        "--clicks-limit",
        type=int,
        default=defaults.clicks_limit,
        help="show the network only so many first clicks; -1: as many as --n-clicks "
        "(default: all; 8 with f-BRS, 5 with RGB-BRS and DistMap-BRS)",
    )
    parser.add_argument(
        "--eval-mode", default=defaults.eval_mode, help="cvpr, fixed<N> or fixed<H>,<W> (default: %(default)s)"
    )
    parser.add_argument(
        "--infer-size",
        type=int,
        default=defaults.infer_size,
        help="side of the network's input, ClickSEG's protocols but CDNet's (default: 256 for FocalClick, else 384)",
    )
    parser.add_argument(
        "--target-crop-r",
        type=float,
        default=defaults.target_crop_r,
        help="expansion of the crop, ClickSEG's protocols (default: %(default)s)",
    )
    parser.add_argument(
        "--focus-crop-r",
        type=float,
        default=defaults.focus_crop_r,
        help="expansion of the part that FocalClick looks at again (default: %(default)s)",
    )

    parser.add_argument(
        "--cf-n",
        type=int,
        default=defaults.cf_n,
        help="Cascade-Forward Refinement: answer a click so many times more, each time starting from the last answer "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--cf-click",
        type=int,
        default=defaults.cf_click,
        help="do so with the first so many clicks (default: %(default)s)",
    )
    parser.add_argument("--acf", action="store_true", help="leave out what remains of --cf-n once the mask has settled")

    parser.add_argument("--save-ious", action="store_true", help="pickle the IoUs of each object")
    parser.add_argument("--print-ious", action="store_true", help="give every object all clicks, and print mean IoUs")
    parser.add_argument("--vis-preds", action="store_true", help="write an image for each click")
    parser.add_argument(
        "--vis", action="store_true", help="write an image for each object: where it started, where it ended"
    )
    parser.add_argument(
        "--vis_path", default=defaults.vis_path, help=f"the same, into this folder (default of --vis: {VIS_PATH})"
    )
    parser.add_argument("--no-overlays", action="store_true", help="do not draw the best and the worst objects")
    parser.add_argument("--model-name", help="name of the model in plots of --iou-analysis")
    parser.add_argument("--config-path", default=defaults.config_path, help="configuration (default: %(default)s)")
    parser.add_argument(
        "--logs-path", default=defaults.logs_path, help="folder of all logs (default: EXPS_PATH/evaluation_logs)"
    )

    parser.add_argument(
        "--batch-size",
        type=int,
        default=defaults.batch_size,
        help="objects clicked side by side; does not change the results (default: %(default)s)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the records of an evaluation that was stopped"
    )
    parser.add_argument("--max-objects", type=int, help="evaluate only the first so many objects of each data set")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = vars(parse_args(arguments))
    started = sys.argv if arguments is None else ["isegm", "evaluate", *arguments]
    device = choose_device(options.pop("gpus"), options.pop("cpu"), options.pop("device"))
    overlays = not options.pop("no_overlays")
    run_evaluation(EvalOptions(**options, device=device, overlays=overlays, command=shlex.join(started)))
