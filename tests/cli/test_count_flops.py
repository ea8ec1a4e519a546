"""scripts/count_flops.py: which networks and sizes are counted, and what is shown and written."""

import json

import pytest

from isegm import Predictor, build_model
from isegm.inference.protocols import settings_for
from isegm.model.checkpoint import DEFAULT_CHECKPOINT
from isegm.model.flops import count_complexity
from tests.cli.loading import load, run_main


@pytest.fixture
def call(monkeypatch):
    script = load("count_flops")
    return lambda *arguments: run_main(monkeypatch, script, *arguments)


def test_named_networks_at_a_size_on_screen_and_in_a_file(call, tmp_path, capsys):
    path = tmp_path / "compute.json"
    assert call("--models", "ritm_hrnet18s, clickseg_mobilenetv2", "--size", "64,96", "--json", path) == 0
    shown = capsys.readouterr().out
    rows = json.loads(path.read_text())
    assert [row["network"] for row in rows] == ["ritm_hrnet18s", "clickseg_mobilenetv2"]
    assert [row["passes_per_click"] for row in rows] == [2, 1]
    expected = count_complexity(build_model("ritm_hrnet18s").eval(), (64, 96))
    assert (rows[0]["size"], rows[0]["macs"], rows[0]["flops"]) == ([64, 96], expected.macs, 2 * expected.macs)
    assert f"{expected.macs / 1e9:.3f}" in shown and "GFLOPs = 2 x GMACs" in shown


def test_the_published_layout_is_counted_where_asked(call, tmp_path):
    here, plain = tmp_path / "here.json", tmp_path / "plain.json"
    options = "--models", "ritm_hrnet18s,focalclick_segformerb0_s1,ritm_resnet34", "--size", "320,480", "--json"
    assert call(*options, here) == call(*options, plain, "--plain") == 0
    ours, published = ([row["macs_coarse"] for row in json.loads(path.read_text())] for path in (here, plain))
    assert ours[0] < 0.75 * published[0] and ours[1] < 0.7 * published[1] and ours[2] == published[2]


def test_a_network_is_counted_in_the_form_that_predictors_run(call, tmp_path):
    path = tmp_path / "compute.json"
    assert call("--models", "clickseg_mobilenetv2", "--size", "64", "--json", path) == 0
    (row,) = json.loads(path.read_text())
    network = build_model("clickseg_mobilenetv2").eval()
    run = count_complexity(Predictor(network).model, (64, 64)).macs
    assert row["macs"] == run < count_complexity(network, (64, 64)).macs
    assert row["parameters"] == sum(parameter.numel() for parameter in network.parameters())


def test_the_size_is_that_of_the_protocol(call, tmp_path):
    path = tmp_path / "compute.json"
    assert call("--checkpoint", DEFAULT_CHECKPOINT, "--json", path) == 0
    (row,) = json.loads(path.read_text())
    assert (row["network"], row["size"], row["parameters"]) == ("mobilenetv2_default", [384, 384], 1_901_475)
    assert settings_for("ritm").input_size == (400, 400)
    assert settings_for("ritm", "fixed320,480").input_size == (320, 480)


def test_one_number_is_the_side_of_a_square(call, tmp_path, capsys):
    path = tmp_path / "compute.json"
    assert call("--models", "segnext_vit_tiny,simpleclick_vit_xtiny", "--size", "224", "--json", path) == 0
    assert [row["size"] for row in json.loads(path.read_text())] == [[224, 224], [224, 224]]
    segnext, simpleclick = (line.split() for line in capsys.readouterr().out.splitlines()[1:3])
    assert float(segnext[6]) < float(segnext[5])  # decode: without the encoder, which runs once for an image
    assert simpleclick[6] == simpleclick[5] and simpleclick[-1] == "2"  # of a pass, of which a click has two


def test_a_refiner_is_counted_apart_from_the_coarse_answer(call, tmp_path, capsys):
    path = tmp_path / "compute.json"
    assert call("--models", "focalclick_segformerb0_s1,clickseg_mobilenetv2", "--json", path) == 0
    row, plain = json.loads(path.read_text())
    assert (row["size"], row["macs_coarse"], row["macs_refine"]) == ([256, 256], 249_741_312, 132_120_576)
    assert row["macs"] == row["macs_coarse"] + row["macs_refine"]
    assert (plain["macs"], plain["macs_refine"]) == (plain["macs_coarse"], 0)
    assert "0.250     0.132     0.382" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--models", "ritm_hrnet18t"], "there is no network named ritm_hrnet18t: did you mean ritm_hrnet18"),
        (["--size", "400,"], "--size is 400,: give height,width in pixels"),
        (["--size", "8,400"], "--size is 8,400: give 32 to "),
        (["--models", "focalclick_segformerb0_s1", "--size", "32,64"], "was given 16x32 pixels: make the network's"),
        (["--checkpoint", "absent.pth"], "there is no checkpoint absent.pth"),
    ],
)
def test_bad_options_are_one_sentence(call, capsys, arguments, sentence):
    assert call(*arguments) == 2
    assert sentence in capsys.readouterr().err
