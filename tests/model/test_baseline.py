"""ClickSEG's light baselines against vectors measured on the published code."""

import numpy as np
import pytest
import torch

from isegm import InputError
from isegm.model import build_model
from tests.golden import fill_weights, golden, golden_json, key_manifest, model_inputs

NAMES = ["clickseg_mobilenetv2", "clickseg_pplcnet", "clickseg_efficientnetb0"]

GOLDEN = {"clickseg_mobilenetv2": "mobilenetv2", "clickseg_pplcnet": "pplcnet"}
MANIFESTS = [
    pytest.param("clickseg_mobilenetv2", "keys_cs_mobile.txt", 1_901_475, id="MobileNetV2"),
    pytest.param("clickseg_pplcnet", "keys_cs_pplc.txt", 3_092_075, id="PPLCNet"),
    pytest.param("clickseg_efficientnetb0", "keys_cs_eff.txt", 6_809_251, id="EfficientNet"),
]


@pytest.fixture(scope="module", params=GOLDEN)
def network(request):
    return fill_weights(build_model(request.param))


@pytest.fixture(scope="module")
def spec(network):
    return golden_json(f"clickseg/{GOLDEN[network.config['model']]}.json")


@pytest.fixture(scope="module")
def vectors(spec):
    return np.load(golden(f"clickseg/{spec['variant']}.npz"))


@pytest.fixture(scope="module")
def outputs(spec, network):
    return network(*model_inputs(spec))


def test_state_dict_is_the_published_one(spec, network):
    assert [(e["key"], tuple(e["shape"])) for e in spec["state_dict"]] == [
        (key, tuple(value.shape)) for key, value in network.state_dict().items()
    ]


def test_learning_rate_multipliers_are_the_published_ones(spec, network):
    published = {name: mult for name, mult in spec["lr_mult"].items() if mult not in (None, 1.0)}
    assert network.lr_multipliers() == pytest.approx(published)


@pytest.mark.parametrize("name", ["instances", "instances_aux", "feature", "click_map"])
def test_outputs_equal_the_published_ones(spec, vectors, outputs, name):
    output = outputs[name]
    assert list(output.shape) == spec["outputs"][name]["shape"]
    flat = output.flatten().numpy()
    expected = vectors[f"sample/{name}"] if f"sample/{name}" in vectors else vectors[f"full/{name}"].ravel()
    stride = max(1, flat.size // 4096) if f"sample/{name}" in vectors else 1
    tolerance = max(5 * spec["noise_vs_no_onednn"][name], 1e-4 * spec["outputs"][name]["std"])
    np.testing.assert_allclose(flat[::stride], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("name", "manifest", "count"), MANIFESTS)
def test_keys_and_size_are_the_published_ones(name, manifest, count):
    with torch.device("meta"):
        network = build_model(name)
    assert sum(p.numel() for p in network.parameters()) == count
    own = [f"{key}\t{tuple(value.shape)}" for key, value in network.state_dict().items()]
    assert own == key_manifest(manifest)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name):
    network = build_model(name).train()
    points = torch.tensor([[[10.0, 12.0, 0.0], [40.0, 50.0, 1.0]]] * 2)
    outputs = network(torch.rand(2, 4, 64, 64), points)
    (outputs["instances"].mean() + outputs["instances_aux"].mean()).backward()
    without = {name for name, p in network.named_parameters() if p.grad is None}
    classifier = {f"feature_extractor.backbone.{key}" for key in ("last_conv.weight", "fc.weight", "fc.bias")}
    assert without == (classifier if name == "clickseg_pplcnet" else set())


@pytest.mark.parametrize("name", NAMES)
def test_every_backbone_ends_at_stride_8(name):
    with torch.device("meta"):
        backbone = build_model(name).feature_extractor.backbone
        low, high = backbone(torch.zeros(1, 3, 64, 96), torch.zeros(1, 32, 32, 48))
    assert tuple(low.shape) == (1, backbone.channels[0], 16, 24)
    assert tuple(high.shape) == (1, backbone.channels[1], 8, 12)


def test_efficientnet_drops_channels_in_training_only():
    torch.manual_seed(0)
    block = build_model("clickseg_efficientnetb0").feature_extractor.backbone.layer2[1]
    block.conv = torch.nn.Identity()  # what is left is the shortcut and the dropout
    x = torch.ones(4, 50, 3, 3)
    assert torch.equal(block.eval()(x), 2 * x)
    dropped = block.train()(x)
    channels = dropped.flatten(2)
    assert (channels == channels[..., :1]).all()
    assert set(channels[..., 0].unique().tolist()) == {1.0, 2.25}
    assert 0.1 < (channels[..., 0] == 1).float().mean() < 0.3


# --- ImageNet weights


@pytest.fixture
def pplcnet_weights():
    """What PP-LCNet's file of ImageNet weights looks like: the names of the backbone, the classifier's too."""
    backbone = build_model("clickseg_pplcnet").feature_extractor.backbone
    return {key: torch.full_like(value, 2) for key, value in backbone.state_dict().items()}


@pytest.mark.parametrize("classifier", [True, False])
def test_pplcnet_starts_from_its_file_with_or_without_classifier(tmp_path, pplcnet_weights, classifier):
    left_out = () if classifier else ("fc.", "last_conv.")
    torch.save({k: v for k, v in pplcnet_weights.items() if not k.startswith(left_out)}, tmp_path / "pplcnet.pth")
    network = build_model("clickseg_pplcnet")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.load_imagenet_weights(tmp_path / "pplcnet.pth")
    for key, value in network.state_dict().items():
        inside = key.partition("feature_extractor.backbone.")[2]
        if inside and not inside.startswith(left_out):
            assert (value == 2).all(), key
        else:
            assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("key", ["blocks3.0.dw_conv.conv.weight", "blocks6.1.se.conv2.bias"])
def test_pplcnet_needs_all_other_layers(tmp_path, pplcnet_weights, key):
    del pplcnet_weights[key]
    torch.save(pplcnet_weights, tmp_path / "pplcnet.pth")
    with pytest.raises(InputError, match=f"does not fit PPLCNet: 1 of .* first {key}"):
        build_model("clickseg_pplcnet").load_imagenet_weights(tmp_path / "pplcnet.pth")


def test_a_classifier_of_another_shape_is_refused(tmp_path, pplcnet_weights):
    torch.save({**pplcnet_weights, "fc.weight": torch.zeros(1280, 1000)}, tmp_path / "pplcnet.pth")
    with pytest.raises(InputError, match=r"does not fit PPLCNet: 1 of .* first fc\.weight"):
        build_model("clickseg_pplcnet").load_imagenet_weights(tmp_path / "pplcnet.pth")


def test_efficientnet_has_no_weights_to_start_from(tmp_path):
    torch.save({}, tmp_path / "efficientnet.pth")
    with pytest.raises(InputError, match=r"efficientnet\.pth cannot start ClickSEG's EfficientNet"):
        build_model("clickseg_efficientnetb0").load_imagenet_weights(tmp_path / "efficientnet.pth")
