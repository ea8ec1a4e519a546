"""Boxes, scribbles, polygons and masks in a predictor: any first, in any mix, with every network and mode."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import Click, InputError, build_model
from isegm.inference.cascade import Cascade
from isegm.inference.mask_metrics import get_iou
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.refinement import build_refinement
from isegm.inference.session import Session
from isegm.inference.transforms import ZoomIn
from isegm.prompts import prompts_from_xy
from isegm.utils.boxes import Box
from tests.analytic import (
    BlobModel,
    BrightModel,
    CDNetBlobModel,
    EMCBlobModel,
    EncodeOnceModel,
    FocalBlobModel,
    TinyModel,
)

IMAGE = np.random.default_rng(0).integers(0, 256, size=(90, 120, 3), dtype=np.uint8)
MASK = np.zeros((90, 120), bool)
MASK[20:50, 30:60] = True
CROPS = ZoomIn(64, skip_clicks=1, min_crop_size=8)
RITM = settings_for("ritm")
RITM = replace(RITM, zoom_in=replace(RITM.zoom_in, target_size=64))  # a sixth of the published side, for speed
PROMPTS = {
    "box": {"box": (30, 20, 61, 51)},
    "scribble": {"scribbles": [([(35, 25), (40, 44), (55, 45)], 1)]},
    "background scribble": {"scribbles": [([(5, 5), (100, 12)], 0)]},
    "polygon": {"polygon": [(28, 18), (64, 22), (60, 54), (33, 50)]},
    "mask": {"prev_mask": MASK},
    "click": {"points": [(45, 35)], "labels": [1]},
}
PREDICTORS = {
    "ritm": lambda: Predictor(TinyModel(), settings=RITM),
    "for people": lambda: Predictor(TinyModel()),
    "clickseg": lambda: Predictor(BlobModel(), settings=settings_for("clickseg", infer_size=48)),
    "focal": lambda: Predictor(FocalBlobModel(), settings=settings_for("focalclick", infer_size=48)),
    "cdnet": lambda: Predictor(CDNetBlobModel(), settings=settings_for("cdnet")),
    "emc": lambda: Predictor(EMCBlobModel(), settings=settings_for("emcclick", "emc-click")),
    "encodes once": lambda: Predictor(EncodeOnceModel(with_cache=True), settings=InferenceSettings(flip=True)),
    "no previous mask": lambda: Predictor(TinyModel(with_prev_mask=False), settings=InferenceSettings(zoom_in=CROPS)),
    "cascade": lambda: Predictor(TinyModel(), settings=InferenceSettings(zoom_in=CROPS, cascade=Cascade(3))),
    "RGB-BRS": lambda: Predictor(TinyModel(), settings=RITM, refinement=build_refinement("RGB-BRS")),
    "strokes": lambda: Predictor(TinyModel(strokes=True), settings=RITM),
    "strokes with BRS": lambda: Predictor(
        TinyModel(strokes=True), settings=RITM, refinement=build_refinement("DistMap-BRS")
    ),
}
all_predictors = pytest.mark.parametrize("name", PREDICTORS)


def started(name: str) -> Predictor:
    predictor = PREDICTORS[name]()
    predictor.set_image(IMAGE)
    return predictor


@all_predictors
@pytest.mark.parametrize("first", PROMPTS)
def test_any_prompt_comes_first_and_others_follow_it(name, first):
    predictor = started(name)
    answers = [predictor.predict(**PROMPTS[first])]
    answers += [predictor.predict(**PROMPTS[kind]) for kind in PROMPTS if kind != first]
    assert all(mask.shape == (90, 120) and mask.dtype == bool and np.isfinite(probs).all() for mask, probs in answers)
    assert predictor.session.interactions == 5  # a mask to start from is none
    assert len(predictor.session.prompts) == 4
    for expected in (*answers[-2::-1], None):
        mask, probs = predictor.undo()
        if expected is not None:
            np.testing.assert_array_equal(mask, expected[0])
            np.testing.assert_array_equal(probs, expected[1])
    assert not mask.any() and not predictor.session.prompts and predictor.session.interactions == 0


@all_predictors
def test_all_prompts_in_one_call_and_after_reset_the_same_again(name):
    predictor = started(name)
    given = PROMPTS["box"] | PROMPTS["scribble"] | PROMPTS["polygon"] | PROMPTS["click"]
    mask, probs = predictor.predict(**given)
    predictor.reset()
    assert not predictor.session.prompts
    again = predictor.predict(**given)
    np.testing.assert_array_equal(again[0], mask)
    np.testing.assert_array_equal(again[1], probs)


@all_predictors
def test_a_batch_of_prompts_gives_the_answers_of_each_alone(name):
    predictor = PREDICTORS[name]()
    kinds = ("box", "scribble", "polygon", "background scribble")
    begun = predictor.start(IMAGE)
    sessions = [begun.with_prompts(*prompts_from_xy((90, 120), **PROMPTS[kind])) for kind in kinds]
    sessions.append(begun.with_click(Click(True, (35, 45))))
    together = predictor.run(sessions)
    for session, one in zip(together, sessions, strict=True):
        (alone,) = predictor.run([one])
        np.testing.assert_allclose(session.probs, alone.probs, atol=1e-5)
        assert session.prompts == one.prompts and session.zoom.roi == alone.zoom.roi


@all_predictors
def test_undo_and_the_same_prompts_again_are_exact(name):
    predictor = started(name)
    order = ["mask", "box", "click", "scribble", "polygon"]
    expected = [predictor.predict(**PROMPTS[kind]) for kind in order]
    for _ in range(4):
        predictor.undo()
    for kind, wanted in zip(order[1:], expected[1:], strict=True):
        for given, known in zip(predictor.predict(**PROMPTS[kind]), wanted, strict=True):
            np.testing.assert_array_equal(given, known)


def test_a_mask_alone_is_the_answer_until_the_next_prompt():
    predictor = started("ritm")
    mask, probs = predictor.predict(prev_mask=MASK)
    np.testing.assert_array_equal(mask, MASK)
    np.testing.assert_array_equal(probs, MASK)
    assert predictor.session.passes == 0
    one, _ = predictor.predict([(40, 30)], [1])
    predictor.reset()
    other, _ = predictor.predict([(40, 30)], [1], MASK)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["box", "polygon"])
def test_the_network_sees_the_crop_around_a_box_or_polygon_at_once(kind):
    predictor = started("ritm")
    predictor.predict(**PROMPTS[kind])
    crop = predictor.session.view.source
    assert crop.top < 20 and crop.bottom > 50 and crop.left < 30 and crop.right > 60
    whole = started("no previous mask")
    whole.predict(**PROMPTS["scribble"])
    assert whole.session.view.source.size == (90, 120)


def seen_masks(predictor: Predictor, monkeypatch) -> list:
    masks = []
    decode = predictor.model.decode

    def spied(features, points, prev_mask=None, *rest, **further):
        masks.append(None if prev_mask is None else prev_mask[0, 0].numpy() > 0.5)
        return decode(features, points, prev_mask, *rest, **further)

    monkeypatch.setattr(predictor.model, "decode", spied)
    return masks


def test_the_network_starts_from_a_polygon_unless_there_is_a_better_mask(monkeypatch):
    predictor = Predictor(BlobModel(), settings=InferenceSettings())
    predictor.set_image(IMAGE)
    masks = seen_masks(predictor, monkeypatch)
    predictor.predict(**PROMPTS["polygon"])
    (polygon,) = prompts_from_xy((90, 120), **PROMPTS["polygon"])
    np.testing.assert_array_equal(masks[-1], polygon.mask((90, 120)))
    predictor.reset()
    predictor.predict(**PROMPTS["polygon"], **PROMPTS["mask"])
    np.testing.assert_array_equal(masks[-1], MASK)


def test_a_box_takes_away_what_the_mask_has_outside(monkeypatch):
    predictor = Predictor(BlobModel(), settings=InferenceSettings())
    predictor.set_image(IMAGE)
    masks = seen_masks(predictor, monkeypatch)
    predictor.predict(points=[(20, 45), (90, 45)], labels=[1, 1])
    before, _ = predictor.predict(points=[(60, 45)], labels=[1])
    predictor.predict(box=(10, 10, 50, 80))
    assert before[:, 50:].any() and before[10:80, 10:50].any()
    assert not masks[-1][:, 50:].any() and masks[-1].any()


@pytest.mark.parametrize("settings", [settings_for("ritm"), InferenceSettings(flip=True)], ids=["crops", "whole"])
@pytest.mark.parametrize("kind", ["box", "scribble"])
def test_strokes_move_with_the_view_and_its_flipped_copy(monkeypatch, kind, settings):
    model = TinyModel(strokes=True)
    predictor = Predictor(model, settings=settings)
    predictor.set_image(IMAGE)
    seen = []
    decode = model.decode

    def spied(*args, strokes=None, **further):
        seen.append(strokes)
        return decode(*args, strokes=strokes, **further)

    monkeypatch.setattr(model, "decode", spied)
    predictor.predict(**PROMPTS[kind])
    view, strokes = predictor.session.view, seen[0]
    assert strokes.shape == (2, 2, *view.size)
    np.testing.assert_array_equal(strokes[1].flip(-1), strokes[0])
    (prompt,) = predictor.session.prompts
    (row, column) = Session.with_click(predictor.start(IMAGE), Click(True, prompt.path[0])).clicks[0].coords
    row, column = (round(place) for place in view.source.to_crop((row, column), view.size))
    drawn = 1 if kind == "box" else 0  # the outline of a box is negative
    assert strokes[0, drawn, row, column] == 1 and not strokes[0, 1 - drawn].any() and strokes[0].mean() < 0.5


def test_segnext_encodes_an_image_once_for_prompts_of_all_kinds(monkeypatch):
    torch.manual_seed(0)
    predictor = Predictor(build_model("segnext_vit_tiny", img_size=(64, 64), depth=3))
    encoded = []
    encode = predictor.model.encode
    monkeypatch.setattr(predictor.model, "encode", lambda image: encoded.append(len(image)) or encode(image))
    predictor.set_image(IMAGE)
    masks = seen_masks(predictor, monkeypatch)
    for prompt in PROMPTS.values():
        predictor.predict(**prompt)
    predictor.undo()
    predictor.predict(**PROMPTS["box"])
    assert encoded == [1] and len(masks) == 8  # a box is looked into twice, and a mask alone runs nothing


def test_a_network_that_reads_clicks_alone_gets_no_strokes(monkeypatch):
    predictor = started("ritm")
    masks = seen_masks(predictor, monkeypatch)
    predictor.predict(**PROMPTS["box"])  # its decode would refuse strokes of another signature
    assert masks


def test_a_scribble_is_one_interaction_for_cascades_and_second_looks():
    predictor = started("cascade")
    predictor.predict(**PROMPTS["scribble"])
    assert predictor.session.passes == 4
    predictor.predict(**PROMPTS["click"])
    assert predictor.session.passes == 5


def test_without_any_prompt_one_sentence_names_all_kinds():
    with pytest.raises(InputError, match="at least one click, box, scribble, polygon or mask") as raised:
        started("ritm").predict()
    assert "\n" not in str(raised.value)


def test_what_is_refused_changes_nothing():
    predictor = started("ritm")
    mask, _ = predictor.predict(**PROMPTS["box"])
    for wrong in ({"box": (0, 0, 500, 3)}, {"polygon": [(1, 1), (4, 4)]}, {"scribbles": [([(1, 1)], 1)]}):
        with pytest.raises(InputError):
            predictor.predict(**PROMPTS["click"], **wrong)
    assert len(predictor.session.clicks) == 1
    np.testing.assert_array_equal(predictor.session.mask(0.49), mask)


@pytest.mark.parametrize("kinds", list(itertools.permutations(("box", "scribble", "mask"), 2)), ids=" then ".join)
def test_prompts_of_two_calls_add_up(kinds):
    predictor = started("strokes")
    for kind in kinds:
        predictor.predict(**PROMPTS[kind])
    expected = {kind for kind in kinds if kind != "mask"}
    assert {prompt.kind for prompt in predictor.session.prompts} == expected


@all_predictors
def test_the_answer_to_a_box_has_nothing_outside_and_clicks_may_leave_it(name):
    predictor = started(name)
    predictor.predict(points=[(100, 80), (80, 60)], labels=[1, 1])
    mask, probs = predictor.predict(**PROMPTS["box"])
    inside = np.zeros((90, 120), bool)
    inside[20:51, 30:61] = True
    assert not probs[~inside].any() and not mask[~inside].any()
    _, probs = predictor.predict(points=[(100, 80)], labels=[1])
    assert probs[~inside].any()


@pytest.mark.parametrize("kind", ["box", "polygon"])
@pytest.mark.parametrize(
    "settings",
    [
        InferenceSettings(CROPS, cascade=Cascade(2)),
        replace(settings_for("clickseg", infer_size=64), cascade=Cascade(2)),
        InferenceSettings(ZoomIn(64, skip_clicks=2, min_crop_size=8)),
    ],
    ids=["cascade", "cascade of clickseg", "second click on the whole image"],
)
def test_every_pass_sees_the_crop_around_a_box_or_polygon(settings, kind):
    predictor = Predictor(BrightModel(), settings=settings)
    predictor.set_image(MASK[..., None].repeat(3, axis=2) * np.uint8(255))
    for prompt in (PROMPTS[kind], PROMPTS["click"]):
        mask, _ = predictor.predict(**prompt)
        assert get_iou(MASK, mask) > 0.9
        assert predictor.session.view.source != Box.of_image(MASK.shape)


def test_the_whole_image_is_not_squeezed_into_the_crop_of_other_settings():
    image = MASK[..., None].repeat(3, axis=2) * np.uint8(255)
    cropping, whole = (Predictor(BrightModel(), settings=InferenceSettings(zoom_in)) for zoom_in in (CROPS, None))
    session = cropping.start(image)
    for place in ((30, 40), (32, 42)):
        (session,) = cropping.step([session], [Click(True, place)])
    (session,) = whole.step([session], [Click(True, (31, 41))])
    np.testing.assert_array_equal(session.mask(0.49), MASK)


def test_the_network_looks_into_a_box_again_where_it_reads_its_answer(monkeypatch):
    predictor = Predictor(BlobModel(), settings=InferenceSettings())
    predictor.set_image(IMAGE)
    masks = seen_masks(predictor, monkeypatch)
    predictor.predict(box=(20, 30, 50, 60))
    predictor.predict(**PROMPTS["click"])
    first, second, _ = masks
    assert predictor.session.passes == 3 and not first.any() and second.any() and not second[:, 50:].any()
    without = started("no previous mask")
    without.predict(**PROMPTS["box"])
    assert without.session.passes == 1
