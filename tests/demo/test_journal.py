"""Autosaved work: what a program that was closed, killed or disturbed in any other way comes back to."""

import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from isegm.demo import journal as journals
from isegm.demo.actions import Action
from isegm.demo.journal import default_folder, describe, journal_path, open_journal, read_journal
from isegm.utils.files import write_image
from tests.analytic import TinyModel
from tests.demo.autosaved import CLICKS, begun, begun_elsewhere, journal_of
from tests.demo.scripted import as_data, drawn, opened, perform, prepare, write_script


@pytest.fixture
def place(tmp_path):
    return prepare(tmp_path / "Fotos mit Käse")


def test_after_every_action_the_work_comes_back_with_its_history(place, tmp_path):
    controller = begun(place)
    steps, documents = write_script(3, 120, controller, place)
    controller.close()
    lines = journal_of(place).read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"of"' in line]
    assert len(ends) == len(steps)
    histories = []
    for count, end in enumerate(ends, start=1):
        path = tmp_path / "part.jsonl"
        path.write_bytes(b"".join(lines[: end + 1]))
        _, kept = read_journal(path)
        assert as_data(kept.history.present) == documents[count] and not kept.unfinished
        histories.append(kept.history)
    past = [as_data(each) for each in histories[-1]._past]
    resumed = begun(place)
    for expected in reversed(past):
        resumed.undo()
        assert as_data(resumed.document) == expected
    for expected in past[1:]:
        resumed.redo()
        assert as_data(resumed.document) == expected
    resumed.redo()
    assert as_data(resumed.document) == documents[-1]


@pytest.mark.parametrize("seed", [1, 2])
def test_work_goes_on_as_if_the_program_had_not_been_closed(place, seed):
    steps, documents = write_script(seed, 60, opened(place), place)
    for first in range(0, len(steps), 7):
        controller = begun(place)
        assert as_data(controller.document) == documents[first]
        for number, step in enumerate(steps[first : first + 7], start=first + 1):
            perform(controller, step)
            assert as_data(controller.document) == documents[number]
        controller.close()


def test_a_click_without_an_answer_is_answered_after_the_restart(place):
    controller = begun(place, background=True)
    for click in CLICKS:
        controller.click(*click)
    controller.undo()
    controller.close()
    resumed = begun(place, background=True)
    assert "the one in progress" in resumed.notice
    assert as_data(resumed.document) == as_data(begun_elsewhere(place, *CLICKS[:2]).document)
    resumed.redo()
    resumed.wait()
    assert as_data(resumed.document) == as_data(begun_elsewhere(place, *CLICKS).document)


@pytest.mark.parametrize(("key", "numbers"), [(b', "on_top": true', [1, 2]), (b"", [2, 1])])
def test_objects_that_an_earlier_version_opened_again_stay_where_they_were(key, numbers, place):
    controller = begun(place)
    for click in CLICKS[::2]:
        controller.click(*click)
        controller.finish()
    controller.reopen(1)
    controller.finish()
    controller.close()
    journal_of(place).write_bytes(journal_of(place).read_bytes().replace(key, b""))
    resumed = begun(place)
    assert [item.number for item in resumed.document.objects] == numbers and not resumed.warnings
    resumed.close()


def test_numbers_and_colours_of_numpy_are_kept_as_plain_ones(place):
    controller = begun(place, CLICKS[0])
    controller.color(np.array([1, 2, 3]))
    controller.finish()
    controller.reopen(np.int64(1))
    controller.color((np.uint8(4), np.uint8(5), np.uint8(6)))
    controller.finish()
    assert controller.document.objects[0].color == (4, 5, 6)
    controller.edit(np.int64(1), color=np.array([7, 8, 9]))
    expected = as_data(controller.document)
    controller.close()
    resumed = begun(place)
    assert as_data(resumed.document) == expected and not resumed.warnings
    resumed.remove(np.int64(1))
    assert not resumed.document.objects and resumed.autosaves
    resumed.close()


@pytest.mark.parametrize("redone", [1, 2])
def test_what_was_taken_back_before_its_answer_can_be_done_again_after_a_restart(place, redone):
    controller = begun(place, background=True)
    for click in CLICKS:
        controller.click(*click)
    controller.undo()
    controller.undo()
    for _ in range(redone):
        controller.redo()
    controller.close()
    resumed = begun(place)
    assert as_data(resumed.document) == as_data(begun_elsewhere(place, *CLICKS[: 1 + redone]).document)
    assert resumed.can_redo == (redone == 1)


