"""RITM's DeepLabV3+ against manifests and vectors measured on the published code, and on its own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isegm.model import build_model
from isegm.model.backbones.resnet import RESNETS, ResNet
from isegm.utils.errors import InputError
from tests.golden import fill_weights, golden, golden_json, key_manifest, model_inputs, sine_statistics

PUBLISHED = [
    pytest.param("ritm_resnet34", "keys_r34.txt", 23_350_930, id="34"),
    pytest.param("ritm_resnet50", "keys_r50.txt", 39_448_722, id="50"),
    pytest.param("ritm_resnet101", "keys_r101.txt", 58_440_850, id="101"),
]


@pytest.fixture(scope="module")
def spec():
    return golden_json("ritm/r34_dh128.json")


@pytest.fixture(scope="module")
def small():
    """A network with random weights; tests leave them as they are."""
    torch.manual_seed(0)
    return build_model("ritm_resnet34", deeplab_ch=32).eval()


def clicks(batch):
    return torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0], [50.0, 40.0, 1.0], [-1.0, -1.0, -1.0]]] * batch)


# --- against the published code


@pytest.mark.parametrize(("name", "manifest", "count"), PUBLISHED)
def test_state_dict_and_size_are_the_published_ones(name, manifest, count):
    with torch.device("meta"):
        network = build_model(name)
    assert sum(p.numel() for p in network.parameters()) == count
    own = [f"{key} {tuple(value.shape)}" for key, value in network.state_dict().items()]
    assert own == key_manifest(manifest)


def test_learning_rate_multipliers_are_the_published_ones(spec, small):
    published = {name: mult for name, mult in spec["lr_mult"].items() if mult not in (None, 1.0)}
    assert small.lr_multipliers() == published
    assert published.keys() == {name for name, _ in small.named_parameters() if ".backbone." in name}


def test_outputs_equal_the_measured_ones(spec):
    network = fill_weights(build_model("ritm_resnet34"))
    vectors, facts = np.load(golden("ritm/r34_dh128.npz")), spec["outputs"]["instances"]
    output = network(*model_inputs(spec))["instances"]
    tolerance = {"rtol": 0, "atol": 5 * spec["noise_vs_no_onednn"]["instances"]}
    assert list(output.shape) == facts["shape"]
    flat = output.flatten()[:: facts["stride"]].numpy()
    np.testing.assert_allclose(flat, vectors["sample/instances"], **tolerance)
    lowres = F.adaptive_avg_pool2d(output.double(), 32).numpy()
    np.testing.assert_allclose(lowres, vectors["lowres/instances"], **tolerance)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ritm_resnet34", (-0.232005, 0.117728, 0.087464, -0.118401, -0.336463, -0.072247)),
        pytest.param(
            "ritm_resnet50",
            (-0.135954, 0.023047, -0.051804, -0.150911, -0.149859, 0.082024),
            marks=pytest.mark.long,
        ),
        pytest.param(
            "ritm_resnet101",
            (-0.184216, 0.041647, -0.033522, -0.193704, -0.155211, 0.051006),
            marks=pytest.mark.long,
        ),
    ],
)
def test_statistics_of_a_second_input_equal_the_measured_ones(name, expected):
    assert sine_statistics(build_model(name))["instances"] == pytest.approx(expected, rel=2e-5, abs=2e-6)


# --- on its own


@pytest.mark.parametrize("size", [(64, 96), (75, 53)])
def test_the_output_has_the_size_of_the_image(small, size):
    with torch.no_grad():
        outputs = small(torch.rand(2, 3, *size), clicks(2))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {"instances": (2, 1, *size)}


@pytest.mark.parametrize("name", RESNETS)
def test_every_backbone_ends_at_stride_8(name):
    with torch.device("meta"):
        network = ResNet(name)
        low, high = network(torch.zeros(1, 3, 64, 96), torch.zeros(1, 64, 32, 48))
    assert tuple(low.shape) == (1, network.channels[0], 16, 24)
    assert tuple(high.shape) == (1, network.channels[1], 8, 12)


def test_clicks_reach_the_first_64_of_128_channels_of_the_stem():
    torch.manual_seed(0)
    network = ResNet("resnet50").eval()
    for number in range(1, 5):
        setattr(network, f"layer{number}", torch.nn.Identity())
    image, side = torch.rand(1, 3, 32, 32), torch.ones(1, 64, 16, 16)
    with torch.no_grad():
        difference = network(image, side)[0] - network(image)[0]
    torch.testing.assert_close(difference[:, :64], torch.ones_like(difference[:, :64]))
    assert not difference[:, 64:].any()


@pytest.mark.parametrize(
    "options", [{}, {"use_rgb_conv": True}, {"conv_extend": True}, {"clicks_groups": (3, 5)}], ids=str
)
def test_all_parameters_get_a_gradient_other_than_zero(options):
    torch.manual_seed(0)
    network = build_model("ritm_resnet34", deeplab_ch=32, with_prev_mask=True, **options).train()
    network(torch.rand(2, 4, 64, 64), clicks(2))["instances"].square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_single_convolution_of_the_maps_has_a_tenth_of_the_rate():
    with torch.device("meta"):
        network = build_model("ritm_resnet34", conv_extend=True, backbone_lr_mult=0.5)
    rates = network.lr_multipliers()
    assert tuple(network.maps_transform.weight.shape) == (64, 2, 3, 3)
    assert rates.pop("maps_transform.weight") == rates.pop("maps_transform.bias") == 0.1
    assert set(rates.values()) == {0.5}


@pytest.mark.parametrize(("arguments", "complaint"), [({"backbone": "vgg"}, "vgg"), ({"with_aux_output": True}, "aux")])
def test_arguments_that_mean_nothing_are_refused(arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        build_model("ritm_resnet34", **arguments)


# --- ImageNet weights


def gluon_weights(name):
    """What a Gluon or timm file of a ResNet looks like: the backbone's names, and a classifier."""
    weights = {key: torch.full_like(value, 2) for key, value in ResNet(name).state_dict().items()}
    return {**weights, "fc.weight": torch.zeros(1000, 8), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize("name", ["resnet34", "resnet50"])
def test_imagenet_weights_fill_the_backbone_and_nothing_else(tmp_path, name):
    torch.save(gluon_weights(name), tmp_path / "resnet.pth")
    network = build_model(f"ritm_{name}")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.load_imagenet_weights(tmp_path / "resnet.pth")
    for key, value in network.state_dict().items():
        assert (value == 2).all() if ".backbone." in key else torch.equal(value, before[key]), key


@pytest.mark.parametrize(
    ("name", "other", "complaint"),
    [("resnet34", "resnet50", "entries are missing"), ("resnet50", "resnet101", "too many, first layer3.10.bn1.bias")],
)
def test_weights_of_another_depth_are_refused_and_change_nothing(tmp_path, name, other, complaint):
    torch.save(gluon_weights(other), tmp_path / "other.pth")
    torch.manual_seed(0)
    network = ResNet(name)
    before = network.layer1[0].conv1.weight.clone()
    with pytest.raises(InputError, match=complaint) as error:
        network.load_imagenet_weights(tmp_path / "other.pth")
    assert "other.pth does not fit ResNet" in str(error.value)
    assert torch.equal(network.layer1[0].conv1.weight, before)
