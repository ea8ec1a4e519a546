"""RITM's HRNet + OCR against manifests and vectors measured on the published code, and on its own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from isegm.model import build_model
from isegm.model.backbones.hrnet import HRNet
from isegm.model.heads.ocr import ObjectAttention, spatial_gather
from isegm.model.initializer import xavier_gluon
from isegm.model.ritm import HRNetModel
from isegm.model.segmentors import HRNetOCR
from isegm.utils.errors import InputError
from tests.golden import fill_weights, golden, golden_json, key_manifest, model_inputs, sine_statistics

MEASURED = {"ritm_hrnet18s": "hrnet18s_itermask", "ritm_hrnet18": "hrnet18_itermask"}
NO_PREV = {"with_prev_mask": False, "with_aux_output": False}
PUBLISHED = [
    pytest.param("ritm_hrnet18s", {}, "keys_h18s.txt", 4_220_047, id="18s"),
    pytest.param("ritm_hrnet18", {}, "keys_h18.txt", 10_032_019, id="18"),
    pytest.param("ritm_hrnet18", NO_PREV, "keys_h18_base.txt", 10_032_003, id="18 without previous mask"),
    pytest.param("ritm_hrnet32", {}, "keys_h32.txt", 30_951_363, id="32"),
]


@pytest.fixture(scope="module", params=MEASURED)
def measured(request):
    """A network with weights by rule, its golden json and arrays, and its outputs for the golden inputs."""
    spec = golden_json(f"ritm/{MEASURED[request.param]}.json")
    network = fill_weights(build_model(request.param))
    return network, spec, np.load(golden(f"ritm/{MEASURED[request.param]}.npz")), network(*model_inputs(spec))


@pytest.fixture
def small():
    torch.manual_seed(0)
    return build_model("ritm_hrnet18s")


def clicks(batch=2):
    return torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0], [50.0, 40.0, 1.0], [-1.0, -1.0, -1.0]]] * batch)


# --- against the published code


@pytest.mark.parametrize(("name", "overrides", "manifest", "count"), PUBLISHED)
def test_state_dict_and_size_are_the_published_ones(name, overrides, manifest, count):
    network = build_model(name, **overrides)
    assert sum(p.numel() for p in network.parameters()) == count
    own = [f"{key} {tuple(value.shape)}" for key, value in network.state_dict().items()]
    assert own == key_manifest(manifest)


def test_learning_rate_multipliers_are_the_published_ones(measured):
    network, spec, _, _ = measured
    published = {name: mult for name, mult in spec["lr_mult"].items() if mult != 1.0}
    assert network.lr_multipliers() == published


@pytest.mark.parametrize("output", ["instances", "instances_aux"])
def test_outputs_equal_the_measured_ones(measured, output):
    _, spec, vectors, outputs = measured
    facts = spec["outputs"][output]
    tolerance = {"rtol": 0, "atol": 5 * spec["noise_vs_no_onednn"][output]}
    assert list(outputs[output].shape) == facts["shape"]
    np.testing.assert_allclose(
        outputs[output].flatten()[:: facts["stride"]].numpy(), vectors[f"sample/{output}"], **tolerance
    )
    lowres = F.adaptive_avg_pool2d(outputs[output].double(), 32).numpy()
    np.testing.assert_allclose(lowres, vectors[f"lowres/{output}"], **tolerance)


# mean, std, and the values at (0, 0), (40, 50), (100, 90), (-1, -1)
SINE_18S = (3.925163, 1.877900, -0.052046, 2.746212, 5.281320, 4.671711)
SINE_18S_AUX = (-4.564954, 3.341566, -0.584154, -5.189486, -7.539227, -5.878124)
SINE_18_NO_PREV = (-273.977561, 361.936059, 312.513275, -199.829269, -657.663513, 198.557053)
SINE_18 = (-273.745592, 361.668483, 312.491302, -199.272583, -655.836914, 198.426880)
SINE_18_AUX = (-939.764456, 409.497617, -586.401306, -712.487366, -1066.737183, -894.228271)
SINE_32 = (404.329509, 106.224965, 137.926544, 409.155884, 428.484833, 434.218597)
SINE_RGB = (2.620016, 1.258843, -0.351211, 1.770384, 3.233044, 1.862829)
RGB = {**NO_PREV, "use_rgb_conv": True, "use_leaky_relu": False, "use_disks": False, "norm_radius": 260}


@pytest.mark.parametrize(
    ("name", "overrides", "expected"),
    [
        pytest.param("ritm_hrnet18s", {}, {"instances": SINE_18S, "instances_aux": SINE_18S_AUX}, id="18s"),
        pytest.param("ritm_hrnet18", {}, {"instances": SINE_18, "instances_aux": SINE_18_AUX}, id="18"),
        pytest.param("ritm_hrnet18", NO_PREV, {"instances": SINE_18_NO_PREV}, id="18 without previous mask"),
        pytest.param("ritm_hrnet32", {}, {"instances": SINE_32}, id="32"),
        pytest.param("ritm_hrnet18s", RGB, {"instances": SINE_RGB}, id="18s, maps mixed into RGB"),
    ],
)
def test_statistics_of_a_second_input_equal_the_measured_ones(name, overrides, expected):
    measured = sine_statistics(build_model(name, **overrides))
    for output, statistics in expected.items():
        assert measured[output] == pytest.approx(statistics, rel=2e-5, abs=2e-5)


# --- on its own


@pytest.mark.parametrize("size", [(64, 96), (75, 53)])
def test_outputs_have_the_size_of_the_image(small, size):
    outputs = small.eval()(torch.rand(2, 4, *size), clicks())
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "instances": (2, 1, *size),
        "instances_aux": (2, 1, *size),
    }


def test_logits_have_a_quarter_of_the_size_before_they_are_resized(small):
    logits = small.eval().backbone_forward(torch.rand(1, 3, 64, 96), torch.rand(1, 3, 64, 96))
    assert tuple(logits["instances"].shape) == tuple(logits["instances_aux"].shape) == (1, 1, 16, 24)


def test_evaluation_is_deterministic_and_independent_of_the_batch(small):
    fill_weights(small)
    image = torch.rand(2, 4, 64, 96)
    both = small(image, clicks())["instances"]
    assert torch.equal(both, small(image, clicks())["instances"])
    alone = small(image[1:], clicks(1))["instances"]
    assert (both[1:] - alone).abs().max() < 1e-4 * both.std()


@pytest.mark.parametrize("channel", range(4))
def test_every_input_channel_matters(small, channel):
    small.eval().requires_grad_(False)
    image = torch.rand(1, 4, 64, 96)
    changed = image.clone()
    changed[:, channel] = 0
    assert not torch.allclose(small(image, clicks(1))["instances"], small(changed, clicks(1))["instances"])


@pytest.mark.parametrize("row", [0, 2])
def test_positive_and_negative_clicks_matter(small, row):
    small.eval().requires_grad_(False)
    image, points = torch.rand(1, 4, 64, 96), clicks(1)
    moved = points.clone()
    moved[:, row, :2] += 9
    assert not torch.allclose(small(image, points)["instances"], small(image, moved)["instances"])


def test_all_parameters_get_a_gradient_and_only_the_object_attention_a_zero_one(small):
    outputs = small.train()(torch.rand(2, 4, 64, 64), clicks())
    (outputs["instances"].square().mean() + outputs["instances_aux"].square().mean()).backward()
    assert [name for name, p in small.named_parameters() if p.grad is None] == []
    zero = {name for name, p in small.named_parameters() if not p.grad.any()}
    assert zero == {name for name, _ in small.named_parameters() if ".f_pixel." in name or ".f_object." in name}


def test_object_attention_is_the_same_with_and_without_the_softmax():
    attention = fill_weights(ObjectAttention(8, 4))
    features, context = torch.randn(2, 8, 5, 6), torch.randn(2, 8, 1, 1)
    short = attention(features, context)
    attention.training = True  # takes the full path; the norms inside stay in evaluation mode
    torch.testing.assert_close(attention(features, context), short)


def test_spatial_gather_is_the_mean_under_the_softmax_over_pixels():
    features, logits = torch.randn(2, 8, 5, 6), torch.full((2, 1, 5, 6), -50.0)
    logits[0, 0, 1, 2] = logits[0, 0, 3, 4] = logits[1, 0, 0, 0] = 50.0
    context = spatial_gather(features, logits)
    assert tuple(context.shape) == (2, 8, 1, 1)
    torch.testing.assert_close(context[0, :, 0, 0], (features[0, :, 1, 2] + features[0, :, 3, 4]) / 2)
    torch.testing.assert_close(context[1, :, 0, 0], features[1, :, 0, 0])


def test_without_ocr_there_is_one_output():
    network = build_model("ritm_hrnet18s", ocr_width=0, with_aux_output=False)
    assert list(network.eval()(torch.rand(1, 4, 32, 32), clicks(1))) == ["instances"]
    heads = {key.split(".")[1] for key in network.state_dict() if "stage" not in key} & {"cls_head", "aux_head"}
    assert heads == {"cls_head"}
    with pytest.raises(InputError, match="ocr_width"):
        build_model("ritm_hrnet18s", ocr_width=0)


def test_constructor_takes_the_published_argument_names():
    published = {"width", "ocr_width", "small", "backbone_lr_mult", "use_leaky_relu", "use_disks", "norm_radius"}
    published |= {"use_rgb_conv", "clicks_groups", "conv_extend"}
    assert published | {"with_prev_mask", "with_aux_output", "binary_prev_mask"} <= set(HRNetModel.argument_names())


def test_learning_rate_multiplier_of_the_backbone_is_an_argument():
    rates = build_model("ritm_hrnet18s", backbone_lr_mult=0.5).lr_multipliers()
    assert set(rates.values()) == {0.5}
    assert "feature_extractor.cls_head.weight" in rates
    assert not any(name.startswith("maps_transform") or "ocr" in name for name in rates)


def test_initial_weights_are_gluon_xavier(small):
    weight = small.feature_extractor.layer1[0].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert small.feature_extractor.aux_head[0].bias.abs().max() == 0
    assert small.maps_transform[3].scale.item() == pytest.approx(0.05)


def test_xavier_gluon_uses_the_mean_of_both_fans_and_resets_norms():
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(100, 300), torch.nn.BatchNorm2d(4))
    torch.nn.init.constant_(layers[1].weight, 7.0)
    torch.nn.init.constant_(layers[1].bias, 7.0)
    xavier_gluon(layers)
    assert layers[0].weight.std().item() == pytest.approx(0.1, rel=0.02)
    assert not layers[0].bias.any() and not layers[1].bias.any()
    assert (layers[1].weight == 1).all()


# --- ImageNet weights


def official_weights(network: HRNet, prefix: str = "") -> dict[str, torch.Tensor]:
    """What a published file of the same width looks like: the backbone under its own names, and a classifier."""
    weights = {f"{prefix}{key}": torch.full_like(value, 2) for key, value in HRNet.state_dict(network).items()}
    kept = {key: value for key, value in weights.items() if "head" not in key and "ocr" not in key}
    return {**kept, f"{prefix}classifier.weight": torch.zeros(1000, 2048)}


@pytest.mark.parametrize("prefix", ["", "model."])
def test_imagenet_weights_fill_the_backbone_and_nothing_else(small, tmp_path, prefix):
    path = tmp_path / "hrnet.pth"
    torch.save(official_weights(small.feature_extractor, prefix), path)
    before = {key: value.clone() for key, value in small.state_dict().items()}
    small.load_imagenet_weights(path)
    for key, value in small.state_dict().items():
        if key.startswith("maps_transform") or "head" in key or "ocr" in key:
            assert torch.equal(value, before[key]), key
        else:
            assert (value == 2).all(), key


def test_last_layer_of_segmentation_weights_fills_the_auxiliary_head_where_it_fits(small, tmp_path):
    head = small.feature_extractor.aux_head
    weights = official_weights(small.feature_extractor)
    weights["last_layer.0.bias"] = torch.full_like(head[0].bias, 3.0)
    weights["last_layer.3.bias"] = torch.zeros(19)  # 19 classes of Cityscapes
    torch.save({"state_dict": weights}, tmp_path / "hrnet.pth")
    small.load_imagenet_weights(tmp_path / "hrnet.pth")
    assert (head[0].bias == 3).all()
    assert head[3].bias.shape == (1,)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (lambda: official_weights(HRNetOCR(32, 128, small=True)), "same width and depth"),
        (lambda: {"fc.weight": torch.zeros(3)}, "fits 0 of"),
        (lambda: None, "not there"),
    ],
)
def test_other_weights_are_refused_and_change_nothing(small, tmp_path, content, complaint):
    path = tmp_path / "other.pth"
    if content() is not None:
        torch.save(content(), path)
    before = small.feature_extractor.conv1.weight.clone()
    with pytest.raises(InputError, match=complaint) as error:
        small.load_imagenet_weights(path)
    assert "other.pth" in str(error.value)
    assert torch.equal(small.feature_extractor.conv1.weight, before)
