"""Pack images-and-masks folders, scaled down, into one file that every option for folders takes."""

import argparse
import os
from collections.abc import Iterable, Sequence
from typing import Any

from easydict import EasyDict
from tqdm import tqdm

from isegm.data.checking import SOON
from isegm.data.datasets.packed import is_packed
from isegm.data.datasets.packed_file import LARGEST_SIDE, SHARE, SMALLEST_SIDE, PackedFile
from isegm.data.packing import write_pack
from isegm.recipes.folder_data import training_folders
from isegm.utils.arguments import CommandParser, add_config_option, read_path, read_path_text, whole_from
from isegm.utils.cli import program
from isegm.utils.errors import InputError
from isegm.utils.exp import load_config_file
from isegm.utils.log import escaped
from isegm.utils.quantities import counted, in_bytes
from isegm.utils.text_values import numeric


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("pack", arguments),
        description=f"{__doc__} With one packed file and without --out: say what is in it.",
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=read_path_text,
        metavar="FOLDER[=SHARE]",
        help="folders with images/ and masks/, or packed files, each with its sampling weight in training if given; "
        "default: TRAIN_FOLDERS in config.yml",
    )
    parser.add_argument("--out", type=read_path, help="the packed file to write, NAME.pack (default: none)")
    parser.add_argument(
        "--side",
        type=whole_from(SMALLEST_SIDE, LARGEST_SIDE),
        default=384,
        help="pixels of the longer side to which larger images are scaled down (default: %(default)s)",
    )
    parser.add_argument(
        "--quality", type=whole_from(1, 100), default=75, help="of the images, as WebP has it (default: %(default)s)"
    )
    add_config_option(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    if args.out is None:
        if len(args.folders) != 1 or not is_packed(args.folders[0]):
            raise InputError("--out is missing: give the packed file to write, or one packed file alone to look into.")
        _describe(PackedFile(args.folders[0]))
        return
    cfg = load_config_file(args.config_path)
    folders = _shares(args.folders) if args.folders else _configured(cfg)
    _describe(write_pack(args.out, folders, args.side, args.quality, _progress))


def _shares(words: Sequence[str]) -> dict[str, float | None]:
    """Read FOLDER or FOLDER=SHARE; a path that exists and has a = in it is taken as it is."""
    shares: dict[str, float | None] = {}
    for word in words:
        folder, equals, share = word.rpartition("=")
        if not equals or os.path.exists(word):
            folder, number = word, None
        else:
            number = numeric(share)
            if not folder or not SHARE.fits(number):
                raise InputError(f"{word} has no share that is {SHARE}: write FOLDER=0.5, for example.")
        if folder in shares:
            raise InputError(f"{folder} is given twice: give each folder once.")
        shares[folder] = number
    return shares


def _configured(cfg: EasyDict) -> dict[str, float | None]:
    if not cfg.get("data") and not cfg.get("TRAIN_FOLDERS"):
        raise InputError("there is nothing to pack: name folders with images/ and masks/, or set TRAIN_FOLDERS.")
    paths, ratios = training_folders(cfg)
    shares: Sequence[float | None] = ratios or [None] * len(paths)
    return dict(zip(paths, shares, strict=True))


def _progress(items: Iterable[Any], total: int) -> Iterable[Any]:
    return tqdm(items, "packing", total, leave=False, mininterval=1, delay=SOON)


def _describe(pack: PackedFile) -> None:
    size = in_bytes(pack.path.stat().st_size)
    print(f"{pack.path}: {counted(len(pack.images), 'image')} of at most {pack.side} pixels a side, {size}")
    for folder in pack.folders:
        share = "" if folder.share is None else f", share {folder.share:g}"
        terms = escaped(folder.terms.splitlines()[0], 80) if folder.terms else "no terms of use are noted"
        print(f"  {folder.name}: {counted(folder.images, 'image')}{share}; {terms}")
