"""The images-and-masks folder, and the published sets."""

import os
import shutil
import sys
from unicodedata import normalize

import numpy as np
import pytest

from isegm import InputError
from isegm.data import get_dataset
from isegm.data.datasets.benchmarks import DavisDataset, GrabCutDataset
from isegm.data.datasets.folder import FolderDataset
from isegm.data.transforms import RandomView
from isegm.utils.files import read_image, write_image
from tests.drawn import draw_folder


def write_pair(root, name, mask, image_size=None, images="images", masks="masks", mask_ending=".png"):
    size = image_size or mask.shape
    write_image(root / images / f"{name}.jpg", np.zeros((*size, 3), np.uint8))
    write_image(root / masks / f"{name}{mask_ending}", mask.astype(np.uint8))


def test_ids_are_objects_and_255_is_ignored(tmp_path):
    mask = np.zeros((4, 6))
    mask[0, :3], mask[1, :2], mask[3, :4] = 1, 7, 255
    write_pair(tmp_path, "a", mask)
    sample = FolderDataset(tmp_path).get_sample(0)
    assert [sample.pixels(i).sum() for i in sample.objects_ids] == [3, 2]
    assert (sample.get_object_mask(0)[3, :4] == -1).all() and sample.sample_id == "a"


def test_a_0_255_mask_is_one_object(tmp_path):
    mask = np.zeros((4, 6))
    mask[1:3] = 255
    write_pair(tmp_path, "a", mask)
    sample = FolderDataset(tmp_path).get_sample(0)
    assert (sample.gt_mask == (mask > 0)).all()
    assert RandomView._object_box(sample.encoded_masks, np.random.default_rng(0)) is not None  # views find the object


@pytest.mark.parametrize("edge", [[128], [64, 128, 191]], ids=["unknown rim", "anti-aliased"])
def test_a_mask_with_a_soft_edge_is_refused(edge, tmp_path):
    mask = np.zeros((40, 40))
    for step, value in enumerate([*edge, 255], start=1):
        mask[step:-step, step:-step] = value
    write_pair(tmp_path, "a", mask)
    with pytest.raises(InputError, match=r"a\.png has more pixels of 255 than of .* as if 255 were the object"):
        FolderDataset(tmp_path).get_sample(0)


def test_ids_with_pixels_to_ignore_are_no_soft_edge(tmp_path):
    write_pair(tmp_path / "many", "a", np.append(np.arange(59), 255).reshape(6, 10))
    assert len(FolderDataset(tmp_path / "many").get_sample(0).objects_ids) == 58
    mask = np.full((6, 10), 255)
    mask[0, :2], mask[0, 2:4] = 1, 2
    write_pair(tmp_path / "few", "a", mask)
    assert len(FolderDataset(tmp_path / "few").get_sample(0).objects_ids) == 2


def parts(root):
    return ({image.name for image, _ in FolderDataset(root, part=part).pairs} for part in ("train", "val"))


def test_parts_share_nothing_and_cover_all(tmp_path):
    draw_folder(tmp_path, 70)
    training, validation = parts(tmp_path)
    assert not training & validation and len(training | validation) == 70
    assert 1 <= len(validation) <= 10
    assert len(get_dataset(f"folder:{tmp_path}:val", {})) == len(validation)


def test_an_image_stays_in_its_part_when_others_are_added(tmp_path):
    draw_folder(tmp_path, 70)
    training, _ = parts(tmp_path)
    draw_folder(tmp_path / "more", 9, seed=1)
    for kind in ("images", "masks"):
        for path in (tmp_path / "more" / kind).iterdir():
            path.rename(tmp_path / kind / f"0_{path.name}")
    assert training <= next(parts(tmp_path))


def test_copies_of_an_image_are_in_one_part(tmp_path):
    draw_folder(tmp_path, 6)
    for kind in ("images", "masks"):
        for path in sorted((tmp_path / kind).iterdir()):
            shutil.copy(path, path.with_name(f"copy_{path.name}"))
    training, validation = parts(tmp_path)
    assert {f"copy_{name}" for name in validation if "copy" not in name} == {n for n in validation if "copy" in n}
    assert len(training) == 12 - len(validation) and len(validation) % 2 == 0


