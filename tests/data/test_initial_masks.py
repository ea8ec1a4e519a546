"""Masks to start from: made for any data set, and read with it."""

import logging
import shutil

import cv2
import numpy as np
import pytest

from isegm import InputError
from isegm.data import FolderDataset, SamplesDataset, get_dataset
from isegm.data import superpixel_masks as corrupting
from isegm.data.datasets.sbd import SbdEvaluationDataset
from isegm.data.initial_masks import InitialMaskDataset, list_objects
from isegm.data.superpixel_masks import SuperPixels, corrupt_by_superpixels, write_initial_masks
from isegm.utils.files import read_mask, write_image
from tests import clickseg_miniatures, miniatures
from tests.cli.loading import load, run_main
from tests.drawn import draw_folder

RANGE = (0.75, 0.85)


@pytest.fixture
def images(tmp_path):
    """A folder data set of three images; the second holds two objects."""
    root = draw_folder(tmp_path / "photos", 3)
    mask = read_mask(root / "masks" / "01.png").astype(np.uint8)
    mask[:8, :8] = 2
    write_image(root / "masks" / "01.png", mask)
    return FolderDataset(root)


def place_in(folder):
    return lambda item: folder / f"{item.name}.png"


def test_names_are_unique_where_objects_share_an_image_or_images_a_name(images, tmp_path):
    names = ["00", "01_object1", "01_object2", "02"]
    assert [(item.index, item.object_id, item.name) for item in list_objects(images)] == [
        (0, 0, names[0]),
        (1, 0, names[1]),
        (1, 1, names[2]),
        (2, 0, names[3]),
    ]
    assert [item.name for item in list_objects(SbdEvaluationDataset(miniatures.sbd(tmp_path)))] == [
        *("2009_01_object1", "2009_01_object2", "2009_02")
    ]
    for kind in ("images", "masks"):
        (images.root / kind / "00.png").rename(images.root / kind / "01_object2.png")
    with pytest.raises(InputError, match="photos has objects that would share a file name: 01_object2"):
        list_objects(FolderDataset(images.root))


def test_each_object_is_an_item_with_its_mask(images, tmp_path):
    ious = write_initial_masks(images, place_in(tmp_path / "init"), RANGE)
    write_image(tmp_path / "init" / "other.png", np.ones((3, 3), np.uint8))
    dataset = InitialMaskDataset(images, tmp_path / "init")
    dataset.check()
    assert (dataset.name, len(dataset)) == ("photos_init", 4)
    samples = [dataset.get_sample(index) for index in range(4)]
    assert [sample.sample_id for sample in samples] == ["00", "01", "01", "02"]  # their images
    assert samples[1].objects_ids != samples[2].objects_ids
    for sample, iou in zip(samples, ious, strict=True):
        start, target = sample.init_mask > 0, sample.gt_mask == 1
        assert sample.init_mask.dtype == np.float32 and set(np.unique(sample.init_mask)) <= {0, 1}
        assert (start & target).sum() / (start | target).sum() == pytest.approx(iou)
    assert samples[2].gt_mask.sum() == 64


def test_masks_are_the_same_for_any_choice_of_objects_and_differ_by_seed(images, tmp_path):
    for name, seed, count in (("all", 0, None), ("two", 0, 2), ("other", 1, 2)):
        write_initial_masks(images, place_in(tmp_path / name), RANGE, seed, count)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["00.png", "01_object1.png"]
    content = {name: (tmp_path / name / "00.png").read_bytes() for name in ("all", "two", "other")}
    assert content["all"] == content["two"] != content["other"]
    for kind in ("images", "masks"):
        shutil.copy(images.root / kind / "00.png", images.root / kind / "copy.png")
    write_initial_masks(FolderDataset(images.root), place_in(tmp_path / "copied"), RANGE)
    assert (tmp_path / "copied" / "00.png").read_bytes() == content["all"]
    assert (tmp_path / "copied" / "copy.png").read_bytes() != content["all"]  # chance is the name's


