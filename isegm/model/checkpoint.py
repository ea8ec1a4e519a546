"""Checkpoints: ours, and those that the published repositories wrote.

A checkpoint is a ``torch.save``d dict with ``state_dict`` and ``config``. Ours say ``{"model": registered name,
"params": constructor arguments}``; published ones name a Python class by its path and list every argument (see
``isegm.model.published``). Files are read with ``weights_only=True``: nothing in them is ever executed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isegm.model.click_model import ClickModel
from isegm.model.filling import usable, without_weights
from isegm.model.onnx_network import is_onnx, load_onnx
from isegm.model.published import WITHOUT_EFFECT, model_from_published
from isegm.model.registry import build_stored_model, list_models
from isegm.utils.device import usable_device
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write
from isegm.utils.inputs import described, require
from isegm.utils.log import escaped
from isegm.utils.lookup import DEFAULT_CHECKPOINT, is_file, shipped_by_name
from isegm.utils.schema import Instance, Plain, check
from isegm.utils.tensor_files import read_tensor_file
from isegm.utils.text_values import as_path

MOST_ARGUMENTS = 10_000  # values in a configuration
WRITER = "inline_container"  # in the messages of PyTorch's writer
ARCHIVE = re.compile(r"\.7z(\.\d{3})?$")  # CFR-ICL publishes its checkpoint in volumes
BARE = "backbone"  # in what a file is called that training may start from
SHOWN = 8  # how many differing keys a message names


def save_checkpoint(model: ClickModel, path: str | Path, **extra: Any) -> None:
    """Write a network's weights and configuration; the file appears whole or not at all (else ``InputError``).

    Args:
        model: a network made by ``build_model`` or ``load_model``.
        path: the file.
        extra: further entries of plain data and tensors, such as the state of a training run.
    """
    require(model, Instance(ClickModel, "a network of isegm"), "the network to save")
    require(path, Instance(object, "a path", lambda value: isinstance(value, (str, Path))), "the path of a checkpoint")
    if model.config is None:
        raise InputError("the network has no config: make it with build_model.")
    if not model.runs_in_torch:
        raise InputError(
            "this network runs from an ONNX file, which holds no checkpoint: save the one it was made from."
        )
    if model.inference_form:
        raise InputError(
            "this network is a predictor's, whose BatchNorm is folded: save the one that the predictor was made from."
        )
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with atomic_write(path) as file:
        try:
            torch.save({"state_dict": state, "config": model.config, **extra}, file)
        except RuntimeError as error:  # PyTorch's writer reports a full disk so
            if WRITER not in str(error):
                raise
            raise InputError(f"{path} cannot be written: make room on its disk, or choose another folder.") from error


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a click model's checkpoint as plain data and tensors.

    Raises:
        InputError: no such file, or no permission to read it; not a PyTorch file; it asks for objects that are not on
            the allow-list; or it holds weights without a click model's configuration, such as an ImageNet or MAE
            backbone; or its configuration or weights are not of the form that this module's first lines tell.
    """
    path = shipped_by_name(as_path(path, "the path of a checkpoint"))
    if not is_file(path):
        hint = f"; {path} is a network: build_model makes it, with random weights" if str(path) in list_models() else ""
        raise InputError(f"there is no checkpoint {path}: check the path, or leave it out for the shipped model{hint}.")
    if is_onnx(path):
        raise InputError(f"{path} is an ONNX file, which holds no weights to train: give the .pth file of the network.")
    if ARCHIVE.search(path.name):
        first = ARCHIVE.sub(".7z.001", path.name)
        raise InputError(
            f"{path} is a 7z archive, or a volume of one: unpack all volumes with 7z x {first}, and give the .pth file "
            "that comes out."
        )
    content = read_tensor_file(path, "give a .pth file of a click model")
    return _checked(content, path)


def _checked(content: Any, path: str | Path) -> dict[str, Any]:
    """Return the content of a checkpoint as a dict; InputError if it is of another form."""
    if not isinstance(content, Mapping) or not {"state_dict", "config"} <= set(content):
        kind = _what_it_is(content)
        other = ", or set this one below IMAGENET_PRETRAINED_MODELS in config.yml and train" if BARE in kind else ""
        raise InputError(f"{path} {kind}, not a click model: give a file that training has written{other}.")
    config, state = content["config"], content["state_dict"]
    if not isinstance(config, Mapping) or not isinstance(state, Mapping):
        raise InputError(f"{path} has a configuration or weights that are no mapping: it is damaged.")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
        raise InputError(f"{path} has weights that are not all tensors by name: it is damaged.")
    check(config, Plain(MOST_ARGUMENTS), path, "config")
    return dict(content)


def _what_it_is(content: Any) -> str:
    """Guess the kind of a file without a click model's configuration, as the predicate of a sentence."""
    if isinstance(content, list):
        return "holds several models in one (a multi-stage model)"
    if not isinstance(content, Mapping):
        return f"holds a {type(content).__name__}"
    weights = next((content[k] for k in ("model", "state_dict") if isinstance(content.get(k), Mapping)), content)
    keys = [str(key) for key in weights]
    if not any(isinstance(value, Tensor) for value in weights.values()):
        return "holds no weights"
    if "cls_token" in keys and any(key.startswith("blocks.") for key in keys):
        return f"is a ViT or MAE {BARE}"
    if any(key.startswith(("stage4.", "conv1.", "layer4.", "features.", "block1.", "patch_embed")) for key in keys):
        return f"is a bare ImageNet {BARE}"
    return "holds weights without a configuration"


