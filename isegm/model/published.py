"""Checkpoints of the published repositories: from their class paths and parameters to the networks of this one.

Their ``config`` is ``{"class": "<module path>.<Class>", "params": {name: {"type": ..., "value": ..., "specified":
bool}}}``; ``params`` lists every argument, and ``specified`` tells those that were given from defaults. The class path
is looked up in a table and never imported. Classes of RITM and ClickSEG share names, and so do those of SimpleClick and
SegNext; the parameters and the keys of the state dict tell them apart. SimpleClick, CFR-ICL and SegNext store numbers
of the parts of their networks in dicts, and EMC-Click those of its mask correction.
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
# SimpleClick's: defaults of its constructor; for each dict among its arguments the entries that count, and their names
# here; defaults and only supported values of entries, and those that repeat others or say how the network trained.
PLAINVIT_DEFAULTS: dict[str, Any] = dict(
    use_disks=False, norm_radius=5, with_prev_mask=False, with_aux_output=False, random_split=False
)
PLAINVIT_PARTS = {
    "backbone_params": {key: key for key in ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio")},
    "neck_params": {"out_dims": "out_dims"},
    "head_params": {"channels": "head_channels", "upsample": "upsample", "dropout_ratio": "dropout_ratio"},
}
PLAINVIT_ENTRIES: dict[str, Any] = dict(mlp_ratio=4, upsample="x1", dropout_ratio=0.1)
ONLY_ENTRIES: dict[str, tuple[Any, ...]] = {
    "conv_layer": ("xconv2",),
    **{"in_chans": (3,), "qkv_bias": (True,), "num_classes": (1,), "align_corners": (False,)},
    "in_index": ((0, 1, 2, 3),),
    "in_select_index": ((0, 1, 2, 3),),
}
UNREAD_ENTRIES = {"in_dim", "in_channels", "loss_decode"}
# SegNext's, likewise; the class has the same name as SimpleClick's.
SEGNEXT_DEFAULTS: dict[str, Any] = dict(use_disks=False, norm_radius=5, strokes=False)  # trained with clicks alone
SEGNEXT_BACKBONE = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio", "global_atten_freq")
SEGNEXT_PARTS = {
    "backbone_params": {key: key for key in SEGNEXT_BACKBONE},
    "neck_params": {"out_dims": "out_dims"},
    "head_params": {"out_channels": "head_channels", "dropout_ratio": "dropout_ratio"},
}
SEGNEXT_FUSION = {"type": "type", "depth": "depth", "params": "params"}
SEGNEXT_FUSIONS = {"self_attention", "naive"}
SEGNEXT_KEYS = "visual_prompts_encoder."
SEGNEXT_ROOT = "segnext."  # its package isegm lies in that folder, and its programs import it by either name
VIT_SIZES = {160: "simpleclick_vit_xtiny", 768: "simpleclick_vitb", 1024: "simpleclick_vitl", 1280: "simpleclick_vith"}
# ClickSEG's networks store these arguments of RITM and do not read them.
UNREAD_BY_CLICKSEG = {"use_rgb_conv", "clicks_groups", "conv_extend", "use_disks", "norm_radius"}
# Nor does FocalClick, whose radii and learning rates are fixed as well (docs/fidelity.md#focalclick-radii and
# #focalclick-learning-rates).
CORRECTION = {"mid_dims": "mid_dims", "corr_channel": "corr_channel"}  # EMC-Click's "refiner_conf"
CORRECTION_KEYS = "refiner.cross_attention."  # tell EMC-Click from FocalClick, whose class has the same name
# EMC-Click's networks were published with these values only, and do not read the rest.
ONLY_EMC: dict[str, tuple[Any, ...]] = {"only_first_click": (True,), "with_prev_mask": (True,)}
UNREAD_BY_EMC = {*UNREAD_BY_CLICKSEG, "binary_prev_mask"}
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
        _require_kind("FocalClick", state, path)
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
    _require_kind("FocalClick", state, path)
    params = {**SEGFORMER_DEFAULTS, **_with(ONLY_NORM, params, path)}
    pipeline = _pipeline(params)
    family = f"focalclick_segformer{_segformer_version('FocalClick', params, path)}"
    name = f"{family}_{pipeline}" if f"{family}_{pipeline}" in list_models() else f"{family}_s2"
    unread = {*UNREAD_BY_CLICKSEG, "use_leaky_relu"}
    return name, {**{key: params[key] for key in params if key not in unread}, "pipeline_version": pipeline}


def _segformer_version(method: str, params: Mapping[str, Any], path: str | Path) -> str:
    """Return the size of the SegFormer of a method's network; InputError for one that there is not."""
    version = str(params["model_version"])
    if version not in SEGFORMERS:
        raise InputError(
            f"{path} holds {method} with the SegFormer {escaped(version)}, which is not supported: "
            f"known are {', '.join(SEGFORMERS)}."
        )
    return version