def test_the_fingerprint_covers_the_initial_masks_and_the_set(images, tmp_path):
    write_initial_masks(images, place_in(tmp_path / "init"), RANGE)
    first = InitialMaskDataset(images, tmp_path / "init").fingerprint
    assert InitialMaskDataset(images, tmp_path / "init").fingerprint == first
    write_image(tmp_path / "init" / "00.png", np.zeros((72, 96), np.uint8))
    second = InitialMaskDataset(images, tmp_path / "init").fingerprint
    write_image(images.root / "masks" / "02.png", clickseg_miniatures.box(0, 1).repeat(2, axis=0)[:72, :72])
    (images.root / "images" / "02.png").unlink()
    write_image(images.root / "images" / "02.png", np.zeros((72, 72, 3), np.uint8))
    third = InitialMaskDataset(FolderDataset(images.root), tmp_path / "init").fingerprint
    assert len({first, second, third}) == 3


def test_empty_missing_and_unfit_initial_masks(images, tmp_path, caplog):
    init = tmp_path / "init"
    with pytest.raises(InputError, match="there is no folder"):
        InitialMaskDataset(images, init)
    write_initial_masks(images, place_in(init), RANGE)
    write_image(init / "00.png", np.zeros((72, 96), np.uint8))
    write_image(init / "02.png", np.ones((96, 72), np.uint8))
    dataset = InitialMaskDataset(images, init)
    with caplog.at_level(logging.WARNING):
        dataset.check(3)
    assert "1 initial masks in" in caplog.text and "such as 00.png" in caplog.text
    assert not dataset.get_sample(0).init_mask.any()
    with pytest.raises(InputError, match=r"initial mask .*02\.png is 72x96 pixels, its image 96x72"):
        dataset.check()
    (init / "02.png").write_bytes(b"none")
    with pytest.raises(InputError, match=r"02\.png does not decode as a mask"):
        dataset.check()
    (init / "02.png").unlink()
    (init / "01_object2.png").unlink()
    with pytest.raises(InputError, match=r"2 of 4 objects of photos have no initial mask .*: 01_object2\.png, 02\.png"):
        InitialMaskDataset(images, init)
    write_image(init / "00.bmp", np.zeros((72, 96), np.uint8))
    with pytest.raises(InputError, match="holds several files of one name"):
        InitialMaskDataset(images, init)


def test_a_super_pixel_is_put_on_or_taken_away_until_the_iou_is_reached(monkeypatch):
    cuts = []

    def squares(image, n_segments, **_):
        """16 by 16 pixels each."""
        cuts.append(n_segments)
        rows, columns = np.indices(image.shape[:2]) // 16
        return rows * 8 + columns

    monkeypatch.setattr(corrupting, "slic", squares)
    target = np.zeros((128, 128), np.int32)
    target[32:96, 32:96] = 1  # 16 squares
    target[:16] = -1
    super_pixels = SuperPixels(np.zeros((128, 128, 3), np.uint8))
    masks = [corrupt_by_superpixels(target, super_pixels, np.random.default_rng(seed), RANGE) for seed in range(20)]
    for mask, iou in masks:
        assert RANGE[0] <= iou <= RANGE[1]
        assert set(mask.reshape(8, 16, 8, 16).mean(axis=(1, 3)).ravel()) == {0, 1}  # whole super-pixels
        counted = target >= 0
        expected = (mask & (target == 1)).sum() / ((mask | (target == 1)) & counted).sum()
        assert iou == pytest.approx(expected)
    changes = np.array([(mask & (target != 1)).any() - 2 * ((target == 1) & ~mask).any() for mask, _ in masks])
    assert {-1, -2} <= set(changes)  # some are put on besides what is taken away, and some are taken away alone
    assert len(cuts) == len(set(cuts)) == 6


