"""Segment an object in an image from clicks, boxes, scribbles, polygons or a mask; write the mask and an overlay."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from isegm import Click, InputError, Predictor, load_model
from isegm.data.paired_files import MASK_ENDINGS
from isegm.model.checkpoint import DEFAULT_CHECKPOINT
from isegm.prompts import how_read
from isegm.utils.arguments import CommandParser, add_config_option, number_from, read_path, read_path_text
from isegm.utils.cli import add_device_options, choose_device, program
from isegm.utils.exp import load_config_file
from isegm.utils.files import read_stretched, write_images
from isegm.utils.log import logger
from isegm.utils.lookup import find_checkpoint
from isegm.utils.masks import read_start_mask
from isegm.utils.plugins import add_plugin_option
from isegm.utils.threads import set_threads
from isegm.utils.vis import dot_radius, draw_lines, draw_with_blend_and_clicks

SIGNED_OPTIONS = ("--point", "--box", "--scribble", "--background-scribble", "--polygon")


def point(text: str) -> tuple[float, float, int]:
    """Read x,y,label, or x,y for a click on the object."""
    try:
        x, y, label = text.split(",") if text.count(",") != 1 else (*text.split(","), "1")
        return float(x), float(y), int(label)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not x,y,label, such as 210,140,1, or x,y") from None


def box(text: str) -> tuple[float, ...]:
    """Read x0,y0,x1,y1."""
    try:
        x0, y0, x1, y1 = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not x0,y0,x1,y1, such as 40,30,210,140") from None
    return x0, y0, x1, y1


def line(text: str) -> list[tuple[float, float]]:
    """Read points x,y with spaces between them."""
    try:
        points = [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]
    except ValueError:
        points = []
    if not points:
        raise argparse.ArgumentTypeError(f"{text!r} is not points with spaces, such as '40,30 60,35 90,80'")
    return points


def with_joined_points(arguments: Sequence[str]) -> list[str]:
    """Replace ``--point -1,20,1`` by ``--point=-1,20,1``, as argparse takes ``-1,20,1`` for an option."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1] in SIGNED_OPTIONS and re.match(r"-[\d.]", text):
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return joined


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("predict", arguments),
        description="Segment an object in an image from clicks, a box, scribbles or a polygon, in any mix.",
    )
    parser.add_argument("--image", required=True, type=read_path_text, help="image file")
    parser.add_argument(
        "--point",
        type=point,
        action="append",
        default=[],
        help="a click as x,y,label (1 object, 0 background) or x,y (object), in the order of clicking; may be repeated "
        "(default: none)",
    )
    parser.add_argument(
        "--box",
        type=box,
        help="box around the object: x0,y0,x1,y1, its first pixel and the one behind its last (default: none)",
    )
    for option, where in (("--scribble", "the object"), ("--background-scribble", "the background")):
        parser.add_argument(
            option,
            type=line,
            action="append",
            default=[],
            metavar="POINTS",
            help=f"a line on {where}: its points 'x,y x,y ...'; may be repeated (default: none)",
        )
    parser.add_argument(
        "--polygon",
        type=line,
        metavar="POINTS",
        help="rough outline of the object: its corners 'x,y x,y x,y ...' (default: none)",
    )
    parser.add_argument("--out", required=True, type=read_path, help="mask to write, .png")
    parser.add_argument(
        "--init-mask",
        "--mask",
        type=read_path_text,
        help="mask to start from, of the image's size: all objects of a mask file (default: none)",
    )
    parser.add_argument(
        "--checkpoint",
        type=read_path_text,
        default=str(DEFAULT_CHECKPOINT),
        help="network: a path, or the beginning of a name below INTERACTIVE_MODELS_PATH (default: the shipped one)",
    )
    parser.add_argument(
        "--thresh", type=number_from(0, 1), default=0.49, help="probability above which a pixel is in the mask"
    )
    add_config_option(parser)
    add_device_options(parser)
    add_plugin_option(parser)
    args = parser.parse_args(with_joined_points(sys.argv[1:] if arguments is None else arguments))
    if not (args.point or args.box or args.scribble or args.background_scribble or args.polygon):
        parser.error("give a click with --point x,y,label, or a --box, a --scribble or a --polygon")
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    set_threads(args.threads)
    out: Path = args.out
    overlay = out.with_name(f"{out.stem}_overlay.png")
    if out.suffix.lower() not in MASK_ENDINGS:
        raise InputError(f"--out {out} would not keep a mask as it is: end it in {', '.join(MASK_ENDINGS)}.")
    inputs = [os.path.realpath(path) for path in (args.image, args.init_mask) if path is not None]
    if os.path.realpath(out) in inputs or os.path.realpath(overlay) in inputs:
        raise InputError(f"--out {out} would overwrite an image that is read: choose another name.")
    image, levels = read_stretched(args.image)
    if levels is not None:
        logger.info("levels %g to %g of %s are read as 0 to 255", *levels, args.image)
    prev_mask = None if args.init_mask is None else read_start_mask(args.init_mask, image.shape[:2])
    weights = load_config_file(args.config_path).get("INTERACTIVE_MODELS_PATH", "./weights")
    checkpoint = find_checkpoint(weights, args.checkpoint)
    model = load_model(checkpoint, choose_device(args.gpus, args.cpu, args.device))
    predictor = Predictor(model, threshold=args.thresh)
    predictor.set_image(image)
    scribbles = [(line, 1) for line in args.scribble] + [(line, 0) for line in args.background_scribble]
    if args.box or scribbles or args.polygon:
        predictor.predict(prev_mask=prev_mask, box=args.box, scribbles=scribbles, polygon=args.polygon)
        prev_mask = None
    prompts = predictor.session.prompts
    for x, y, label in args.point:
        predictor.predict([(x, y)], [label], prev_mask)
        prev_mask = None
    mask = predictor.session.mask(args.thresh)
    clicks = [Click(label == 1, (y, x)) for x, y, label in args.point]
    radius = dot_radius(mask.shape)
    drawn = draw_with_blend_and_clicks(image, mask, clicks_list=clicks, radius=radius)
    drawn = draw_lines(drawn, [(prompt.outline(), prompt.is_positive) for prompt in prompts], max(2, radius // 2))
    write_images({out: mask.astype(np.uint8) * 255, overlay: drawn})
    print(f"{out}: {int(mask.sum())} of {mask.size} pixels are object; {overlay} shows them")
    for kind in dict.fromkeys(prompt.kind for prompt in prompts):
        print(f"The {kind} was {how_read(kind, model.reads_strokes, model.with_prev_mask)}.")
