"""MACs against a count by hand from the shapes of every layer, and against the published code."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from isegm.model import build_model, list_models
from isegm.model.base import ClickModel
from isegm.model.cdnet import CDNet
from isegm.model.compute import count_compute
from tests.golden import golden_json

PUBLISHED = {
    "ritm_hrnet18s": "ritm/hrnet18s_itermask",
    "ritm_hrnet18": "ritm/hrnet18_itermask",
    "ritm_resnet34": "ritm/r34_dh128",
    "clickseg_mobilenetv2": "clickseg/mobilenetv2",
    "clickseg_pplcnet": "clickseg/pplcnet",
    "cdnet_resnet34": "clickseg/cdnet_res34",
}
PRODUCTS = {torch.matmul, torch.bmm, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.Tensor.bmm}


class CountByHand(TorchFunctionMode):
    """MACs of matrix products from their shapes; those of layers are added by hooks."""

    macs = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function in PRODUCTS:
            self.macs += result.numel() * args[0].shape[-1]
        elif function is F.scaled_dot_product_attention:
            self.macs += 2 * result.numel() * args[1].shape[-2]  # query by key, and weights by value
        return result

    def layer(self, module, inputs, output):
        inner = module.weight[0].numel()  # a row of a Linear; (C_in / groups) * height * width of a kernel of a Conv2d
        self.macs += output.numel() * inner


def count_by_hand(model, size):
    counter = CountByHand()
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(counter.layer)
    image = torch.zeros(1, 3 + model.with_prev_mask, *size)
    with torch.no_grad(), counter:
        model(image, torch.full((1, 2, 3), -1.0))
    return counter.macs


@pytest.mark.parametrize("name", list_models())
def test_every_network_agrees_with_a_count_by_hand(name):
    model = build_model(name).eval()
    found = count_compute(model, (96, 128))
    assert found.macs == count_by_hand(model, (96, 128)) > 0
    assert found.parameters == sum(value.numel() for value in model.parameters())
    assert (found.macs_encode > 0) == model.encodes_once


def left_out(model, size):
    """MACs of the attention to a single object, which the published code computes and which changes nothing.

    CDNet's are negative: it multiplies query and key once for each sign of click, to keep no matrix of all pixel pairs.
    """
    if isinstance(model, CDNet):
        return -model.feature_extractor.FDM.p.out_channels * (size[0] // 8 * size[1] // 8) ** 2
    width = getattr(model.feature_extractor, "ocr_width", 0) if hasattr(model, "feature_extractor") else 0
    channels, pixels = 2 * width, size[0] // 4 * size[1] // 4
    query_and_key = (channels * width + width * width) * (pixels + 1)
    return query_and_key + 2 * width * pixels + width * channels * (pixels - 1)


@pytest.mark.parametrize("name", PUBLISHED)
def test_flops_are_those_of_the_published_code_but_for_what_changes_nothing(name):
    spec = golden_json(f"{PUBLISHED[name]}.json")
    model, size = build_model(name).eval(), (spec["input"]["H"], spec["input"]["W"])
    found = count_compute(model, size)
    assert 2 * (found.macs + left_out(model, size)) == spec["flops_forward_batch1"]
    assert found.parameters == spec["num_params"]


class Attending(ClickModel):
    """Attention over 8 x 8 patches of the image, which is encoded once."""

    encodes_once = True

    def __init__(self):
        super().__init__(with_prev_mask=False)
        self.patches = nn.Conv2d(3, 16, 8, stride=8)

    def encode(self, image):
        return {"tokens": self.patches(image).flatten(2).transpose(1, 2)}

    def decode(self, features, points, prev_mask=None, cache=None):
        tokens = features["tokens"]
        return {"instances": F.scaled_dot_product_attention(tokens, tokens, tokens)}


def test_fused_attention_is_counted_too():
    found = count_compute(Attending().eval(), (64, 64))
    assert found.macs_encode == 64 * 16 * 3 * 64
    assert found.macs_decode == 2 * 64 * 64 * 16
