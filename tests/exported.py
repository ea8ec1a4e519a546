"""Networks as ONNX files, for tests: small ones, calmed so that last digits do not decide."""

import torch

from isegm import build_model
from tests.vit import small_vit

HRNET = {"width": 4, "ocr_width": 8}
SMALL = {
    "clickseg_mobilenetv2": {},
    "cdnet_resnet34": {"deeplab_ch": 8},
    "focalclick_hrnet18s_s1": HRNET,
    "focalclick_segformerb0_s2": {},
    "ritm_hrnet18s": {**HRNET, "binary_prev_mask": True},
    "timm_lraspp": {},
}
VIT = "simpleclick_vit_xtiny"
VIT_SIZE = (64, 64)
SHA256 = "0" * 64


def small(name):
    """A small network by name in evaluation mode, whose logits are not large."""
    torch.manual_seed(0)
    if name == VIT:
        return small_vit()
    network = build_model(name, **SMALL[name]).eval().requires_grad_(False)
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if "cls_head" in key:
                value.mul_(0.01)
    return network