def load_state(model: ClickModel, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Load a state dict strictly.

    Raises:
        InputError: keys are missing, unexpected, or of another shape, which the message lists; or a tensor is not
            finite, or of a kind that no weight can be (see ``usable``).
    """
    wanted = model.state_dict()
    missing = [key for key in wanted if key not in state]
    unexpected = [escaped(key, 100) for key in state if key not in wanted]
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    groups = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    difference = [
        f"{len(keys)} {kind} ({', '.join(keys[:SHOWN])}{', ...' if len(keys) > SHOWN else ''})"
        for kind, keys in groups
        if keys
    ]
    if difference:
        name = model.config["model"] if model.config else type(model).__name__
        raise InputError(
            f"{path} does not fit the network {name}: {'; '.join(difference)}; give a checkpoint of this architecture."
        )
    fitting = {key: usable(key, state[key], value, path) for key, value in wanted.items()}
    model.load_state_dict(fitting, assign=any(value.is_meta for value in wanted.values()))


def start_from(model: ClickModel, path: str | Path) -> None:
    """Load the weights of a checkpoint of the same network into one that is to be trained.

    A network whose weights depend on the size of its input may have been trained at another one.

    Raises:
        InputError: the file is no checkpoint (see ``read_checkpoint``) or does not fit (see ``load_state``).
    """
    if not is_file(shipped_by_name(as_path(path, "the path of a checkpoint"))):
        raise InputError(f"there is no checkpoint {path} to start from: check its path.")
    load_state(model, model.at_input_size(read_checkpoint(path)["state_dict"]), path)


def model_from_checkpoint(content: Mapping[str, Any], path: str | Path = "the checkpoint") -> ClickModel:
    """Build the network that a checkpoint describes and load its weights.

    Args:
        content: output of ``read_checkpoint``, whose tensors become those of the network.
        path: the file, for messages.

    Raises:
        InputError: the configuration names no network, or the weights do not fit it (see ``load_state``).
    """
    with without_weights(content["state_dict"], path):
        model = _described(content["config"], content["state_dict"], path)
    load_state(model, content["state_dict"], path)
    return model


def _described(config: Mapping[str, Any], state: Mapping[str, Tensor], path: str | Path) -> ClickModel:
    """Build the network of a configuration."""
    if "class" in config:
        return model_from_published(config, state, path)
    if not isinstance(config.get("model"), str):
        raise InputError(f"{path} has a configuration that names no network: it is damaged.")
    params = config.get("params", {})
    if not isinstance(params, Mapping):
        raise InputError(f"{path} has a configuration whose params are no mapping: it is damaged.")
    return build_stored_model(config["model"], params, path)


def load_model(
    checkpoint: str | Path | Mapping[str, Any] = DEFAULT_CHECKPOINT,
    device: torch.device | str = "cpu",
    **overrides: Any,
) -> ClickModel:
    """Load a click model, ours or a published one, ready for inference.

    Args:
        checkpoint: the file, or its content as ``torch.load`` gives it; default: the shipped model, which is also found
            by its name ``mobilenetv2_default``. A file that ``isegm export`` wrote, whose name ends in ``.onnx``, is
            run by ONNX Runtime.
        device: where the network goes.
        overrides: constructor arguments that win over those in the checkpoint; an ONNX file takes none.

    Returns:
        the network in eval mode, without gradients.

    Raises:
        InputError: see ``read_checkpoint``, ``model_from_checkpoint`` and ``load_onnx``; or the device cannot be used.
    """
    device = usable_device(device)
    if isinstance(checkpoint, (str, Path)) and is_onnx(as_path(checkpoint, "the path of a checkpoint")):
        fixed = sorted(set(overrides) - set(WITHOUT_EFFECT))
        if fixed:
            raise InputError(f"{checkpoint} was exported with its constructor arguments: leave out {', '.join(fixed)}.")
        return load_onnx(checkpoint).to(device).eval()
    if isinstance(checkpoint, (str, Path)):
        content, name = read_checkpoint(checkpoint), str(checkpoint)
    elif not isinstance(checkpoint, Mapping):
        raise InputError(f"the checkpoint must be a path, or what torch.load read, not {described(checkpoint)}.")
    else:
        name = "the loaded checkpoint"
        content = _checked(checkpoint, name)
        content["state_dict"] = {key: value.clone() for key, value in content["state_dict"].items()}
    model = model_from_checkpoint(_with_arguments(content, overrides), name)
    return model.to(device).eval().requires_grad_(False)


def _with_arguments(content: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint with other constructor arguments; those without effect on the output are passed over."""
    given = {name: value for name, value in overrides.items() if name not in WITHOUT_EFFECT}
    if not given:
        return content
    config = content["config"]
    params = config.get("params", {})
    if not isinstance(params, Mapping):
        return content  # a damaged file, of which ``model_from_checkpoint`` tells
    if "class" in config:
        given = {name: {"value": value, "specified": True} for name, value in given.items()}
    return {**content, "config": {**config, "params": {**params, **given}}}
