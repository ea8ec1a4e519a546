"""Make the annotation files that training on COCO+LVIS, ADE20k and OpenImages needs."""

import argparse
from collections.abc import Sequence

from isegm.data.catalogue import data_path
from isegm.data.convert.ade20k_index import convert_ade20k
from isegm.data.convert.combine_coco_lvis import convert_coco_lvis
from isegm.data.convert.openimages_index import convert_openimages
from isegm.utils.arguments import CommandParser, add_config_option, whole_from
from isegm.utils.cli import program
from isegm.utils.exp import load_config_file
from isegm.utils.log import logger


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(prog=program("convert", arguments), description="Convert annotations for training.")
    parser.add_argument("dataset", choices=["coco_lvis", "ade20k", "openimages"], help="what to convert")
    parser.add_argument(
        "--split", nargs="+", help="parts to convert (default: train val; of openimages: train validation)"
    )
    parser.add_argument(
        "--n-jobs", type=whole_from(1, 1024), default=10, help="number of processes (default: %(default)s)"
    )
    add_config_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    cfg = load_config_file(args.config_path)
    for split in args.split or ["train", "validation" if args.dataset == "openimages" else "val"]:
        if args.dataset == "coco_lvis":
            lvis = data_path("COCO_LVIS", cfg)
            count = convert_coco_lvis(data_path("COCO", cfg), lvis, split, args.n_jobs)
        elif args.dataset == "ade20k":
            count = convert_ade20k(data_path("ADE20k", cfg), split, args.n_jobs)
        else:
            count = convert_openimages(data_path("OpenImages", cfg), split)
        logger.info("%s %s: an index of %d images is written", args.dataset, split, count)
