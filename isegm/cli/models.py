"""List the registered networks and the published weights."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from isegm.model import ClickModel, build_model, list_models, weights_table
from isegm.model.checkpoint import DEFAULT_CHECKPOINT
from isegm.utils.arguments import CommandParser, add_config_option
from isegm.utils.cli import program
from isegm.utils.device import meta_device
from isegm.utils.exp import load_config_file
from isegm.utils.lookup import find_checkpoint
from isegm.utils.plugins import add_plugin_option

DEFAULT_NETWORK = "clickseg_mobilenetv2"
DEFAULT_LICENCE = "research only (terms of its training data)"


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(
        prog=program("models", arguments), description="List the registered networks and the published weights."
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    add_config_option(parser)
    add_plugin_option(parser)
    return parser.parse_args(arguments)


class _WithoutDraws(TorchFunctionMode):
    """Leave out random initial values, which take most of the time of building a network without memory."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # whatever ``func`` returns
        if func in (init.kaiming_uniform_, init.normal_, init.uniform_):  # which hide their draws from this mode
            return (kwargs or {})["tensor"]
        return args[0] if func in (Tensor.normal_, Tensor.uniform_) else func(*args, **(kwargs or {}))


def meta_networks(names: Sequence[str]) -> dict[str, ClickModel]:
    """Build registered networks on the meta device: shapes without values, to count with."""
    with meta_device(), _WithoutDraws():
        return {name: build_model(name) for name in names}


def add_network_options(parser: argparse.ArgumentParser, of_names: str = "with random weights") -> None:
    """Add ``--compile``, and ``--models`` and ``--checkpoint``, of which one may choose for ``chosen_networks``.

    Args:
        of_names: said of networks by name.
    """
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--models", help=f"registered names with commas between them, {of_names} (default: the shipped model)"
    )
    which.add_argument("--checkpoint", help="click models' files with commas between them (default: as above)")
    parser.add_argument(
        "--compile", action="store_true", help="compile the networks with torch.compile, but for those of --plain"
    )


def chosen_networks(args: argparse.Namespace, cfg: Mapping[str, Any]) -> list[dict[str, str | None]]:
    """Return the ``network``, a registered name, or else the ``checkpoint``, a path, of each one that was chosen.

    Raises:
        InputError: there is no such network or file.
    """
    if args.models is not None:
        names = [name.strip() for name in args.models.split(",")]
        meta_networks(names)  # which refuses unknown ones
        return [{"network": name, "checkpoint": None} for name in names]
    files = [DEFAULT_CHECKPOINT]
    if args.checkpoint is not None:
        folder = cfg.get("INTERACTIVE_MODELS_PATH", "./weights")
        files = [find_checkpoint(folder, name.strip()) for name in args.checkpoint.split(",")]
    return [{"network": None, "checkpoint": str(file)} for file in files]


def networks() -> list[dict[str, Any]]:
    """Return the name and the number of trained parameters of each registered network."""
    return [
        {"name": name, "parameters": sum(parameter.numel() for parameter in model.parameters())}
        for name, model in meta_networks(list_models()).items()
    ]


def weights(parameters: Mapping[str, int], folder: Path) -> list[dict[str, Any]]:
    """Describe the shipped file and each published one: network, parameters, size, licence, source, path if it is here.

    Args:
        parameters: number of parameters by the name of a network.
        folder: where downloaded weights lie.
    """
    shipped: dict[str, Any] = {
        "name": DEFAULT_CHECKPOINT.stem,
        "network": DEFAULT_NETWORK,
        "megabytes": round(DEFAULT_CHECKPOINT.stat().st_size / 1e6, 1),
        "licence": DEFAULT_LICENCE,
        "url": None,
        "path": str(DEFAULT_CHECKPOINT),
    }
    published: list[dict[str, Any]] = [
        {
            "name": row.name,
            "network": row.network,
            "megabytes": row.megabytes,
            "licence": row.licence,
            "url": row.url,
            "path": str(folder / row.file) if (folder / row.file).is_file() else None,
        }
        for row in weights_table.WEIGHTS
    ]
    return [{**row, "parameters": parameters[row["network"]]} for row in (shipped, *published)]


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    folder = Path(load_config_file(args.config_path).get("INTERACTIVE_MODELS_PATH", "./weights"))
    known = networks()
    files = weights({row["name"]: row["parameters"] for row in known}, folder)
    if args.json:
        print(json.dumps({"networks": known, "weights": files}, indent=2))
        return
    wide = max(len(row["name"]) for row in (*known, *files))
    print(f"{'network':<{wide}}  {'parameters, M':>13}")
    for row in known:
        print(f"{row['name']:<{wide}}  {row['parameters'] / 1e6:13.3f}")
    print(f"\n{'weights':<{wide}}  {'network':<{wide}}  {'parameters, M':>13}  {'MB':>5}  {'here':<4}  licence")
    for row in files:
        here = "no" if row["path"] is None else "yes"
        print(
            f"{row['name']:<{wide}}  {row['network']:<{wide}}  {row['parameters'] / 1e6:13.3f}  "
            f"{row['megabytes']:5.1f}  {here:<4}  {row['licence']}"
        )
    print(f"\nFetch weights into {folder}: isegm download weights <name>")
