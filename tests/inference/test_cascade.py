"""Cascade-Forward Refinement: what a pass starts from, when it stops, and how it goes with everything else.

Clicks and probabilities of the published code are compared in ``test_golden_pipelines`` and ``test_appendix_tables``.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import Click
from isegm.inference.cascade import Cascade
from isegm.inference.clicker import Clicker
from isegm.inference.merge import guarded_merge
from isegm.inference.predictor import Predictor
from isegm.inference.predictors import get_predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.refinement import build_refinement
from isegm.inference.transforms import ZoomIn
from isegm.utils.errors import InputError
from tests.analytic import AnalyticModel, BlobModel, EncodeOnceModel, FocalBlobModel, TinyModel
from tests.inference.test_predictor import all_models, all_settings, disk, noise_image

CLICKS = [Click(True, (30, 40)), Click(False, (10, 70)), Click(True, (45, 20))]


class Growing(AnalyticModel):
    """Its mask begins at the clicks and grows by a ring of three pixels in each pass, as far as the image is bright."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def logits(self, image, prev_mask, points):
        self.seen.append(prev_mask)
        near = torch.zeros_like(prev_mask)
        for row, of_row in enumerate(points):
            for y, x, order in of_row[: len(of_row) // 2].tolist():
                if order >= 0:
                    near[row, 0, int(y), int(x)] = 1
        grown = torch.nn.functional.max_pool2d(torch.maximum(near, (prev_mask > 0.5).float()), 7, 1, 3)
        return torch.where((image[:, :1] > 0.5) & (grown > 0), 5.0, -5.0)


def bright_disk(radius):
    """A black image with a white disk around the first click."""
    dark = np.zeros((60, 80, 3), np.uint8)
    dark[disk(dark, *CLICKS[0].coords, radius)] = 255
    return dark


def answered(predictor, image, clicks=CLICKS, init_mask=None):
    session = predictor.start(image, init_mask)
    for click in clicks:
        (session,) = predictor.step([session], [click])
    return session


@pytest.mark.parametrize("adaptive", [False, True])
def test_each_pass_starts_from_the_answer_before_until_the_mask_has_settled(adaptive):
    passes = {}
    for radius in (2, 8, 14, 30):
        model = Growing()
        predictor = Predictor(model, settings=InferenceSettings(cascade=Cascade(6, adaptive)))
        session = answered(predictor, bright_disk(radius), CLICKS[:1])
        answers = [
            torch.sigmoid(model.logits(session.image, seen, torch.tensor([[[30.0, 40, 0], [-1, -1, -1]]])))
            for seen in model.seen.copy()
        ]
        passes[radius] = model.calls
        for before, seen in zip(answers[:-1], model.seen[1 : len(answers)], strict=True):
            assert torch.equal(before, seen)
        assert not model.seen[0].any() and torch.equal(session.prev_probs, answers[-1])
    assert passes == ({2: 2, 8: 4, 14: 6, 30: 7} if adaptive else dict.fromkeys(passes, 7))


def test_sessions_that_stop_early_leave_the_batch_and_change_no_other_answer():
    model = Growing()
    predictor = Predictor(model, settings=InferenceSettings(cascade=Cascade(6, adaptive=True)))
    images = [bright_disk(radius) for radius in (30, 2, 14, 8)]
    together = predictor.step([predictor.start(image) for image in images], CLICKS[:1] * 4)
    assert [len(seen) for seen in model.seen] == [4, 4, 3, 3, 2, 2, 1]
    for session, image in zip(together, images, strict=True):
        assert torch.equal(session.prev_probs, answered(predictor, image, CLICKS[:1]).prev_probs)


@all_settings
@all_models
def test_a_cascade_is_the_same_click_answered_again(make_model, settings):
    model, image = make_model(), noise_image()
    cascade = Cascade(2, clicks=2)
    if not model.with_prev_mask:
        with pytest.raises(InputError, match="TinyModel reads no previous mask, which Cascade-Forward Refinement"):
            Predictor(model, settings=replace(settings, cascade=cascade))
        return
    plain = Predictor(model, settings=settings)
    expected = plain.start(image)
    for number, click in enumerate(CLICKS):
        expected = expected.with_click(click)
        for _ in range(3 if number < 2 else 1):
            (expected,) = plain.run([expected])
    cascaded = Predictor(model, settings=replace(settings, cascade=cascade))
    session = answered(cascaded, image)
    assert session.zoom.roi == expected.zoom.roi and session.clicks == expected.clicks
    np.testing.assert_array_equal(session.probs, expected.probs)
    others = cascaded.step([cascaded.start(noise_image(50, 90, 2)), cascaded.start(image)], CLICKS[:1] * 2)
    np.testing.assert_allclose(others[1].probs, answered(cascaded, image, CLICKS[:1]).probs, atol=1e-5)


@pytest.mark.parametrize("mode", ["RGB-BRS", "DistMap-BRS"])
def test_a_refinement_improves_every_pass(mode):
    image, settings = noise_image(), InferenceSettings(zoom_in=ZoomIn(48, min_crop_size=20), flip=True)
    plain = Predictor(TinyModel(), settings=settings, refinement=build_refinement(mode))
    expected = plain.start(image)
    for click in CLICKS[:2]:
        expected = expected.with_click(click)
        for _ in range(2):
            (expected,) = plain.run([expected])
    settings = replace(settings, cascade=Cascade(1, clicks=2))
    cascaded = Predictor(TinyModel(), settings=settings, refinement=build_refinement(mode))
    np.testing.assert_array_equal(answered(cascaded, image, CLICKS[:2]).probs, expected.probs)


def test_passes_count_all_clicks_and_not_those_that_the_network_is_shown():
    model = BlobModel()
    predictor = Predictor(model, settings=InferenceSettings(cascade=Cascade(3, clicks=2), clicks_limit=1))
    answered(predictor, noise_image())
    assert model.calls == 4 + 4 + 1


def test_the_image_is_encoded_once_for_all_passes():
    model = EncodeOnceModel()
    answered(Predictor(model, settings=InferenceSettings(cascade=Cascade(4))), noise_image())
    assert model.encoded == 1


def test_the_first_pass_starts_from_a_given_mask_and_the_last_answer_is_merged_into_it():
    model, image = Growing(), bright_disk(30)
    start = disk(image, 10, 10, 5)
    settings = InferenceSettings(cascade=Cascade(2))
    session = answered(Predictor(model, settings=settings), image, CLICKS[:1], start)
    np.testing.assert_array_equal(model.seen[0][0, 0].numpy(), start)
    last = session.probs > 0.49
    assert last[39, 40] and not last[41, 40]  # three rings
    np.testing.assert_array_equal(session.merged, guarded_merge(start, last, CLICKS[0]))
    assert session.merged[39, 40] and (session.merged & start).sum() == start.sum()
    unmerged = answered(Predictor(model, settings=replace(settings, merge="none")), image, CLICKS[:1], start)
    assert unmerged.merged is None and torch.equal(unmerged.prev_probs, session.prev_probs)


def test_undo_takes_back_a_click_with_all_its_passes():
    predictor = Predictor(TinyModel(), settings=InferenceSettings(cascade=Cascade(2, clicks=5)))
    predictor.set_image(noise_image())
    first = predictor.predict([(40, 30)], [1])[1]
    predictor.predict([(5, 5)], [0])
    np.testing.assert_array_equal(predictor.undo()[1], first)
    assert not predictor.undo()[1].any()


def test_focalclick_looks_again_where_the_click_has_changed_the_mask_and_not_where_the_last_pass_has():
    settings = replace(settings_for("focalclick", infer_size=96), zoom_in=None)
    image, click = np.full((120, 160, 3), 90, np.uint8), Click(True, (100, 140))
    plain = Predictor(FocalBlobModel(), settings=settings)
    before = answered(plain, image, [Click(True, (30, 30))])
    (single,) = plain.step([before], [click])
    (by_hand,) = plain.run([single])
    cascaded = Predictor(FocalBlobModel(), settings=replace(settings, cascade=Cascade(3, clicks=2)))
    (session,) = cascaded.step([before], [click])
    assert session.focus.top > 50 and session.focus.left > 70
    assert single.focus.size[0] - 2 <= session.focus.size[0] <= single.focus.size[0] + 2
    assert by_hand.focus.size == by_hand.image_size  # as of a click that changes nothing


def test_focalclick_keeps_the_rest_of_the_mask_after_the_tenth_click_in_all_passes():
    settings = settings_for("focalclick", infer_size=48)
    rng, image = np.random.default_rng(5), noise_image()
    clicks = [Click(bool(rng.random() < 0.6), (int(rng.integers(60)), int(rng.integers(80)))) for _ in range(11)]
    before = answered(Predictor(FocalBlobModel(), settings=settings), image, clicks[:10])
    cascaded = Predictor(FocalBlobModel(), settings=replace(settings, cascade=Cascade(3, clicks=20)))
    (session,) = cascaded.step([before], clicks[10:])
    inside = np.zeros(session.image_size, bool)
    inside[session.focus.slices] = True
    np.testing.assert_array_equal(session.probs[~inside], before.probs[~inside])
    assert (session.probs != before.probs)[inside].any()


@pytest.mark.parametrize("mode", ["NoBRS", "Baseline"])
@pytest.mark.parametrize("given", [None, np.eye(60, 80, dtype=bool)], ids=["no mask", "a mask"])
def test_published_parameters_count_all_passes(mode, given):
    def ask(**params):
        model = TinyModel()
        predictor = get_predictor(model, mode, "cpu", zoom_in_params=None, predictor_params=params)
        predictor.set_input_image(noise_image())
        clicker = Clicker()
        for click in CLICKS:
            clicker.add_click(click)
            probs = predictor.get_prediction(clicker, prev_mask=given)
        return probs, model

    plain, _ = ask()
    for single in ({"cascade_step": 0}, {"cascade_step": 1, "cascade_adaptive": True, "cascade_clicks": 3}):
        np.testing.assert_array_equal(ask(**single)[0], plain)
    three, model = ask(cascade_step=3, cascade_clicks=3)
    assert (three != plain).any()
    settings = settings_for("clickseg") if mode == "Baseline" else InferenceSettings(flip=True)
    predictor = Predictor(model, settings=replace(settings, zoom_in=None, cascade=Cascade(2, clicks=3)))
    session = predictor.start(noise_image())
    for click in CLICKS:
        session = session.with_click(click)
        if given is not None:
            session = replace(session, prev_probs=session.mask_tensor(given))
        (session,) = predictor.run([session])
    np.testing.assert_array_equal(three, session.probs)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Cascade(0), "steps of the cascade is 0: give a whole number from 1 to 1000"),
        (lambda: Cascade(10**9), "steps of the cascade is 1000000000: give a whole number from 1 to 1000"),
        (lambda: Cascade(1, clicks=10**30), "clicks of the cascade is a number of more than 64 bits: give a whole"),
        (lambda: Cascade(1.5), "steps of the cascade is 1.5"),
        (lambda: Cascade(1, clicks=0), "clicks of the cascade is 0"),
        (
            lambda: get_predictor(TinyModel(), "NoBRS", "cpu", predictor_params={"cascade_step": -1}),
            "cascade_step of get_predictor is -1: give the number of passes",
        ),
        (
            lambda: get_predictor(
                TinyModel(with_prev_mask=False), "NoBRS", "cpu", predictor_params={"cascade_step": 2}
            ),
            "reads no previous mask",
        ),
    ],
)
def test_wrong_numbers_are_one_sentence(make, said):
    with pytest.raises(InputError, match=said) as error:
        make()
    assert "\n" not in str(error.value)
