"""Backbones that start from ImageNet weights."""

import pytest
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
