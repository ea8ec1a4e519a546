"""The levels inside networks that f-BRS changes, over the registry."""

import functools

import numpy as np
import pytest
import torch

from isegm.model import build_model
from isegm.model.segmentors import HRNetOCR
from tests.analytic import TinyModel
from tests.golden import fill_weights, golden, golden_json, model_inputs
from tests.networks import TWINS, light_models, without_weights

LEVELS = [
    pytest.param(name, level, marks=pytest.mark.long if name in TWINS else ())
    for name in light_models()
    for level in without_weights(name).feature_levels
]


def inputs(network, size=(64, 96)):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 3, *size, generator=generator)
    return image, torch.rand(2, network.coord_channels, *size, generator=generator)


@pytest.fixture(scope="module")
def networks():
    """Networks by name with random weights, in eval mode, made when first asked for."""

    def make(name):
        torch.manual_seed(0)
        return build_model(name).eval().requires_grad_(False)

    return functools.cache(make)


@pytest.fixture(scope="module")
def filled():
    """The same with weights by the golden rule."""
    return functools.cache(lambda name: fill_weights(build_model(name)))


def assert_the_same(logits, expected, network, level):
    """Equal bit for bit, but from HRNet's joined maps, which the whole network does not join in front of OCR."""
    if isinstance(getattr(network, "feature_extractor", None), HRNetOCR) and level != "C":
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    else:
        assert torch.equal(logits, expected)


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_going_on_from_a_level_gives_the_same_logits(networks, name, level):
    network = networks(name)
    image, coord_features = inputs(network)
    features, rest = network.features_at(level, image, coord_features)
    assert features.shape[:2] == (2, network.feature_levels[level])
    expected = network.backbone_forward(image, coord_features)["instances"]
    assert_the_same(network.logits_from(level, features, rest), expected, network, level)
    assert not torch.allclose(network.logits_from(level, 0.5 * features, rest), expected)


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_a_gradient_flows_from_the_logits_to_the_features(networks, name, level):
    network = networks(name)
    features, rest = network.features_at(level, *inputs(network))
    features.requires_grad_(True)
    network.logits_from(level, features, rest).square().mean().backward()
    assert features.grad.any()


@pytest.mark.parametrize("name", ["ritm_hrnet18s", "clickseg_mobilenetv2"])
def test_a_level_that_is_not_there_is_refused(networks, name):
    network = networks(name)
    with pytest.raises(ValueError, match=r"no features at level 'D': it offers .*C"):
        network.features_at("D", *inputs(network))
    with pytest.raises(ValueError, match="no features at level 'D'"):
        network.logits_from("D", torch.zeros(1), None)


def test_a_network_without_levels_says_so():
    network = TinyModel()
    assert network.feature_levels == {}
    with pytest.raises(ValueError, match="TinyModel has no features at level 'A': it offers none"):
        network.features_at("A", *inputs(network))


def test_without_ocr_there_is_no_level_behind_it():
    network = build_model("ritm_hrnet18s", ocr_width=0, with_aux_output=False).eval()
    assert network.feature_levels == {"A": 270, "B": 270}
    image, coord_features = inputs(network)
    logits = network.logits_from("B", *network.features_at("B", image, coord_features))
    assert torch.equal(logits, network.backbone_forward(image, coord_features)["instances"])


@pytest.mark.parametrize("name", ["ritm_hrnet18s", "ritm_resnet34"])
def test_a_network_that_mixes_maps_into_rgb_has_the_same_levels(name):
    torch.manual_seed(0)
    network = build_model(name, use_rgb_conv=True).eval().requires_grad_(False)
    image, coord_features = inputs(network)
    expected = network.backbone_forward(image, coord_features)["instances"]
    for level in network.feature_levels:
        features, rest = network.features_at(level, image, coord_features)
        assert_the_same(network.logits_from(level, features, rest), expected, network, level)
    assert not torch.equal(network.backbone_forward(image, 0 * coord_features)["instances"], expected)


# network, its golden file, level, channels there, and the published module that puts the same numbers out
MEASURED = [
    ("ritm_hrnet18s", "ritm/hrnet18s_itermask", "A", slice(18), "feature_extractor.stage4|0|0"),
    ("ritm_hrnet18s", "ritm/hrnet18s_itermask", "C", slice(None), "feature_extractor.ocr_distri_head|0|0"),
    ("focalclick_hrnet18s_s1", "clickseg/hrnet18s_S1", "C", slice(None), "feature_extractor.ocr_distri_head|0|0"),
    *(
        pytest.param("ritm_resnet34", "ritm/r34_dh128", *level, marks=pytest.mark.long)
        for level in (
            ("A", slice(None), "feature_extractor.backbone|0|3"),
            ("B", slice(128, None), "feature_extractor.skip_project|0|0"),
        )
    ),
    ("ritm_resnet34", "ritm/r34_dh128", "C", slice(None), "feature_extractor.head|0|0"),
]


@pytest.mark.parametrize(("name", "file", "level", "channels", "module"), MEASURED)
def test_features_equal_those_measured_in_the_published_networks(filled, name, file, level, channels, module):
    network, spec = filled(name), golden_json(f"{file}.json")
    image, points = model_inputs(spec)
    image, prev_mask = image[:, :3], image[:, 3:] if network.with_prev_mask else None
    coord_features = network.coord_features(points, prev_mask, tuple(image.shape[2:]))
    features = network.features_at(level, network.normalize(image), coord_features)[0][:, channels]
    facts = spec["hooks"][module]
    assert list(features.shape) == facts["shape"]
    assert features.double().mean().item() == pytest.approx(facts["mean"], rel=1e-5, abs=1e-5 * facts["std"])
    flat = features.flatten().numpy()
    expected = np.load(golden(f"{file}.npz"))[f"hook/{module}"]
    np.testing.assert_allclose(flat[:: max(1, flat.size // 64)], expected, rtol=0, atol=1e-4 * facts["std"])
