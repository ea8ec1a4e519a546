"""Checkpoints of the published repositories: from their class paths and parameters to the networks of this one.

Their ``config`` is ``{"class": "<module path>.<Class>", "params": {name: {"type": ..., "value": ..., "specified":
bool}}}``; ``params`` lists every argument, and ``specified`` tells those that were given from defaults. The class path
is looked up in a table and never imported. RITM's and ClickSEG's classes share names; the parameters and the keys of
the state dict tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from isegm.model.backbones.segformer import VERSIONS as SEGFORMERS
from isegm.model.click_model import ClickModel
from isegm.model.registry import argument_names, build_stored_model, list_models
from isegm.utils.errors import InputError
from isegm.utils.log import escaped

# Stored arguments that say how click maps were computed, or the network trained; they change nothing here.
WITHOUT_EFFECT = {"cpu_dist_maps", "feature_stride"}
# Arguments of which only these values are supported.
_BATCHNORM = "torch.nn.modules.batchnorm.BatchNorm2d"
ONLY_NORM: dict[str, tuple[Any, ...]] = {"norm_layer": (_BATCHNORM,), "backbone_norm_layer": (None, _BATCHNORM)}
# Defaults of RITM's constructors, for arguments that a file lacks.
RITM_DEFAULTS: dict[str, Any] = dict(
    use_rgb_conv=True,
    use_leaky_relu=False,
    use_disks=False,
    norm_radius=260,
    with_prev_mask=False,
    with_aux_output=False,
    binary_prev_mask=False,
    conv_extend=False,
    clicks_groups=None,
    backbone_lr_mult=0.1,
)
HRNET_DEFAULTS: dict[str, Any] = dict(width=48, ocr_width=256, small=False, **RITM_DEFAULTS)
SEGFORMER_DEFAULTS: dict[str, Any] = dict(
    model_version="b0", with_prev_mask=False, with_aux_output=False, binary_prev_mask=False, backbone_lr_mult=0.1
)
DEEPLAB_DEFAULTS: dict[str, Any] = dict(backbone="resnet50", deeplab_ch=256, aspp_dropout=0.5, **RITM_DEFAULTS)
# ClickSEG's networks store these arguments of RITM and do not read them.
UNREAD_BY_CLICKSEG = {"use_rgb_conv", "clicks_groups", "conv_extend", "use_disks", "norm_radius"}
# Nor does FocalClick, whose radii and learning rates are fixed as well (docs/fidelity.md#focalclick-radii and
# #focalclick-learning-rates).
UNREAD_BY_FOCALCLICK = {*UNREAD_BY_CLICKSEG, "backbone_lr_mult"}
# The backbones of its baselines as files spell them, and the networks that they mean.
BASELINES = {
    "MobleNetV2": "clickseg_mobilenetv2",
    "MobileNetV2": "clickseg_mobilenetv2",
    "PPLCNet": "clickseg_pplcnet",
    "EfficientNet": "clickseg_efficientnetb0",
}
CDNET_KEYS = ("feature_extractor.FDM.", "latent_head.", "PDM.")  # tell CDNet from RITM's class of the same name


def _hrnet(params: dict[str, Any], state: Mapping[str, Tensor], path: str | Path) -> tuple[str, dict[str, Any]]:
    if "pipeline_version" in params or any(key.startswith("refiner.") for key in state):
        return _focal_hrnet(params, path)
    name = "ritm_hrnet32" if params.get("width") == 32 else "ritm_hrnet18"
    name += "s" if params.get("small") and params.get("width") != 32 else ""
    return name, {**HRNET_DEFAULTS, **_with(ONLY_NORM, params, path)}


def _focal_hrnet(params: dict[str, Any], path: str | Path) -> tuple[str, dict[str, Any]]:
    params = {**HRNET_DEFAULTS, **_with(ONLY_NORM, params, path)}
    pipeline = _pipeline(params)
    network = "hrnet32" if params["width"] == 32 else "hrnet18s"
    kept = {name: value for name, value in params.items() if name not in UNREAD_BY_FOCALCLICK}
    return f"focalclick_{network}_{pipeline}", {**kept, "pipeline_version": pipeline}


def _segformer(params: dict[str, Any], state: Mapping[str, Tensor], path: str | Path) -> tuple[str, dict[str, Any]]:
    params = {**SEGFORMER_DEFAULTS, **_with(ONLY_NORM, params, path)}
    pipeline = _pipeline(params)
    version = str(params["model_version"])
    if version not in SEGFORMERS:
        raise InputError(
            f"{path} holds FocalClick with the SegFormer {escaped(version)}, which is not supported: "
            f"known are {', '.join(SEGFORMERS)}."
        )
    family = f"focalclick_segformer{version}"
    name = f"{family}_{pipeline}" if f"{family}_{pipeline}" in list_models() else f"{family}_s2"
    unread = {*UNREAD_BY_CLICKSEG, "use_leaky_relu"}
    return name, {**{key: params[key] for key in params if key not in unread}, "pipeline_version": pipeline}


def _pipeline(params: Mapping[str, Any]) -> str:
    """Return FocalClick's pipeline: every value but "s1" means "s2" (docs/fidelity.md#pipeline-version)."""
    return "s1" if params.get("pipeline_version") == "s1" else "s2"


