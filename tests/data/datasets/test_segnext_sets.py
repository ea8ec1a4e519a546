"""The data sets that SegNext adds, and its readings of others."""

import shutil

import numpy as np
import pytest

from isegm import InputError
from isegm.data import get_dataset, get_training_set
from isegm.data.datasets.hqseg44k import PARTS, HQSeg44KDataset
from isegm.utils.files import write_image
from tests import miniatures
from tests.segnext_miniatures import ade20k_challenge, hqseg44k

VAL = PARTS["val"]


@pytest.fixture
def root(tmp_path):
    return hqseg44k(tmp_path / "HQSeg44K")


def shown(dataset):
    return [f"{image.relative_to(dataset.root).parent}/{image.name}" for image, _ in dataset.pairs]


def test_hqseg44k_has_the_published_numbers_of_images():
    assert [sum(part.count for part in parts.values()) for parts in PARTS.values()] == [44320, 1537]


def test_hqseg44k_is_sorted_by_part_and_name(root):
    cfg = {"HQSeg44K_PATH": str(root)}
    val, train = get_dataset("HQSeg44K", cfg), get_training_set("HQSeg44K", cfg)
    assert (val.name, train.name) == ("HQSeg44K", "HQSeg44K_train")
    for dataset, split in ((val, "val"), (train, "train")):
        expected = [f"{part.images}/{name}.jpg" for part in PARTS[split].values() for name in "abc"]
        assert shown(dataset) == expected
    assert len(get_training_set("HQSeg44K", cfg, split="val")) == len(val) == 12


@pytest.mark.parametrize("part", VAL)
def test_a_part_of_hqseg44k_is_evaluated_alone(root, part):
    dataset = get_dataset(f"HQSeg44K_{part}", {"HQSeg44K_PATH": str(root)})
    assert dataset.name == f"HQSeg44K_{part}"
    assert shown(dataset) == [f"{VAL[part].images}/{name}.jpg" for name in "abc"]
    dataset.check()


def test_any_colour_of_a_mask_is_the_object_soft_edges_included(root):
    mask = np.zeros((*miniatures.SIZE, 3), np.uint8)
    mask[10:20, 10:20, 1] = 1
    write_image(root / VAL["DIS"].masks / "b.png", mask)
    dataset = get_dataset("HQSeg44K", {"HQSeg44K_PATH": str(root)})
    assert [int((dataset.get_sample(index).gt_mask == 1).sum()) for index in (0, 1)] == [26 * 25, 100]
    assert not (dataset.get_sample(0).gt_mask == -1).any()


def test_training_passes_over_empty_masks_and_evaluation_names_them(root):
    empty = np.zeros(miniatures.SIZE, np.uint8)
    for split in PARTS:
        write_image(root / PARTS[split]["DIS"].masks / "a.png", empty)
    assert not HQSeg44KDataset(root, "train").get_sample(0).objects
    with pytest.raises(InputError, match=r"1 of 12 masks in .*HQSeg44K hold no object: DIS5K/DIS-VD/gt/a\.png"):
        HQSeg44KDataset(root, "val").check()


@pytest.mark.parametrize("part", VAL)
@pytest.mark.parametrize("kind", ["images", "masks"])
def test_hqseg44k_without_a_part_names_its_folder(root, part, kind):
    folder = getattr(VAL[part], kind)
    shutil.rmtree(root / folder)
    with pytest.raises(InputError, match=rf"^[^\n]*HQSeg44K lacks {folder}, which belong to HQSeg44K: see isegm data"):
        HQSeg44KDataset(root, "val")
    (root / folder).mkdir()
    with pytest.raises(InputError, match=rf"^[^\n]*{folder}[^\n]*$"):
        HQSeg44KDataset(root, "val")
    assert len(HQSeg44KDataset(root, "val", next(other for other in VAL if other != part))) == 3
    assert len(HQSeg44KDataset(root, "train")) == 21


def test_an_image_of_hqseg44k_without_its_mask_is_named(root):
    (root / "cascade_psp" / "ecssd" / "a.png").unlink()
    with pytest.raises(
        InputError, match=r"1 of 3 images in .*ecssd have no mask of the same name, .*: a\.jpg; get the"
    ):
        HQSeg44KDataset(root, "train")


def test_parts_that_hqseg44k_does_not_have(root):
    with pytest.raises(InputError, match="HQSeg44K has no part test: it has train and val"):
        HQSeg44KDataset(root, "test")
    with pytest.raises(InputError, match="no part FSS of val: known are DIS, ThinObject, COIFT, HRSOD"):
        HQSeg44KDataset(root, "val", "FSS")


def areas(sample):
    return [int((sample.get_object_mask(one) == 1).sum()) for one in sample.objects_ids]


@pytest.mark.parametrize("inside", ["", "ADEChallengeData2016"])
def test_segnext_reads_a_class_of_ade20k_as_one_object(tmp_path, inside):
    dataset = get_dataset("ADE20K", {"ADE20K_PATH": str(ade20k_challenge(tmp_path) / inside)})
    assert (dataset.name, len(dataset)) == ("ADE20K", 3)
    dataset.check()
    assert [areas(dataset.get_sample(index)) for index in range(3)] == [[625, 1200], [], [625 + 300]]


def test_ade20k_of_another_release_is_told_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*images/validation: it should hold files"):
        get_dataset("ADE20K", {"ADE20K_PATH": str(miniatures.ade20k(tmp_path))})


def test_segnext_reads_the_objects_of_a_voc_image_together(tmp_path):
    cfg = {"PASCALVOC_PATH": str(miniatures.voc(tmp_path))}
    together, apart = get_dataset("PascalVOC_SN", cfg), get_dataset("PascalVOC", cfg)
    assert (together.name, len(together), len(apart)) == ("PascalVOC_SN", 2, 4)
    together.check()
    masks = [
        together.get_sample(i).get_object_mask(one) for i in range(2) for one in together.get_sample(i).objects_ids
    ]
    expected = [apart.get_sample(index).gt_mask for index in range(4)]
    assert all(np.array_equal(mask, other) for mask, other in zip(masks, expected, strict=True))
