"""Backbones that start from ImageNet weights."""

import logging

import pytest
import timm
import torch

from isegm import InputError
from isegm.model import build_model
from isegm.model.backbones.mobilenetv2 import torchvision_key
from isegm.model.pretrained import has_folded_batchnorm, unfold_batchnorm
from tests.imagenet import write_folded_mobilenetv2


@pytest.fixture
def folded(tmp_path):
    """A file of random torchvision-named weights with folded BatchNorm, and the network that it starts."""
    path = write_folded_mobilenetv2(tmp_path / "mobilenet_v2.pth")
    return build_model("clickseg_mobilenetv2").eval(), path


def test_every_parameter_of_torchvision_finds_its_place(folded):
    network, path = folded
    network.load_imagenet_weights(path)
    state = torch.load(path)
    backbone = network.feature_extractor.backbone.state_dict()
    renamed = {torchvision_key(name) for name in state} - {None}
    assert renamed == {key for key in backbone if not key.endswith("num_batches_tracked")}
    assert torch.equal(backbone["block4.3.conv.1.bn.bias"], state["features.10.conv.1.1.bias"])
    assert torch.equal(backbone["block5.3.conv.3.bias"], state["features.17.conv.3.bias"])


@pytest.mark.parametrize(
    "key", ["conv1.weight", "features.0.weight", "features.conv0.weight", "features.4.block.2.fc1.weight"]
)
def test_weights_of_another_network_are_refused(key, tmp_path):
    path = tmp_path / "other.pth"
    torch.save({key: torch.zeros(64, 3, 7, 7)}, path)
    with pytest.raises(InputError, match="does not fit MobileNetV2"):
        build_model("clickseg_mobilenetv2").load_imagenet_weights(path)


def test_missing_weights_name_config_yml(tmp_path):
    with pytest.raises(InputError, match=r"absent\.pth are not there: set their path in config\.yml"):
        build_model("clickseg_mobilenetv2").load_imagenet_weights(tmp_path / "absent.pth")


def test_unfolding_keeps_the_function_and_measures_unit_variance(folded):
    network, path = folded
    network.load_imagenet_weights(path)
    backbone = network.feature_extractor.backbone
    assert has_folded_batchnorm(backbone)
    image, points = torch.rand(4, 4, 64, 64), torch.full((4, 2, 3), -1.0)
    with torch.no_grad():
        before = network(image, points)["instances"]
        unfold_batchnorm(network, backbone, [(image[:2], points[:2]), (image[2:], points[2:])])
        after = network(image, points)["instances"]
    assert not has_folded_batchnorm(backbone)
    assert float((backbone.block5[3].conv[1].bn.weight.detach() - 1).abs().max()) > 0.1  # the measured deviations
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3 * float(before.std()))
    norm = backbone.block2[0].conv[0].bn
    seen = []
    hook = norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(image, points)
    hook.remove()
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), norm.running_mean, rtol=0.02, atol=0.02)
    alive = seen[0].std((0, 2, 3)) > 0.5
    torch.testing.assert_close(seen[0].std((0, 2, 3))[alive], torch.ones(int(alive.sum())), rtol=0.02, atol=0.02)


# --- timm's weights by name

TIMM_NETWORKS = {
    "clickseg_mobilenetv2": "mobilenetv2_100",
    "clickseg_pplcnet": "lcnet_100",
    "ritm_hrnet18s": "hrnet_w18_small_v2",
    "ritm_resnet34": "resnet34.gluon_in1k",
}


@pytest.fixture
def hub(monkeypatch):
    """What timm's hub is asked for, by name; it answers with random weights of ``served`` instead of a download."""

    class Hub:
        served = ""
        asked: list[str] = []  # noqa: RUF012

        def load(self, repository, *_, **__):
            self.asked.append(repository)
            torch.manual_seed(3)
            return timm.create_model(self.served).state_dict()

    hub = Hub()
    hub.asked = []
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", hub.load)
    return hub


