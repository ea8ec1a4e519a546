"""An ImageNet file of a light backbone with folded BatchNorm, made by the tests that need one."""

from pathlib import Path

import torch

from isegm.model import build_model
from isegm.model.backbones.mobilenetv2 import torchvision_key

# (in channels, out channels, layers) of torchvision's mobilenet_v2, from which its parameter names follow
LAYERS = [(32, 16, 1), (16, 24, 2), (24, 32, 3), (32, 64, 4), (64, 96, 3), (96, 160, 3), (160, 320, 1)]


def torchvision_names():
    """Names of convolutions and BatchNorm layers of torchvision's mobilenet_v2, in order."""
    yield "features.0.0", "features.0.1"
    index = 1
    for in_channels, out_channels, count in LAYERS:
        for _ in range(count):
            expanded = not (in_channels == 32 and out_channels == 16)
            inner = [("0.0", "0.1"), ("1.0", "1.1"), ("2", "3")] if expanded else [("0.0", "0.1"), ("1", "2")]
            yield from ((f"features.{index}.conv.{conv}", f"features.{index}.conv.{bn}") for conv, bn in inner)
            index += 1
    yield "features.18.0", "features.18.1"


def write_folded_mobilenetv2(path: Path) -> Path:
    """Write random weights under torchvision's names, with BatchNorm as converters of quantised models leave it.

    Its variance is 1 - eps, so that its root is exactly 1; the first layer's mean holds the normalisation of images.
    """
    torch.manual_seed(0)
    wanted = build_model("clickseg_mobilenetv2").feature_extractor.backbone.state_dict()
    state = {"classifier.1.weight": torch.zeros(1000, 1280)}
    for conv, bn in torchvision_names():
        names = [f"{conv}.weight", f"{bn}.weight", f"{bn}.bias", f"{bn}.running_mean", f"{bn}.running_var"]
        for name in names:
            key = torchvision_key(name)
            if key is None:
                state[name] = torch.zeros(1)
                continue
            state[name] = 0.3 * torch.randn(wanted[key].shape) if name.endswith("bias") else wanted[key].clone()
            if name.endswith("running_var"):
                state[name] -= 1e-5
    state["features.0.1.running_mean"] += 0.3
    torch.save(state, path)
    return path
