"""scripts/predict.py: a mask from the shell, and one sentence for whatever is wrong with its input."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from isegm.model.checkpoint import save_checkpoint
from isegm.utils import cli
from isegm.utils.files import read_mask, write_image
from tests.vit import small_vit

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "predict.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("predict_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.pth"
    save_checkpoint(small_vit(), path)
    return path


@pytest.fixture
def call(script, checkpoint, monkeypatch, capsys, tmp_path):
    """Runs the script in this process; gives its exit code, stdout and stderr."""

    def run(*arguments, image=None, out=tmp_path / "out" / "mask.png", points=("30,20,1",)):
        argv = ["predict.py", "--checkpoint", str(checkpoint), "--cpu", "--out", str(out), *map(str, arguments)]
        argv += ["--image", str(image or tmp_path / "photo.png")]
        argv += [f"--point={point}" for point in points]
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as ended:
            cli.run(script.main)
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    write_image(tmp_path / "photo.png", np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8))
    return run


def assert_refused(result, tmp_path, *words):
    code, _, err = result
    sentences = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2 and len(sentences) == 1, err
    for word in words:
        assert word in sentences[0], err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("out/*"))


def test_mask_and_overlay_are_written(call, tmp_path):
    code, out, _ = call(points=("30,20,1", "0,0,0", "63,47,0"))
    assert code == 0 and "pixels are object" in out
    mask = read_mask(tmp_path / "out" / "mask.png")
    assert mask.shape == (48, 64) and set(np.unique(mask)) <= {0, 255}
    assert cv2.imread(str(tmp_path / "out" / "mask_overlay.png")).shape == (48, 64, 3)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["mask.png", "mask_overlay.png"]


def test_the_clicks_are_seen_on_a_large_overlay(call, tmp_path):
    write_image(tmp_path / "photo.png", np.full((900, 3000, 3), 90, np.uint8))
    assert call(points=("1500,450,1", "2990,5,0"))[0] == 0
    overlay = cv2.imread(str(tmp_path / "out" / "mask_overlay.png"))
    red, green = (overlay == (0, 0, 255)).all(axis=2), (overlay == (0, 255, 0)).all(axis=2)
    assert green.sum() > 400 and red.any() and overlay.shape == (900, 3000, 3)


def test_an_initial_mask_changes_the_answer(call, tmp_path):
    initial = np.zeros((48, 64), np.uint8)
    initial[10:30, 10:50] = 1
    write_image(tmp_path / "initial.png", initial)
    pixels = []
    for arguments in ((), ("--init-mask", tmp_path / "initial.png")):
        code, _, _ = call("--thresh", 0.5, *arguments)
        assert code == 0
        pixels.append(read_mask(tmp_path / "out" / "mask.png"))
    assert (pixels[0] != pixels[1]).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: write_image(path, np.full((1, 1, 3), 9, np.uint8)),
        lambda path: cv2.imwrite(str(path), np.zeros((30, 40), np.uint8)),
        lambda path: cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint16)),
        lambda path: Image.new("RGBA", (40, 30), (1, 2, 3, 4)).save(path),
    ],
    ids=["1x1", "grey", "16-bit", "RGBA"],
)
def test_unusual_images_work(call, tmp_path, make):
    make(tmp_path / "odd.png")
    code, _, err = call(image=tmp_path / "odd.png", points=("0,0,1",))
    assert code == 0, err


def test_an_image_turned_by_exif_is_clicked_upright(call, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    code, _, err = call(image=tmp_path / "turned.jpg", points=("10,39,1",))
    assert code == 0, err
    assert read_mask(tmp_path / "out" / "mask.png").shape == (40, 20)


def test_no_such_image(call, tmp_path):
    assert_refused(call(image=tmp_path / "absent.jpg"), tmp_path, "absent.jpg")


def test_an_image_that_does_not_decode(call, tmp_path):
    (tmp_path / "broken.jpg").write_text("no image")
    assert_refused(call(image=tmp_path / "broken.jpg"), tmp_path, "broken.jpg", "does not decode")


@pytest.mark.parametrize("point", ["64,20,1", "-1,20,1", "30,48,0", "nan,3,1"])
def test_a_click_outside_the_image(call, tmp_path, point):
    assert_refused(call(points=("5,5,1", point)), tmp_path, "outside the image")


@pytest.mark.parametrize("point", ["-1,20,1", "-.5,20,1"])
def test_a_negative_coordinate_behind_a_space(call, tmp_path, point):
    assert_refused(call("--point", point), tmp_path, "outside the image")


@pytest.mark.parametrize("point", ["30", "30,", "a,b,1", "a,b", "30,20,1,2", "30,20,"])
def test_a_point_that_is_none(call, tmp_path, point):
    code, _, err = call(points=(point,))
    assert code == 2 and "is not x,y,label" in err


def test_a_point_without_a_label_is_on_the_object(call, tmp_path):
    overlays = []
    for point in ("30,20", "30,20,1", "30,20,0"):
        code, _, err = call(points=(point,))
        assert code == 0, err
        overlays.append(cv2.imread(str(tmp_path / "out" / "mask_overlay.png")))
    np.testing.assert_array_equal(overlays[0], overlays[1])
    assert (overlays[1] != overlays[2]).any()


def test_a_label_that_is_neither_0_nor_1(call, tmp_path):
    assert_refused(call(points=("30,20,2",)), tmp_path, "labels must be 1")


def test_an_initial_mask_of_another_size(call, tmp_path):
    write_image(tmp_path / "small.png", np.ones((4, 4), np.uint8))
    assert_refused(call("--init-mask", tmp_path / "small.png"), tmp_path, "small.png is 4x4 pixels, the image 64x48")


def test_an_empty_initial_mask(call, tmp_path):
    write_image(tmp_path / "empty.png", np.zeros((48, 64), np.uint8))
    assert_refused(call("--init-mask", tmp_path / "empty.png"), tmp_path, "empty.png is empty")


def test_a_click_that_agrees_with_the_initial_mask_leaves_it_as_it_is(call, tmp_path):
    initial = np.zeros((48, 64), np.uint8)
    initial[10:30, 20:50] = 1
    write_image(tmp_path / "initial.png", initial)
    code, _, err = call("--init-mask", tmp_path / "initial.png", "--point", "30,20,1", "--point", "5,5,0")
    assert code == 0, err
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "mask.png") > 0, initial > 0)


def test_a_checkpoint_that_is_a_text_file(call, tmp_path):
    (tmp_path / "notes.pth").write_text("no weights")
    assert_refused(call("--checkpoint", tmp_path / "notes.pth"), tmp_path, "notes.pth is not a PyTorch checkpoint")


def test_a_checkpoint_that_is_a_backbone(call, tmp_path):
    torch.save({"conv1.weight": torch.zeros(1), "layer4.x": torch.zeros(1)}, tmp_path / "resnet.pth")
    assert_refused(call("--checkpoint", tmp_path / "resnet.pth"), tmp_path, "bare ImageNet backbone")


def test_an_unknown_device(script, tmp_path, monkeypatch, capsys):
    argv = [
        "predict.py",
        "--image",
        str(tmp_path / "photo.png"),
        "--point",
        "1,1,1",
        "--out",
        "x.png",
        "--device",
        "no9",
    ]
    write_image(tmp_path / "photo.png", np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as ended:
        cli.run(script.main)
    assert_refused((ended.value.code, *capsys.readouterr()), tmp_path, "device no9 cannot be used")


def test_a_full_disk(call, tmp_path, monkeypatch):
    def no_space(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isegm.utils.files.tempfile.NamedTemporaryFile", no_space)
    assert_refused(call(), tmp_path, "mask.png cannot be written (No space left on device)")


def test_a_disk_that_is_full_after_the_mask(call, tmp_path, monkeypatch):
    make, made = tempfile.NamedTemporaryFile, []

    def no_space(*_):
        raise OSError(28, "No space left on device")

    def second_is_full(*arguments, **options):
        file = make(*arguments, **options)
        made.append(file)
        if len(made) == 2:
            file.write = no_space
        return file

    monkeypatch.setattr("isegm.utils.files.tempfile.NamedTemporaryFile", second_is_full)
    assert_refused(call(), tmp_path, "mask_overlay.png cannot be written (No space left on device)")


@pytest.mark.parametrize("taken", ["mask.png", "mask_overlay.png"])
def test_a_folder_in_the_place_of_an_image(call, tmp_path, taken):
    (tmp_path / "out" / taken).mkdir(parents=True)
    code, _, err = call()
    assert code == 2 and f"{taken} cannot be written (Is a directory)" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [taken]


def test_a_folder_that_cannot_be_made(call, tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused(call(out=tmp_path / "file" / "mask.png"), tmp_path, "mask.png cannot be written")


@pytest.mark.skipif(os.geteuid() == 0, reason="the super-user may write into read-only folders")
def test_a_read_only_folder(call, tmp_path):
    (tmp_path / "shut").mkdir(mode=0o555)
    assert_refused(call(out=tmp_path / "shut" / "mask.png"), tmp_path, "mask.png cannot be written")


@pytest.mark.parametrize("name", ["mask.abc", "mask.jpg", "mask"])
def test_an_ending_that_does_not_keep_masks(call, tmp_path, name):
    assert_refused(call(out=tmp_path / "out" / name), tmp_path, "end it in .png")


@pytest.mark.parametrize(("photo", "out"), [("photo.png", "photo.png"), ("mask_overlay.png", "mask.png")])
def test_the_image_is_never_overwritten(call, tmp_path, photo, out):
    if photo != "photo.png":
        (tmp_path / "photo.png").rename(tmp_path / photo)
    before = (tmp_path / photo).read_bytes()
    assert_refused(call(image=tmp_path / photo, out=tmp_path / out), tmp_path, "would overwrite an image")
    assert (tmp_path / photo).read_bytes() == before


@pytest.mark.parametrize("threshold", ["2", "nan", "-1", "0"])
def test_a_threshold_that_is_no_probability(call, tmp_path, threshold):
    code, _, err = call(f"--thresh={threshold}")
    assert code == 2 and len(err.splitlines()) == 1
    assert "from 0 to 1" in err or "between 0 and 1" in err
    assert not list(tmp_path.glob("out/*"))


def test_a_checkpoint_by_the_beginning_of_its_name(call):
    code, _, err = call("--checkpoint", "mobilenetv2_default")
    assert code == 0, err


@pytest.mark.long
def test_it_runs_from_any_folder_with_the_shipped_model(tmp_path):
    photo = tmp_path / "photo.png"
    write_image(photo, np.full((40, 40, 3), 128, np.uint8))
    command = [sys.executable, str(SCRIPT), "--image", str(photo), "--point", "20,20,1", "--out", "mask.png", "--cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mask.png").exists() and (tmp_path / "mask_overlay.png").exists()


# ---- boxes, scribbles and polygons ----


def said_of(result):
    code, out, err = result
    assert code == 0, err
    return out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--box", "10,8,50,40"], "The box was turned into a click, and the crop."),
        (["--scribble", "12,10 30,20 44,36"], "The scribble was turned into 3 clicks along it."),
        (["--background-scribble=2,2 60,2", "--point=30,20"], "The scribble was turned into 3 clicks along it."),
        (["--polygon", "10,8 50,8 40,40"], "The polygon was turned into a click inside it and the previous mask"),
    ],
)
def test_a_prompt_in_place_of_clicks_gives_a_mask_and_is_drawn(call, tmp_path, options, words):
    out = tmp_path / "out" / "mask.png"
    said = said_of(call(*options, points=()))
    assert words in said and read_mask(out).shape == (48, 64)
    lines = said.splitlines()
    overlay = cv2.imread(str(tmp_path / "out" / "mask_overlay.png"))
    green_or_red = ((overlay == (0, 255, 0)) | (overlay == (0, 0, 255))).all(axis=2)
    assert green_or_red.sum() > 20 and len(lines) == 2


def test_prompts_come_before_the_clicks_whatever_their_order_is(call, tmp_path):
    masks = []
    for options in (["--box=10,8,50,40", "--point=12,12,0"], ["--point=12,12,0", "--box=10,8,50,40"]):
        said_of(call(*options, points=()))
        masks.append(read_mask(tmp_path / "out" / "mask.png"))
    np.testing.assert_array_equal(*masks)


def test_a_mask_and_a_box_together(call, tmp_path):
    start = np.zeros((48, 64), np.uint8)
    start[10:30, 10:40] = 255
    write_image(tmp_path / "start.png", start)
    said_of(call("--mask", tmp_path / "start.png", "--box", "8,8,44,34", points=()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--box", "10,8,500,40"], ("the box", "reaches beyond the image")),
        (["--box", "-3,8,50,40"], ("the box", "reaches beyond the image")),
        (["--box", "10,8,10,40"], ("the box", "no area")),
        (["--box", "10,8,10"], ("--box", "x0,y0,x1,y1")),
        (["--polygon", "10,8 50,8"], ("polygon of 2 points",)),
        (["--polygon", "10,8 50;8"], ("--polygon", "points with spaces")),
        (["--scribble", "10,8"], ("scribble has no length",)),
        (["--scribble", "10,8 90,8"], ("point of the scribble", "outside the image")),
        ([], ("--point", "--box", "--scribble", "--polygon")),
    ],
)
def test_a_wrong_prompt(call, tmp_path, options, words):
    code, _, err = call(*options, points=())
    (sentence,) = (line for line in err.splitlines() if "error: " in line)
    assert code == 2 and all(word in sentence for word in words) and "Traceback" not in err
    assert not list(tmp_path.glob("out/*"))