def test_a_torn_last_line_does_not_count(place):
    controller = begun(place, *CLICKS)
    expected = as_data(controller.document)
    controller.close()
    path = journal_of(place)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for torn in (last[:1], last[:-1], b'{"of": 9', b"\xff\xfe\x00"):
        path.write_bytes(whole + torn)
        resumed = begun(place)
        assert as_data(resumed.document) == expected and not resumed.warnings
        resumed.close()
        assert path.read_bytes() == whole
    path.write_bytes(whole[:-1])  # the answer to the last click was not written whole
    resumed = begun(place)
    assert as_data(resumed.document) == expected
    resumed.close()


@pytest.mark.parametrize("content", [b"", b'{"isegm": 1, "pict'])
def test_a_torn_first_line_is_no_work(place, content):
    begun(place, CLICKS[0]).close()
    journal_of(place).write_bytes(content)
    controller = begun(place, CLICKS[0])
    assert not controller.warnings
    expected = as_data(controller.document)
    controller.close()
    assert as_data(begun(place).document) == expected


def test_two_windows_on_one_image_do_not_mix(place):
    first = begun(place, CLICKS[0])
    kept = journal_of(place).read_bytes()
    second = begun(place, CLICKS[1])
    (warning,) = second.warnings
    assert "written to by another window" in warning and not second.autosaves
    assert len(second.draft.clicks) == 1 and journal_of(place).read_bytes() == kept
    first.close()
    third = begun(place)
    assert as_data(third.document) == as_data(begun_elsewhere(place, CLICKS[0]).document) and third.autosaves
    third.close()


def test_the_second_of_two_windows_on_a_new_image_is_told_at_its_first_click(place):
    first, second = begun(place), begun(place)
    first.click(*CLICKS[0])
    second.click(*CLICKS[1])
    second.click(*CLICKS[2])
    (warning,) = second.warnings
    assert "written to by another window" in warning and len(second.draft.clicks) == 2
    assert first.autosaves and not second.autosaves
    first.close()
    assert as_data(begun(place).document) == as_data(begun_elsewhere(place, CLICKS[0]).document)


def test_a_window_on_a_changed_image_leaves_the_work_of_another_one_in_its_place(place):
    first = begun(place, CLICKS[0])
    write_image(place / "photo.png", drawn() + np.uint8(1))
    second = begun(place)
    assert "written to by another window" in second.warnings[0]
    first.click(*CLICKS[1])
    assert journal_of(place).read_bytes().count(b'"of"') == 2
    first.close()


def test_lines_that_another_window_adds_before_it_closes_are_not_cut_off(place, monkeypatch):
    first = begun(place, CLICKS[0])

    def late(path):
        found = read_journal(path)
        first.click(*CLICKS[1])
        first.close()
        return found

    monkeypatch.setattr(journals, "read_journal", late)
    begun(place).close()
    monkeypatch.undo()
    first.close()
    third = begun(place)
    assert as_data(third.document) == as_data(first.document)
    third.close()


def test_images_of_one_name_in_different_folders_have_their_own_work(tmp_path):
    controllers = []
    for number, name in enumerate(("a", "b"), start=1):
        place = prepare(tmp_path / name)
        controller = opened(place, autosave=tmp_path / "auto")
        for click in CLICKS[:number]:
            controller.click(*click)
        controllers.append(controller)
        controller.close()
    for controller, name in zip(controllers, ("a", "b"), strict=True):
        resumed = opened(tmp_path / name, autosave=tmp_path / "auto")
        assert as_data(resumed.document) == as_data(controller.document)
        resumed.close()
    assert len(list((tmp_path / "auto").iterdir())) == 2


