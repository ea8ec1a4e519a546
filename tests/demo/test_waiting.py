"""Undo and redo in the interactive program, and what waits for its network."""

from dataclasses import replace

import numpy as np
import pytest

from isegm import InputError
from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.utils.files import write_image
from tests.analytic import BlobModel, EncodeOnceModel
from tests.demo.clicked import CLICKS, SlowModel, mask_of, pixels, probs_of, started
from tests.demo.scripted import as_data, drawn, opened, perform, prepare, write_script
from tests.segnext import small_segnext

# Undo and redo


@pytest.mark.parametrize("seed", range(6))
def test_everything_can_be_undone_and_done_again(seed, tmp_path):
    place = prepare(tmp_path)
    controller = opened(place)
    steps, documents = write_script(seed, 90, controller, place)
    assert len({name for name, *_ in steps}) >= 8
    while controller.can_redo:
        controller.redo()
    path = [as_data(controller.document)]
    while controller.can_undo:
        controller.undo()
        path.append(as_data(controller.document))
    assert path[-1] == documents[0] and all(state in documents for state in path)
    controller.undo()
    for expected in reversed(path[:-1]):
        controller.redo()
        assert as_data(controller.document) == expected
    controller.redo()
    for expected in path[1:10]:
        controller.undo()
        assert as_data(controller.document) == expected


@pytest.mark.parametrize("seed", range(12))
def test_a_script_comes_to_the_same_however_slow_the_network_is(seed, tmp_path):
    place = prepare(tmp_path)
    steps, documents = write_script(seed, 70, opened(place), place)
    rng = np.random.default_rng(seed)
    controller = opened(place, background=True, autosave=place / "auto")
    for number, step in enumerate(steps, start=1):
        perform(controller, step)
        for _ in range(rng.integers(0, 3) if seed % 2 else 0):
            controller.poll()
        if number % 35 == 0:
            controller.wait()
            assert as_data(controller.document) == documents[number]
    assert not controller.warnings
    controller.close()


def test_undo_goes_back_exactly_and_what_follows_is_as_if_it_had_not_happened(place):
    controller = started(place, *CLICKS[:3])
    controller.undo()
    np.testing.assert_array_equal(probs_of(controller), probs_of(started(place, *CLICKS[:2])))
    controller.click(*CLICKS[3])
    np.testing.assert_array_equal(probs_of(controller), probs_of(started(place, *CLICKS[:2], CLICKS[3])))
    assert not controller.can_redo
    for _ in range(5):
        controller.undo()
    assert not controller.in_progress and probs_of(controller) is None and controller.document.selection is None


def test_undo_after_a_loaded_mask_comes_back_to_the_mask_and_then_to_what_was_before(place):
    controller = started(place, CLICKS[1])
    controller.load_mask(place / "middle.png")
    controller.click(*CLICKS[0])
    controller.undo()
    np.testing.assert_array_equal(mask_of(controller), pixels(place / "middle.png"))
    assert controller.draft.clicks == ()
    controller.undo()
    assert len(controller.draft.clicks) == 1
    controller.undo()
    assert not controller.in_progress


def test_a_click_that_is_taken_back_and_done_again_survives_the_next_one(slow, place):
    slow.click(*CLICKS[0])
    slow.undo()
    assert slow.waiting == () and not slow.in_progress and slow.can_redo
    slow.redo()
    slow.click(*CLICKS[1])
    slow.model.gate.set()
    slow.wait()
    assert as_data(slow.document) == as_data(started(place, *CLICKS[:2]).document)


def test_undo_and_redo_do_not_wait_for_files(place):
    controller = started(place, *CLICKS[:2], background=True)
    controller.wait()
    before = as_data(controller.document)
    controller.save(place / "out.png", "id", with_draft=True)
    controller.undo()
    assert len(controller.draft.clicks) == 1 and controller.can_redo
    controller.redo()
    assert as_data(controller.document) == before
    controller.wait()
    np.testing.assert_array_equal(pixels(place / "out.png"), mask_of(controller))
    controller.close()


def test_a_partial_finish_of_what_is_being_finished_begins_nothing(slow):
    slow.click(*CLICKS[0])
    slow.finish()
    slow.partially_finish()
    slow.model.gate.set()
    slow.wait()
    assert slow.draft is None and len(slow.document.objects) == 1
    slow.undo()
    assert len(slow.draft.clicks) == 1


# What waits for the network


def test_answers_that_are_not_wanted_any_more_are_dropped(slow, place):
    write_image(place / "small.png", drawn((40, 50)))
    slow.click(*CLICKS[0])
    assert slow.busy == "the network is working" and [click.coords for click in slow.waiting] == [(30.0, 40.0)]
    slow.draw_box(20, 15, 70, 60)
    assert [getattr(move, "kind", "click") for move in slow.waiting] == ["click", "box"]
    slow.reset()
    assert not slow.in_progress and not slow.busy
    slow.click(*CLICKS[0])
    slow.undo()
    slow.open(place / "small.png")
    slow.model.gate.set()
    slow.wait()
    assert slow.document.size == (40, 50) and not slow.in_progress and not slow.can_undo
    slow.click(10, 10, True)
    slow.wait()
    assert mask_of(slow).shape == (40, 50)


