"""Work on an image that was renamed, moved or copied is found again by the image's content."""

import json
import os
import shutil

import numpy as np
import pytest

from isegm.demo.controller import Controller
from isegm.demo.journal import journal_path
from isegm.demo.settings import Settings
from isegm.utils.files import write_image
from tests.analytic import BlobModel
from tests.demo.autosaved import CLICKS
from tests.demo.scripted import as_data, drawn, prepare


@pytest.fixture
def place(tmp_path):
    return prepare(tmp_path / "one")


@pytest.fixture
def auto(tmp_path):
    return tmp_path / "auto"


def at(path, auto):
    """A controller with an image open."""
    controller = Controller(BlobModel(), settings=Settings(zoom_in=False, target_size=100), autosave=auto)
    controller.open(path)
    return controller


@pytest.fixture
def work(place, auto):
    """An object and a click after it, autosaved; gives the document."""
    controller = at(place / "photo.png", auto)
    controller.click(*CLICKS[0])
    controller.finish()
    controller.click(*CLICKS[2])
    document = as_data(controller.document)
    controller.close()
    return document


def rename_image(place):
    return (place / "photo.png").rename(place / "renamed.png")


def rename_folder(place):
    return place.rename(place.parent / "zwei – 二") / "photo.png"


def move_image(place):
    (place.parent / "other").mkdir()
    return (place / "photo.png").rename(place.parent / "other" / "x.png")


def copy_folder(place):
    return shutil.copytree(place, place.parent / "copy") / "photo.png"


def rename_and_rate(place):
    path = rename_image(place)
    with open(path, "ab") as file:
        file.write(b"a rating")
    return path


@pytest.mark.parametrize("change", [rename_image, rename_folder, move_image, copy_folder, rename_and_rate])
def test_work_is_found_by_the_content_of_its_image_and_the_program_says_so(change, place, auto, work):
    path = change(place)
    for _ in range(2):
        controller = at(path, auto)
        assert as_data(controller.document) == work and controller.autosaves and not controller.warnings
        assert controller.can_undo and controller.notice.startswith("as you left it: 1 finished object and the one")
        controller.close()


def test_what_is_found_is_said_with_the_earlier_name(place, auto, work):
    path = rename_image(place)
    controller = at(path, auto)
    assert str(place / "photo.png") in controller.notice
    controller.close()
    controller = at(path, auto)
    assert str(place / "photo.png") not in controller.notice
    controller.close()


def test_work_follows_through_any_number_of_renames_and_is_kept_once(place, auto, work):
    path = place / "photo.png"
    for name in ("a.png", "b.png", "photo.png", "c.png"):
        path = path.rename(place / name)
        controller = at(path, auto)
        assert as_data(controller.document) == work
        controller.close()
    assert [each.name for each in auto.iterdir()] == [journal_path(auto, path).name]


def test_a_copied_folder_and_the_first_one_go_on_separately(place, auto, work):
    copy = copy_folder(place)
    controller = at(copy, auto)
    controller.finish()
    changed = as_data(controller.document)
    controller.close()
    first = at(place / "photo.png", auto)
    assert as_data(first.document) == work and "copy" not in first.notice
    first.close()
    again = at(copy, auto)
    assert as_data(again.document) == changed != work
    again.close()


def test_two_images_that_swap_their_names_keep_their_work(place, auto, work):
    write_image(place / "other.png", drawn() + np.uint8(1))
    controller = at(place / "other.png", auto)
    controller.click(*CLICKS[1])
    others = as_data(controller.document)
    controller.close()
    (place / "photo.png").rename(place / "x")
    (place / "other.png").rename(place / "photo.png")
    (place / "x").rename(place / "other.png")
    for name, expected in (("photo.png", others), ("other.png", work), ("photo.png", others)):
        controller = at(place / name, auto)
        assert as_data(controller.document) == expected
        controller.close()


def test_an_image_that_is_as_before_again_has_its_work_again(place, auto, work):
    content = (place / "photo.png").read_bytes()
    write_image(place / "photo.png", drawn() + np.uint8(1))
    controller = at(place / "photo.png", auto)
    assert controller.draft is None and "put aside" in controller.warnings[0]
    controller.close()
    (place / "photo.png").write_bytes(content)
    controller = at(place / "photo.png", auto)
    assert as_data(controller.document) == work
    controller.close()


def test_the_same_image_under_another_name_begins_anew_and_the_program_says_where_the_work_is(place, auto, work):
    shutil.copy(place / "photo.png", place / "twin.png")
    controller = at(place / "twin.png", auto)
    assert controller.document.objects == () and controller.draft is None
    assert str(place / "photo.png") in controller.notice and '"Load objects"' in controller.notice
    controller.load_annotations(journal_path(auto, place / "photo.png"))
    assert len(controller.document.objects) == 2
    controller.close()
    first = at(place / "photo.png", auto)
    assert as_data(first.document) == work
    first.close()


def test_an_image_that_is_renamed_while_it_is_open_goes_on(place, auto, work):
    controller = at(place / "photo.png", auto)
    path = rename_image(place)
    controller.open(path)
    assert as_data(controller.document) == work and controller.autosaves and not controller.warnings
    controller.click(*CLICKS[1])
    expected = as_data(controller.document)
    controller.close()
    again = at(path, auto)
    assert as_data(again.document) == expected
    again.close()


def test_work_that_another_window_goes_on_with_stays_there(place, auto, work):
    first = at(place / "photo.png", auto)
    second = at(rename_image(place), auto)
    assert "written to by another window" in second.warnings[0] and not second.autosaves
    first.click(*CLICKS[1])
    assert first.autosaves and not first.warnings
    first.close()
    second.close()


def test_a_file_of_all_images_has_the_work_on_moved_ones_that_were_not_opened_since(place, auto, work):
    write_image(place / "second.png", drawn() + np.uint8(1))
    controller = at(place / "second.png", auto)
    controller.click(*CLICKS[0])
    controller.finish()
    controller.close()
    for name in ("mask.png", "objects.png"):
        (place / name).unlink()
    moved = place.rename(place.parent / "two")
    (moved / "second.png").rename(moved / "zweites.png")
    write_image(moved / "a.png", drawn() + np.uint8(2))
    controller = at(moved / "a.png", auto)
    controller.save_folder(moved.parent / "all.json", "coco_rle")
    found = json.loads((moved.parent / "all.json").read_text())
    assert [each["file_name"] for each in found["images"]] == ["photo.png", "zweites.png"]
    assert len(found["annotations"]) == 2 and "photo.png" in controller.warnings[0]  # an object is not finished
    controller.close()


@pytest.mark.parametrize("first", [b"[]", b'{"isegm": 1}', b'{"isegm": 1, "size": 3, "picture": 7}', b"\xff", b""])
def test_odd_files_among_the_autosaved_ones_are_passed_over(first, place, auto, work):
    (auto / "odd.jsonl").write_bytes(first + b"\n{}\n")
    (auto / "folder.jsonl").mkdir()
    controller = at(rename_image(place), auto)
    assert as_data(controller.document) == work
    controller.close()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_passed_over(place, auto, work):
    (auto / "odd.jsonl").touch(mode=0)
    controller = at(rename_image(place), auto)
    assert as_data(controller.document) == work
    controller.close()


def test_damaged_work_is_found_too_and_said(place, auto, work):
    (path,) = auto.iterdir()
    path.write_bytes(path.read_bytes() + b"[]\n")
    controller = at(rename_image(place), auto)
    assert as_data(controller.document) == work and "is damaged in line" in controller.warnings[0]
    controller.close()