def test_folders_of_one_name_are_told_apart(tmp_path):
    first, second = (FolderDataset(draw_folder(tmp_path / name / "photos", 3)) for name in "ab")
    assert first.name == second.name and first.fingerprint != second.fingerprint
    before = first.fingerprint
    (first.root / "images" / "00.png").rename(first.root / "images" / "new.png")
    (first.root / "masks" / "00.png").rename(first.root / "masks" / "new.png")
    assert FolderDataset(first.root).fingerprint != before


@pytest.mark.parametrize("changed", ["images/00.png", "masks/00.png"])
def test_an_edited_file_changes_the_fingerprint_and_a_new_date_does_not(tmp_path, changed):
    dataset = FolderDataset(draw_folder(tmp_path, 2))
    before, path = dataset.fingerprint, tmp_path / changed
    os.utime(path, (0, 0))
    assert dataset.fingerprint == before
    pixels = read_image(path)
    pixels[:5, :7] = 3
    write_image(path, pixels if changed.startswith("images") else pixels[..., 0])
    assert dataset.fingerprint != before


@pytest.mark.parametrize("changed", ["images/00.png", "masks/00.png"])
def test_an_edit_that_keeps_the_size_of_the_file_changes_the_fingerprint(tmp_path, changed):
    dataset = FolderDataset(draw_folder(tmp_path, 2))
    before, path = dataset.fingerprint, tmp_path / changed
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert dataset.fingerprint != before


@pytest.mark.parametrize(
    ("images", "masks", "reader", "empty"),
    [
        ("images", "masks", FolderDataset, 0),
        ("img", "gt", DavisDataset, 0),
        ("data_GT", "boundary_GT", GrabCutDataset, 128),
    ],
)
def test_empty_masks_are_known_before_their_turn(tmp_path, images, masks, reader, empty):
    for name, value in (("a", 200), ("b", empty), ("c", 200), ("d", empty)):
        mask = np.zeros((4, 6))
        mask[1:3] = value
        write_pair(tmp_path, name, mask, images=images, masks=masks)
    dataset = reader(tmp_path)
    dataset.check(1)
    with pytest.raises(InputError, match=rf"2 of 4 masks in .*{masks} hold no object: b.png, d.png; draw one"):
        dataset.check()
    with pytest.raises(InputError, match=r"1 of 3 masks"):
        dataset.check(3)


def test_a_mask_that_does_not_decode_is_known_before_its_turn(tmp_path):
    write_pair(tmp_path, "a", np.ones((4, 6)))
    (tmp_path / "masks" / "a.png").write_text("no image")
    with pytest.raises(InputError, match=r"a\.png does not decode"):
        FolderDataset(tmp_path).check()


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match=r"there is no data folder .*absent"):
        FolderDataset(tmp_path / "absent")
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"holds no images|there is no folder"):
        FolderDataset(tmp_path)


def test_images_without_masks_are_named_up_to_ten(tmp_path):
    draw_folder(tmp_path, 14)
    for path in sorted((tmp_path / "masks").iterdir())[:12]:
        path.unlink()
    with pytest.raises(InputError) as error:
        FolderDataset(tmp_path)
    message = str(error.value)
    assert "12 of 14 images" in message and "00.png" in message and "09.png" in message
    assert "10.png" not in message and "and 2 more" in message


def test_masks_without_images_are_named(tmp_path):
    draw_folder(tmp_path, 3)
    (tmp_path / "images" / "01.png").unlink()
    with pytest.raises(InputError, match=r"1 masks .* have no image of the same name: 01"):
        FolderDataset(tmp_path)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_two_files_of_one_name(kind, tmp_path):
    draw_folder(tmp_path, 3)
    write_image(tmp_path / kind / "01.bmp", np.zeros((72, 96), np.uint8))
    with pytest.raises(InputError, match=rf"{kind} holds several files of one name .*: 01;"):
        FolderDataset(tmp_path)