def test_reset_forgets_the_clicks_that_wait_but_not_what_was_finished_before_them(slow):
    for action in (slow.finish, slow.partially_finish, slow.reset):
        slow.click(*CLICKS[0])
        action()
    slow.model.gate.set()
    slow.wait()
    assert len(slow.document.objects) == 1 and slow.draft is None
    slow.undo()
    assert slow.document.objects == () and len(slow.draft.clicks) == 1


def test_a_network_that_fails_drops_what_waits_and_work_goes_on(place):
    model = SlowModel()
    controller = Controller(model, settings=Settings(target_size=100), background=True, autosave=place / "auto")
    controller.open(place / "photo.png")
    controller.wait()
    model.gate.set()
    controller.click(*CLICKS[0])
    controller.wait()
    before = as_data(controller.document)
    model.failing = True
    controller.click(*CLICKS[1])
    controller.click(*CLICKS[2])
    controller.finish()
    with pytest.raises(RuntimeError, match="out of memory"):
        controller.wait()
    assert not controller.busy and as_data(controller.document) == before and controller.autosaves
    model.failing = False
    controller.click(*CLICKS[3])
    controller.wait()
    after = as_data(controller.document)
    controller.close()
    resumed = Controller(BlobModel(), settings=Settings(target_size=100), autosave=place / "auto")
    resumed.open(place / "photo.png")
    assert as_data(resumed.document) == after and not resumed.warnings and not resumed.can_redo


def test_the_threshold_holds_for_what_was_asked_for_before_and_after_it(slow, place):
    waited = started(place)
    for controller in (waited, slow):
        controller.click(*CLICKS[0])
        controller.click(*CLICKS[3])
        controller.finish()
        controller.change(replace(controller.settings, threshold=0.8))
        controller.click(*CLICKS[2])
        controller.change(replace(controller.settings, threshold=0.9))
        controller.change(replace(controller.settings, threshold=0.3))
        controller.finish()
        controller.click(*CLICKS[1])
        controller.change(replace(controller.settings, threshold=0.6))
    slow.model.gate.set()
    slow.wait()
    assert as_data(slow.document) == as_data(waited.document) and slow.draft.threshold == 0.6
    areas = [item.region.area for item in waited.document.objects]
    assert areas[0] == mask_of(started(place, CLICKS[0], CLICKS[3])).sum()
    assert areas[1] == mask_of(started(place, CLICKS[2], threshold=0.3)).sum()


def test_an_undone_object_follows_the_threshold_that_has_changed_meanwhile(slow):
    slow.model.gate.set()
    slow.click(*CLICKS[0])
    slow.click(*CLICKS[1])
    slow.wait()
    slow.change(replace(slow.settings, threshold=0.8))
    slow.undo()  # the answer for the newer draft is for nobody now
    slow.wait()
    assert slow.draft.threshold == 0.8 and len(slow.draft.clicks) == 1
    np.testing.assert_array_equal(mask_of(slow), probs_of(slow) > 0.8)


def test_what_is_done_again_follows_the_threshold_before_it_is_finished(place):
    controllers = started(place, *CLICKS[:2]), started(place, *CLICKS[:2], background=True)
    controllers[1].wait()
    for controller in controllers:
        controller.change(replace(controller.settings, threshold=0.8))
        controller.undo()
        controller.redo()
        controller.finish()
        controller.wait()
    controllers[1].close()
    waited, fast = (controller.document for controller in controllers)
    assert as_data(fast) == as_data(waited)
    expected = mask_of(started(place, *CLICKS[:2], threshold=0.8))
    np.testing.assert_array_equal(fast.objects[0].region.mask(), expected)


def test_objects_of_segnext_share_one_encoding_of_the_whole_image(place):
    model, seen = small_segnext(), []
    model.backbone.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    controller = started(place, model=model, **vars(Settings.for_model(model)))
    for _ in range(2):
        controller.click(*CLICKS[0])
        controller.click(*CLICKS[1])
        controller.undo()
        controller.redo()
        controller.finish()
    controller.click(*CLICKS[0])
    controller.reset()
    controller.click(*CLICKS[1])
    assert seen == [1]
    for name in ("zoom_in", "skip_clicks", "brs_mode"):
        assert name in controller.unavailable
    inference = controller.settings.inference
    assert (inference.zoom_in, inference.flip, inference.max_size) == (None, False, None)


def test_while_another_image_is_opened_nothing_is_done_to_this_one(slow, place):
    slow.open(place / "photo.png")
    assert slow.opening and slow.busy == "opening photo.png"
    with pytest.raises(InputError, match="another image is being opened"):
        slow.click(*CLICKS[0])
    slow.model.gate.set()
    slow.wait()
    assert not slow.opening


def test_a_network_that_encodes_once_does_so_when_the_image_is_opened(place):
    model = EncodeOnceModel()
    controller = started(place, model=model, zoom_in=False)
    encoded = model.encoded
    assert encoded > 0
    for click in CLICKS:
        controller.click(*click)
    controller.finish()
    controller.click(*CLICKS[0])
    assert model.encoded == encoded
