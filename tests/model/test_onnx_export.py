"""Networks as ONNX graphs: the same logits and click maps, at any size, number of rows and of clicks."""

import json
import sys

import onnxruntime
import pytest
import torch

from isegm import InputError, build_model
from isegm.click_maps import DistMaps, GroupedDistMaps
from isegm.model.click_model import DrawnClicksModel
from isegm.model.onnx_export import example, onnx_graph
from tests.exported import HRNET, SHA256, SMALL, VIT, VIT_SIZE, small

SLOW_TO_TRACE = ("cdnet_resnet34", "focalclick_hrnet18s_s1")


@torch.no_grad()
def in_torch(network, inputs):
    features = network.encode(inputs["image"])
    return network.decode(features, inputs["points"], inputs.get("prev_mask"))["instances"]


def session_of(network, size=None):
    return onnxruntime.InferenceSession(onnx_graph(network, SHA256, size), providers=["CPUExecutionProvider"])


def in_runtime(session, inputs):
    (logits,) = session.run(["logits"], {name: value.numpy() for name, value in inputs.items()})
    return torch.from_numpy(logits)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in SLOW_TO_TRACE else ()) for name in (*SMALL, VIT)]
)
def test_a_graph_computes_the_networks_logits_whatever_is_open(name):
    network = small(name)
    size = VIT_SIZE if name == VIT else None
    session = session_of(network, size)
    for rows, side, clicks in ((1, (101, 77), 1), (2, (64, 96), 7)):
        inputs = example(network, rows, size or side, clicks)
        wanted = in_torch(network, inputs)
        close = (in_runtime(session, inputs) - wanted).abs() <= 1e-3 * wanted.abs().max()
        assert close.float().mean() > 0.999
    shapes = {one.name: one.shape for one in (*session.get_inputs(), *session.get_outputs())}
    height, width = size or ("H", "W")
    assert shapes["image"] == ["B", 3, height, width] and shapes["points"] == ["B", "2N", 3]
    assert shapes["logits"] == ["B", 1, height, width] and ("prev_mask" in shapes) == network.with_prev_mask


def test_its_metadata_tell_the_network_and_the_checkpoint():
    metadata = session_of(small("clickseg_mobilenetv2")).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["isegm.config"]) == {"model": "clickseg_mobilenetv2", "params": {}}
    assert metadata["isegm.format"] == "1" and metadata["isegm.checkpoint_sha256"] == SHA256


class Maps(DrawnClicksModel):
    """Returns its click maps, as digits of one number."""

    def __init__(self, dist_maps):
        super().__init__(with_prev_mask=False)
        self.dist_maps = dist_maps
        self.config = {"model": "maps", "params": {}}
        self.register_buffer("digits", 2.0 ** torch.arange(dist_maps.channels).view(1, -1, 1, 1))

    def decode(self, features, points, prev_mask=None, cache=None, *, strokes=None):
        maps = self.coord_features(points, None, features["image"].shape[2:])
        return {"instances": (maps * self.digits).sum(dim=1, keepdim=True) + 0 * features["image"][:, :1]}


KINDS = {
    "small disks": (DistMaps(5, use_disks=True), 0),
    "fraction": (DistMaps(2.5, use_disks=True), 0),
    "wide disks": (DistMaps(24, use_disks=True), 0),
    "groups": (GroupedDistMaps((3, 5, 9), use_disks=True), 0),
    "distances": (DistMaps(260), 1e-6),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_draws_clicks_as_the_library_does(kind):
    maps, tolerance = KINDS[kind]
    network = Maps(maps).eval()
    session = session_of(network)
    generator = torch.Generator().manual_seed(0)
    for clicks in (1, 6, 20):
        points = torch.rand(3, 2 * clicks, 3, generator=generator) * torch.tensor([80.0, 100.0, 4.0]) - 15
        points[0, ::2] = points[0, ::2].round()  # whole pixels
        points[1, 0], points[1, -1] = torch.tensor([0.0, 0.0, 0.0]), torch.tensor([49.0, 69.0, 1.0])  # corners
        points[..., 2] = points[..., 2].clamp(min=-1).round()
        points[2, 1:] = -1
        inputs = {"image": torch.zeros(3, 3, 50, 70), "points": points}
        assert (in_runtime(session, inputs) - in_torch(network, inputs)).abs().max() <= tolerance


def test_the_network_stays_as_it_is():
    network = small(VIT)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    image = torch.rand(1, 3, 96, 64)
    points, mask = torch.full((1, 2, 3), -1.0), torch.zeros(1, 1, 96, 64)
    wanted = in_torch(network, {"image": image, "points": points, "prev_mask": mask})
    onnx_graph(network, SHA256, (96, 64))
    assert torch.equal(in_torch(network, {"image": image, "points": points, "prev_mask": mask}), wanted)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("emcclick_hrnet18s", HRNET, "keeps features of an image from click to click"),
        ("clickseg_mobilenetv2", {"strokes": True}, "reads strokes, for which the ONNX file has no input"),
    ],
)
def test_a_network_that_is_no_function_of_image_mask_and_clicks_is_refused(name, arguments, words):
    with pytest.raises(InputError, match=words):
        onnx_graph(build_model(name, **arguments), SHA256)


def test_a_missing_library_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"onnx is not installed.*pip install 'isegm\[onnx\]'"):
        onnx_graph(small("clickseg_mobilenetv2"), SHA256)
