"""DAVIS-585 in its published layout, and how it is made from DAVIS 2017."""

import logging

import numpy as np
import pytest

from isegm import InputError
from isegm.data import get_dataset
from isegm.data.convert.select_davis585 import select_davis585
from isegm.data.datasets.davis585 import Davis585Dataset
from isegm.utils.files import read_image, read_mask, write_image
from tests import clickseg_miniatures as miniatures

FIRST = "a/object1_00003.png"


def opened(root, name):
    return get_dataset(name, {"DAVIS585_PATH": str(root)})


def test_items_are_sorted_and_start_from_the_masks_of_their_kind(tmp_path):
    root = miniatures.davis585(tmp_path)
    sets = [opened(root, name) for name in ("D585_ZERO", "D585_SP", "D585_STM")]
    for dataset in sets:
        samples = [dataset.get_sample(index) for index in range(len(dataset))]
        assert [s.sample_id for s in samples] == ["a_object1_00003", "b_object1_00012", "b_object2_00012"]
        assert [int(s.gt_mask.sum()) for s in samples] == [625, 625, 1200]  # without the rim of 128
    zero, sp, stm = ([d.get_sample(index).init_mask for index in range(3)] for d in sets)
    assert zero == [None] * 3
    assert all(mask.dtype == np.float32 and set(np.unique(mask)) == {0, 1} for mask in sp)
    assert [int(mask.sum()) for mask in sp] == [625, 625, 1200] and sp[0][5, 30] == 1 and sp[0][5, 5] == 0
    assert [int(mask.sum()) for mask in stm] == [250, 0, 900]


def test_only_the_masks_that_are_asked_for_are_needed_and_known(tmp_path):
    root = miniatures.davis585(tmp_path)
    zero, sp = opened(root, "D585_ZERO").fingerprint, opened(root, "D585_SP").fingerprint
    write_image(root / "a" / "init_sp_object1_00003.png", miniatures.box(1))
    assert opened(root, "D585_ZERO").fingerprint == zero and opened(root, "D585_SP").fingerprint != sp
    (root / "a" / "init_sp_object1_00003.png").unlink()
    assert len(opened(root, "D585_ZERO")) == len(opened(root, "D585_STM")) == 3
    with pytest.raises(InputError, match=r"names 1 files that are not there: .*a/init_sp_object1_00003\.png"):
        opened(root, "D585_SP")


def test_an_empty_initial_mask_is_told_of_and_an_empty_mask_is_an_error(tmp_path, caplog):
    root = miniatures.davis585(tmp_path)
    with caplog.at_level(logging.WARNING):
        opened(root, "D585_SP").check()
        assert not caplog.records
        opened(root, "D585_STM").check(1)
        assert not caplog.records
        opened(root, "D585_STM").check()
    assert "D585_STM: 1 initial masks hold no object, such as" in caplog.text
    write_image(root / FIRST, miniatures.box(0, 128))
    with pytest.raises(InputError, match=r"1 of 3 masks in .* hold no object: a/object1_00003\.png; draw"):
        opened(root, "D585_ZERO").check()


@pytest.mark.parametrize("name", [FIRST, "a/init_sp_object1_00003.png"])
def test_masks_of_another_size_or_none(tmp_path, name):
    root = miniatures.davis585(tmp_path)
    write_image(root / name, np.full((30, 80), 255, np.uint8))
    with pytest.raises(InputError, match=r"00003\.png is 80x30 pixels, its image .*80x60"):
        opened(root, "D585_SP").get_sample(0)
    (root / name).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"00003\.png does not decode"):
        opened(root, "D585_SP").check()


def test_a_folder_without_objects_and_objects_without_images(tmp_path):
    with pytest.raises(InputError, match="holds no <sequence>/object<j>_<frame>"):
        opened(tmp_path, "D585_ZERO")
    (miniatures.davis585(tmp_path) / "b" / "00012.jpg").unlink()
    with pytest.raises(InputError, match=r"names 2 files that are not there: .*00012\.jpg"):
        opened(tmp_path, "D585_ZERO")


def test_objects_are_chosen_from_davis_as_published(tmp_path):
    davis, out = miniatures.davis2017(tmp_path / "davis"), tmp_path / "out"
    assert select_davis585(davis, out) == 17
    frames = [f"{number:05d}" for number in range(22, 2, -2)]  # 10 of 23 frames from the last one on, every second one
    assert sorted(path.stem for path in (out / "car").glob("*.jpg")) == sorted(frames)
    large = [frame for frame in frames if int(frame) >= 10]  # before, object 1 has 300 pixels
    assert {path.stem for path in (out / "car").glob("object1_*.png")} == {f"object1_{frame}" for frame in large}
    assert len(list((out / "car").glob("object3_*.png"))) == 10
    assert sorted(np.unique(read_mask(out / "car" / "object3_00022.png"))) == [0, 255]
    source = davis / "JPEGImages" / "480p" / "car" / "00022.jpg"
    assert (out / "car" / "00022.jpg").read_bytes() == source.read_bytes()
    dataset = Davis585Dataset(out)
    dataset.check()
    with pytest.raises(InputError, match="out is not empty"):
        select_davis585(davis, out)
    assert len(dataset) == 17 and (dataset.get_sample(0).image == read_image(out / "car" / "00010.jpg")).all()


def test_a_sequence_without_masks_or_frames(tmp_path):
    davis = miniatures.davis2017(tmp_path / "davis", frames=3)
    (davis / "JPEGImages" / "480p" / "car" / "00001.jpg").unlink()
    with pytest.raises(InputError, match=r"names 1 files that are not there: .*00001\.jpg"):
        select_davis585(davis, tmp_path / "out")
    for path in (davis / "Annotations" / "480p" / "car").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="car holds no masks"):
        select_davis585(davis, tmp_path / "out")
    assert not (tmp_path / "out").exists()
