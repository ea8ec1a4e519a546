"""Networks that read boxes and scribbles as strokes in their click maps."""

import pytest
import torch

from isegm import InputError, build_model, load_model
from isegm.clicks import points_tensor
from isegm.model.checkpoint import save_checkpoint
from tests.analytic import TinyModel

IMAGE = torch.rand(1, 4, 64, 96, generator=torch.Generator().manual_seed(0))
POINTS = torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0]]])


def strokes(row=40):
    maps = torch.zeros(1, 2, 64, 96)
    maps[:, 0, row, 10:80] = 1
    return maps


def network(**arguments):
    torch.manual_seed(0)
    return build_model("clickseg_mobilenetv2", **arguments).eval()


def test_a_network_with_strokes_has_the_weights_and_the_answers_to_clicks_of_one_without():
    plain, reading = network(), network(strokes=True)
    reading.load_state_dict(plain.state_dict())
    expected = plain(IMAGE, POINTS)["instances"]
    assert not plain.reads_strokes and reading.reads_strokes
    assert torch.equal(reading(IMAGE, POINTS)["instances"], expected)
    assert torch.equal(reading(IMAGE, POINTS, torch.zeros(1, 2, 64, 96))["instances"], expected)
    assert not torch.equal(reading(IMAGE, POINTS, strokes())["instances"], expected)


def test_strokes_and_disks_join_in_the_same_maps():
    model = TinyModel(strokes=True)
    none = points_tensor([[]])
    maps = model.coord_features(POINTS, IMAGE[:, 3:], (64, 96), strokes=strokes())
    disks = model.coord_features(POINTS, IMAGE[:, 3:], (64, 96))
    lines = model.coord_features(none, IMAGE[:, 3:], (64, 96), strokes=strokes())
    assert torch.equal(maps, torch.maximum(disks, lines)) and maps.shape[1] == model.coord_channels


def test_a_checkpoint_keeps_that_the_network_reads_strokes(tmp_path):
    save_checkpoint(network(strokes=True), tmp_path / "strokes.pth")
    assert load_model(tmp_path / "strokes.pth", "cpu").reads_strokes


def test_segnext_reads_strokes_in_the_size_of_its_click_maps():
    torch.manual_seed(0)
    model = build_model("segnext_vit_tiny", img_size=(64, 64), depth=3).eval()
    assert model.reads_strokes and model.stroke_size((48, 96)) == (64, 64)
    features, prev_mask = model.encode(IMAGE[:, :3]), IMAGE[:, 3:]
    drawn = torch.zeros(1, 2, 64, 64)
    expected = model.decode(features, POINTS, prev_mask)["instances"]
    assert torch.equal(model.decode(features, POINTS, prev_mask, strokes=drawn)["instances"], expected)
    drawn[:, 0, 20:24] = 1
    changed = model.decode(features, POINTS, prev_mask, strokes=drawn)["instances"]
    assert changed.shape == (1, 1, 64, 96) and not torch.equal(changed, expected)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("emcclick_hrnet18s", {}),
        ("cdnet_resnet34", {}),
        ("ritm_hrnet18s", {"use_disks": False}),
        ("ritm_hrnet18s", {"clicks_groups": (2, 5)}),
    ],
)
def test_networks_that_cannot_read_strokes_say_so(name, arguments):
    with pytest.raises(InputError, match="cannot read strokes"):
        build_model(name, strokes=True, **arguments)
