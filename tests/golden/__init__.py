"""Golden vectors measured on the published code, and the recipe that makes weights and inputs for them.

README.md beside this file says what they are. ISEGM_GOLDEN may name a folder with further ones in the same layout,
which is searched first.
"""

import copy
import functools
import json
import os
import zlib
from pathlib import Path

import numpy as np
import torch

from isegm.model import ClickModel, build_model

OWN = Path(__file__).resolve().parent
FOLDERS = [Path(folder) for folder in (os.environ.get("ISEGM_GOLDEN"),) if folder] + [OWN]


def golden(name: str) -> Path:
    """Path of a golden file, such as "protocol/noc.json"."""
    for folder in FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"no golden file {name} in {', '.join(map(str, FOLDERS))}")


@functools.cache
def key_manifests() -> dict[str, list[str]]:
    """Lines "key shape" of published state dicts, by the name of the variant."""
    return json.loads((OWN / "keys.json").read_text())


def key_manifest(name: str) -> list[str]:
    """Lines "key shape" of a published state dict."""
    return key_manifests()[name]


def golden_json(name: str):
    """A golden json file, with {"__tuple__": [...]} turned back into tuples."""

    def decode(value):
        return tuple(value["__tuple__"]) if set(value) == {"__tuple__"} else value

    return json.loads(golden(name).read_text(), object_hook=decode)


def rule_tensor(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The value that the weight rule gives a floating state-dict entry."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    count = int(np.prod(shape))
    if key.endswith("running_var"):
        values = 0.5 + rng.random(count)
    elif key.endswith("running_mean"):
        values = 0.1 * rng.standard_normal(count)
    elif len(shape) >= 2:
        values = rng.standard_normal(count) * np.sqrt(1 / np.prod(shape[1:]))
    elif len(shape) == 1 and key.endswith("weight"):
        values = 1 + 0.1 * rng.standard_normal(count)
    elif len(shape) == 1 and key.endswith("bias"):
        values = 0.02 * rng.standard_normal(count)
    else:
        values = 0.5 + 0.1 * rng.standard_normal(count)
    return torch.from_numpy(np.asarray(values, dtype=np.float64).reshape(shape)).float()


def rule_state_dict(manifest: list[dict]) -> dict[str, torch.Tensor]:
    """State dict by the weight rule for a golden manifest (its ``state_dict`` list)."""
    state = {}
    for entry in manifest:
        integer = entry["key"].endswith("num_batches_tracked")
        state[entry["key"]] = (
            torch.zeros((), dtype=torch.long) if integer else rule_tensor(entry["key"], tuple(entry["shape"]))
        )
    return state


def fill_weights(model: torch.nn.Module) -> torch.nn.Module:
    """Fill a network's state dict by the weight rule; returns it in eval mode without gradients."""
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(rule_tensor(key, tuple(tensor.shape)))
    return model.eval().requires_grad_(False)


@functools.cache
def _once_filled(name: str) -> ClickModel:
    return fill_weights(build_model(name))


def filled(name: str) -> ClickModel:
    """A registered network filled by the weight rule, a copy of the one that was filled first."""
    return copy.deepcopy(_once_filled(name))


def apply_pipeline_weights(model: torch.nn.Module, spec: dict) -> torch.nn.Module:
    """Scale the keys and final layers that a pipelines/*.json names, so that predictions cross the threshold."""
    state = model.state_dict()
    for key, factor in spec["scaled_keys"].items():
        state[key].mul_(factor)
    for layer, change in spec["final_layers"].items():
        state[f"{layer}.weight"].mul_(change["gain"])
        state[f"{layer}.bias"].mul_(change["gain"]).add_(change["bias_add_after_gain"])
    return model


def model_inputs(spec: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """The image (with previous mask behind it where the network reads one) and the points of a model json."""
    batch, height, width = (spec["input"][k] for k in ("B", "H", "W"))
    rng = np.random.Generator(np.random.PCG64(0))
    image = torch.from_numpy(rng.random((batch, 3, height, width), dtype=np.float32))
    points = torch.tensor(spec["input"]["points"], dtype=torch.float32)
    if spec["input"]["prev_mask_used"]:
        y, x = np.mgrid[:height, :width].astype(np.float64)
        prev = [
            np.exp(
                -(
                    ((y - (0.45 + 0.1 * b) * height) / (0.25 * height)) ** 2
                    + ((x - (0.5 - 0.1 * b) * width) / (0.2 * width)) ** 2
                )
            )
            for b in range(batch)
        ]
        image = torch.cat((image, torch.from_numpy(np.stack(prev)[:, None]).float()), dim=1)
    return image, points


def fill_by_sine(network):
    """The second, older weight rule: a sine hash of the key and of the place in the tensor."""
    for key, tensor in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        seed = sum(map(ord, key)) % 997
        turn = np.sin(12.9898 * np.arange(1, tensor.numel() + 1) + 78.233 * (seed + 1)) * 43758.5453
        u = turn - np.floor(turn)
        w = 2 * u - 1
        if key.endswith("running_var"):
            values = 1 + 0.2 * u
        elif key.endswith(".scale"):
            values = np.full_like(u, 0.05)
        elif tensor.ndim == 3:  # class token and positional embedding
            values = 0.02 * w
        elif tensor.ndim == 1:
            values = 1 + 0.2 * w if key.endswith(".weight") else 0.1 * w
        else:
            values = w * np.sqrt(3 * tensor.shape[0] / tensor.numel())
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
    return network.eval().requires_grad_(False)


def sine_statistics(model: torch.nn.Module, size: tuple[int, int] = (160, 224)) -> dict[str, list[float]]:
    """Of each output for the input, (H, W) large, that belongs to the second weight rule, filled in by it.

    Mean, std, and the values at (0, 0), (40, 50), (100, 90), (-1, -1).
    """
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    channels = [0.5 + 0.5 * np.sin(0.05 * x * (c + 1) + 0.07 * y) for c in range(3)]
    if model.with_prev_mask:
        channels.append((y - 60) ** 2 + (x - 80) ** 2 < 900)
    image = torch.from_numpy(np.stack(channels)[None].astype(np.float32))
    unused = (-1, -1, -1)
    points = torch.tensor([[(40, 50, 0), (100, 90, 2), unused, (20, 120, 1), unused, unused]], dtype=torch.float32)
    statistics = {}
    for name, output in fill_by_sine(model)(image, points).items():
        v = output[0, 0].double()
        statistics[name] = [float(s) for s in (v.mean(), v.std(), v[0, 0], v[40, 50], v[100, 90], v[-1, -1])]
    return statistics
