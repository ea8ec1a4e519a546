"""Walking through the images of a folder."""

from pathlib import Path

import pytest

from isegm import InputError
from isegm.data.datasets.samples import IMAGES, image_path
from isegm.demo.image_folder import Folder


def touch(folder, *names):
    for name in names:
        (folder / name).touch()
    return folder


def names(folder):
    return [path.name for path in folder.images]


def test_images_come_in_the_order_in_which_people_count(tmp_path):
    touch(
        tmp_path,
        "b10.PNG",
        "B2.jpg",
        "a.tiff",
        "Bild 3²4.webp",
        "1².png",
        "ä.bmp",
        "b2_1.jpeg",
        "a2.png",
        "01.png",
        "1.png",
    )
    touch(tmp_path, "notes.txt", ".hidden.png", "mask.json")
    (tmp_path / "folder.png").mkdir()
    folder = Folder.of(tmp_path)
    numbers, letters = ["01.png", "1.png", "1².png"], ["a.tiff", "a2.png", "B2.jpg", "b2_1.jpeg", "b10.PNG"]
    assert names(folder) == [*numbers, *letters, "Bild 3²4.webp", "ä.bmp"]
    assert folder.present.name == "01.png"


def test_an_image_opens_its_folder_at_its_place(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "b.png", "c.gif")
    assert Folder.of(tmp_path / "b.png").index == 1
    odd = Folder.of(tmp_path / "c.gif")  # of another ending, but somebody asked for it
    assert names(odd) == ["a.png", "b.png", "c.gif"] and odd.index == 2
    monkeypatch.chdir(tmp_path)
    assert Folder.of("b.png").present == Path("b.png") and Folder.of("./b.png").index == 1


def test_the_sample_images_are_walked_through_without_the_test_patterns_beside_them():
    samples = [image_path(entry) for entry in IMAGES]
    folder = Folder.of(samples[2])
    assert set(folder.images) == set(samples) and folder.present == samples[2]
    assert Folder.of(samples[0].parent).images == folder.images
    other = next(path for path in sorted(samples[0].parent.glob("*.png")) if path not in samples)
    assert Folder.of(other).present == other  # somebody asked for it


def test_walking_ends_at_both_ends(tmp_path):
    folder = Folder.of(touch(tmp_path, "a.png", "b.png", "c.png"))
    assert [folder.moved(step).index for step in (-1, 0, 1, 2, 7)] == [0, 0, 1, 2, 2]
    assert folder.moved(2).moved(-1).present.name == "b.png"


def test_folders_without_images_are_named(tmp_path):
    with pytest.raises(InputError, match=r"there are no images in .*needs files that end in \.jpg"):
        Folder.of(tmp_path)
    with pytest.raises(InputError, match=r"the folder .*missing cannot be read"):
        Folder.of(tmp_path / "missing" / "a.png")


def test_what_was_saved_beside_an_image_is_none_of_the_images(tmp_path):
    kept = ["cat.jpg", "dog.png", "dog_mask2.png", "fox_mask.png"]
    for name in [*kept, "cat_mask.png", "cat_id.PNG", "dog_overlay.png", "dog_palette.png"]:
        (tmp_path / name).touch()
    assert [path.name for path in Folder.of(tmp_path).images] == kept
    opened = Folder.of(tmp_path / "cat_mask.png")
    assert opened.present == tmp_path / "cat_mask.png" and len(opened.images) == 5
