"""ONNX files of networks: checked over clicks when they are written, used by predictors like any network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import Click, InputError, Predictor, load_model
from isegm.data.datasets.folder import FolderDataset
from isegm.inference.onnx_clicks import clicked, objects_of
from isegm.inference.onnx_files import export_onnx
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.transforms import ZoomIn
from isegm.model import onnx_export
from tests.drawn import draw_folder
from tests.exported import SHA256, VIT, VIT_SIZE, small

RITM = "ritm_hrnet18s"
CLICKS = [
    Click(True, (30, 40)),
    Click(False, (5, 6)),
    Click(True, (50, 70)),
    Click(False, (0, 0)),
    Click(True, (20, 9)),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file of a network that reads any size."""
    path = tmp_path_factory.mktemp("onnx") / "ritm.onnx"
    path.write_bytes(onnx_export.onnx_graph(small(RITM), SHA256))
    return path


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (60, 80, 3), np.uint8)


def test_predictors_give_the_same_masks_over_a_sequence_of_clicks_also_in_batches(path):
    settings = replace(settings_for("ritm"), zoom_in=ZoomIn(64, min_crop_size=20))
    ours, theirs = Predictor(load_model(path), settings=settings), Predictor(small(RITM), settings=settings)
    sessions = [[one.start(noise(seed)) for seed in (0, 1)] for one in (ours, theirs)]
    for click in CLICKS:
        sessions = [one.step(of, [click, click]) for one, of in zip((ours, theirs), sessions, strict=True)]
        for mine, other in zip(*sessions, strict=True):
            assert np.abs(mine.probs - other.probs).max() < 1e-3
    (alone,) = ours.run([sessions[0][1]])
    assert alone.probs.shape == (60, 80)


def test_undo_works(path):
    predictor = Predictor(load_model(path))
    predictor.set_image(noise(0))
    _, first = predictor.predict([(40, 30)], [1])
    predictor.predict([(6, 5)], [0])
    assert np.array_equal(predictor.undo()[1], first)


def test_a_network_of_any_size_is_checked_over_ten_clicks(tmp_path, monkeypatch):
    monkeypatch.setattr("isegm.inference.onnx_files.settings_at", lambda *_: InferenceSettings(max_size=64))
    monkeypatch.setattr("isegm.inference.onnx_clicks.settings_at", lambda *_: InferenceSettings(max_size=64))
    report = export_onnx(small(RITM), tmp_path / "any.onnx")
    assert (report.size, report.clicks, report.iou) == (None, 10, None) and report.difference < 1e-3


def test_a_vit_gets_the_size_that_is_asked_for(tmp_path):
    report = export_onnx(small(VIT), tmp_path / "vit.onnx", size=VIT_SIZE)
    assert report.size == VIT_SIZE and load_model(report.path).fixed_size == VIT_SIZE
    with pytest.raises(InputError, match="multiples of 16"):
        export_onnx(small(VIT), tmp_path / "odd.onnx", size=(60, 64))
    assert not (tmp_path / "odd.onnx").exists()


def test_a_graph_that_differs_from_the_network_is_not_written(tmp_path, monkeypatch):
    wrong = small("clickseg_mobilenetv2")
    with torch.no_grad():
        wrong.feature_extractor.head.bias.add_(1)
    content = onnx_export.onnx_graph(wrong, "", (64, 96))
    monkeypatch.setattr("isegm.inference.onnx_files.onnx_graph", lambda *_: content)
    with pytest.raises(InputError, match=r"differs by 0\.\d+ in its probabilities .*so that nothing was written"):
        export_onnx(small("clickseg_mobilenetv2"), tmp_path / "x.onnx", size=(64, 96))
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder data set."""
    root = tmp_path_factory.mktemp("photos")
    draw_folder(root)
    return FolderDataset(root)


@pytest.mark.long
def test_eight_bits_are_calibrated_on_what_the_network_reads(photos, tmp_path):
    network = small("clickseg_mobilenetv2")
    plain = export_onnx(network, tmp_path / "plain.onnx", size=(64, 96))
    report = export_onnx(network, tmp_path / "int8.onnx", size=(64, 96), calibration=objects_of(photos, 2))
    assert report.difference == plain.difference and 0 <= report.iou <= 1
    assert report.path.stat().st_size < 0.5 * plain.path.stat().st_size
    ours, theirs = load_model(report.path), network
    assert ours.metadata == load_model(plain.path).metadata and ours.fixed_size == (64, 96)
    for one in clicked(theirs, objects_of(photos, 1), 2, (64, 96)):
        logits = ours.decode(ours.encode(one.inputs["image"]), one.inputs["points"], one.inputs["prev_mask"])
        assert (logits["instances"] - one.logits).abs().mean() < 0.3 * one.logits.abs().max()
    with pytest.raises(InputError, match="nothing to find the ranges"):
        export_onnx(network, tmp_path / "none.onnx", size=(64, 96), calibration=[])
    assert not (tmp_path / "none.onnx").exists()


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"end its name in \.onnx"):
        export_onnx(small(RITM), tmp_path / "x.pth")
