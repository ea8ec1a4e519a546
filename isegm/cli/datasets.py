"""Say which data sets are where config.yml says, how complete they are, and where to get the others."""

import sys
from collections.abc import Sequence

from isegm.data.download.inventory import dataset_statuses
from isegm.data.download.sources import SOURCES
from isegm.utils.arguments import CommandParser, add_config_option
from isegm.utils.cli import program
from isegm.utils.exp import load_config_file

NOT_ALL_THERE = 1


def main(arguments: Sequence[str] | None = None) -> None:
    parser = CommandParser(
        prog=program("datasets", arguments), description="Look for the data sets that config.yml names."
    )
    parser.add_argument(
        "names",
        nargs="*",
        help=f"data sets (default: all of {', '.join(SOURCES)}). ADE20K: the images of scene parsing, to evaluate on; "
        "ADE20k: the release of 2016 with its index, to train on; ADE20k_full: its images and masks, without an index",
    )
    add_config_option(parser)
    args = parser.parse_args(arguments)
    states = []
    for status in dataset_statuses(args.names, load_config_file(args.config_path)):
        print(f"{status.name}: {status.state}", *status.lines, sep="\n    ")
        states.append(status.state)
    if set(states) != {"present"}:
        sys.exit(NOT_ALL_THERE)
