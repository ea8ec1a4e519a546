"""timm backbones as backbones of click networks; tests/model/test_timm_lraspp.py runs whole networks."""

import pytest
import timm
import torch

from isegm import InputError
from isegm.model.backbones import timm_features
from isegm.model.backbones.timm_features import ClickConv, TimmBackbone, choose_stages, traits_of


@pytest.mark.parametrize(
    ("strides", "expected"),
    [
        ([2, 4, 8, 16, 32], (1, 3)),
        ([4, 8, 16, 32], (0, 2)),
        ([1, 2, 4, 8], (2, 3)),
        ([16] * 12, (3, 11)),
        ([12, 12, 12, 17, 17, 17], (0, 2)),
        ([16, 32, 64], (0, 1)),
        ([16], None),
    ],
    ids=str,
)
def test_stages_at_strides_4_and_16_or_the_nearest_are_chosen(strides, expected):
    assert choose_stages(strides) == expected


@pytest.mark.parametrize(
    ("name", "size", "fed"),
    [
        ("resnet18", (75, 53), (75, 53)),
        ("vit_tiny_patch16_224", (75, 53), (80, 64)),
        ("swin_tiny_patch4_window7_224", (75, 53), (96, 64)),
        ("mixer_s32_224", (75, 53), (224, 224)),
        ("levit_128s", (75, 53), (224, 224)),  # keeps attention biases of an earlier pass in eval mode
    ],
)
def test_an_input_gets_a_size_that_the_backbone_takes(name, size, fed):
    assert traits_of(name).input_size(size) == fed


def test_without_clicks_the_features_are_timms_own():
    torch.manual_seed(0)
    own = TimmBackbone("resnet18", 4).eval()
    theirs = timm.create_model("resnet18", features_only=True, out_indices=(1, 3)).eval()
    state = {key.removeprefix("model.").replace(".image.", "."): v for key, v in own.network.state_dict().items()}
    theirs.load_state_dict({key: value for key, value in state.items() if ".side." not in key})
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        for found, expected in zip(own(image, torch.zeros(2, 4, 64, 96)), theirs(image), strict=True):
            assert torch.equal(found, expected)


def test_adding_click_features_is_a_convolution_of_image_and_click_features_together():
    torch.manual_seed(0)
    both = ClickConv(torch.nn.Conv2d(3, 8, 7, stride=4, padding=3), 5)
    x = torch.rand(2, 8, 30, 41)
    weight = torch.cat((both.image.weight, both.side.weight), dim=1)
    expected = torch.nn.functional.conv2d(x, weight, both.image.bias, stride=4, padding=3)
    torch.testing.assert_close(both(x), expected)


def test_features_of_swin_have_their_channels_first():
    with torch.device("meta"):
        backbone = TimmBackbone("swin_tiny_patch4_window7_224", 4)
        low, high = backbone(torch.zeros(1, 3, 64, 96), torch.zeros(1, 4, 64, 96))
    assert (tuple(low.shape), tuple(high.shape)) == ((1, 96, 16, 24), (1, 384, 4, 6))


def test_layers_that_the_features_do_not_need_are_left_out_or_not_trained():
    with torch.device("meta"):
        pruned, partly = TimmBackbone("mobilenetv3_small_050", 4), TimmBackbone("hrnet_w18_small", 4)
    assert not any("blocks.4." in name for name, _ in pruned.named_parameters())
    frozen = {name for name, p in partly.named_parameters() if not p.requires_grad}
    assert frozen and all(name.startswith(("network.model.stage4", "network.model.incre_modules")) for name in frozen)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("resnet81", "timm has no network named resnet81: did you mean resnet18"),
        ("tresnet_m", "tresnet_m does not read the image by a convolution: take another"),
    ],
)
def test_a_backbone_that_cannot_be_used_says_why(name, complaint):
    with torch.device("meta"), pytest.raises(InputError, match=complaint):
        TimmBackbone(name, 4)


def test_a_backbone_that_runs_on_no_size_says_why(monkeypatch):
    class Refusing(torch.nn.Module):
        def forward(self, image):
            raise AssertionError("inputs have 7 x 7 pixels")

    stages = [{"reduction": 4, "num_chs": 8}, {"reduction": 16, "num_chs": 8}]
    monkeypatch.setattr(timm_features, "_stages", lambda name: stages)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: Refusing())
    traits_of.cache_clear()
    with pytest.raises(InputError, match=r"resnet18 runs on no size of input .*timm: inputs have 7 x 7 pixels"):
        traits_of("resnet18")


def test_a_backbone_without_features_says_so(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("features_only not implemented for Strange models.")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(InputError, match=r"resnet10t cannot return .* \(timm: features_only not implemented"):
        TimmBackbone("resnet10t", 4)
