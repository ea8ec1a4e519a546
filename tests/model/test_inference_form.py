"""Networks as predictors run them: other layers, the same outputs."""

import copy

import pytest
import torch
from torch import nn

from isegm import InputError, Predictor, build_model
from isegm.model.checkpoint import save_checkpoint
from isegm.model.inference_form import in_inference_form
from tests.networks import light_parameters

SIDE = 96
BETWEEN = {"timm_lraspp": ["feature_extractor.backbone.network.model.bn1"]}  # clicks are added in front of it
POINTS = torch.tensor([[[40.0, 50.0, 0.0], [-1.0, -1.0, -1.0], [80.0, 20.0, 1.0], [-1.0, -1.0, -1.0]]])
BOXES = torch.tensor([[0.0, 10.0, 20.0, 80.0, 70.0]])


def lively(name):
    """A registered network whose BatchNorm layers do something, as after training."""
    torch.manual_seed(0)
    network = build_model(name).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network


@torch.no_grad()
def everything(network):
    """What a network computes from one image and two clicks, by name."""
    generator = torch.Generator().manual_seed(0)
    image, mask = torch.rand(1, 3, SIDE, SIDE, generator=generator), torch.rand(1, 1, SIDE, SIDE, generator=generator)
    features = network.encode(image)
    outputs = network.decode(features, POINTS, mask)
    found = {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}
    if "cache" in outputs:
        again = network.decode(features, POINTS, mask, outputs["cache"])
        found["corrected"] = again["instances"]
    if network.has_refiner:
        found |= network.refine(image, POINTS, outputs["feature"], outputs["instances"], BOXES)
    if network.has_diffusion:
        found["diffused"] = network.diffuse(image, outputs["instances"], POINTS)
    for level in network.feature_levels:
        coord_features = network.coord_features(POINTS, mask, (SIDE, SIDE))
        found[level] = network.logits_from(level, *network.features_at(level, features["image"], coord_features))
    return found


@pytest.mark.parametrize("name", light_parameters())
def test_a_network_computes_the_same_in_this_form(name):
    network = lively(name)
    before = copy.deepcopy(network.state_dict())
    fast = in_inference_form(network)
    plain, folded = everything(network), everything(fast)
    assert plain.keys() == folded.keys()
    for key, value in plain.items():
        torch.testing.assert_close(
            folded[key], value, atol=1e-4 * float(value.abs().max()), rtol=0, msg=f"{key} differs"
        )
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    left = [key for key, module in fast.named_modules() if type(module) is nn.BatchNorm2d]
    assert left == BETWEEN.get(name, [])
    assert (fast is network) == all(type(module) is not nn.BatchNorm2d for module in network.modules())
    assert in_inference_form(fast) is fast


def test_it_shares_the_weights_that_it_leaves_as_they_are():
    network = lively("focalclick_segformerb0_s1")
    fast = in_inference_form(network)
    shared = {id(tensor) for tensor in network.parameters()} & {id(tensor) for tensor in fast.parameters()}
    assert len(shared) > 50  # those of attention


def test_a_predictor_runs_it_and_refuses_to_save_it(tmp_path):
    network = lively("clickseg_mobilenetv2")
    predictor = Predictor(network)
    assert predictor.model.inference_form and not network.inference_form
    assert Predictor(predictor.model).model is predictor.model
    with pytest.raises(InputError, match="BatchNorm is folded"):
        save_checkpoint(predictor.model, tmp_path / "network.pth")
    save_checkpoint(network, tmp_path / "network.pth")
    assert not list(tmp_path.glob("*.tmp"))
