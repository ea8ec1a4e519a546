"""Networks in the layout of the published code give what ours give."""

import pytest
import torch

from isegm import Predictor
from isegm.benchmarks.published_layouts import full_grid_disks, in_published_layout
from isegm.click_maps import DistMaps
from isegm.model import build_model
from isegm.model.segnext import SegNextModel
from isegm.model.simpleclick import SimpleClickModel
from tests.golden import fill_weights

SLIM = dict(embed_dim=128, num_heads=2, out_dims=(8, 16, 24, 32), head_channels=8)
POINTS = torch.tensor([[[100.0, 200, 0], [-1, -1, -1], [30, 40, 1], [-1, -1, -1]]])


@pytest.mark.parametrize(
    "network, size",
    [
        (lambda: SimpleClickModel(**SLIM), (448, 448)),
        (lambda: SegNextModel(**SLIM, img_size=(448, 448), depth=4, fusion_depth=2), (300, 400)),
        (lambda: SegNextModel(**SLIM, img_size=(448, 448), depth=5), (448, 448)),
        (lambda: fill_weights(build_model("ritm_hrnet18s")), (150, 101)),
        (lambda: fill_weights(build_model("clickseg_pplcnet")), (96, 128)),
        (lambda: fill_weights(build_model("focalclick_segformerb0_s1")), (256, 256)),
    ],
)
@torch.inference_mode()
def test_it_gives_the_same(network, size):
    torch.manual_seed(0)
    ours = network().eval()
    inputs = torch.rand(1, 4, *size), POINTS.clone()
    plain = in_published_layout(ours)
    assert any(type(one) is not type(other) for one, other in zip(plain.modules(), ours.modules(), strict=True))
    torch.testing.assert_close(plain(*inputs)["instances"], ours(*inputs)["instances"], atol=1e-4, rtol=0)


def test_disks_are_those_of_every_network():
    points = torch.cat((POINTS, POINTS.flip(1)))
    assert torch.equal(full_grid_disks(points, (120, 220), 5), DistMaps(5, use_disks=True)(points, (120, 220)))


@pytest.mark.parametrize(
    "network", [lambda: build_model("ritm_resnet34"), lambda: SimpleClickModel(**SLIM, upsample="x2")]
)
@torch.inference_mode()
def test_other_networks_have_published_disks_alone_and_run_as_they_are(network):
    ours = network().eval()
    plain = in_published_layout(ours)
    inputs = torch.rand(1, 4, 224, 224), POINTS.clone()
    assert torch.equal(plain(*inputs)["instances"], ours(*inputs)["instances"])
    assert type(plain) is type(ours) and type(plain.dist_maps) is not type(ours.dist_maps)
    assert Predictor(plain).model is plain
