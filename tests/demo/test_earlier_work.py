"""Earlier work on images that have changed, in files that are damaged, removed or locked, and its export."""

import errno
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from isegm.demo import image_loading
from isegm.demo import journal as journals
from isegm.demo.inference_state import build_predictor
from isegm.demo.journal import journal_path
from isegm.demo.settings import Settings
from isegm.utils.errors import InputError
from isegm.utils.files import write_image
from tests.analytic import BlobModel
from tests.demo.autosaved import CLICKS, begun, begun_elsewhere, journal_of, journal_of_aside
from tests.demo.scripted import as_data, drawn, opened, prepare


@pytest.fixture
def place(tmp_path):
    return prepare(tmp_path / "Fotos mit Käse")


@pytest.mark.parametrize(
    "damaged",
    [b"\x00\x00\x00\n", b"[]\n", b'{"of": 99}\n', b'{"id": 2, "do": "dance", "values": {}}\n{"of": 2}\n', b"{}\n"],
)
def test_what_is_before_a_damaged_line_comes_back_and_a_copy_is_put_aside(place, damaged):
    begun(place, *CLICKS).close()
    path = journal_of(place)
    lines = path.read_bytes().splitlines(keepends=True)
    torn = b'{"of'
    content = b"".join([*lines[:3], damaged, *lines[3:], torn])
    path.write_bytes(content)
    controller = begun(place)
    (warning,) = controller.warnings
    assert f"{path} is damaged in line 4 (" in warning
    assert (
        f"the last {4 + len(damaged.splitlines())} lines were lost" in warning
        and f"A copy is {journal_of_aside(place, 1)}." in warning
    )
    assert journal_of_aside(place, 1).read_bytes() == content
    assert controller.autosaves and len(controller.draft.clicks) == 1
    controller.click(*CLICKS[1])
    expected = as_data(controller.document)
    controller.close()
    resumed = begun(place)
    assert as_data(resumed.document) == expected and not resumed.warnings
    resumed.close()


def test_a_line_that_is_damaged_in_its_outcome_changes_nothing(place):
    begun(place, *CLICKS).close()
    path = journal_of(place)
    *lines, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines) + last.replace(b'"bits"', b'"bats"'))
    controller = begun(place)
    assert "the last line was lost" in controller.warnings[0]
    assert as_data(controller.document) == as_data(begun_elsewhere(place, *CLICKS).document)  # it is answered again
    controller.close()


@pytest.mark.parametrize("first", [b"\x00\x00\n", b"[]\n", b'{"isegm": 1}\n'])
def test_a_file_with_a_damaged_first_line_is_put_aside(place, first):
    begun(place, *CLICKS).close()
    path = journal_of(place)
    content = first + b"".join(path.read_bytes().splitlines(keepends=True)[1:])
    path.write_bytes(content)
    controller = begun(place, CLICKS[0])
    aside = journal_of_aside(place, 1)
    assert controller.warnings == [f"{path} is damaged in its first line: it was put aside as {aside}."]
    assert aside.read_bytes() == content and controller.autosaves and len(controller.draft.clicks) == 1
    controller.close()


def test_work_on_an_image_that_has_changed_is_put_aside(place):
    for number in (1, 2):
        begun(place, CLICKS[0]).close()
        kept = journal_of(place).read_bytes()
        write_image(place / "photo.png", drawn() + np.uint8(number))
        controller = begun(place)
        (warning,) = controller.warnings
        aside = journal_of_aside(place, number)
        assert "the image has changed" in warning and str(aside) in warning
        assert aside.read_bytes() == kept and controller.draft is None and controller.autosaves
        controller.close()


def test_an_image_of_which_only_metadata_changed_keeps_its_work(place):
    begun(place, *CLICKS).close()
    for _ in range(2):
        with open(place / "photo.png", "ab") as file:
            file.write(b"a rating")
        controller = begun(place)
        assert len(controller.draft.clicks) == 3 and not controller.warnings
        controller.close()


def test_an_image_that_is_decoded_in_another_way_keeps_its_work(place, monkeypatch):
    begun(place, *CLICKS).close()
    monkeypatch.setattr(image_loading, "_shown", lambda image: "0")
    controller = begun(place)
    assert len(controller.draft.clicks) == 3 and not controller.warnings
    controller.close()


def test_objects_of_work_that_was_put_aside_can_be_loaded(place):
    controller = begun(place, CLICKS[0])
    controller.finish()
    controller.edit(1, name="Mia", color=(1, 2, 3))
    controller.click(*CLICKS[2])
    expected = as_data(controller.document.concluded())[1]
    controller.close()
    write_image(place / "photo.png", drawn() + np.uint8(1))
    controller = begun(place)
    aside = journal_of_aside(place, 1)
    assert f'{aside}, which "Load objects" reads' in controller.warnings[0]
    controller.load_annotations(aside)
    assert as_data(controller.document)[1] == expected and len(expected) == 2
    controller.close()
    with pytest.raises(InputError, match=r"1\.old is for an image of 56x40 pixels, this one has 40x56"):
        image_loading.read_new_objects(str(aside), "a.png", (56, 40), ())
    content = aside.read_bytes()
    aside.write_bytes(content + b"[]\n")
    with pytest.raises(InputError, match=r"1\.old is damaged in line \d+ .*: take out that line"):
        image_loading.read_new_objects(str(aside), "a.png", (40, 56), ())
    aside.write_bytes(content.splitlines()[0])
    with pytest.raises(InputError, match=r"1\.old has no objects"):
        image_loading.read_new_objects(str(aside), "a.png", (40, 56), ())


