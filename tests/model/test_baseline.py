"""ClickSEG's light baselines against vectors measured on the published code."""

import numpy as np
import pytest
import torch

from isegm.model import build_model
from tests.golden import fill_weights, golden, golden_json, model_inputs


@pytest.fixture(scope="module")
def spec():
    return golden_json("clickseg/mobilenetv2.json")


@pytest.fixture(scope="module")
def network():
    return fill_weights(build_model("clickseg_mobilenetv2"))


def test_state_dict_is_the_published_one(spec, network):
    assert [(e["key"], tuple(e["shape"])) for e in spec["state_dict"]] == [
        (key, tuple(value.shape)) for key, value in network.state_dict().items()
    ]


def test_learning_rate_multipliers_are_the_published_ones(spec, network):
    published = {name: mult for name, mult in spec["lr_mult"].items() if mult not in (None, 1.0)}
    assert network.lr_multipliers() == pytest.approx(published)


@pytest.mark.parametrize("name", ["instances", "instances_aux", "feature"])
def test_outputs_equal_the_published_ones(spec, network, name):
    vectors = np.load(golden("clickseg/mobilenetv2.npz"))
    output = network(*model_inputs(spec))[name]
    assert list(output.shape) == spec["outputs"][name]["shape"]
    flat = output.flatten().numpy()
    expected = vectors[f"sample/{name}"] if f"sample/{name}" in vectors else vectors[f"full/{name}"].ravel()
    stride = max(1, flat.size // 4096) if f"sample/{name}" in vectors else 1
    np.testing.assert_allclose(flat[::stride], expected, rtol=0, atol=1e-5)


def test_click_maps_equal_the_published_ones(spec, network):
    image, points = model_inputs(spec)
    maps = network.dist_maps(points, tuple(image.shape[2:])).flatten().numpy()
    expected = np.load(golden("clickseg/mobilenetv2.npz"))["sample/click_map"]
    np.testing.assert_array_equal(maps[:: max(1, maps.size // 4096)], expected)


def test_it_has_1_9_million_parameters():
    network = build_model("clickseg_mobilenetv2")
    assert sum(p.numel() for p in network.parameters()) == 1_901_475


def test_every_parameter_gets_a_gradient():
    network = build_model("clickseg_mobilenetv2").train()
    points = torch.tensor([[[10.0, 12.0, 0.0], [40.0, 50.0, 1.0]]] * 2)
    outputs = network(torch.rand(2, 4, 64, 64), points)
    (outputs["instances"].mean() + outputs["instances_aux"].mean()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
