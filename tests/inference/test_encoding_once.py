"""A network that encodes an image once does so once: for several objects and clicks, and after undo and reset."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import Click
from isegm.evaluation.loop import evaluate_dataset
from isegm.inference.clicker import Clicker
from isegm.inference.predictor import Predictor
from isegm.inference.predictors import get_predictor
from isegm.inference.protocols import settings_for
from isegm.inference.simulation import EvalSettings
from tests.evaluation.fakes import DrawnDataset, drawing
from tests.segnext import small_segnext

IMAGE, OTHER = drawing(0)[0], np.ascontiguousarray(drawing(1)[0][:, :40])
CLICKS = [Click(True, (20, 30)), Click(False, (5, 9)), Click(True, (40, 12))]


@pytest.fixture
def network():
    """A small SegNext; ``seen`` counts the images that its encoder has seen, and ``decoded`` those of its decoder."""
    model = small_segnext()
    model.seen = model.decoded = 0

    def encoded(_, inputs, __):
        model.seen += len(inputs[0])

    def decoded(_, inputs, __):
        model.decoded += len(inputs[0][0])

    model.backbone.register_forward_hook(encoded)
    model.head.register_forward_hook(decoded)
    return model


def follow(predictor, session, clicks=CLICKS):
    for click in clicks:
        (session,) = predictor.step([session], [click])
    return session


def test_clicks_objects_undo_and_reset_see_no_second_encoding(network):
    predictor = Predictor(network)
    predictor.set_image(IMAGE)
    answers = []
    for click in CLICKS:
        row, column = click.coords
        answers.append(predictor.predict([(column, row)], [int(click.is_positive)])[1])
    assert np.array_equal(predictor.undo()[1], answers[1])
    assert np.array_equal(predictor.predict([(12, 40)], [1])[1], answers[2])
    predictor.reset()
    assert np.array_equal(predictor.predict([(30, 20)], [1])[1], answers[0])
    mask = np.zeros(IMAGE.shape[:2], dtype=bool)
    mask[10:30, 20:40] = True
    predictor.reset()
    predictor.predict([(30, 20)], [1], prev_mask=mask)
    assert (network.seen, network.decoded) == (1, 6)


def test_all_sessions_of_an_image_hold_the_same_features(network):
    predictor = Predictor(network)
    first = predictor.start(IMAGE)
    sessions = predictor.step([first] * 3, CLICKS)
    sessions = predictor.step(sessions, CLICKS)
    later = follow(predictor, first.with_prev_mask(np.ones(IMAGE.shape[:2], dtype=bool)))
    tensors = {id(one.features["image_features"]) for one in (first, *sessions, later)}
    assert len(tensors) == 1 and network.seen == 1
    assert not first.features["image_features"].requires_grad


def test_sessions_of_several_images_go_together_and_never_mix(network, monkeypatch):
    monkeypatch.setattr("isegm.inference.network_pass.CPU_PIXELS", 16 * 64 * 64)
    predictor = Predictor(network)
    turned = np.ascontiguousarray(IMAGE[::-1])
    starts = [predictor.start(image) for image in (IMAGE, OTHER, turned, IMAGE)]
    alone = [follow(predictor, start, CLICKS[:2]) for start in starts]
    decodings = []
    network.head.register_forward_hook(lambda _, inputs, __: decodings.append(len(inputs[0][0])))
    sessions = starts
    for click in CLICKS[:2]:
        sessions = predictor.step(sessions, [click] * 4)
    assert decodings == [3, 1] * 2 and network.seen == 4
    for session, expected in zip(sessions, alone, strict=True):
        np.testing.assert_allclose(session.probs, expected.probs, rtol=0, atol=1e-5)
    assert not np.allclose(sessions[0].probs, sessions[2].probs, atol=1e-4)


def test_as_many_go_together_as_fit_at_the_size_that_is_encoded(network, monkeypatch):
    """However small the images are."""
    monkeypatch.setattr("isegm.inference.network_pass.CPU_PIXELS", 2 * 64 * 64)
    predictor = Predictor(network)
    start = predictor.start(IMAGE[:4, :6])
    decodings = []
    network.head.register_forward_hook(lambda _, inputs, __: decodings.append(len(inputs[0][0])))
    predictor.step([start] * 5, [Click(True, (1, 1))] * 5)
    assert decodings == [2, 2, 1]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_objects_of_an_evaluation_share_what_was_encoded(network, batch_size):
    dataset = DrawnDataset(samples=3)  # with 1, 2 and 3 objects
    predictor = Predictor(network, settings=settings_for("segnext"))
    settings = EvalSettings(target_iou=1.01, max_clicks=3)
    records = list(evaluate_dataset(dataset, predictor, settings, batch_size))
    assert len(records) == 6 and (network.seen, network.decoded) == (3, 18)
    again = evaluate_dataset(dataset, predictor, settings, done={(2, 1), (2, 2)}, indices=[2])
    assert len(list(again)) == 1 and network.seen == 4


def test_the_published_predictor_encodes_once_and_sees_whole_images(network):
    predictor = get_predictor(network, "NoBRS", "cpu")
    predictor.set_input_image(IMAGE)
    clicker = Clicker(init_clicks=CLICKS[:1])
    first, states = predictor.get_prediction(clicker), predictor.get_states()
    clicker.add_click(CLICKS[1])
    second = predictor.get_prediction(clicker)
    predictor.set_states(states)
    np.testing.assert_array_equal(predictor.get_prediction(clicker), second)
    assert not np.array_equal(first, second) and network.seen == 1
    expected = follow(Predictor(network, settings=settings_for("segnext")), Predictor(network).start(IMAGE), CLICKS[:2])
    np.testing.assert_allclose(second, expected.probs, rtol=0, atol=1e-6)


def test_flipped_images_are_encoded_once_as_well(network):
    predictor = Predictor(network, settings=replace(settings_for("segnext"), flip=True))
    first = predictor.start(IMAGE)
    sessions = predictor.step([first, predictor.start(IMAGE[::-1].copy())], CLICKS[:2])
    sessions = predictor.step(sessions, CLICKS[:2])
    assert network.seen == 4 and sessions[0].features is first.features
    expected = follow(predictor, follow(predictor, first, CLICKS[:1]), CLICKS[:1])
    np.testing.assert_allclose(sessions[0].probs, expected.probs, rtol=0, atol=1e-5)


def test_encoding_and_clicks_record_no_gradients():
    network = small_segnext().requires_grad_(True)
    predictor = Predictor(network)
    session = follow(predictor, predictor.start(IMAGE))
    assert not any(t.requires_grad for t in (session.features["image_features"], session.prev_probs))
    assert torch.is_grad_enabled()
