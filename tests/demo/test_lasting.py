"""What must come about whatever else happens: files that were asked for, thresholds, no work for nobody."""

import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from isegm import InputError
from isegm.demo import inference_state as lives
from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.utils.files import read_mask, write_image
from tests.analytic import BlobModel, TinyModel
from tests.demo.clicked import CLICKS, SlowModel, mask_of, started
from tests.demo.scripted import as_data, drawn


def at(controller, threshold):
    controller.change(replace(controller.settings, threshold=threshold))


def reopened(place, model=None, **changes):
    controller = Controller(
        model or BlobModel(), settings=Settings(target_size=100, **changes), autosave=place / "auto"
    )
    controller.open(place / "photo.png")
    return controller


def test_what_is_saved_is_what_is_on_the_screen_also_while_another_image_is_opened(slow, place):
    write_image(place / "other.png", drawn((50, 60)))
    slow.model.gate.set()
    slow.click(*CLICKS[0])
    slow.finish()
    slow.wait()
    slow.open(place / "other.png")
    with pytest.raises(InputError, match="another image is being opened"):
        slow.save(place / "out.png", "id")
    slow.wait()
    assert not (place / "out.png").exists()


def test_closing_waits_for_files_that_were_asked_for(slow, place):
    slow.click(*CLICKS[0])
    slow.finish()
    slow.save(place / "out.png", "id")
    assert slow.saving
    threading.Timer(0.2, slow.model.gate.set).start()
    slow.close()
    assert read_mask(place / "out.png").any()


def test_what_is_about_to_be_saved_is_not_taken_back_before(slow, place):
    slow.click(*CLICKS[0])
    slow.finish()
    slow.save(place / "out.png", "id")
    with pytest.raises(InputError, match="a file is being saved with what is not yet done"):
        slow.undo()
    slow.model.gate.set()
    slow.wait()
    assert read_mask(place / "out.png").any()
    slow.undo()
    assert not slow.document.objects


@pytest.mark.parametrize("back", ["undo", "reset"])
def test_what_is_there_when_a_file_is_asked_for_is_saved_whatever_follows(back, slow, place):
    slow.model.gate.set()
    slow.click(*CLICKS[0])
    slow.finish()
    slow.click(*CLICKS[3])
    slow.wait()
    expected = slow.annotations(with_draft=True).labels()
    for number in range(3):  # those behind the first one wait for it
        slow.save(place / f"{number}.png", "id", with_draft=True)
    getattr(slow, back)()
    slow.wait()
    assert slow.draft is None
    for number in range(3):
        np.testing.assert_array_equal(read_mask(place / f"{number}.png"), expected)


@pytest.mark.parametrize("back", ["undo", "redo", "reset"])
def test_nothing_goes_back_while_a_file_awaits_clicks(back, slow, place):
    slow.click(*CLICKS[0])
    slow.click(*CLICKS[3])
    slow.undo()
    for number in range(2):
        slow.save(place / f"{number}.png", "id", with_draft=True)
    slow.model.gate.set()
    while slow.waiting:
        slow.poll()
    with pytest.raises(InputError, match="a file is being saved with what is not yet done"):
        getattr(slow, back)()
    slow.wait()
    for number in range(2):
        np.testing.assert_array_equal(read_mask(place / f"{number}.png") > 0, mask_of(slow))
    getattr(slow, back)()


def test_the_status_line_says_that_an_unfinished_object_is_not_in_a_file(slow, place):
    slow.model.gate.set()
    for click in (CLICKS[0], CLICKS[3]):
        slow.click(*click)
        slow.save(place / "out.png", "id")
        slow.wait()
        assert slow.notice == f"saved {place / 'out.png'} without what is in progress"
        slow.finish()
        slow.save(place / "out.png", "id")
        slow.wait()
        assert slow.notice == f"saved {place / 'out.png'}"
    slow.reopen(1)
    slow.save_folder(place / "all.json", "coco_rle")
    slow.wait()
    assert slow.notice == f"saved {place / 'all.json'} without what is in progress"


def test_a_file_that_cannot_be_written_is_told_at_closing_too(slow, place):
    slow.model.gate.set()
    slow.click(*CLICKS[0])
    slow.finish()
    (place / "folder.png").mkdir()
    slow.save(place / "folder.png", "id")
    with pytest.raises(InputError, match=r"folder\.png cannot be written"):
        slow.close()


def test_a_file_is_written_though_something_before_it_has_failed(slow, place):
    slow.model.gate.set()
    slow.click(*CLICKS[0])
    slow.finish()
    slow.wait()
    slow.model.gate.clear()
    slow.click(*CLICKS[1])
    slow.finish()
    slow.save(place / "out.png", "id")
    slow.model.failing = True
    slow.model.gate.set()
    with pytest.raises(RuntimeError, match="out of memory"):
        slow.wait()
    slow.wait()
    assert set(np.unique(read_mask(place / "out.png"))) == {0, 1} and not slow.in_progress


