"""EMC-Click's cache in sessions: the backbone runs at the first click alone, whatever is done with the sessions."""

import functools

import numpy as np
import pytest
import torch

from isegm import Click, InputError, build_model
from isegm.inference.clicker import Clicker
from isegm.inference.predictor import Predictor
from isegm.inference.predictors import get_predictor
from isegm.inference.protocols import InferenceSettings
from isegm.inference.refinement import build_refinement, list_refinements
from isegm.model.inference_form import in_inference_form
from tests.golden import fill_weights

SMALL = InferenceSettings(short_side=64, flip=True, corrects_masks=True)
CLICKS = [Click(True, (20, 30)), Click(False, (50, 60)), Click(True, (40, 10)), Click(True, (10, 70))]


def noise_image(height=61, width=83, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size=(height, width, 3), dtype=np.uint8)


@functools.cache
def network():
    """As predictors run it, so that all of them run this one."""
    return in_inference_form(fill_weights(build_model("emcclick_segformerb0")).eval())


@pytest.fixture
def predictor():
    return Predictor(network(), settings=SMALL)


@pytest.fixture
def passes():
    """Rows of each pass of the backbone."""
    rows = []
    hook = network().feature_extractor.register_forward_hook(lambda _, inputs, __: rows.append(len(inputs[0])))
    yield rows
    hook.remove()


def clicked(predictor, session, clicks):
    """The sessions after each click."""
    sessions = [session]
    for click in clicks:
        sessions += predictor.step(sessions[-1:], [click])
    return sessions


def test_the_backbone_runs_at_the_first_click_alone(predictor, passes):
    clicked(predictor, predictor.start(noise_image()), CLICKS)
    assert passes == [2]  # one image and its flipped copy


def test_undo_redo_and_reset_keep_what_the_first_click_computed(predictor, passes):
    predictor.set_image(noise_image())
    probs = [predictor.predict([click.coords[::-1]], [int(click.is_positive)])[1] for click in CLICKS]
    for number in (2, 1):
        _, undone = predictor.undo()
        assert np.array_equal(undone, probs[number])
    again = [predictor.predict([click.coords[::-1]], [int(click.is_positive)])[1] for click in CLICKS[2:]]
    assert np.array_equal(again, probs[2:]) and passes == [2]
    predictor.reset()
    _, first = predictor.predict([CLICKS[0].coords[::-1]], [1])
    assert np.array_equal(first, probs[0]) and passes == [2, 2]


def test_another_first_click_after_undo_starts_anew(predictor, passes):
    start = predictor.start(noise_image())
    clicked(predictor, start, CLICKS)
    other = clicked(predictor, start, CLICKS[2:])[-1]
    fresh = clicked(Predictor(network(), settings=SMALL), predictor.start(noise_image()), CLICKS[2:])[-1]
    assert np.array_equal(other.probs, fresh.probs) and len(passes) == 3


def test_sessions_side_by_side_equal_those_alone_with_any_numbers_of_clicks(predictor, passes):
    images = [noise_image(seed=seed) for seed in range(3)]
    alone = [clicked(predictor, predictor.start(image), CLICKS[: 4 - i]) for i, image in enumerate(images)]
    passes.clear()
    sessions = predictor.step([run[0] for run in alone], [CLICKS[0]] * 3)
    assert passes == [6]
    sessions = predictor.step(sessions, [CLICKS[1]] * 3)
    sessions[:2] = predictor.step(sessions[:2], [CLICKS[2]] * 2)
    sessions[:1] = predictor.step(sessions[:1], CLICKS[3:])
    assert passes == [6]
    for session, run in zip(sessions, alone, strict=True):
        np.testing.assert_allclose(session.probs, run[-1].probs, atol=1e-5)


def test_sessions_at_their_first_and_at_later_clicks_go_together(predictor, passes):
    old = clicked(predictor, predictor.start(noise_image()), CLICKS[:2])
    new = predictor.start(noise_image(seed=1))
    passes.clear()
    mixed = predictor.step([old[-1], new], [CLICKS[2], CLICKS[0]])
    assert passes == [2]
    (expected,) = predictor.step([old[-1]], [CLICKS[2]])
    np.testing.assert_allclose(mixed[0].probs, expected.probs, atol=1e-5)


def test_several_clicks_at_once_are_one_pass_with_the_first_of_them(predictor, passes):
    predictor.set_image(noise_image())
    predictor.predict([click.coords[::-1] for click in CLICKS], [int(click.is_positive) for click in CLICKS])
    assert passes == [2]


def test_a_later_click_changes_no_earlier_session(predictor):
    sessions = clicked(predictor, predictor.start(noise_image()), CLICKS[:2])
    kept = {name: value.clone() for name, value in sessions[1].cache.items()}
    predictor.step(sessions[1:2], CLICKS[1:2])
    assert all(torch.equal(sessions[1].cache[name], value) for name, value in kept.items())
    assert sessions[1].cache["feature"].data_ptr() == sessions[2].cache["feature"].data_ptr()


def test_the_published_predictor_takes_its_size_and_flips(passes):
    gt = np.zeros((61, 83), dtype=np.int32)
    gt[20:40, 30:60] = 1
    clicker = Clicker(gt_mask=gt)
    predictor = get_predictor(network(), "EMC-Click", "cpu", 0.5, zoom_in_params={"target_size": 64})
    predictor.set_input_image(noise_image())
    pred, states = np.zeros(gt.shape, dtype=bool), []
    for _ in range(3):
        clicker.make_next_click(pred)
        states.append(predictor.get_states())
        pred = predictor.get_prediction(clicker) > 0.5
    assert passes == [2]
    last = predictor.get_prediction(clicker)
    predictor.set_states(states[-1])  # published code would keep the later mask
    assert np.array_equal(predictor.get_prediction(clicker) > 0.5, pred)
    assert last.shape == gt.shape


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        (None, dict(short_side=384)),
        (64, dict(short_side=64)),
        ((64, 96), dict(resize=(64, 96))),
    ],
)
def test_sizes_of_the_published_predictor(size, settings):
    params = {} if size is None else {"target_size": size}
    predictor = get_predictor(network(), "EMC-Click", "cpu", zoom_in_params=params, with_flip=False)
    assert predictor._predictor.settings == InferenceSettings(**settings, merge="published", corrects_masks=True)


@pytest.mark.parametrize("mode", list_refinements())
def test_modes_that_fit_what_later_clicks_leave_out_are_refused(mode):
    with pytest.raises(InputError, match=f"runs its backbone at the first click only, so that {mode} has nothing"):
        Predictor(network(), settings=SMALL, refinement=build_refinement(mode))


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("Baseline", "corrects the mask of the click before on the same view .*: take the mode EMC-Click"),
        ("FocalClick", "has no refiner"),
        ("CDNet", "has no pixel diffusion"),
        ("NoBRS", "corrects the mask of the click before on the same view .*: take the mode EMC-Click"),
    ],
)
def test_modes_of_other_methods_are_refused(mode, message):
    with pytest.raises(InputError, match=message):
        get_predictor(network(), mode, "cpu")


def test_the_mode_refuses_networks_of_other_methods():
    with pytest.raises(InputError, match=r"FocalClickSegFormer has no network that corrects masks, which .* EMC-Click"):
        get_predictor(build_model("focalclick_segformerb0_s2"), "EMC-Click", "cpu")
