"""Checkpoints of the published repositories: which of today's networks their class paths and parameters mean.

Their ``config`` is ``{"class": "<module path>.<Class>", "params": {name: {"type": ..., "value": ..., "specified":
bool}}}``. The class path is looked up in a table and never imported. RITM's and ClickSEG's classes share names; the
parameters and the keys of the state dict tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from isegm.model.base import ClickModel
from isegm.model.registry import build_model
from isegm.utils.errors import InputError

# Stored arguments that say how click maps were computed or trained, and change nothing that is computed here.
WITHOUT_EFFECT = {"cpu_dist_maps", "feature_stride"}
# Arguments whose other values no published file of these networks has: a file that has one needs code that is not here.
ONLY_VALUE = {
    "use_rgb_conv": False,
    "clicks_groups": None,
    "conv_extend": False,
    "norm_layer": "torch.nn.modules.batchnorm.BatchNorm2d",
}


def _hrnet(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = "ritm_hrnet32" if params.get("width") == 32 else "ritm_hrnet18"
    return name + ("s" if params.get("small") and params.get("width") != 32 else ""), params


def _baseline(params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    backbone = params.pop("backbone", "MobileNetV2")
    backbone = {"MobleNetV2": "MobileNetV2"}.get(backbone, backbone)  # the published spelling
    params = {k: v for k, v in params.items() if k not in ("use_disks", "norm_radius")}  # stored, but not read there
    return f"clickseg_{backbone.lower()}", params


FAMILIES = {
    "isegm.model.is_hrnet_model.HRNetModel": _hrnet,
    "isegm.model.is_strong_baseline.BaselineModel": _baseline,
}


def model_from_published(config: Mapping[str, Any], state: Mapping[str, Tensor], path: str | Path) -> ClickModel:
    """Build the network that a published configuration means.

    Raises:
        InputError: a class, or an argument of it, that is not supported.
    """
    family = FAMILIES.get(config["class"])
    if family is None or any(key.startswith("refiner.") for key in state):
        refined = " with a refiner" if family is not None else ""
        raise InputError(
            f"{path} holds the network {config['class']}{refined}, which is not supported: "
            f"known are {', '.join(FAMILIES)}."
        )
    params = {name: entry["value"] for name, entry in config.get("params", {}).items() if name not in WITHOUT_EFFECT}
    for name, value in ONLY_VALUE.items():
        if name in params and params.pop(name) != value:
            raise InputError(f"{path} was built with {name} other than {value!r}, which is not supported.")
    params = {name: _plain(value) for name, value in params.items()}
    name, overrides = family(params)
    return build_model(name, **overrides)


def _plain(value: Any) -> Any:
    """Lists as tuples, since some files hold the one for the other."""
    return tuple(_plain(item) for item in value) if isinstance(value, (list, tuple)) else value