def test_clicks_that_are_taken_back_at_once_are_not_answered(slow):
    for _ in range(10):
        slow.click(*CLICKS[0])
        slow.undo()
    slow.click(*CLICKS[1])
    slow.model.gate.set()
    slow.wait()
    assert len(slow.draft.clicks) == 1 and slow.model.calls <= 2


def test_earlier_clicks_are_not_answered_again_for_what_is_taken_back(place, monkeypatch):
    monkeypatch.setattr(lives, "KEPT_BYTES", 1)
    controller = started(place, *CLICKS, *CLICKS, *CLICKS, model=SlowModel(), background=True)
    model = controller._predictor.model
    model.gate.set()
    controller.wait()
    for _ in range(3):
        controller.undo()  # what the network needs of these is not kept
    calls = model.calls
    model.gate.clear()
    controller.click(*CLICKS[0])
    controller.undo()
    controller.click(*CLICKS[1])
    model.gate.set()
    controller.wait()
    assert len(controller.draft.clicks) == 10 and model.calls - calls <= 11  # 10, and one that ran already
    controller.close()


def test_a_kill_while_the_threshold_changes_does_not_lose_it(place):
    controller = reopened(place)
    documents = []
    for click, threshold in zip(CLICKS, (0.4, 0.8), strict=False):
        controller.click(*click)
        at(controller, threshold)
        documents.append(as_data(controller.document))
    controller.close()
    (path,) = (place / "auto").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    asked = [
        number
        for number, line in enumerate(lines)
        if b'"threshold"' in line and b'"do"' in line and b"click" not in line
    ]
    assert len(asked) == 2
    for number, expected in zip(asked, documents, strict=True):
        path.write_bytes(b"".join(lines[: number + 1]))
        again = reopened(place)
        assert as_data(again.document) == expected and not again.warnings
        again.finish()
        again.close()
        last = reopened(place)
        assert len(last.document.objects) == 1 and not last.warnings
        last.close()


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(
    "steps",
    [
        (CLICKS[0], 0.8),
        (0.8, CLICKS[0]),
        (CLICKS[0], 0.3, 0.8, CLICKS[3], 0.6),
        (0.8, CLICKS[0], "finish", 0.3, CLICKS[3]),
        (CLICKS[0], 0.8, "finish", CLICKS[3], 0.3, "undo"),
    ],
)
def test_a_kill_while_clicks_wait_does_not_lose_what_the_threshold_was(steps, background, place):
    def carry_out(controller):
        for step in steps:
            if isinstance(step, str):
                getattr(controller, step)()
            elif isinstance(step, tuple):
                controller.click(*step)
            else:
                at(controller, step)
        return controller

    slow = carry_out(started(place, model=SlowModel(), background=True, autosave=place / "auto"))
    assert slow.waiting
    shutil.copytree(place / "auto", place / "killed")
    slow._predictor.model.gate.set()
    slow.close()
    again = started(place, autosave=place / "killed", background=background)
    again.wait()
    expected = carry_out(started(place))
    assert as_data(again.document) == as_data(expected.document) and not again.warnings
    assert again.settings.threshold == expected.settings.threshold
    again.close()


def test_a_click_that_waited_is_answered_at_the_threshold_of_then_after_a_restart_too(place):
    expected = reopened(place)
    at(expected, 0.9)
    expected.click(*CLICKS[0])
    expected.finish()
    region = expected.document.objects[0].region
    expected.close()
    (path,) = (place / "auto").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"of"' not in line))  # killed before the network answered
    again = reopened(place)
    assert again.document.objects[0].region.same(region)
    again.close()


def test_a_mask_that_was_clicked_at_several_thresholds_is_made_again_exactly(place, monkeypatch):
    monkeypatch.setattr(lives, "KEPT_BYTES", 1)
    masks = []
    for forget in (False, True):
        controller = started(place, model=TinyModel(), zoom_in=False)
        controller.load_mask(place / "middle.png")
        for threshold, click in zip((0.5, 0.35, 0.65, 0.5), CLICKS, strict=True):
            at(controller, threshold)
            controller.click(*click)
            if forget:
                controller._session._inference_state._steps.clear()
        masks.append(mask_of(controller))
    np.testing.assert_array_equal(*masks)


def test_walking_twice_goes_two_images_on(slow, place):
    for name in ("photo 2.png", "photo 3.png"):
        write_image(place / name, drawn((72, 96)))
    names = [path.name for path in slow.folder.images]
    slow.open(place / "photo.png")
    slow.wait()
    here = [path.name for path in slow.folder.images].index("photo.png")
    slow.walk(1)
    slow.walk(1)
    slow.wait()
    assert slow.image.name == [path.name for path in slow.folder.images][here + 2] and names
