"""Groups of parameters with rates and weight decays of their own."""

from dataclasses import replace

import pytest
import torch

from isegm.engine.config import TrainConfig
from isegm.engine.optimizer import adam
from isegm.engine.schedule import MultiStep
from isegm.model.registry import build_model
from tests.engine.tiny import EVERY_CLICK, VIT, TinyModel

CONFIG = TrainConfig(EVERY_CLICK, batch_size=2, epochs=1, schedule=MultiStep([9]), lr=0.01)


def stepped(model, config, fused=False):
    """The network's weights after a step with gradients of 1 everywhere, by name."""
    optimizer = adam(model, config)
    for group in optimizer.param_groups:
        group["lr"], group["fused"] = config.lr * group["mult"], fused
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_weight_decay_is_added_to_the_gradient_of_the_parameters_that_have_one():
    model = TinyModel()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(-4.0)  # for which a decay of 1/4 turns the gradient of 1 to 0
    decays = {"first.weight": 0.25, "last.bias": 0.5}
    found = stepped(model, replace(CONFIG, weight_decays=decays))
    assert torch.all(found["first.weight"] == -4)  # no gradient is left
    assert torch.all(found["last.bias"] > -4)  # it points the other way
    assert all(torch.all(value < -4) for name, value in found.items() if name not in decays)


def test_a_rate_of_0_leaves_a_parameter_as_it_is():
    model = TinyModel()
    before = model.first.weight.detach().clone()
    found = stepped(model, replace(CONFIG, lr_multipliers={"first.weight": 0.0}, weight_decays={"first.weight": 0.02}))
    assert torch.equal(found["first.weight"], before) and found["last.weight"].isfinite().all()


@pytest.mark.parametrize("fused", [False, True])  # as on CUDA
def test_positions_at_another_size_follow_the_weights(fused):
    """What a ViT keeps of its positional embedding between clicks is out of date after a step."""
    model = build_model("simpleclick_vit_xtiny", **VIT)
    with torch.no_grad():
        before = model.backbone.positions((3, 3)).clone()
        assert model.backbone.positions((3, 3)) is model.backbone.positions((3, 3))
    stepped(model, CONFIG, fused)
    with torch.no_grad():
        torch.testing.assert_close(model.backbone.positions((3, 3)), before - CONFIG.lr)


def test_groups_without_weight_decay_are_those_of_the_rates_alone():
    groups = adam(TinyModel(), replace(CONFIG, lr_multipliers={"last.bias": 0.1})).param_groups
    assert [(group["mult"], group["weight_decay"], len(group["params"])) for group in groups] == [
        (0.1, 0, 1),
        (1, 0, 5),
    ]


@pytest.mark.parametrize("decay", [-0.1, float("nan"), "0.02"])
def test_a_weight_decay_is_a_number_from_0_on(decay):
    with pytest.raises(ValueError, match=r"weight_decays\.first\.weight|weight_decays"):
        replace(CONFIG, weight_decays={"first.weight": decay})