def test_one_image_has_one_file_however_it_is_named(place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    names = ("photo.png", "./photo.png", f"../{place.name}/photo.png", str(place / "photo.png"))
    assert len({journal_path(tmp_path, type(place)(name)) for name in names}) == 1
    assert describe(type(place)(names[2]), "", "", (1, 1))["picture"] == names[3]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text_are_kept_too(place):
    path = place / os.fsdecode(b"caf\xe9.png")
    try:
        shutil.copy(place / "photo.png", path)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    for expected in (1, 2):
        controller = opened(place, autosave=place / "auto")
        controller.open(path)
        controller.click(*CLICKS[0])
        controller.finish()
        controller.edit(1, name="Käse \udcff \U0001f9c0")
        assert len(controller.document.objects) == expected and controller.autosaves
        assert controller.document.objects[0].name == "Käse \udcff \U0001f9c0"
        controller.close()


def broken_write(monkeypatch, after):
    """Let writing fail after some bytes, as on a full disk."""
    write = os.write
    left = [after]

    def limited(file, content):
        if len(content) <= left[0]:
            left[0] -= len(content)
            return write(file, content)
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part, left[0] = content[: left[0]], 0
        return write(file, part)

    monkeypatch.setattr(os, "write", limited)


def test_a_full_disk_is_told_once_and_work_goes_on(place, monkeypatch):
    controller = begun(place, CLICKS[0])
    broken_write(monkeypatch, 100)
    for click in CLICKS[1:]:
        controller.click(*click)
    controller.finish()
    (warning,) = controller.warnings
    assert f"{journal_of(place)} cannot be written" in warning and "make room" in warning
    assert len(controller.document.objects) == 1 and not controller.autosaves
    monkeypatch.undo()
    resumed = begun(place)  # the action that did not fit is cut off; what came before is there
    assert 1 <= len(resumed.draft.clicks) <= 2 and resumed.autosaves
    resumed.close()


def test_a_disk_that_does_not_take_what_was_written_is_told_once(place, monkeypatch):
    def refuse(file):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    controller = begun(place, *CLICKS, background=True)
    (warning,) = controller.warnings
    assert "cannot be written (Input/output error)" in warning and len(controller.draft.clicks) == 3
    controller.close()


def test_a_folder_that_cannot_be_made_is_told_once_and_work_goes_on(place):
    (place / "auto").write_text("a file")
    controller = begun(place, *CLICKS)
    (warning,) = controller.warnings
    assert "cannot be written" in warning and "--autosave" in warning and len(controller.draft.clicks) == 3
    assert not controller.autosaves


@pytest.mark.parametrize("refused", ["open", "ftruncate"])
def test_earlier_work_that_may_not_be_written_is_told_and_the_image_opens(place, refused, monkeypatch):
    begun(place, CLICKS[0]).close()

    real = getattr(os, refused)

    def refuse(file, how, *more):
        if refused == "open" and not how & os.O_WRONLY:
            return real(file, how, *more)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, refused, refuse)
    controller = begun(place)
    monkeypatch.undo()
    (warning,) = controller.warnings
    assert "cannot be opened for writing (Permission denied)" in warning and controller.image is not None
    resumed = begun(place)
    assert len(resumed.draft.clicks) == 1  # and it is not locked
    resumed.close()


def test_another_network_goes_on_from_what_is_seen(place):
    controller = begun(place, *CLICKS)
    seen = controller.draft.region
    controller.close()
    resumed = opened(place, TinyModel(), autosave=place / "auto")
    assert resumed.draft.region.same(seen)
    resumed.click(21, 16, True)
    assert (resumed.draft.region.mask() & seen.mask()).sum() == seen.area  # a positive click adds
    resumed.undo()
    assert resumed.draft.region.same(seen) and len(resumed.draft.clicks) == 3
    resumed.close()


def test_the_threshold_of_the_object_in_progress_comes_back(place):
    controller = begun(place, *CLICKS)
    controller.change(replace(controller.settings, threshold=0.8))
    controller.wait()
    expected = as_data(controller.document)
    controller.close()
    resumed = begun(place)
    assert resumed.settings.threshold == 0.8 and as_data(resumed.document) == expected
    resumed.close()


def test_the_same_image_can_be_opened_again(place):
    controller = begun(place, *CLICKS)
    expected = as_data(controller.document)
    controller.open(place / "photo.png")
    controller.wait()
    assert as_data(controller.document) == expected and controller.autosaves and not controller.warnings
    controller.click(*CLICKS[0])
    controller.close()
    assert len(begun(place).draft.clicks) == 4


def test_no_file_is_made_before_the_first_action(place):
    controller = begun(place)
    assert controller.autosaves and not (place / "auto").exists()


def test_the_first_line_says_which_image_it_is(place):
    begun(place, CLICKS[0]).close()
    header = json.loads(journal_of(place).read_bytes().splitlines()[0])
    assert header["picture"] == str(place / "photo.png") and header["size"] == [40, 56] and header["isegm"] == 1
    journal, kept, warning = open_journal(place / "auto", header)
    assert warning == "" and kept.last_id == 1
    assert journal.ask(Action("undo")) == 2
    journal.close()


@pytest.mark.parametrize(
    ("system", "variable", "below"),
    [
        (Unix, "XDG_STATE_HOME", ""),
        (Unix, "HOME", ".local/state"),
        (Windows, "LOCALAPPDATA", ""),
        (MacOS, "HOME", "Library/Application Support"),
    ],
)
def test_work_is_kept_where_the_system_wants_it(system, variable, below, monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.PlatformDirs", system)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("platformdirs.windows.get_win_folder", {"CSIDL_LOCAL_APPDATA": str(tmp_path)}.get)
    monkeypatch.setenv(variable, str(tmp_path))
    assert default_folder() == tmp_path / below / "isegm" / "autosave"
