"""Click networks on timm backbones of different families, with random weights."""

import functools

import numpy as np
import pytest
import timm
import torch

from isegm import InputError, load_model
from isegm.inference.predictor import Predictor
from isegm.model import build_model
from isegm.model.checkpoint import save_checkpoint

# A residual, a modern, a mobile and a reparametrised convolutional network, and transformers with and without pyramid.
BACKBONES = [
    "convnext_atto",
    "mobilenetv3_small_050",
    "repvgg_a0",
    "swinv2_cr_tiny_224",
    "pvt_v2_b0",
    "vit_tiny_patch16_224",
]
backbones = pytest.mark.parametrize("backbone", BACKBONES)


@functools.cache
def network(backbone):
    torch.manual_seed(0)
    return build_model("timm_lraspp", backbone=backbone).eval()


def points():
    return torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0], [50.0, 40.0, 1.0], [-1.0, -1.0, -1.0]]])


@backbones
def test_outputs_have_the_size_of_the_image(backbone):
    for size in ((64, 96), (101, 75)):
        with torch.no_grad():
            outputs = network(backbone)(torch.rand(1, 4, *size), points())
        assert outputs["instances"].shape == outputs["instances_aux"].shape == (1, 1, *size)


@backbones
def test_gradients_reach_the_clicks_the_previous_mask_and_every_parameter(backbone):
    torch.manual_seed(0)
    model = build_model("timm_lraspp", backbone=backbone).train()
    image = torch.rand(2, 3, 64, 96)
    maps = torch.rand(2, model.coord_channels, 64, 96, requires_grad=True)
    outputs = model.backbone_forward(image, maps)
    (outputs["instances"].square().mean() + outputs["instances_aux"].square().mean()).backward()
    assert all(maps.grad[:, channel].any() for channel in range(3))
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@backbones
def test_a_checkpoint_brings_the_network_back_without_a_download(backbone, tmp_path, monkeypatch):
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", None)
    save_checkpoint(network(backbone), tmp_path / "model.pth")
    loaded = load_model(tmp_path / "model.pth")
    assert loaded.config == {"model": "timm_lraspp", "params": {"backbone": backbone}}
    image = torch.rand(1, 4, 64, 96)
    with torch.no_grad():
        assert torch.equal(loaded(image, points())["instances"], network(backbone)(image, points())["instances"])


@backbones
def test_the_predictor_runs_it(backbone):
    predictor = Predictor(network(backbone))
    predictor.set_image(np.random.default_rng(0).integers(0, 256, (70, 91, 3), dtype=np.uint8))
    for point in ((30, 20), (60, 50)):
        mask, probs = predictor.predict([point], [1])
    assert mask.shape == probs.shape == (70, 91)
    assert 0 <= probs.min() <= probs.max() <= 1


def test_the_backbone_learns_slowly_but_not_what_reads_the_clicks():
    rates = network("convnext_atto").lr_multipliers()
    assert set(rates.values()) == {0.1}
    names = {name for name, _ in network("convnext_atto").named_parameters()}
    fast = names - set(rates)
    assert "feature_extractor.backbone.network.model.stem.0.side.weight" in fast
    assert "feature_extractor.backbone.network.model.stem.0.image.weight" not in fast
    assert {name.split(".")[1] for name in fast if not name.startswith("maps_transform")} == {
        "backbone", "lraspp", "fusion_conv1", "fusion_conv2", "head", "aux_head",
    }  # fmt: skip


def test_images_are_normalised_as_timms_weights_expect():
    vit = network("vit_tiny_patch16_224")
    assert vit._mean.flatten().tolist() == vit._std.flatten().tolist() == [0.5, 0.5, 0.5]
    own = build_model("timm_lraspp", norm_mean_std=((0.1, 0.2, 0.3), (1, 1, 1)))
    assert own._mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_an_unknown_backbone_names_the_nearest():
    with pytest.raises(InputError, match="no network named convnext_tini: did you mean convnext_tiny"):
        build_model("timm_lraspp", backbone="convnext_tini")


def test_an_unknown_tag_names_the_known_ones():
    with pytest.raises(InputError, match=r"no weights named resnet18\.none: take one of resnet18\.a1_in1k, "):
        build_model("timm_lraspp", backbone="resnet18.none")


# --- ImageNet weights


def timm_state(name):
    torch.manual_seed(1)
    return timm.create_model(name).state_dict()


@pytest.mark.parametrize("kind", ["timm", "timm:resnet18.a1_in1k", "file"])
def test_imagenet_weights_fill_the_backbone_and_nothing_else(kind, tmp_path, monkeypatch):
    state = timm_state("resnet18")
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(state))
    torch.save(state, tmp_path / "resnet18.pth")
    model = build_model("timm_lraspp")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_imagenet_weights(tmp_path / "resnet18.pth" if kind == "file" else kind)
    for key, value in model.state_dict().items():
        inside = key.partition("backbone.network.model.")[2].replace(".image.", ".")
        assert torch.equal(value, state.get(inside, before[key])), key
    assert torch.equal(model.feature_extractor.backbone.network.model.conv1.image.weight, state["conv1.weight"])


@pytest.mark.parametrize("kind", ["timm:resnet34", "file"])
def test_imagenet_weights_of_another_network_are_refused(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: timm_state("resnet34"))
    torch.save(timm_state("convnext_atto"), tmp_path / "other.pth")
    with pytest.raises(InputError, match="does not fit the backbone resnet18"):
        build_model("timm_lraspp").load_imagenet_weights(tmp_path / "other.pth" if kind == "file" else kind)