def _deeplab(params: dict[str, Any], state: Mapping[str, Tensor], path: str | Path) -> tuple[str, dict[str, Any]]:
    if any(key.startswith(CDNET_KEYS) for key in state):
        return _cdnet(params, path)
    params = {**DEEPLAB_DEFAULTS, **_with(ONLY_NORM, params, path)}
    name = f"ritm_{params['backbone']}"
    return (name if name in list_models() else "ritm_resnet50"), params


def _cdnet(params: dict[str, Any], path: str | Path) -> tuple[str, dict[str, Any]]:
    params = {**DEEPLAB_DEFAULTS, **_with(ONLY_NORM, params, path)}
    return "cdnet_resnet34", {name: value for name, value in params.items() if name not in UNREAD_BY_CLICKSEG}


def _baseline(params: dict[str, Any], state: Mapping[str, Tensor], path: str | Path) -> tuple[str, dict[str, Any]]:
    params = {name: value for name, value in params.items() if name not in UNREAD_BY_CLICKSEG}
    backbone = str(params.pop("backbone", "MobileNetV2"))
    if backbone not in BASELINES:
        raise InputError(
            f"{path} holds ClickSEG's baseline with the backbone {escaped(backbone)}, which is not supported: "
            f"known are {', '.join(BASELINES)}."
        )
    return BASELINES[backbone], _with(ONLY_NORM, params, path)


FAMILIES = {
    "isegm.model.is_hrnet_model.HRNetModel": _hrnet,
    "isegm.model.is_segformer_model.SegFormerModel": _segformer,
    "isegm.model.is_deeplab_model.DeeplabModel": _deeplab,
    "isegm.model.is_strong_baseline.BaselineModel": _baseline,
}


def model_from_published(config: Mapping[str, Any], state: Mapping[str, Tensor], path: str | Path) -> ClickModel:
    """Build the network of a published configuration.

    As in the published loaders, an argument that the network does not know is passed over if it was stored as a
    default, such as those that forks have added, and refused if it was given.

    Raises:
        InputError: a class, or an argument of it, that is not supported; or ``params`` of another form.
    """
    family = FAMILIES.get(str(config["class"]))
    if family is None:
        raise InputError(
            f"{path} holds the network {escaped(str(config['class']), 80)}, which is not supported: "
            f"known are {', '.join(FAMILIES)}."
        )
    entries = config.get("params", {})
    if not isinstance(entries, Mapping) or not all(
        isinstance(entry, Mapping) and "value" in entry for entry in entries.values()
    ):
        raise InputError(f"{path} has a configuration without a value for each argument: it is damaged.")
    values = {name: _plain(entry["value"]) for name, entry in entries.items() if name not in WITHOUT_EFFECT}
    name, overrides = family(values, state, path)
    known = argument_names(name)
    kept = {key: value for key, value in overrides.items() if key in known or entries[key].get("specified", True)}
    return build_stored_model(name, kept, path)


def _with(only: Mapping[str, tuple[Any, ...]], params: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """Return the parameters without those of ``only``, after checking these against the values given there."""
    for name, values in only.items():
        if name in params and params[name] not in values:
            raise InputError(f"{path} was built with {name} other than {values[-1]!r}, which is not supported.")
    return {name: value for name, value in params.items() if name not in only}


def _plain(value: Any) -> Any:
    """Turn lists into tuples, as some files hold one for the other."""
    return tuple(_plain(item) for item in value) if isinstance(value, (list, tuple)) else value