def test_a_file_that_is_removed_while_its_image_is_open_is_told_once(place):
    controller = begun(place, CLICKS[0])
    journal_of(place).unlink()
    for click in CLICKS[1:]:
        controller.click(*click)
    (warning,) = controller.warnings
    assert "was removed while its image is open: save the objects" in warning
    assert not controller.autosaves and len(controller.draft.clicks) == 3


def failing_lock(monkeypatch):
    def refuse(file):
        files.append(file)
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    files = []
    monkeypatch.setattr(journals, "lock_file", refuse)
    return files


def test_where_files_cannot_be_locked_none_is_left_open_or_empty(place, monkeypatch):
    files = failing_lock(monkeypatch)
    controller = begun(place, *CLICKS)
    (warning,) = controller.warnings
    assert os.strerror(errno.ENOLCK) in warning and not controller.autosaves and list((place / "auto").iterdir()) == []
    monkeypatch.undo()
    begun(place, CLICKS[0]).close()
    files += failing_lock(monkeypatch)
    controller = begun(place)
    assert os.strerror(errno.ENOLCK) in controller.warnings[0] and journal_of(place).stat().st_size
    for file in files:
        with pytest.raises(OSError):
            os.fstat(file)


def read(place):
    predictor = build_predictor(BlobModel(), "cpu", Settings(zoom_in=False, target_size=100))
    return image_loading.open_image(place / "photo.png", predictor, place / "auto", None)


def test_an_image_that_is_opened_and_not_used_gives_its_file_back(place):
    begun(place, CLICKS[0]).close()
    opened = read(place)
    assert read(place).journal is None
    opened.close()
    again = read(place)
    assert again.journal is not None and again.warning == ""
    again.close()
    replace(again, journal=None).close()


@pytest.mark.parametrize("part", ["Pyramid", "Folder", "InferenceState"])
def test_an_image_that_cannot_be_opened_leaves_its_work_to_others(place, part, monkeypatch):
    begun(place, CLICKS[0]).close()

    class Refusing:
        of = __init__ = lambda *_: 1 // 0

    with monkeypatch.context() as patch:
        patch.setattr(image_loading, part, Refusing)
        with pytest.raises(ZeroDivisionError) as error:
            read(place)
    opened = read(place)  # while the error keeps all that was there
    assert opened.journal is not None and error is not None
    opened.close()


def test_an_image_that_vanishes_while_it_is_opened_is_told(place, monkeypatch):
    def vanish(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(image_loading, "sha256", vanish)
    controller = begun(place, CLICKS[0])
    (warning,) = controller.warnings
    assert "photo.png cannot be read (No such file or directory)" in warning and warning.endswith("not autosaved.")


def annotated(place):
    """Four images with an object each, the first one open."""
    controller = opened(place, autosave=place / "auto")
    names = [f"{letter}.png" for letter in "abcd"]
    for name in reversed(names):
        shutil.copy(place / "photo.png", place / name)
        controller.open(place / name)
        controller.click(*CLICKS[0])
        controller.finish()
    controller.open(place / "a.png")
    return controller


def exported(controller, place):
    found, warning = image_loading.annotations_in(controller.folder, place / "auto", controller.annotations())
    return [each.image_name for each in found], warning


def test_images_that_have_changed_are_not_exported(place):
    controller = annotated(place)
    assert exported(controller, place) == (["a.png", "b.png", "c.png", "d.png"], "")
    with open(place / "b.png", "ab") as file:
        file.write(b"a rating")
    write_image(place / "c.png", drawn() + np.uint8(1))
    (place / "d.png").unlink()
    names, warning = exported(controller, place)
    assert names == ["a.png", "b.png"]
    assert "objects of what has changed since or is gone in 2 of the images (c.png, d.png)." in warning
    controller.close()


def test_objects_that_are_not_finished_and_damage_are_told_at_an_export(place):
    controller = annotated(place)
    for name, click in (("b.png", CLICKS[1]), ("c.png", CLICKS[2])):
        controller.open(place / name)
        controller.click(*click)
    controller.open(place / "a.png")
    with open(journal_path(place / "auto", place / "d.png"), "ab") as file:
        file.write(b"[]\n")
    names, warning = exported(controller, place)
    assert names == ["a.png", "b.png", "c.png", "d.png"]
    assert "objects that are not finished in 2 of the images (b.png, c.png); what follows a damaged line" in warning
    assert "(d.png). Open these images" in warning
    controller.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has pipes")
def test_pipes_are_neither_images_nor_objects_nor_masks(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    for read in (
        lambda path: image_loading.read_new_objects(path, "a.png", (40, 56), ()),
        lambda path: image_loading.read_start(path, (40, 56), 0.5),
        image_loading.read_stretched,
    ):
        with pytest.raises(InputError, match=r"x\.png cannot be read \(it is a folder, a pipe or a device\)"):
            read(str(tmp_path / "x.png"))