def same_features(name, own, theirs, image):
    """Features that own code and timm compute by the same layers: as deep as both architectures agree."""
    if name == "ritm_resnet34":
        return own(image)[1], theirs.forward_features(image)
    if name == "ritm_hrnet18s":  # behind stage 2 upsampling differs
        stem = theirs.act2(theirs.bn2(theirs.conv2(theirs.act1(theirs.bn1(theirs.conv1(image))))))
        maps = own.layer1((own.bn2(own.conv2(own.bn1(own.conv1(image)).relu()))).relu())
        return own.transition1[1](maps), theirs.transition1[1](theirs.layer1(stem))
    stages = {
        "clickseg_mobilenetv2": ("block1", "block2", "block3"),
        "clickseg_pplcnet": ("blocks2", "blocks3", "blocks4"),
    }
    x, y = own.conv1(image), theirs.bn1(theirs.conv_stem(image))
    for stage in stages[name]:
        x = own.get_submodule(stage)(x)
    return x, theirs.blocks[:3](y)


HEAVY = ("ritm_hrnet18s", "ritm_resnet34")  # named by a tag too, they show nothing that the light ones do not


@pytest.mark.parametrize(
    ("name", "timm_name", "tagged"),
    [
        pytest.param(name, timm_name, tagged, marks=pytest.mark.long if tagged and name in HEAVY else ())
        for tagged in (False, True)
        for name, timm_name in TIMM_NETWORKS.items()
    ],
)
def test_timms_weights_fill_the_backbone_and_give_timms_features(hub, caplog, name, timm_name, tagged):
    hub.served = timm_name
    network = build_model(name).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with caplog.at_level(logging.INFO, "isegm"):
        network.load_imagenet_weights(f"timm:{timm_name}" if tagged else "timm")
    assert len(hub.asked) == 1 and hub.asked[0].startswith(f"timm/{timm_name}")
    assert f"ImageNet weights {timm_name} of timm, licence: " in caplog.text
    backbone = getattr(network.feature_extractor, "backbone", network.feature_extractor)
    torch.manual_seed(3)
    options = {"output_stride": 8} if name == "ritm_resnet34" else {}
    theirs = timm.create_model(timm_name, **options).eval()
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    prefix = "feature_extractor."
    assert {key for key in changed if not key.startswith(prefix)} == set()
    assert len([key for key in changed if key.endswith("weight")]) > 30
    with torch.no_grad():
        found, expected = same_features(name, backbone, theirs, torch.rand(1, 3, 64, 96))
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("name", "timm_name"),
    [
        pytest.param("ritm_hrnet18", "hrnet_w18", marks=pytest.mark.long),
        ("ritm_hrnet18", "hrnet_w18_ssld"),
        pytest.param("ritm_hrnet32", "hrnet_w32", marks=pytest.mark.long),
    ],
)
def test_timms_larger_hrnets_have_every_weight(name, timm_name):
    with torch.device("meta"):
        own, theirs = build_model(name).feature_extractor.state_dict(), timm.create_model(timm_name).state_dict()
    wanted = {k: v.shape for k, v in own.items() if not k.startswith(("conv3x3_ocr", "ocr_", "cls_head", "aux_head"))}
    assert len(wanted) > 1500
    assert wanted == {key: value.shape for key, value in theirs.items() if key in wanted}


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("ritm_hrnet18s", "timm:hrnet_w81", "timm has no network named hrnet_w81: did you mean hrnet_w"),
        ("ritm_hrnet18s", "timm:hrnet_w18.none", r"no weights named hrnet_w18\.none: take one of hrnet_w18\.ms"),
        ("ritm_hrnet18s", "timm:hrnet_w32", "same width and depth"),
        ("clickseg_mobilenetv2", "timm:resnet18", "timm:resnet18 does not fit MobileNetV2"),
        ("focalclick_segformerb0_s2", "timm", "timm has no Mix Transformers"),
        ("clickseg_efficientnetb0", "timm", "cannot start ClickSEG's EfficientNet"),
    ],
)
def test_a_name_in_timm_that_means_nothing_here_is_refused(hub, name, source, complaint):
    hub.served = source.partition(":")[2]
    with pytest.raises(InputError, match=complaint):
        build_model(name).load_imagenet_weights(source)


def test_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch):
    def offline(*_, **__):
        raise ConnectionError

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    with pytest.raises(InputError, match=r"mobilenetv2_100 of timm could not be fetched .*or set the path of a file"):
        build_model("clickseg_mobilenetv2").load_imagenet_weights("timm")