def _require_kind(method: str, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise InputError for weights of EMC-Click under a class of FocalClick, or the other way round."""
    corrects = any(key.startswith(CORRECTION_KEYS) for key in state)
    if corrects != (method == "EMC-Click"):
        other = "EMC-Click" if corrects else "another method"
        raise InputError(
            f"{path} names a network class of {method}, but its weights are of {other} "
            f"({'with' if corrects else 'without'} a mask correction network): its configuration belongs to another "
            "file."
        )


def _emc_hrnet(params: dict[str, Any], state: Mapping[str, Tensor], path: str | Path) -> tuple[str, dict[str, Any]]:
    params = _emc(HRNET_DEFAULTS, params, state, path)
    small = "s" if params["small"] and params["width"] != 32 else ""
    return f"emcclick_hrnet{32 if params['width'] == 32 else 18}{small}", params


def _emc_segformer(params: dict[str, Any], state: Mapping[str, Tensor], path: str | Path) -> tuple[str, dict[str, Any]]:
    params = _emc(SEGFORMER_DEFAULTS, params, state, path)
    params.pop("use_leaky_relu", None)
    name = f"emcclick_segformer{_segformer_version('EMC-Click', params, path)}"
    return (name if name in list_models() else "emcclick_segformerb3"), params


def _emc(
    defaults: Mapping[str, Any], params: Mapping[str, Any], state: Mapping[str, Tensor], path: str | Path
) -> dict[str, Any]:
    """Return the arguments of an EMC-Click network here."""
    _require_kind("EMC-Click", state, path)
    given = {"only_first_click": False, **defaults, **_with(ONLY_NORM, params, path)}
    given = _with(ONLY_EMC, given, path)
    correction = _entries(given.pop("refiner_conf", None), CORRECTION, "refiner_conf", path)
    return {name: value for name, value in given.items() if name not in UNREAD_BY_EMC} | correction


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


def _plainvit(params: dict[str, Any], state: Mapping[str, Tensor], path: str | Path) -> tuple[str, dict[str, Any]]:
    if "fusion_params" in params or any(key.startswith(SEGNEXT_KEYS) for key in state):
        return _segnext(params, path)
    params = {**PLAINVIT_DEFAULTS, **_with({"use_rgb_conv": (False,)}, params, path)}
    params.pop("use_leaky_relu", None)  # which the published network does not read
    for part, names in PLAINVIT_PARTS.items():
        params |= _entries(params.pop(part, None), names, part, path)
    params["patch_size"] = _side(params["patch_size"])
    channels = params["embed_dim"]
    return next((name for size, name in VIT_SIZES.items() if size == channels), "simpleclick_vitb"), params


def _segnext(params: dict[str, Any], path: str | Path) -> tuple[str, dict[str, Any]]:
    params = {**SEGNEXT_DEFAULTS, **params}
    for part, names in SEGNEXT_PARTS.items():
        params |= _entries(params.pop(part, None), names, part, path)
    params["patch_size"] = _side(params["patch_size"])
    params["fusion_depth"] = _fusion_depth(params.pop("fusion_params", None), params, path)
    return "segnext_vitb_sax1" if params["fusion_depth"] == 1 else "segnext_vitb_sax2", params


def _fusion_depth(stored: Any, params: Mapping[str, Any], path: str | Path) -> int:
    """Return the number of blocks of SegNext's fusion, 0 where the maps are added alone."""
    kind = stored.get("type") if isinstance(stored, Mapping) else None
    if kind == "naive":
        return 0
    if kind is not None and kind not in SEGNEXT_FUSIONS:
        raise InputError(
            f"{path} holds SegNext with the fusion {escaped(str(kind), 80)}, which is not supported: "
            f"known are {', '.join(sorted(SEGNEXT_FUSIONS))}."
        )
    fusion = _entries(stored, SEGNEXT_FUSION, "fusion_params", path)
    blocks = fusion["params"]
    if not isinstance(blocks, Mapping):
        raise InputError(f"{path} has no params in the fusion_params of its configuration: it is damaged.")
    same = {"dim": params["embed_dim"], "num_heads": params["num_heads"], "mlp_ratio": params["mlp_ratio"]}
    for name, value in {**same, "qkv_bias": True}.items():
        if blocks.get(name, value) != value:
            raise InputError(
                f"{path} was built with {name} of its fusion other than {value!r}, which is not supported."
            )
    return fusion["depth"]


def _side(patch: Any) -> Any:
    """Return the side of a square patch that is stored as (height, width)."""
    return patch[0] if isinstance(patch, tuple) and len(patch) == 2 and patch[0] == patch[1] else patch


def _entries(stored: Any, names: Mapping[str, str], part: str, path: str | Path) -> dict[str, Any]:
    """Return the entries of a dict among stored arguments by the names of our constructor's arguments."""
    if not isinstance(stored, Mapping):
        raise InputError(f"{path} has a configuration without {part}: it is damaged.")
    entries = {name: value for name, value in PLAINVIT_ENTRIES.items() if name in names}
    entries |= {str(name): _plain(value) for name, value in stored.items() if name not in UNREAD_ENTRIES}
    entries = _with(ONLY_ENTRIES, entries, path)
    missing, unknown = [name for name in names if name not in entries], [name for name in entries if name not in names]
    if missing:
        raise InputError(f"{path} has no {missing[0]} in the {part} of its configuration: it is damaged.")
    if unknown:
        raise InputError(f"{path} was built with {part}.{escaped(unknown[0], 80)}, which is not supported.")
    return {names[name]: value for name, value in entries.items()}


FAMILIES = {
    "isegm.model.is_hrnet_model.HRNetModel": _hrnet,
    "isegm.model.is_segformer_model.SegFormerModel": _segformer,
    "isegm.model.is_deeplab_model.DeeplabModel": _deeplab,
    "isegm.model.is_strong_baseline.BaselineModel": _baseline,
    "isegm.model.is_plainvit_model.PlainVitModel": _plainvit,
    "isegm.model.is_refine_model.HRNetRefineModel": _emc_hrnet,
    "isegm.model.is_refine_segformer_model.SegFormerModel": _emc_segformer,
}


def model_from_published(config: Mapping[str, Any], state: Mapping[str, Tensor], path: str | Path) -> ClickModel:
    """Build the network of a published configuration.

    As in the published loaders, an argument that the network does not know is passed over if it was stored as a
    default, such as those that forks have added, and refused if it was given.

    Raises:
        InputError: a class, or an argument of it, that is not supported; or ``params`` of another form.
    """
    family = FAMILIES.get(str(config["class"]).removeprefix(SEGNEXT_ROOT))
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
