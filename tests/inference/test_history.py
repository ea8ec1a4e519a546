"""Undo in a predictor: exact, and light in memory."""

import numpy as np
import pytest
import torch

from isegm.inference.cascade import Cascade
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.refinement import build_refinement
from isegm.inference.transforms import ZoomIn
from tests.analytic import BlobModel, CDNetBlobModel, EncodeOnceModel, FocalBlobModel, TinyModel

IMAGE = np.random.default_rng(0).integers(0, 256, size=(90, 120, 3), dtype=np.uint8)
MASK = np.zeros((90, 120), bool)
MASK[20:50, 30:60] = True
POINTS = [(50, 40, 1), (20, 20, 0), (80, 60, 1), (55.5, 44.25, 1), (5, 80, 0), (100, 30, 1)]
CROPS = ZoomIn(64, skip_clicks=-1, min_crop_size=8)

PREDICTORS = {
    "ritm": lambda: Predictor(TinyModel(), settings=settings_for("ritm")),
    "clickseg": lambda: Predictor(BlobModel(), settings=settings_for("clickseg", infer_size=48)),
    "a view of the image's size": lambda: Predictor(BlobModel(), settings=InferenceSettings()),
    "first click twice": lambda: Predictor(
        TinyModel(), settings=InferenceSettings(zoom_in=ZoomIn(64, skip_clicks=0, min_crop_size=8), flip=True)
    ),
    "cascade": lambda: Predictor(TinyModel(), settings=InferenceSettings(zoom_in=CROPS, cascade=Cascade(3))),
    "focal": lambda: Predictor(FocalBlobModel(), settings=settings_for("focalclick", infer_size=48)),
    "diffusion": lambda: Predictor(CDNetBlobModel(), settings=settings_for("cdnet")),
    "cache": lambda: Predictor(EncodeOnceModel(with_cache=True), settings=InferenceSettings(zoom_in=CROPS, flip=True)),
    "no previous mask": lambda: Predictor(TinyModel(with_prev_mask=False), settings=InferenceSettings(zoom_in=CROPS)),
    "refinement": lambda: Predictor(
        TinyModel(), settings=InferenceSettings(zoom_in=CROPS), refinement=build_refinement("RGB-BRS")
    ),
}


def clicked(predictor, numbers, start=None):
    """Masks and probabilities after each of the clicks."""
    answers = []
    for number in numbers:
        x, y, label = POINTS[number % len(POINTS)]
        answers.append(predictor.predict([(x, y)], [label], start if number == 2 else None))
    return answers


@pytest.mark.parametrize("start", [None, MASK], ids=["from nothing", "a mask at the third click"])
@pytest.mark.parametrize("name", PREDICTORS)
def test_undo_and_the_clicks_after_it_are_exact(name, start):
    predictor = PREDICTORS[name]()
    predictor.set_image(IMAGE)
    expected = clicked(predictor, range(6), start)
    for left in (5, 4, 3, 2, 1):
        for given, wanted in zip(predictor.undo(), expected[left - 1], strict=True):
            np.testing.assert_array_equal(given, wanted)
        if left in (4, 2, 1):
            again = clicked(predictor, range(left, 6), start)
            for given, wanted in zip(again, expected[left:], strict=True):
                np.testing.assert_array_equal(given[0], wanted[0])
                np.testing.assert_array_equal(given[1], wanted[1])
            for _ in range(left, 6):
                predictor.undo()
    mask, probs = predictor.undo()
    assert not mask.any() and not probs.any()


def test_undo_brings_back_probabilities_that_were_given_between_clicks():
    predictor = Predictor(TinyModel(), settings=InferenceSettings(zoom_in=CROPS), threshold=0.49)
    predictor.set_image(IMAGE)
    predictor.predict([(55, 40)], [1])
    soft = np.full((90, 120), 0.1, np.float32)
    soft[5:85, 5:115] = 0.495  # in the mask, and below a half
    soft[30:60, 40:70] = 0.9
    predictor.predict(prev_mask=soft)
    _, expected = predictor.predict([(60, 45)], [1])
    crop = predictor.session.view.source
    predictor.undo()
    _, again = predictor.predict([(60, 45)], [1])
    assert predictor.session.view.source == crop
    np.testing.assert_array_equal(again, expected)


def test_a_patch_in_an_image_of_the_networks_size_leaves_the_output_below_it_as_it_was():
    predictor = Predictor(FocalBlobModel(), settings=settings_for("focalclick", infer_size=48))
    predictor.set_image(IMAGE[:48, :48])
    expected = [predictor.predict([(x % 48, y % 48)], [label]) for x, y, label in POINTS * 2]
    for left in range(len(expected) - 1, 0, -1):
        np.testing.assert_array_equal(predictor.undo()[1], expected[left - 1][1])


def held_bytes(predictor):
    """Memory of all tensors and arrays that a predictor holds, its network aside."""
    found, seen, waiting = {}, {id(predictor.model)}, [predictor]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            found[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        elif isinstance(value, (np.ndarray, bytes)):
            found[id(value)] = len(value) if isinstance(value, bytes) else value.nbytes
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            waiting += vars(value).values()
    return sum(found.values())


@pytest.mark.parametrize(
    ("make_model", "settings", "start"),
    [
        (BlobModel, settings_for("clickseg", infer_size=48), None),
        (BlobModel, settings_for("clickseg", infer_size=48), "mask"),
        (FocalBlobModel, settings_for("focalclick", infer_size=48), None),
        (CDNetBlobModel, InferenceSettings(resize=(48, 48), postprocess=settings_for("cdnet").postprocess), None),
        (EncodeOnceModel, InferenceSettings(zoom_in=CROPS, flip=True), None),
    ],
    ids=["clickseg", "from a mask", "focal", "diffusion", "encodes once"],
)
def test_a_click_keeps_far_less_than_a_map_of_the_image(make_model, settings, start):
    image = np.random.default_rng(1).integers(0, 256, size=(1500, 2000, 3), dtype=np.uint8)
    mask = np.zeros(image.shape[:2], bool)
    mask[300:900, 500:1500] = True
    predictor = Predictor(make_model(), settings=settings)
    predictor.set_image(image)
    predictor.predict([(900, 700)], [1], mask if start else None)
    predictor.predict([(910, 700)], [1])
    before = held_bytes(predictor)
    for k in range(12):
        predictor.predict([(900 + 10 * k, 690 + k)], [k % 3 > 0])
    per_click = (held_bytes(predictor) - before) / 12
    assert per_click < 0.04 * mask.size * 4  # bytes of a map of float32