def test_names_pair_in_any_unicode_form(tmp_path):
    write_pair(tmp_path, normalize("NFD", "café"), np.eye(4))
    (tmp_path / "masks" / normalize("NFD", "café.png")).rename(tmp_path / "masks" / normalize("NFC", "café.png"))
    assert len(FolderDataset(tmp_path)) == 1 and FolderDataset(tmp_path).get_sample(0).objects_ids == [0]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_utf8(tmp_path):
    write_pair(tmp_path, os.fsdecode(b"caf\xe9"), np.eye(4))
    dataset = FolderDataset(tmp_path)
    dataset.check()
    assert dataset.fingerprint and dataset.get_sample(0).objects_ids == [0]


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("what", ["pipe", "loop", "nowhere", "folder"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has such files")
def test_what_is_no_regular_file_is_named_at_once(kind, what, tmp_path):
    write_pair(tmp_path, "a", np.eye(4))
    path = tmp_path / kind / "b.png"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if what == "loop" else tmp_path / "gone")
    with pytest.raises(InputError, match=rf"{kind} holds 1 entries that are no regular files .*: b\.png; remove"):
        FolderDataset(tmp_path)


def test_folders_that_link_to_themselves_are_missing(tmp_path):
    (tmp_path / "images").symlink_to(tmp_path / "images")
    with pytest.raises(InputError, match="there is no folder"):
        FolderDataset(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="there is no data folder"):
        FolderDataset(tmp_path / "loop")


def test_photos_in_formats_that_are_not_read_are_named(tmp_path):
    write_pair(tmp_path, "a", np.eye(4))
    (tmp_path / "images" / "a.nef").write_bytes(b"raw")  # beside its JPEG
    assert len(FolderDataset(tmp_path)) == 1
    (tmp_path / "images" / "b.HEIC").write_bytes(b"apple")
    with pytest.raises(InputError, match=r"images holds 1 photos in formats that are not read: b\.HEIC; convert"):
        FolderDataset(tmp_path)


def test_masks_that_are_jpegs_are_called_that(tmp_path):
    write_pair(tmp_path, "a", np.eye(4), mask_ending=".jpg")
    with pytest.raises(InputError, match=r"no mask of the same name in .*masks \(it holds a\.jpg, but only \.png, "):
        FolderDataset(tmp_path)


def test_a_mask_of_another_size(tmp_path):
    write_pair(tmp_path, "a", np.ones((4, 6)), image_size=(8, 6))
    with pytest.raises(InputError, match=r"a\.png is 6x4 pixels, its image a\.jpg 6x8"):
        FolderDataset(tmp_path).get_sample(0)


def test_an_empty_mask(tmp_path):
    write_pair(tmp_path, "a", np.zeros((4, 6)))
    with pytest.raises(InputError, match=r"a\.png holds no object"):
        FolderDataset(tmp_path).get_sample(0)


def test_a_mask_that_does_not_decode(tmp_path):
    write_pair(tmp_path, "a", np.ones((4, 6)))
    (tmp_path / "masks" / "a.png").write_text("no image")
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
    for name, key in (("DAVIS", "DAVIS_PATH"), ("COCO_MVal", "COCO_MVAL_PATH"), ("HARD", "HARD_PATH")):
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


def test_check_names_broken_images_together_and_says_that_a_jpeg_is_cut_off(tmp_path):
    root = draw_folder(tmp_path / "photos", 6)
    FolderDataset(root).check()
    for number in (1, 4):
        image = read_image(root / "images" / f"{number:02d}.png")
        (root / "images" / f"{number:02d}.png").unlink()
        path = root / "images" / f"{number:02d}.jpg"
        write_image(path, image)
        path.write_bytes(path.read_bytes()[: -path.stat().st_size // 2])
    with pytest.raises(InputError) as refused:
        FolderDataset(root).check()
    said = str(refused.value)
    assert said.startswith("2 of 6 images of photos cannot be used: ")
    assert said.count("JPEG file is cut off") == 2 and "01.jpg" in said and "04.jpg" in said
    FolderDataset(root).check(1)
    with pytest.raises(InputError, match=r"^\S+01\.jpg [^;]*cut off"):
        FolderDataset(root).check(3)
