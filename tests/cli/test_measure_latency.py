"""``isegm measure-latency``: its table, its files, and what it refuses."""

import json

import cv2
import numpy as np
import pytest

from isegm.cli import measure_latency
from isegm.utils.cli import run


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure_latency, "measured_apart", lambda measured, wanted: measured(wanted))


def test_networks_are_measured_in_turn_and_written(capsys):
    words = "--models clickseg_pplcnet,focalclick_hrnet18s_s1 --cpu --threads 1 --size 64,96 --rounds 1 --grid 2"
    measure_latency.main([*words.split(), "--json=a.json", "--plot=a.png"])
    said = capsys.readouterr()
    assert "image of 64 x 96" in said.out and "measuring 2 of 2: focalclick_hrnet18s_s1" in said.err
    assert len(said.out.splitlines()) == 6
    with open("a.json", encoding="utf-8") as file:
        written = json.load(file)
    assert [one["network"] for one in written["latencies"]] == ["clickseg_pplcnet", "focalclick_hrnet18s_s1"]
    assert written["latencies"][0]["grid"]["points"] == 4 and "torch" in written["versions"]
    assert cv2.imread("a.png").shape[2] == 3


def test_an_image_keeps_its_size_unless_told(capsys):
    cv2.imwrite("photo.png", np.zeros((40, 52, 3), np.uint8))
    assert measure_latency.image_of("photo.png", None).shape == (40, 52, 3)
    assert measure_latency.image_of("photo.png", (30, 20)).shape == (30, 20, 3)
    assert measure_latency.image_of(None, None).shape == (480, 854, 3)


@pytest.mark.parametrize(
    "words, said",
    [
        ("--models nothing --cpu", "nothing"),
        ("--models clickseg_pplcnet,nothing --cpu", "nothing"),
        ("--checkpoint nothing.pth --cpu", "nothing.pth"),
        ("--image nothing.png --cpu", "nothing.png"),
        ("--size 12 --cpu", "--size is 12"),
        ("--records a", "--records are for --plot"),
        ("--records nothing --plot a.png", "nothing"),
    ],
)
def test_bad_input_is_one_sentence(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        run(lambda: measure_latency.main(words.split()))
    err = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2 and said in err[-1]
