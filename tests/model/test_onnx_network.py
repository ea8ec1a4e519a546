"""Files that ``isegm export`` wrote as networks, run by ONNX Runtime."""

import sys

import numpy as np
import onnx
import pytest
import torch

from isegm import InputError, Predictor, load_model
from isegm.benchmarks.published_layouts import in_published_layout
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.refinement import build_refinement
from isegm.model.checkpoint import read_checkpoint, save_checkpoint, start_from
from isegm.model.flops import count_complexity
from isegm.model.onnx_export import onnx_graph
from tests.exported import SHA256, VIT, VIT_SIZE, small


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The file of a light network."""
    path = tmp_path_factory.mktemp("onnx") / "light.onnx"
    path.write_bytes(onnx_graph(small("clickseg_mobilenetv2"), SHA256))
    return path


@pytest.fixture
def network(path):
    return load_model(path)


def test_facts_are_those_of_the_network_it_was_made_from(network):
    original = small("clickseg_mobilenetv2")
    assert network.config == original.config and network.metadata["isegm.checkpoint_sha256"] == SHA256
    for fact in ("protocol", "with_prev_mask", "input_multiple", "has_diffusion", "reads_strokes", "encoded_size"):
        assert getattr(network, fact) == getattr(original, fact), fact
    assert not network.runs_in_torch and not network.training and not list(network.parameters())


def test_what_times_are_compared_with_is_itself(network):
    assert in_published_layout(network) is network


def test_published_calls_work_too(network):
    original = small("clickseg_mobilenetv2")
    image = torch.rand(1, 4, 64, 96)
    points = torch.tensor([[[30.0, 40.0, 0.0], [-1.0, -1.0, -1.0]]])
    logits = original(image, points)["instances"]
    assert torch.allclose(network(image, points)["instances"], logits, atol=1e-4)
    with pytest.raises(ValueError, match="needs prev_mask"):
        network.decode(network.encode(image[:, :3]), points)


@pytest.mark.long
def test_cdnet_diffuses_and_a_file_of_focalclick_has_its_coarse_prediction(tmp_path):
    for name, diffuses, protocol in (("cdnet_resnet34", True, "cdnet"), ("focalclick_hrnet18s_s1", False, "clickseg")):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(onnx_graph(small(name), SHA256))
        network = load_model(path)
        assert (network.has_diffusion, network.has_refiner, network.protocol) == (diffuses, False, protocol)
        predictor = Predictor(network)
        predictor.set_image(np.zeros((40, 50, 3), np.uint8))
        mask, probs = predictor.predict([(20, 20)], [1])
        assert mask.shape == probs.shape == (40, 50)


def test_a_fixed_size_is_the_only_one(tmp_path):
    path = tmp_path / "vit.onnx"
    path.write_bytes(onnx_graph(small(VIT), SHA256, VIT_SIZE))
    network = load_model(path)
    assert network.fixed_size == VIT_SIZE
    with pytest.raises(InputError, match=r"vit.onnx reads images of 64 x 64 pixels alone, not of 448 x 448: export"):
        Predictor(network)
    Predictor(network, settings=settings_for("simpleclick", "fixed64"))
    with pytest.raises(InputError, match="not of 32 x 64"):
        network.decode({"image": torch.zeros(1, 3, 32, 64)}, torch.full((1, 2, 3), -1.0), torch.zeros(1, 1, 32, 64))


def test_what_needs_weights_or_gradients_is_refused_in_a_sentence(network, path, tmp_path):
    with pytest.raises(InputError, match=r"f-BRS-B needs gradients, which an ONNX file does not give"):
        Predictor(network, refinement=build_refinement("f-BRS-B"))
    for option in ({"compiled": True}, {"precision": "bf16"}):
        with pytest.raises(InputError, match="leave out --compile and --precision"):
            Predictor(network, settings=InferenceSettings(**option))
    with pytest.raises(InputError, match="holds no checkpoint"):
        save_checkpoint(network, tmp_path / "x.pth")
    with pytest.raises(InputError, match="cannot be counted"):
        count_complexity(network, (64, 64))
    with pytest.raises(InputError, match="holds no weights to train"):
        read_checkpoint(path)
    with pytest.raises(InputError, match="holds no weights to train"):
        start_from(small("clickseg_mobilenetv2"), path)
    with pytest.raises(InputError, match="leave out norm_radius"):
        load_model(path, norm_radius=3)
    with pytest.raises(InputError, match=r"runs from an ONNX file: export the \.pth file"):
        onnx_graph(network, SHA256)


def test_devices_that_onnx_runtime_does_not_know_are_told(network):
    with pytest.raises(InputError, match="not on meta"):
        network.to("meta")
    assert network.fixed_size is None and Predictor(network, "cpu").device.type == "cpu"


def foreign(path, change):
    model = onnx.load(str(path))
    change(model.metadata_props)
    return model.SerializeToString()


def changed(key, value):
    def change(entries):
        (entry,) = (one for one in entries if one.key == key)
        entry.value = value

    return change


BAD = {
    "of another program": (lambda entries: entries.clear(), "is not an ONNX file of isegm: give one that"),
    "newer": (changed("isegm.format", "2"), "is of a newer version of isegm"),
    "no JSON": (changed("isegm.config", "{"), "has a configuration that names no network"),
    "no network": (changed("isegm.config", '{"model": 3, "params": {}}'), "has a configuration that names no network"),
    "unknown": (changed("isegm.config", '{"model": "toy", "params": {}}'), "asks for a network that cannot be built"),
    "other inputs": (changed("isegm.config", '{"model": "cdnet_resnet34", "params": {}}'), "has other inputs than"),
}


@pytest.mark.parametrize("case", BAD)
def test_files_that_it_cannot_use_are_told_in_a_sentence(case, path, tmp_path):
    change, words = BAD[case]
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(foreign(path, change))
    with pytest.raises(InputError, match=f"bad.onnx {words}"):
        load_model(bad)


@pytest.mark.parametrize("content", [b"", b"nothing", None], ids=["empty", "text", "cut off"])
def test_damaged_files_are_told_in_a_sentence(content, path, tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(path.read_bytes()[:1000] if content is None else content)
    with pytest.raises(InputError, match=r"bad.onnx cannot be run by ONNX Runtime \(\w+\): it is damaged"):
        load_model(bad)


def test_a_missing_file_and_a_missing_library_are_told(path, monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"there is no ONNX file .*none.onnx: check the path"):
        load_model(tmp_path / "none.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"onnxruntime is not installed.*pip install 'isegm\[onnx\]'"):
        load_model(path)
