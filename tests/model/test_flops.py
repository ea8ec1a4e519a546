"""MACs against a count by hand from the shapes of every layer, and against the published code."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from isegm.benchmarks.published_layouts import in_published_layout
from isegm.model.cdnet import CDNet
from isegm.model.click_model import ClickModel
from isegm.model.flops import CLICKS, count_complexity
from tests.golden import golden_json
from tests.networks import TWINS, light_parameters, without_weights

PUBLISHED = {
    "ritm_hrnet18s": "ritm/hrnet18s_itermask",
    "ritm_hrnet18": "ritm/hrnet18_itermask",
    "ritm_resnet34": "ritm/r34_dh128",
    "clickseg_mobilenetv2": "clickseg/mobilenetv2",
    "clickseg_pplcnet": "clickseg/pplcnet",
    "cdnet_resnet34": "clickseg/cdnet_res34",
    "focalclick_hrnet18s_s1": "clickseg/hrnet18s_S1",
    "focalclick_segformerb0_s1": "clickseg/segformerB0_S1",
    "focalclick_segformerb0_s2": "clickseg/segformerB0_S2",
}
PRODUCTS = {torch.matmul, torch.bmm, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.Tensor.bmm}


class CountByHand(TorchFunctionMode):
    """MACs of matrix products and convolutions from their shapes; those of other layers are added by hooks."""

    macs = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function is F.conv2d:  # a row of it: (C_in / groups) * height * width of a kernel
            self.macs += result.numel() * args[1][0].numel()
        if function in PRODUCTS:
            self.macs += result.numel() * args[0].shape[-1]
        if function is F.scaled_dot_product_attention:  # queries with keys, and what comes of it with values
            self.macs += (args[0].numel() + result.numel()) * args[1].shape[-2]
        if function is F.multi_head_attention_forward:  # projections of queries and keys, and as above
            (queries, batch, channels), keys = args[0].shape, args[1].shape[0]
            self.macs += 2 * batch * channels * ((queries + keys) * channels + queries * keys)
        return result

    def layer(self, module, inputs, output):
        inner = module.weight[0].numel()
        self.macs += (inputs[0] if isinstance(module, nn.ConvTranspose2d) else output).numel() * inner


def count_by_hand(model, size):
    counter = CountByHand()
    layers = [one for one in model.modules() if isinstance(one, (nn.ConvTranspose2d, nn.Linear))]
    hooks = [layer.register_forward_hook(counter.layer) for layer in layers]
    image, points = torch.zeros(1, 3 + model.with_prev_mask, *size), torch.full((1, 2 * CLICKS, 3), -1.0)
    with torch.no_grad(), counter:
        outputs = model(image, points)
        coarse = counter.macs
        if model.has_refiner:
            boxes = torch.tensor([[0, 8, 8, 40, 64]])
            model.refine(image[:, :3], points, outputs["feature"], outputs["instances"], boxes)
    for hook in hooks:
        hook.remove()
    return coarse, counter.macs


@pytest.mark.parametrize("name", light_parameters())
def test_every_network_agrees_with_a_count_by_hand(name):
    model = without_weights(name)
    with torch.device("meta"):
        found = count_complexity(model, (96, 128))
        assert (found.macs_coarse, found.macs) == count_by_hand(model, (96, 128))
    assert 0 < found.macs_coarse <= found.macs == found.macs_coarse + found.macs_refine
    assert (found.macs_refine > 0) == model.has_refiner
    assert found.parameters == sum(value.numel() for value in model.parameters())
    assert (found.macs_encode > 0) == (model.encodes_once or model.corrects_masks)


def left_out(model, size):
    """MACs of the published code that are not in its layout here: OCR's products of single numbers.

    CDNet's are negative: it multiplies query and key once for each sign of click, to keep no matrix of all pixel pairs.
    """
    if isinstance(model, CDNet):
        return -model.feature_extractor.FDM.p.out_channels * (size[0] // 8 * size[1] // 8) ** 2
    width = getattr(getattr(model, "feature_extractor", None), "ocr_width", 0)
    stride = 8 if getattr(model, "pipeline_version", None) == "s1" else 4
    return 2 * width * (size[0] // stride * size[1] // stride)


@pytest.mark.parametrize(("name", "file"), [("vitb", "vit_base448"), ("vitl", "vit_large448"), ("vith", "vit_huge448")])
def test_flops_of_vits_in_their_published_layout_are_those_of_the_published_code(name, file):
    spec, model = golden_json(f"simpleclick/{file}.json"), without_weights(f"simpleclick_{name}")
    found = count_complexity(in_published_layout(model), (448, 448))
    assert 2 * found.macs == spec.get("flops_forward_batch1", spec.get("flops_backbone_forward"))


def test_flops_of_segnext_are_those_of_the_published_code_once_for_the_image_and_for_each_click():
    spec, model = golden_json("segnext/vit_base1024_sax2.json"), without_weights("segnext_vitb_sax2")
    found = count_complexity(in_published_layout(model), (1024, 1024))
    assert 2 * found.macs_encode == spec["flops_image_feats"]
    assert 2 * found.macs_decode == spec["flops_per_click"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in TWINS else ()) for name in PUBLISHED]
)
def test_flops_in_the_published_layout_are_those_of_the_published_code(name):
    spec = golden_json(f"{PUBLISHED[name]}.json")
    model, size = without_weights(name), (spec["input"]["H"], spec["input"]["W"])
    found = count_complexity(in_published_layout(model), size)
    assert 2 * (found.macs_coarse + left_out(model, size)) == spec["flops_forward_batch1"]
    assert 2 * found.macs_refine == spec.get("flops_refine_batch1", 0)
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
    found = count_complexity(Attending().eval(), (64, 64))
    assert found.macs_encode == 64 * 16 * 3 * 64
    assert found.macs_decode == 2 * 64 * 64 * 16
