"""What the network needs of an object in progress, kept or made again."""

from dataclasses import replace

import numpy as np
import pytest

from isegm import Click
from isegm.annotations import Region
from isegm.demo import inference_state as lives
from isegm.demo.document import KEEP, Document
from isegm.demo.inference_state import InferenceState, build_predictor
from isegm.demo.settings import Settings
from tests.analytic import BlobModel, EncodeOnceModel, TinyModel
from tests.demo.scripted import SIZE, as_data, drawn, opened, perform, prepare, write_script

MOVES = (Click(True, (15.0, 20.0)), Click(False, (30.0, 40.0)), KEEP, Click(True, (33.0, 8.0)), Click(True, (5.0, 9.0)))


def build(model=None, **changes):
    settings = Settings(**{"zoom_in": False, "target_size": 100, **changes})
    predictor = build_predictor(model or TinyModel(), "cpu", settings)
    return InferenceState(predictor, drawn()), predictor


def moved(live, predictor, document, moves, threshold=0.5, forget=False):
    """The document after moves, and what the last of them selected."""
    for move in moves:
        step = None if forget else live.find(document.draft)
        selected = live.predict(document.draft, step, move, predictor, threshold)
        document = document.moved(move, selected)
        live.remember(document.draft, selected.step)
    return document, selected


@pytest.mark.parametrize("zoom_in", [False, True])
@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("model", [TinyModel, EncodeOnceModel])
def test_what_is_made_again_is_what_was_kept(model, start, zoom_in):
    documents, probs = [], []
    for forget in (False, True):
        live, predictor = build(model(), zoom_in=zoom_in)
        document = Document(SIZE)
        if start:
            mask = np.zeros(SIZE, bool)
            mask[22:36, 30:50] = True
            document = document.with_draft(lives.Selected(Region.of(mask), 0.5))
        document, selected = moved(live, predictor, document, MOVES, forget=forget)
        documents.append(as_data(document))
        probs.append(selected.step.probs)
    assert documents[0] == documents[1]
    np.testing.assert_array_equal(*probs)


def test_undo_far_back_answers_as_if_everything_had_been_kept(tmp_path, monkeypatch):
    place = prepare(tmp_path)
    steps, documents = write_script(5, 80, opened(place, TinyModel()), place)
    monkeypatch.setattr(lives, "KEPT_BYTES", 1)
    controller = opened(place, TinyModel())
    for step, expected in zip(steps, documents[1:], strict=True):
        perform(controller, step)
        assert as_data(controller.document) == expected


def test_only_the_latest_drafts_are_kept_and_memory_that_they_share_counts_once(monkeypatch):
    probs = 4 * SIZE[0] * SIZE[1]  # bytes of each step; the image, three times as large, is shared by all
    monkeypatch.setattr(lives, "KEPT_BYTES", 3 * probs + 3 * probs)
    live, predictor = build()
    drafts, document = [], Document(SIZE)
    for column in range(5):
        document, _ = moved(live, predictor, document, [Click(True, (9.0, 10.0 * column))])
        drafts.append(document.draft)
    assert [live.find(draft) is not None for draft in drafts] == [False, False, True, True, True]
    assert live.find(None) is None


def test_features_of_a_network_that_encodes_once_count(monkeypatch):
    monkeypatch.setattr(lives, "KEPT_BYTES", 20 * 4 * SIZE[0] * SIZE[1])
    kept = []
    for model in (TinyModel(), EncodeOnceModel()):
        live, predictor = build(model, zoom_in=True)
        drafts, document = [], Document(SIZE)
        for column in range(12):
            click = Click(True, (4.0 + 2 * column, 4.0 * column))
            document, _ = moved(live, predictor, document, [click])
            drafts.append(document.draft)
        kept.append(sum(live.find(draft) is not None for draft in drafts))
    assert kept[1] < kept[0]


def test_the_network_looks_once_for_a_click_that_it_remembers_the_last_answer_of():
    model = BlobModel()
    live, predictor = build(model)
    document, _ = moved(live, predictor, Document(SIZE), MOVES[:2])
    model.calls = 0
    moved(live, predictor, document, MOVES[:1])
    assert model.calls == 1
    moved(live, predictor, document, MOVES[:1], forget=True)
    assert model.calls == 1 + 3


def test_another_network_starts_from_what_is_seen():
    live, predictor = build(BlobModel())
    document, _ = moved(live, predictor, Document(SIZE), MOVES[:2])
    seen = document.draft.region
    other = BlobModel(with_prev_mask=False)
    other.logits = lambda image, prev_mask, points: 9 - 18 * (image.mean(1, keepdim=True) > 0.4).float()
    fresh, predictor = build(other)
    after, _ = moved(fresh, predictor, document, MOVES[3:4])
    assert (after.draft.region.mask() & seen.mask()).sum() == seen.area
    assert (after.draft.region.mask() & ~seen.mask()).any()
    selected = fresh.selected(document.draft, None, predictor, 0.9)
    assert selected.region.same(seen) and selected.threshold == 0.9


def test_another_threshold_selects_from_the_same_answer():
    live, predictor = build()
    document, selected = moved(live, predictor, Document(SIZE), MOVES[:2])
    for threshold in (0.0, 0.3, 0.9, 1.0):
        again = live.selected(document.draft, live.find(document.draft), predictor, threshold)
        np.testing.assert_array_equal(again.region.mask(), selected.step.probs > threshold)


def test_settings_that_the_network_sees_begin_anew_but_the_image_stays():
    live, _ = build(TinyModel())
    start = live.start()
    other = build_predictor(TinyModel(), "cpu", replace(Settings(), target_size=200))
    assert live.for_predictor(other).start() is start
    once, _ = build(EncodeOnceModel())
    start = once.start()
    model = EncodeOnceModel()
    again = once.for_predictor(build_predictor(model, "cpu", Settings(target_size=200))).start()
    assert again is not start and model.encoded > 0


def test_the_ends_of_the_threshold_do_not_reach_a_refinement():
    settings = Settings(target_size=100).with_mode("RGB-BRS")
    for threshold, most in ((0.0, 0.01), (1.0, 0.99), (0.4, 0.4)):
        assert build_predictor(TinyModel(), "cpu", replace(settings, threshold=threshold)).threshold == most
