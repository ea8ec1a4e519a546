"""A small SegNext network, and its file in the published form."""

import copy

import torch

from isegm import build_model
from tests.golden import golden_json

SMALL = dict(img_size=(64, 64), embed_dim=32, depth=4, num_heads=2, out_dims=(8, 8, 8, 8), head_channels=8)


def small_segnext(**arguments):
    """With random weights, in eval mode, without gradients."""
    torch.manual_seed(0)
    return build_model("segnext_vit_tiny", **SMALL | arguments).eval().requires_grad_(False)


def small_container(**parts):
    """A published container of a small network, with other entries of its dicts, and that network."""
    config = copy.deepcopy(golden_json("segnext/vit_base1024_sax2.json")["config"])
    values = {"backbone_params": dict(img_size=[64, 64], embed_dim=32, depth=4, num_heads=2)}
    values |= {"neck_params": dict(in_dim=32, out_dims=[8, 8, 8, 8])}
    values |= {"head_params": dict(in_channels=[8, 8, 8, 8], out_channels=8)}
    values |= {"fusion_params": dict(params=dict(dim=32, num_heads=2, mlp_ratio=4, qkv_bias=True))}
    for part, entries in values.items():
        config["params"][part]["value"] |= entries | parts.get(part, {})
    network = small_segnext(fusion_depth=2)
    return {"state_dict": network.state_dict(), "config": config}, network


def save_published(path, **parts):
    """Write ``small_container()`` as SegNext publishes its files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(small_container(**parts)[0], path)
    return path
