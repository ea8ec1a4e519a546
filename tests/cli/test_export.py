"""isegm export: the file and what is printed; other commands take it as a checkpoint."""

import pytest

from isegm import build_model
from isegm.cli import evaluate, export, predict
from isegm.data.datasets.samples import IMAGES, image_path
from isegm.model.checkpoint import DEFAULT_CHECKPOINT, load_model, save_checkpoint
from isegm.utils import cli
from isegm.utils.files import sha256
from tests.drawn import draw_folder
from tests.exported import small


def exit_code(command, *words):
    with pytest.raises(SystemExit) as end:
        cli.run(lambda: command([str(word) for word in words]))
    return end.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_shipped_network_becomes_a_file_that_evaluations_and_predictions_take(folder, capsys):
    assert exit_code(export.main, "--out", "light.onnx") == 0
    shown = capsys.readouterr().out
    assert "light.onnx: 7.1 MB, for images of any size" in shown
    assert "Over 10 clicks, probabilities differ from PyTorch's by" in shown
    assert load_model("light.onnx").metadata["isegm.checkpoint_sha256"] == sha256(DEFAULT_CHECKPOINT)
    few = ("--datasets=Samples", "--cpu", "--max-objects=2", "--n-clicks=2", "--no-overlays", "--logs-path=logs")
    rows = []
    for checkpoint in ("light.onnx", DEFAULT_CHECKPOINT):
        assert exit_code(evaluate.main, "NoBRS", "--checkpoint", checkpoint, *few) == 0
        (row,) = (line for line in capsys.readouterr().out.splitlines() if "|Samples" in line.replace(" ", ""))
        rows.append([cell.strip() for cell in row.split("|")[2:6]])
    assert rows[0] == rows[1]
    point = ("--image", image_path(IMAGES[2]), "--point", "210,140", "--out", "mask.png")
    assert exit_code(predict.main, *point, "--checkpoint", "light.onnx", "--cpu") == 0


@pytest.mark.slow
def test_eight_bits_need_images_and_are_told(folder, capsys):
    assert exit_code(export.main, "--out", "x.onnx", "--int8") == 2
    assert "give --int8 and --calibrate together" in capsys.readouterr().err
    draw_folder(folder / "photos")
    save_checkpoint(small("clickseg_mobilenetv2"), "small.pth")
    words = ("--checkpoint", "small.pth", "--size", "64", "--int8", "--calibrate", "folder:photos", "--max-objects", 1)
    assert exit_code(export.main, "--out", "x.onnx", *words) == 0
    shown = capsys.readouterr().out
    assert "for images of 64 x 64 pixels" in shown and "In 8 bits the masks have a mean IoU of" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--out", "x.pth"), "end its name in .onnx"),
        (("--out", "x.onnx", "--checkpoint", "emc.pth"), "keeps features of an image from click to click"),
        (("--out", "x.onnx", "--checkpoint", "none.pth"), "there is no checkpoint none.pth"),
        (("--out", "x.onnx", "--size", "5"), "--size is 5: give 32 to"),
        (("--out", "x.onnx", "--int8", "--calibrate", "folder:none"), "there is no data folder none"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_sentence(words, told, folder, capsys):
    save_checkpoint(build_model("emcclick_hrnet18s", width=4, ocr_width=8), "emc.pth")
    assert exit_code(export.main, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and error.count("\n") == 1
    assert not list(folder.glob("x.*"))