def test_where_no_attempt_reaches_the_range_the_nearest_mask_is_given(monkeypatch):
    halves = np.repeat([0, 1], [30, 50])[None].repeat(60, axis=0)
    monkeypatch.setattr(corrupting, "slic", lambda image, **_: halves)
    target = np.zeros((60, 80), np.int32)
    target[5:55, 35:70] = 1
    super_pixels = SuperPixels(np.zeros((60, 80, 3), np.uint8))
    mask, iou = corrupt_by_superpixels(target, super_pixels, np.random.default_rng(0), RANGE)
    assert (mask == ((halves == 1) | (target == 1))).all() or (mask == ((halves == 0) | (target == 1))).all()
    choices = [(50 * 35) / (60 * 50), (50 * 35) / (60 * 30 + 50 * 35)]
    assert iou == pytest.approx(max(choices))


def test_super_pixels_follow_the_colours_of_the_image():
    image = np.zeros((64, 64, 3), np.uint8)
    cv2.circle(image, (32, 32), 20, (250, 120, 0), -1)
    inside = image[..., 0] > 0
    super_pixels = SuperPixels(image)
    for row, column in np.argwhere(inside)[::40]:
        found = super_pixels.segment_at(50, row, column)
        assert found[row, column] and (found & inside).sum() > 0.9 * found.sum()


def test_the_command_makes_masks_that_the_data_set_starts_from(images, tmp_path, monkeypatch, capsys):
    script = load("make_initial_masks")
    arguments = ("--dataset", f"folder:{images.root}", "--config-path", tmp_path / "config.yml")
    (tmp_path / "config.yml").write_text("")
    assert run_main(monkeypatch, script, *arguments, "--out", tmp_path / "init") == 0
    output = capsys.readouterr().out
    assert "4 initial masks, mean IoU 0." in output and "outside 0.75 to 0.85" in output
    assert len(InitialMaskDataset(images, tmp_path / "init")) == 4
    before = (images.root / "masks" / "00.png").read_bytes()
    for bad, words in (
        (("--out", images.root / "masks"), "holds images or masks of photos, among which initial masks would count"),
        (("--out", images.root / "masks" / ".." / "images"), "holds images or masks of photos"),
        (("--out", tmp_path / "bad", "--max-objects", 0), "argument --max-objects: '0' is not"),
        (("--out", tmp_path / "bad", "--seed", -1), "argument --seed: '-1' is not"),
        (("--out", tmp_path / "bad", "--iou", "0.9,0.8"), "rising numbers between 0 and 1"),
        (("--out", tmp_path / "bad", "--iou", "high"), "is not two numbers"),
    ):
        assert run_main(monkeypatch, script, *arguments, *bad) == 2
        assert words in capsys.readouterr().err
    assert (images.root / "masks" / "00.png").read_bytes() == before and not (tmp_path / "bad").exists()
    assert len(FolderDataset(images.root)) == 3


def test_files_of_the_data_set_are_never_overwritten(images):
    with pytest.raises(InputError, match="a file of photos, would be overwritten"):
        write_initial_masks(images, place_in(images.root / "masks"), RANGE)


def test_names_that_are_no_unicode_get_masks(images, tmp_path):
    for kind in ("images", "masks"):
        (images.root / kind / "00.png").rename(images.root / kind / "caf\udce9.png")
    named = FolderDataset(images.root)
    write_initial_masks(named, place_in(tmp_path / "init"), RANGE)
    assert (tmp_path / "init" / "caf\udce9.png").is_file()
    InitialMaskDataset(named, tmp_path / "init").check()


def test_the_command_makes_davis585(tmp_path, monkeypatch, capsys):
    davis, out = clickseg_miniatures.davis2017(tmp_path / "davis"), tmp_path / "out"
    arguments = ("--davis585", davis, "--out", out)
    assert run_main(monkeypatch, load("make_initial_masks"), *arguments) == 0
    assert "17 initial masks" in capsys.readouterr().out
    dataset = get_dataset("D585_SP", {"DAVIS585_PATH": str(out)})
    dataset.check()
    assert len(dataset) == 17 and dataset.get_sample(0).init_mask.any()


def test_samples_come_with_one_file_for_each_object():
    names = [item.name for item in list_objects(SamplesDataset())]
    assert names[:5] == [*(f"astronaut_object{n}" for n in range(1, 5)), "camera_object1"] and "cat" in names
