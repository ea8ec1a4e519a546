"""Commands and scripts in a folder that is no checkout: no config.yml, no data, paths as the user types them."""

import numpy as np
import pytest

from isegm.cli import COMMANDS, main
from isegm.utils.files import write_image
from isegm.utils.images import read_image
from tests.commands import ROOT, exit_code

SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))
MISTAKES = {
    "predict": ["--image no.png --point 3,4 --out out.png", "--image no.png --point 3,x --out out.png"],
    "annotate": ["--checkpoint no.pth", "--limit-longest-size -3"],
    "evaluate": ["--datasets folder:no --cpu", "--checkpoint no.pth", "--n-clicks -3", "--config-path no.yml"],
    "compare": ["no", "no --bootstrap x"],
    "train": ["no.py", "no.py --epochs 0"],
    "download": ["datasets Nothing", "--list no"],
    "datasets": ["Nothing", "--config-path no.yml"],
    "models": ["no", "--plugin no.py"],
    "benchmark": ["--clicks x", "--config-path no.yml"],
    "benchmark-eval": ["--models nothing --cpu", "--dataset Nothing --cpu"],
    "flops": ["--checkpoint no.pth", "--size 0"],
    "initial-masks": ["--dataset GrabCut --out masks", "--dataset GrabCut --out masks --iou 2,3"],
    "export": ["--out x.onnx --checkpoint no.pth", "--out x.onnx --int8"],
    "pack": ["no --out a.pack", "no.pack"],
    "convert": ["ade20k --config-path no.yml", "nothing"],
    "plot-ious": ["--files no.pickle", "--folder no"],
    "measure-latency": ["--models nothing --cpu", "--checkpoint no.pth --config-path no.yml"],
    "measure-refiner": ["--checkpoint no.pth", "--checkpoint no.pth --config-path no.yml"],
}


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_its_options_elsewhere(command, empty, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert (end.value.code, [*empty.iterdir()]) == (0, [])
    assert f"isegm {command}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[name, *line.split()] for name, lines in MISTAKES.items() for line in lines])
def test_a_mistake_elsewhere_is_one_sentence_and_leaves_nothing(words, empty, capsys):
    assert set(MISTAKES) == set(COMMANDS)
    with pytest.raises(SystemExit) as end:
        main(words)
    printed, said = capsys.readouterr()
    assert end.value.code == 2 and "error: " in said and said.count("\n") == 1, said
    assert (printed, [*empty.iterdir()]) == ("", [])


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(("option", "code"), [("--help", 0), ("--no-such-option", 2)])
def test_a_script_runs_elsewhere(script, option, code, empty, monkeypatch, capsys):
    assert exit_code([f"scripts/{script}", option], monkeypatch, shown_as=f"../scripts/{script}") == code
    printed, said = capsys.readouterr()
    assert said.count("\n") == (code == 2), said
    assert script in (printed or said) and [*empty.iterdir()] == []


def test_a_prediction_elsewhere_is_written_where_the_user_says(empty, capsys):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    write_image(empty / "photo.png", image)
    with pytest.raises(SystemExit) as end:
        main(["predict", "--image", "photo.png", "--point", "20,10", "--out", "masks/out.png", "--cpu"])
    assert end.value.code == 0, capsys.readouterr().err
    assert sorted(path.name for path in empty.rglob("*.*")) == ["out.png", "out_overlay.png", "photo.png"]
    assert read_image(empty / "masks" / "out.png").shape == image.shape
