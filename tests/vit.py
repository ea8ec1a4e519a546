"""A small SimpleClick network, and its file in the published form."""

import copy

import torch

from isegm import build_model
from tests.golden import golden_json
from tests.published_loss import published_loss

SMALL = dict(img_size=(64, 64), embed_dim=32, depth=4, num_heads=2, out_dims=(8, 8, 8, 8), head_channels=8)


def small_vit(**arguments):
    """With random weights, in eval mode, without gradients."""
    torch.manual_seed(0)
    return build_model("simpleclick_vit_xtiny", **SMALL | arguments).eval().requires_grad_(False)


def save_published(path):
    """Write ``small_vit()`` as SimpleClick and CFR-ICL publish theirs, with the training loss pickled beside it."""
    config = copy.deepcopy(golden_json("simpleclick/vit_base448.json")["config"])
    for part, entries in {
        "backbone_params": dict(img_size=[64, 64], embed_dim=32, depth=4, num_heads=2),
        "neck_params": dict(in_dim=32, out_dims=[8, 8, 8, 8]),
        "head_params": dict(in_channels=[8, 8, 8, 8], channels=8),
    }.items():
        config["params"][part]["value"] |= entries
    path.parent.mkdir(parents=True, exist_ok=True)
    with published_loss() as loss:
        config["params"]["head_params"]["value"]["loss_decode"] = loss()
        torch.save({"state_dict": small_vit().state_dict(), "config": config}, path)
    return path
