"""The images-and-masks folder, and the published sets."""

import numpy as np
import pytest

from isegm import InputError
from isegm.data import get_dataset
from isegm.data.folder import FolderDataset
from isegm.data.transforms import RandomView
from isegm.utils.files import write_image
from tests.drawn import draw_folder


def write_pair(root, name, mask, image_size=None, images="images", masks="masks", mask_ending=".png"):
    size = image_size or mask.shape
    write_image(root / images / f"{name}.jpg", np.zeros((*size, 3), np.uint8))
    write_image(root / masks / f"{name}{mask_ending}", mask.astype(np.uint8))


def test_ids_are_objects_and_255_is_ignored(tmp_path):
    mask = np.zeros((4, 6))
    mask[0, :3], mask[1, :2], mask[3] = 1, 7, 255
    write_pair(tmp_path, "a", mask)
    sample = FolderDataset(tmp_path).get_sample(0)
    assert [sample.pixels(i).sum() for i in sample.objects_ids] == [3, 2]
    assert (sample.get_object_mask(0)[3] == -1).all() and sample.sample_id == "a"


def test_a_0_255_mask_is_one_object(tmp_path):
    mask = np.zeros((4, 6))
    mask[1:3] = 255
    write_pair(tmp_path, "a", mask)
    sample = FolderDataset(tmp_path).get_sample(0)
    assert (sample.gt_mask == (mask > 0)).all()
    assert RandomView._object_box(sample.encoded_masks, np.random.default_rng(0)) is not None  # views find the object


def test_a_soft_mask_is_refused(tmp_path):
    write_pair(tmp_path, "a", np.linspace(0, 255, 60).reshape(6, 10))
    with pytest.raises(InputError, match=r"a\.png looks like a soft mask"):
        FolderDataset(tmp_path).get_sample(0)
    write_pair(tmp_path / "ids", "a", np.append(np.arange(59), 255).reshape(6, 10))
    assert len(FolderDataset(tmp_path / "ids").get_sample(0).objects_ids) == 58


def test_parts_share_nothing_and_cover_all(tmp_path):
    draw_folder(tmp_path, 7)
    training, validation = FolderDataset(tmp_path, part=(0, 3)), FolderDataset(tmp_path, part=(0, -3))
    assert len(training) == 4 and len(validation) == 3
    assert not set(training.pairs) & set(validation.pairs)


def test_folders_of_one_name_are_told_apart(tmp_path):
    first, second = (FolderDataset(draw_folder(tmp_path / name / "photos", 3)) for name in "ab")
    assert first.name == second.name and first.fingerprint != second.fingerprint
    before = first.fingerprint
    (first.root / "images" / "00.png").rename(first.root / "images" / "new.png")
    (first.root / "masks" / "00.png").rename(first.root / "masks" / "new.png")
    assert FolderDataset(first.root).fingerprint != before


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match=r"there is no data folder .*absent"):
        FolderDataset(tmp_path / "absent")
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"holds no pictures|there is no folder"):
        FolderDataset(tmp_path)


def test_pictures_without_masks_are_named_up_to_ten(tmp_path):
    draw_folder(tmp_path, 14)
    for path in sorted((tmp_path / "masks").iterdir())[:12]:
        path.unlink()
    with pytest.raises(InputError) as error:
        FolderDataset(tmp_path)
    message = str(error.value)
    assert "12 of 14 pictures" in message and "00.png" in message and "09.png" in message
    assert "10.png" not in message and "and 2 more" in message


def test_masks_without_pictures_are_named(tmp_path):
    draw_folder(tmp_path, 3)
    (tmp_path / "images" / "01.png").unlink()
    with pytest.raises(InputError, match=r"1 masks .* have no picture of the same name: 01"):
        FolderDataset(tmp_path)


def test_a_mask_of_another_size(tmp_path):
    write_pair(tmp_path, "a", np.ones((4, 6)), image_size=(8, 6))
    with pytest.raises(InputError, match=r"a\.png is 6x4 pixels, its picture a\.jpg 6x8"):
        FolderDataset(tmp_path).get_sample(0)


def test_an_empty_mask(tmp_path):
    write_pair(tmp_path, "a", np.zeros((4, 6)))
    with pytest.raises(InputError, match=r"a\.png holds no object"):
        FolderDataset(tmp_path).get_sample(0)


def test_a_mask_that_does_not_decode(tmp_path):
    write_pair(tmp_path, "a", np.ones((4, 6)))
    (tmp_path / "masks" / "a.png").write_text("no picture")
    with pytest.raises(InputError, match=r"a\.png does not decode"):
        FolderDataset(tmp_path).get_sample(0)


def test_grabcut_and_berkeley_read_128_as_ignored(tmp_path):
    mask = np.array([[0, 128, 255, 129], [0, 0, 255, 127]])
    write_pair(tmp_path / "g", "x", mask, images="data_GT", masks="boundary_GT", mask_ending=".bmp")
    write_pair(tmp_path / "b", "x", mask)
    cfg = {"GRABCUT_PATH": str(tmp_path / "g"), "BERKELEY_PATH": str(tmp_path / "b")}
    for name in ("GrabCut", "Berkeley"):
        dataset = get_dataset(name, cfg)
        assert (dataset.name, len(dataset)) == (name, 1)
        assert dataset.get_sample(0).gt_mask.tolist() == [[0, -1, 1, 1], [0, 0, 1, 0]]


def test_davis_and_coco_take_any_colour_as_the_object_and_pass_stray_files_over(tmp_path):
    write_image(tmp_path / "img" / "x.jpg", np.zeros((1, 3, 3), np.uint8))
    write_image(tmp_path / "gt" / "x.png", np.array([[[0, 0, 0], [0, 0, 4], [255, 0, 0]]], np.uint8))
    (tmp_path / "img" / "Thumbs.db").write_text("stray")
    for name, key in (("DAVIS", "DAVIS_PATH"), ("COCO_MVal", "COCO_MVAL_PATH")):
        dataset = get_dataset(name, {key: str(tmp_path)})
        assert len(dataset) == 1
        assert dataset.get_sample(0).gt_mask.tolist() == [[0, 1, 1]]


def test_data_sets_by_name(tmp_path):
    draw_folder(tmp_path / "mine", 2)
    cfg = {"FOLDER_DATASETS": {"shapes": str(tmp_path / "mine")}}
    assert get_dataset("shapes", cfg).name == "shapes"
    assert len(get_dataset(f"folder:{tmp_path / 'mine'}", {})) == 2
    assert len(get_dataset("Samples", {})) > 4
    for name, words in (("grabcut", "did you mean GrabCut"), ("shape", "did you mean shapes"), ("x", "known are")):
        with pytest.raises(InputError, match=words):
            get_dataset(name, cfg)
    with pytest.raises(InputError, match="add DAVIS_PATH to config"):
        get_dataset("DAVIS", cfg)
