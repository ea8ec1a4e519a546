"""Which options of an evaluation set it apart from the usual one, and which have no effect."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from isegm.evaluation.options import EvalOptions
from isegm.inference.protocols import InferenceSettings
from isegm.inference.simulation import EvalSettings
from isegm.utils.errors import InputError

# Options that change results, beside those that stand in the names of all logs and the target.
NAMED_OPTIONS = (
    "thresh", "max_n_clicks", "min_n_clicks", "clicks_limit", "infer_size", "target_crop_r", "focus_crop_r", "merge",
    "init_masks", "max_objects", "clicker", "prompts", "box_jitter", "seed", "precision",
    "further_looks",
)  # fmt: skip
OF_PROTOCOL = ("infer_size", "target_crop_r", "focus_crop_r", "further_looks")  # those that some protocols do not read
OF_DATA = ("init_masks", "max_objects")  # of these, those that change what is evaluated instead of how

Effective = tuple[EvalSettings, InferenceSettings]


def named_settings(options: EvalOptions, protocol: str) -> dict[str, str]:
    """Name what sets an evaluation apart from one with the default options: values by options, as one gives them.

    An option that has no effect with the protocol, or names what is usual in it, is left out.

    Args:
        options: of the evaluation.
        protocol: the inference protocol of the network or the mode.
    """
    named = {}
    for one in fields(options):
        value = getattr(options, one.name)
        if one.name not in NAMED_OPTIONS or value == one.default:
            continue
        usual = _with_other(options, one.name, one.default, protocol)
        if one.name in OF_DATA or usual != _effective(options, protocol):
            shown = Path(value).resolve().name if one.name == "init_masks" else str(value)
            named[one.name.replace("_", "-")] = shown
    target = options.eval_settings(protocol).target_iou
    if target > 1:
        named["target-iou"] = "none"
    elif target != options.usual_target(protocol):
        named["target-iou"] = str(target)
    return named


def without_effect(options: EvalOptions, protocol: str) -> list[str]:
    """Name the options that were given although they change nothing in an inference protocol.

    Args:
        options: of the evaluation.
        protocol: the inference protocol of the network or the mode.
    """
    found = []
    for one in fields(options):
        if one.name in OF_PROTOCOL and getattr(options, one.name) != one.default:
            is_flag = isinstance(one.default, bool)
            bounds = (False, True) if is_flag else (one.metadata["least"], one.metadata["most"])
            ends = [_with_other(options, one.name, bound, protocol) for bound in bounds]
            found += [f"--{one.name.replace('_', '-')}"] if ends[0] == ends[1] else []
    return found


def _with_other(options: EvalOptions, name: str, other: Any, protocol: str) -> Effective | None:
    """Return what is effective with another value of an option; None where the others do not fit it."""
    try:
        return _effective(replace(options, **{name: other}), protocol)
    except InputError:
        return None


def _effective(options: EvalOptions, protocol: str) -> Effective:
    return options.eval_settings(protocol), options.inference_settings(protocol, "")
