"""Large, deep, grey and oddly named images, unwritable folders: they work, or a dialog says why not."""

import errno
import json
import os

import cv2
import numpy as np
import pytest

from isegm.annotations.formats import FORMATS
from isegm.utils.files import read_mask

BOX = (slice(15, 50), slice(25, 70))


def encoded(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def levels(dtype, dark, bright):
    pixels = np.full((72, 96), dark, dtype)
    pixels[BOX] = bright
    return pixels


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("grey.png", levels(np.uint8, 30, 200)),
        ("16 bit of which 12 are used.tif", levels(np.uint16, 300, 3900)),
        ("16 bit colour.tif", np.stack([levels(np.uint16, 4000, 60000)] * 3, axis=-1)),
        ("16 bit.png", levels(np.uint16, 4000, 60000)),
        ("Straße mit Bäumen 木.jpg", levels(np.uint8, 30, 200)),
        ("alpha.png", np.stack([levels(np.uint8, 30, 200)] * 4, axis=-1)),
    ],
)
def test_images_of_all_kinds_are_annotated_saved_and_found_again(name, pixels, drive, answer, tmp_path):
    path = encoded(tmp_path / "Ordner mit Wörtern" / name, pixels)
    user = drive(path=path)
    assert not user.warnings
    image = user.controller.image.pixels
    assert image.shape == (72, 96, 3) and image[30, 40].mean() > 150 > 80 > image[5, 5].mean()
    user.left(40, 30)
    user.key("space")
    region = user.controller.document.objects[0].region
    assert region
    for kind, form in FORMATS.items():
        out = path.parent / f"Maß {kind}{form.ending}"
        answer(asksaveasfilename=str(out))
        user.save_as(form.label)
        assert out.is_file()
    np.testing.assert_array_equal(read_mask(path.parent / "Maß id.png") > 0, region.mask())
    assert json.loads((path.parent / "Maß coco_rle.json").read_text("utf-8"))["images"][0]["file_name"] == name
    user.press("Exit")
    again = drive(path=path)
    assert again.controller.document.objects[0].region.same(region) and not again.warnings


def test_levels_of_deep_images_are_stretched_and_the_window_says_so(drive, tmp_path):
    user = drive(path=encoded(tmp_path / "deep.tif", levels(np.uint16, 300, 3900)))
    assert user.program.status.left["text"] == "levels 300 to 3900 of the file are shown as 0 to 255"


@pytest.mark.long
def test_an_image_of_30_megapixels_is_clicked_corrected_and_saved(drive, answer, tmp_path):
    image = np.full((4480, 6720, 3), 40, np.uint8)
    image[1000:3000, 2000:5000] = 200
    user = drive(path=encoded(tmp_path / "large.jpg", image))
    user.left(3000, 2000)
    user.right(4500, 2500)
    user.key("Control-z")
    user.key("Control-y")
    user.wheel(4, 3000, 2000, times=15)
    user.left(3010, 2010)
    assert [click.coords for click in user.controller.draft.clicks][2] == pytest.approx((2010, 3010), abs=1)
    user.key("space")
    answer(asksaveasfilename=str(tmp_path / "out.png"))
    user.save_as(FORMATS["id"].label)
    region = user.controller.document.objects[0].region
    np.testing.assert_array_equal(read_mask(tmp_path / "out.png") > 0, region.mask())
    assert region.area > 100_000 and not user.warnings


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cut off.jpg", b"\xff\xd8\xff\xe0", "does not decode as an image"),
        ("empty.png", b"", "does not decode as an image"),
        ("missing.png", None, "there is no image file"),
    ],
)
def test_what_is_no_image_is_told_and_the_one_before_stays(name, content, sentence, drive, tmp_path):
    user = drive()
    user.left(40, 30)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    user.open(tmp_path / name)
    assert len(user.warnings) == 1 and sentence in user.warnings[0][0].lower() + user.warnings[0][1:]
    assert name in user.warnings[0]
    assert user.controller.image.name == "photo.png" and len(user.controller.draft.clicks) == 1
    user.left(50, 35)
    assert len(user.controller.draft.clicks) == 2


def test_a_folder_without_images_is_told(drive, answer, tmp_path):
    (tmp_path / "notes").mkdir()
    user = drive()
    answer(askdirectory=str(tmp_path / "notes"))
    user.press("Load folder")
    assert user.warnings[0].startswith("There are no images in ")


@pytest.fixture
def read_only(monkeypatch):
    """Make a folder read-only, for super-users too."""
    really_open = os.open

    def make(folder):
        def refuse(path, flags, *args, **kwargs):
            if flags & (os.O_WRONLY | os.O_RDWR) and str(path).startswith(str(folder)):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return really_open(path, flags, *args, **kwargs)

        monkeypatch.setattr(os, "open", refuse)

    return make


def test_images_in_a_read_only_folder_are_annotated_and_saving_there_is_refused(
    drive, answer, photo, read_only, tmp_path
):
    read_only(photo.parent)
    user = drive()
    user.left(40, 30)
    user.key("space")
    answer(asksaveasfilename=str(photo.parent / "mask.png"))
    user.press("Save mask")
    assert len(user.warnings) == 1
    assert "mask.png cannot be written (Read-only file system): choose another folder" in user.warnings[0]
    assert list(photo.parent.iterdir()) == [photo]
    answer(asksaveasfilename=str(tmp_path / "mask.png"))
    user.press("Save mask")
    assert read_mask(tmp_path / "mask.png").any() and user.controller.autosaves


def test_where_nothing_can_be_autosaved_one_dialog_says_so_and_the_work_goes_on(drive, read_only, tmp_path):
    read_only(tmp_path / "autosave")
    user = drive()
    user.left(40, 30)
    user.left(50, 35)
    user.key("space")
    assert len(user.warnings) == 1 and "--autosave" in user.warnings[0] and "not autosaved" in user.warnings[0]
    assert len(user.controller.document.objects) == 1 and not user.controller.autosaves
