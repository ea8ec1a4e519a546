"""Fetch published data sets and weights to where the configuration looks for them."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from isegm.data.catalogue import configured_path
from isegm.data.download.fetch import fetch_dataset
from isegm.data.download.sources import SOURCES, Archive, find_archive
from isegm.evaluation.published_values import published_values
from isegm.model.weights_table import START_WEIGHTS, WEIGHTS, Weights, find_weights
from isegm.utils.arguments import CommandParser, add_config_option
from isegm.utils.cli import program
from isegm.utils.download import Progress, download
from isegm.utils.errors import InputError
from isegm.utils.exp import load_config_file

MOST_TIMES = 4  # the published size of weights that a download may have


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(prog=program("download", arguments), description="Fetch published data sets and weights.")
    parser.add_argument("kind", nargs="?", choices=["datasets", "weights"], help="what to fetch")
    parser.add_argument("names", nargs="*", help="which, see --list")
    parser.add_argument("--list", action="store_true", help="show what can be fetched, and fetch nothing")
    add_config_option(parser)
    return parser.parse_args(arguments)


def show_list(kind: str | None, cfg: Mapping[str, Any]) -> None:
    if kind != "weights":
        for name, archive in [(name, source.archive) for name, source in SOURCES.items() if source.archive]:
            try:
                target = configured_path(name, cfg)
                state = f"{target} ({'is there' if archive.is_present(target) else 'not there yet'})"
            except InputError as error:
                state = f"nowhere yet: {error}"
            print(f"{name}: {archive.url} -> {state}; terms: {archive.terms}")
    if kind != "datasets":
        for row in WEIGHTS:
            shown_on = "DAVIS" if row.method == "SegNext" else "GrabCut"  # which its paper leaves out
            scores = published_values(row.method, row.variant, row.training, shown_on)
            shown = ", ".join(f"{metric} {value:g}" for metric, value in scores.items())
            print(
                f"{row.name}: {row.method} {row.variant} trained on {row.training}, network {row.network}, "
                f"about {row.megabytes} MB, {row.url or f'by hand from {row.by_hand}'}; licence: {row.licence}"
                + (f"; published on {shown_on}: {shown}" if shown else "")
            )
        for start in START_WEIGHTS:
            print(f"{start.name}: backbone, by hand from {start.by_hand}; licence: {start.licence}")


def report_checks(name: str, url: str, size: int | None, checksum: str | None) -> None:
    """Tell how far a file can be checked, where no checksum of it is known."""
    if checksum is None:
        known = "only its size is" if size is not None else "that it came whole is all that is"
        print(f"{name}: no checksum of {url} is known, {known} checked")


@contextmanager
def progress_bar(title: str, size: int | None) -> Iterator[Progress]:
    """Show a bar on stderr that follows a download."""
    with tqdm(total=size, unit="B", unit_scale=True, desc=title) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def download_dataset(name: str, archive: Archive, root: Path) -> None:
    if archive.is_present(root):
        print(f"{name}: {root} is there already")
        return
    report_checks(name, archive.url, archive.size, archive.sha256 or archive.md5)
    with progress_bar(archive.url.rpartition("/")[2], archive.size) as progress:
        files = fetch_dataset(archive, root, progress)
    print(f"{name}: {len(files)} files in {root}; terms: {archive.terms}")


def download_weights(row: Weights, cfg: Mapping[str, Any]) -> None:
    path = Path(cfg.get("INTERACTIVE_MODELS_PATH", "./weights")) / row.file
    if row.url is None:
        raise InputError(
            f"{row.name} cannot be fetched from here: get it from {row.by_hand}, and put {row.file} at {path}; "
            f"licence: {row.licence}."
        )
    report_checks(row.name, row.url, row.size, row.sha256)
    with progress_bar(path.name, row.size) as progress:
        download(row.url, path, row.size, row.sha256, progress, round(MOST_TIMES * row.megabytes * 1e6))
    print(f"{row.name}: {path}, network {row.network}; licence: {row.licence}")


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    cfg = load_config_file(args.config_path)
    if args.list:
        show_list(args.kind, cfg)
        return
    if not args.names:
        raise InputError("nothing to fetch was named: give datasets or weights and names, which --list shows.")
    if args.kind == "datasets":
        for name, archive, target in [(name, find_archive(name), configured_path(name, cfg)) for name in args.names]:
            download_dataset(name, archive, target)
    else:
        for row in [find_weights(name) for name in args.names]:
            download_weights(row, cfg)
