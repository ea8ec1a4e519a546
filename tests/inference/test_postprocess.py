"""FocalClick's second look and CDNet's diffusion, on networks without weights."""

import itertools
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import Click
from isegm.inference.postprocess import FROZEN_AFTER, FocusRefine
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import settings_for
from isegm.inference.refinement import build_refinement
from isegm.model.compilation import COMPILED_CLICKS
from isegm.utils.errors import InputError
from tests.analytic import CDNetBlobModel, FocalBlobModel, TinyModel
from tests.inference.test_predictor import noise_image

FOCAL = settings_for("focalclick", infer_size=48)


def clicked(predictor, image, *clicks):
    """The sessions after each click."""
    session = predictor.start(image)
    for row, column, is_positive in clicks:
        (session,) = predictor.step([session], [Click(is_positive, (row, column))])
        yield session


@pytest.mark.parametrize("flip", [False, True])
def test_sessions_are_refined_together_as_they_are_alone(flip):
    predictor = Predictor(FocalBlobModel(), settings=replace(FOCAL, flip=flip))
    images = [noise_image(seed=seed) for seed in range(3)]
    clicks = [(30, 40, True), (12, 60, True), (50, 10, False)]
    alone = [list(clicked(predictor, image, *clicks[: 1 + k]))[-1] for k, image in enumerate(images)]
    together = [predictor.start(image) for image in images]
    for step, (row, column, is_positive) in enumerate(clicks):
        chosen = list(range(step, len(images)))
        answers = predictor.step([together[k] for k in chosen], [Click(is_positive, (row, column))] * len(chosen))
        for k, answer in zip(chosen, answers, strict=True):
            together[k] = answer
    for one, other in zip(alone, together, strict=True):
        assert one.focus == other.focus and one.focus is not None
        np.testing.assert_allclose(one.probs, other.probs, atol=1e-6)


def test_only_the_focus_crop_is_looked_at_again():
    image, clicks = noise_image(), [(30, 40, True), (20, 60, True)]
    *_, refined = clicked(Predictor(FocalBlobModel(), settings=FOCAL), image, *clicks)
    model = FocalBlobModel()
    model.refine = lambda image, points, features, logits, boxes: {
        "instances_refined": torch.full((len(boxes), 1, *image.shape[2:]), 9.0)
    }
    first, second = clicked(Predictor(model, settings=FOCAL), image, *clicks)
    for session in (first, second):
        inside = np.zeros(session.image_size, dtype=bool)
        inside[session.focus.slices] = True
        assert (session.probs[inside] > 0.999).all() and (session.probs[~inside] < 0.999).all()
    assert refined.focus.size != refined.image_size


def test_a_compiled_refiner_meets_as_few_numbers_of_clicks_as_the_network(monkeypatch):
    """A CUDA graph is recorded for each of them."""
    monkeypatch.setattr("isegm.inference.session_engine.compiled_for_inference", lambda network, *further: network)
    model, seen = FocalBlobModel(), []
    refine = model.refine
    model.refine = lambda image, points, *further: seen.append(points.shape[1]) or refine(image, points, *further)
    clicks = [(10 + 7 * number, 30, True) for number in range(COMPILED_CLICKS + 1)]
    deque(clicked(Predictor(model, settings=replace(FOCAL, compiled=True)), noise_image(), *clicks), maxlen=0)
    assert seen == [2 * COMPILED_CLICKS] * COMPILED_CLICKS + [4 * COMPILED_CLICKS]


def test_from_the_eleventh_click_on_the_rest_of_the_mask_is_frozen():
    rng = np.random.default_rng(5)
    clicks = [(int(rng.integers(60)), int(rng.integers(80)), bool(rng.random() < 0.6)) for _ in range(15)]
    sessions = list(clicked(Predictor(FocalBlobModel(), settings=FOCAL), noise_image(), *clicks))
    outside_changes = []
    for before, after in itertools.pairwise(sessions):
        outside = np.ones(after.image_size, dtype=bool)
        outside[after.focus.slices] = False
        outside_changes.append(bool((before.probs != after.probs)[outside].any()))
    assert any(outside_changes[: FROZEN_AFTER - 1])
    assert not any(outside_changes[FROZEN_AFTER - 1 :])


def test_of_clicks_that_are_answered_together_after_the_tenth_none_is_frozen_out(monkeypatch):
    def answer():
        predictor = Predictor(FocalBlobModel(), settings=FOCAL)
        predictor.set_image(noise_image())
        for number in range(10):
            predictor.predict([(10 + 6 * number, 30)], [1])
        return predictor.predict([(12, 5), (66, 50)], [0, 0])[1]

    together = answer()
    monkeypatch.setattr("isegm.inference.postprocess.FROZEN_AFTER", 99)
    np.testing.assert_array_equal(together, answer())


def test_an_answer_on_the_whole_image_fills_the_crop_that_was_set_before():
    """The focus crop is chosen and mapped by the old crop, too (docs/fidelity.md#zoom-in-stale-crop)."""
    predictor = Predictor(FocalBlobModel(), settings=FOCAL)
    *_, session = clicked(predictor, noise_image(), (30, 40, True), (20, 60, True))
    roi = session.zoom.roi
    empty = replace(session, zoom=replace(session.zoom, probs=torch.zeros_like(session.prev_probs)))
    (after,) = predictor.step([empty], [Click(True, (25, 50))])
    assert after.view.source.size == after.image_size and after.view.roi == roi
    assert roi.top <= after.focus.top < after.focus.bottom <= roi.bottom
    assert roi.left <= after.focus.left < after.focus.right <= roi.right


def test_an_empty_focus_crop_keeps_the_first_answer():
    class Nowhere(FocusRefine):
        def focus(self, member, probs):
            return super().focus(member, probs)._replace(bottom=0)

    image, click = noise_image(), (30, 40, True)
    (session,) = clicked(Predictor(FocalBlobModel(), settings=replace(FOCAL, postprocess=Nowhere())), image, click)
    (coarse,) = clicked(Predictor(FocalBlobModel(), settings=replace(FOCAL, postprocess=None)), image, click)
    np.testing.assert_array_equal(session.probs, coarse.probs)
    assert session.focus is None


def test_undone_clicks_leave_nothing_behind():
    predictor = Predictor(FocalBlobModel(), settings=FOCAL)
    predictor.set_image(noise_image())
    first = predictor.predict([(40, 30)], [1])[1]
    predictor.predict([(10, 10)], [0])
    np.testing.assert_array_equal(predictor.undo()[1], first)


def test_cdnet_shows_ones_and_zeros_and_crops_by_what_lies_before_them():
    predictor = Predictor(CDNetBlobModel(), settings=settings_for("cdnet"))
    *_, session = clicked(predictor, noise_image(), (30, 40, True), (12, 60, True))
    assert set(np.unique(session.probs)) == {0.0, 1.0}
    before = session.zoom.probs.numpy()[0, 0]
    assert len(np.unique(before)) > 2
    np.testing.assert_array_equal(session.probs, before > 0.5)


@pytest.mark.parametrize(("protocol", "lacks"), [("focalclick", "no refiner"), ("cdnet", "no pixel diffusion")])
def test_other_networks_are_refused(protocol, lacks):
    with pytest.raises(InputError, match=f"TinyModel has {lacks}"):
        Predictor(TinyModel(), settings=settings_for(protocol))


def test_a_refinement_takes_the_place_of_the_finish():
    predictor = Predictor(TinyModel(), settings=FOCAL, refinement=build_refinement("DistMap-BRS"))
    assert predictor.settings.postprocess is None
