"""Count multiply-accumulates (MACs) and parameters of networks; FLOPs are 2 x MACs."""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from isegm.benchmarks.published_layouts import in_published_layout
from isegm.cli.models import meta_networks
from isegm.inference.protocols import usual_settings
from isegm.model import ClickModel, list_models
from isegm.model.checkpoint import load_model
from isegm.model.flops import count_complexity
from isegm.model.inference_form import in_inference_form
from isegm.utils.arguments import CommandParser, read_path, read_path_text
from isegm.utils.cli import program
from isegm.utils.device import meta_device
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write
from isegm.utils.plugins import add_plugin_option

LEAST_SIDE, MOST_SIDE = 32, 16384  # pixels


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("flops", arguments), description="Count MACs and parameters of networks (FLOPs = 2 x MACs)."
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--models", help="registered names with commas between them (default: all)")
    which.add_argument("--checkpoint", type=read_path_text, help="a click model's file (default: registered networks)")
    parser.add_argument(
        "--size",
        help="of the input in pixels: height,width, or the side of a square (default: that of the network's protocol)",
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="count the published code's layout, as papers do, which multiplies more for the same result (default: "
        "count what runs here)",
    )
    parser.add_argument(
        "--json", type=read_path, metavar="FILE", help="also write the figures to a file (default: none)"
    )
    add_plugin_option(parser)
    return parser.parse_args(arguments)


def size_from(text: str) -> tuple[int, int]:
    """Read ``--size``: (height, width) in pixels, of a square where there is one number."""
    height_text, comma, width_text = text.partition(",")
    try:
        height, width = int(height_text), int(width_text if comma else height_text)
    except ValueError:
        raise InputError(
            f"--size is {text}: give height,width in pixels, such as 400,600, or one number for a square."
        ) from None
    if not LEAST_SIDE <= min(height, width) <= max(height, width) <= MOST_SIDE:
        raise InputError(f"--size is {text}: give {LEAST_SIDE} to {MOST_SIDE} pixels for each side.")
    return height, width


def figures(name: str, model: ClickModel, size: tuple[int, int] | None, plain: bool) -> dict[str, Any]:
    """Count one network; keys as they are written with ``--json``.

    Args:
        name: of the network.
        model: the network.
        size: (height, width) of its input in pixels; None for that of its protocol.
        plain: count it in the published layout, else in the form in which predictors run it; parameters are those that
            the network has itself.

    Raises:
        InputError: the network's protocol does not resize images, and ``size`` is None.
    """
    settings = usual_settings(model.protocol)
    side = settings.short_side
    size = size or model.encoded_size or settings.input_size or (None if side is None else (side, side))
    if size is None:
        raise InputError(f"{name} takes images of any size: give --size.")
    model.eval()
    compute = count_complexity(in_published_layout(model) if plain else in_inference_form(model), size)
    compute = replace(compute, parameters=sum(parameter.numel() for parameter in model.parameters()))
    return {
        "network": name,
        **asdict(compute),
        "macs_coarse": compute.macs_coarse,
        "macs": compute.macs,
        "flops": 2 * compute.macs,
        "passes_per_click": 1 + settings.flip,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    size = None if args.size is None else size_from(args.size)
    with ExitStack() as opened:  # a file that cannot be written is told before networks are counted
        file = None if args.json is None else opened.enter_context(atomic_write(args.json, "w"))
        if args.checkpoint is not None:
            rows = [figures(Path(args.checkpoint).stem, load_model(args.checkpoint), size, args.plain)]
        else:
            names = [name.strip() for name in args.models.split(",")] if args.models is not None else list_models()
            with meta_device():
                rows = [figures(name, network, size, args.plain) for name, network in meta_networks(names).items()]
        if file is not None:
            json.dump(rows, file, indent=2)
            file.write("\n")
    _print(rows)


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    wide = max(len(row["network"]) for row in rows)
    print(
        f"{'network':<{wide}}  {'input':>9}  {'params, M':>9}  {'coarse':>8}  {'refiner':>8}  {'GMACs':>8}  "
        f"{'decode':>9}  {'GFLOPs':>8}  passes"
    )
    for row in rows:
        print(
            f"{row['network']:<{wide}}  {'x'.join(map(str, row['size'])):>9}  {row['parameters'] / 1e6:9.3f}  "
            f"{row['macs_coarse'] / 1e9:8.3f}  {row['macs_refine'] / 1e9:8.3f}  {row['macs'] / 1e9:8.3f}  "
            f"{(row['macs'] - row['macs_encode']) / 1e9:9.3f}  {row['flops'] / 1e9:8.3f}  {row['passes_per_click']:>6}"
        )
    print("GMACs: multiply-accumulates of one pass, coarse + refiner; GFLOPs = 2 x GMACs.")
    print(
        "decode: the GMACs of a pass that every click repeats; passes: of a click, 2 where the image is also flipped."
    )
