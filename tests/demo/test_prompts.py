"""Boxes, scribbles and lassos in the interactive program: one step each, kept like clicks."""

import json

import numpy as np
import pytest

from isegm import InputError
from isegm.demo.controller import Controller
from isegm.demo.scene import scene_of
from isegm.demo.settings import Settings
from isegm.inference.predictor import Predictor
from tests.analytic import BlobModel, TinyModel
from tests.demo.clicked import SIZE, mask_of, prepared, probs_of, started
from tests.demo.scripted import drawn

LASSO = [(30, 20), (80, 25), (75, 70), (32, 60)]
SCRIBBLE = [(30, 30), (45, 35), (60, 33)]


@pytest.fixture
def place(tmp_path):
    return prepared(tmp_path)


@pytest.mark.parametrize("background", [False, True])
def test_each_prompt_gives_what_the_predictor_gives(place, background):
    controller = started(place, model=TinyModel(), background=background)
    predictor = Predictor(TinyModel(), settings=controller.settings.inference, threshold=0.5)
    predictor.set_image(drawn(SIZE))
    controller.draw_box(70, 60, 20, 15)
    controller.wait()
    _, probs = predictor.predict(box=(20, 15, 71, 61))
    np.testing.assert_array_equal(probs_of(controller), probs)
    controller.click(40, 30, True)
    controller.draw_lasso(LASSO)
    controller.wait()
    predictor.predict(points=[(40, 30)], labels=[1])
    _, probs = predictor.predict(polygon=LASSO)
    np.testing.assert_array_equal(probs_of(controller), probs)
    controller.draw_scribble(SCRIBBLE, False)
    controller.wait()
    _, probs = predictor.predict(scribbles=[(SCRIBBLE, 0)])
    np.testing.assert_array_equal(probs_of(controller), probs)
    assert [prompt.kind for prompt in controller.draft.prompts] == ["box", "polygon", "scribble"]


def test_undo_and_redo_take_a_box_as_one_step(place):
    controller = started(place, (40, 30, True))
    before = mask_of(controller)
    controller.draw_box(20, 15, 70, 60)
    after = mask_of(controller)
    controller.undo()
    np.testing.assert_array_equal(mask_of(controller), before)
    assert not controller.draft.prompts
    controller.redo()
    np.testing.assert_array_equal(mask_of(controller), after)
    controller.finish()
    assert not controller.in_progress and len(controller.document.objects) == 1


def test_prompts_are_autosaved_and_read_again(place, tmp_path):
    controller = started(place, autosave=tmp_path / "kept")
    controller.draw_box(20, 15, 70, 60)
    controller.draw_lasso(LASSO)
    controller.draw_scribble(SCRIBBLE, False)
    mask = mask_of(controller)
    controller.close()
    again = Controller(
        BlobModel(), settings=Settings(max_size=800, target_size=100), background=False, autosave=tmp_path / "kept"
    )
    again.open(place / "photo.png")
    again.wait()
    np.testing.assert_array_equal(mask_of(again), mask)
    kinds = [(prompt.kind, prompt.is_positive) for prompt in again.draft.prompts]
    assert kinds == [("box", True), ("polygon", True), ("scribble", False)]
    again.click(50, 40, True)  # computes the network's state again
    controller = started(place)
    controller.draw_box(20, 15, 70, 60)
    controller.draw_lasso(LASSO)
    controller.draw_scribble(SCRIBBLE, False)
    controller.click(50, 40, True)
    np.testing.assert_array_equal(mask_of(again), mask_of(controller))


@pytest.mark.parametrize(
    "values", [{"points": [[5, 5], [5, 9]]}, {"points": [[5, 5], [9000, 9]]}, {"points": [[1, 2]]}, {"points": 3}]
)
def test_a_journal_with_a_box_that_cannot_be_is_damaged_from_there_on(place, tmp_path, values):
    controller = started(place, (40, 30, True), autosave=tmp_path / "kept")
    mask = mask_of(controller)
    path = controller._session.journal.path
    controller.close()
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": 99, "do": "box", "values": values}) + "\n")
    again = Controller(
        BlobModel(), settings=Settings(max_size=800, target_size=100), background=False, autosave=tmp_path / "kept"
    )
    again.open(place / "photo.png")
    again.wait()
    np.testing.assert_array_equal(mask_of(again), mask)
    assert again.warnings


def test_what_cannot_be_drawn_is_refused_in_one_sentence(place):
    controller = started(place)
    with pytest.raises(InputError, match="beyond the image"):
        controller.draw_box(5, 5, 5000, 9)
    with pytest.raises(InputError, match="polygon of 2 points"):
        controller.draw_lasso([(1, 1), (9, 9)])
    with pytest.raises(InputError, match="no length"):
        controller.draw_scribble([(9, 9), (9, 9)], True)
    assert not controller.in_progress


@pytest.mark.parametrize("kind", ["box", "polygon", "scribble"])
@pytest.mark.parametrize("skip_clicks", [-1, 1])
def test_a_prompt_on_a_loaded_mask_gives_what_the_predictor_gives(place, kind, skip_clicks):
    controller = started(place, skip_clicks=skip_clicks)
    predictor = Predictor(BlobModel(), settings=controller.settings.inference, threshold=0.5)
    predictor.set_image(drawn(SIZE))
    controller.load_mask(place / "corner.png")
    start = mask_of(controller)
    draw, given = {
        "box": (lambda: controller.draw_box(20, 15, 70, 60), {"box": (20, 15, 71, 61)}),
        "polygon": (lambda: controller.draw_lasso(LASSO), {"polygon": LASSO}),
        "scribble": (lambda: controller.draw_scribble(SCRIBBLE, True), {"scribbles": [(SCRIBBLE, 1)]}),
    }[kind]
    draw()
    mask, probs = predictor.predict(prev_mask=start, **given)
    np.testing.assert_array_equal(mask_of(controller), mask)
    np.testing.assert_array_equal(probs_of(controller), probs)
    if kind == "box":  # of the answer only what is inside counts
        assert mask[15:61, 20:71].any() and not probs[61:].any() and not probs[:, 71:].any()


def test_the_scene_shows_prompts(place):
    controller = started(place)
    controller.draw_lasso(LASSO)
    for hidden in (False, True):
        scene = scene_of(controller.document, controller.settings, (), None, hidden)
        np.testing.assert_array_equal(scene.prompts[0].outline()[:, ::-1], [*LASSO, LASSO[0]])
