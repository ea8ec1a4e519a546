"""SBD and Pascal VOC in their published layouts."""

import pickle

import numpy as np
import pytest

from isegm import InputError
from isegm.data.datasets.sbd import SbdDataset, SbdEvaluationDataset
from isegm.data.datasets.voc import PascalVocDataset, PascalVocEvaluationDataset
from tests import miniatures


def test_sbd_training_drops_buggy_objects(tmp_path):
    dataset = SbdDataset(miniatures.sbd(tmp_path))
    assert (len(dataset), dataset.name) == (3, "SBD_train")
    first, third = dataset.get_sample(0), dataset.get_sample(2)
    assert list(first.areas().values()) == [625] and first.background_mask[31, 40]
    assert first.sample_id == "2008_000002"
    assert list(third.areas().values()) == [625, 1200]
    assert third.encoded_masks.dtype == np.int32 and not third.ignored


def test_sbd_evaluation_has_an_item_for_each_object_and_writes_nothing(tmp_path):
    before = sorted(miniatures.sbd(tmp_path).rglob("*"))
    dataset = SbdEvaluationDataset(tmp_path)
    assert [(pair[0].stem, value) for pair, value in zip(dataset.pairs, dataset.values, strict=True)] == [
        ("2009_01", 1),
        ("2009_01", 2),
        ("2009_02", 1),
    ]
    assert [int(dataset.get_sample(index).gt_mask.sum()) for index in range(3)] == [625, 1200, 625]
    assert len(SbdEvaluationDataset(tmp_path, "train", "SBD_Train")) == 5  # buggy ones count
    dataset.check()
    assert sorted(tmp_path.rglob("*")) == before
    assert pickle.loads(pickle.dumps(dataset)).fingerprint == dataset.fingerprint


def test_voc_objects_are_told_by_grey_levels_which_collide(tmp_path):
    root = miniatures.voc(tmp_path)
    assert [len(PascalVocDataset(root, split)) for split in ("train", "val", "trainval")] == [2, 2, 4]
    sample = PascalVocDataset(root, "val").get_sample(0)
    assert [node.value for node in sample.objects.values()] == [38, 75]
    assert list(sample.areas().values()) == [625 + 6 * 15, 1200]
    assert (sample.get_object_mask(0)[4, 5:30] == -1).all()


@pytest.mark.parametrize("listed", [True, False])
def test_voc_evaluation_has_an_item_for_each_level_of_val(tmp_path, listed):
    root = miniatures.voc(tmp_path)
    names = ["2007_000003", "2007_000003", "2007_000004", "2007_000004"]
    if listed:
        items = (names[1:], [np.int64(75), 38, 75])
        (root / "ImageSets" / "Segmentation" / "test.pickle").write_bytes(pickle.dumps(items))
    dataset = PascalVocEvaluationDataset(root)
    assert [pair[0].stem for pair in dataset.pairs] == (names[1:] if listed else names)
    areas = [int((dataset.get_sample(index).gt_mask == 1).sum()) for index in range(len(dataset))]
    assert areas == [715, 1200, 625, 1200][listed:]
    assert (dataset.get_sample(0).gt_mask[4, 5:30] == -1).all()


NO_LEVELS = [(["2007_000003"], [level]) for level in (0, 220, 256, -1, float("inf"))]


def test_an_item_that_its_mask_does_not_hold_is_an_error(tmp_path):
    root = miniatures.voc(tmp_path)
    listed = root / "ImageSets" / "Segmentation" / "test.pickle"
    listed.write_bytes(pickle.dumps((["2007_000003"], [53])))
    with pytest.raises(InputError, match=r"2007_000003\.png holds no object of value 53"):
        PascalVocEvaluationDataset(root).get_sample(0)
    for content in ([1, 2], (["a"], []), 5, (["2007_000003"], ["x"]), ([3], [4]), *NO_LEVELS):
        listed.write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match=r"test\.pickle does not hold a list of image names"):
            PascalVocEvaluationDataset(root)


@pytest.mark.parametrize(
    ("make", "reader", "listed"),
    [
        (miniatures.sbd, SbdDataset, "train.txt"),
        (miniatures.sbd, SbdEvaluationDataset, "val.txt"),
        (miniatures.voc, PascalVocDataset, "ImageSets/Segmentation/train.txt"),
        (miniatures.voc, PascalVocEvaluationDataset, "ImageSets/Segmentation/val.txt"),
    ],
)
def test_lists_that_are_absent_empty_or_name_absent_files(tmp_path, make, reader, listed):
    names = make(tmp_path) / listed
    names.write_text(names.read_text() + "2011_999999\n")
    with pytest.raises(InputError, match=r"names 2 files that are not there: .*2011_999999\.jpg"):
        reader(tmp_path)
    for content, words in ((b"", "names no images"), (b"\xff\xfe\x80", "is no text file")):
        names.write_bytes(content)
        with pytest.raises(InputError, match=words):
            reader(tmp_path)
    names.unlink()
    with pytest.raises(InputError, match="there is no list"):
        reader(tmp_path)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0", "cut", {"GTcls": 1}, {"GTinst": np.zeros(3)}])
def test_broken_and_foreign_matlab_files(tmp_path, content):
    path = miniatures.sbd(tmp_path) / "inst" / "2009_01.mat"
    if isinstance(content, dict):
        miniatures.savemat(path, content)
    else:
        path.write_bytes(path.read_bytes()[:300] if content == "cut" else content)
    with pytest.raises(InputError, match=r"2009_01\.mat does not hold SBD's instances"):
        SbdEvaluationDataset(tmp_path)


def test_sizes_must_agree(tmp_path):
    root = miniatures.sbd(tmp_path)
    miniatures.write_image(root / "img" / "2009_01.jpg", np.zeros((30, 80, 3), np.uint8))
    with pytest.raises(InputError, match=r"2009_01\.mat is 80x60 pixels, its image 2009_01\.jpg 80x30"):
        SbdEvaluationDataset(root).get_sample(0)
