"""Masks do not end at the border of a crop where people click; published protocols get one pass."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm.clicks import Click
from isegm.demo.settings import Settings
from isegm.inference.cascade import Cascade
from isegm.inference.mask_metrics import get_iou
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import settings_for, with_further_looks
from isegm.inference.refinement import build_refinement
from isegm.inference.transforms import ZoomIn
from isegm.inference.widening import wider_crop
from isegm.utils.boxes import Box
from tests.analytic import AnalyticModel, BrightModel, TinyModel

CLICKS = (Click(True, (100, 50)),)


class Faithful(AnalyticModel):
    """What is bright is object; where there is a mask already, it stays as it is."""

    def logits(self, image, prev_mask, points):
        return 40 * ((prev_mask if prev_mask.any() else image[:, :1]) - 0.5)


def bar(height=200, width=300):
    """A bar of 280 x 10 pixels."""
    image = np.zeros((height, width, 3), np.uint8)
    image[95:105, 10:290] = 255
    return image


def clicked(settings, start=(95, 105, 40, 60), clicks=CLICKS):
    """The session after the clicks, and the network's calls, where the crop is chosen around a part of the bar."""
    predictor = Predictor(model := BrightModel(), settings=settings)
    session = predictor.start(bar()).with_click(Click(True, (100, 50)))
    part = np.zeros((200, 300), bool)
    part[start[0] : start[1], start[2] : start[3]] = True
    session = replace(session.with_prev_mask(part), merged=None, clicks_seen=1)
    return predictor.step([session], list(clicks))[0], model.calls


CROPS = replace(settings_for("clickseg", infer_size=64), merge="guarded")


def test_a_mask_that_the_crop_cuts_is_looked_at_with_larger_crops():
    cut, calls = clicked(CROPS)
    assert calls == 1 and wider_crop(cut.prev_probs, cut.view.output_box, 0.49) is not None
    whole, calls = clicked(replace(CROPS, widen=10))
    assert calls > 1 and wider_crop(whole.prev_probs, whole.view.output_box, 0.49) is None
    columns = np.flatnonzero(whole.mask(0.49)[100])
    assert columns[0] <= 12 and columns[-1] >= 287
    assert whole.zoom.roi == whole.view.output_box and len(whole.clicks) == 2


def test_a_mask_inside_its_crop_or_at_the_border_of_the_image_gets_one_pass():
    settings = replace(CROPS, widen=10)
    _, calls = clicked(settings, start=(60, 140, 0, 300))
    assert calls == 1
    probs = torch.ones(1, 1, 20, 30)
    assert wider_crop(probs, Box(0, 20, 0, 30), 0.5) is None


def test_only_the_sides_that_cut_move_and_no_farther_than_the_image():
    probs = torch.zeros(1, 1, 100, 100)
    probs[..., 45:50, 20:60] = 1
    assert wider_crop(probs, Box(40, 60, 30, 90), 0.5) == Box(40, 60, 0, 90)
    assert wider_crop(probs, Box(40, 60, 10, 50), 0.5) == Box(40, 60, 10, 70)
    assert wider_crop(probs, Box(47, 60, 10, 70), 0.5) == Box(41, 60, 10, 70)
    assert wider_crop(probs * 0.4, Box(40, 60, 10, 50), 0.5) is None


def test_the_number_of_further_passes_is_bounded():
    _, calls = clicked(replace(CROPS, widen=1))
    assert calls == 2


def test_a_batch_gives_the_answers_of_each_alone():
    predictor = Predictor(TinyModel(), settings=with_further_looks(CROPS))
    images = [bar(), np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)]
    sessions = [predictor.start(image) for image in images]
    for k in range(3):
        click = Click(k != 1, (40 + k, 50))
        alone = [predictor.step([session], [click])[0] for session in sessions]
        sessions = predictor.step(sessions, [click, click])
        for one, other in zip(sessions, alone, strict=True):
            assert one.view == other.view
            np.testing.assert_allclose(one.probs, other.probs, atol=1e-5)


def test_the_first_click_is_looked_at_twice_and_later_ones_once():
    predictor = Predictor(model := BrightModel(), settings=replace(CROPS, second_look=True))
    image = np.zeros((200, 300, 3), np.uint8)
    image[90:110, 100:140] = 255
    predictor.set_image(image)
    predictor.predict([(110, 100)], [1])
    assert model.calls == 2 and predictor.session.view.roi.area < 200 * 300 / 10
    np.testing.assert_array_equal(predictor.session.probs > 0.49, image[..., 0] > 0)
    predictor.predict([(115, 100)], [1])
    assert model.calls == 3
    predictor.set_image(bar())  # the crop around the answer is nearly the whole image, or there is none
    predictor.predict([(50, 100)], [0])
    assert model.calls in (4, 5)


@pytest.mark.parametrize(
    "settings",
    [replace(CROPS, cascade=Cascade(2)), replace(CROPS, zoom_in=replace(CROPS.zoom_in, skip_clicks=2))],
    ids=["cascade", "second click on the whole image"],
)
def test_the_whole_image_after_a_second_look_is_not_squeezed_into_its_crop(settings):
    predictor = Predictor(Faithful(), settings=with_further_looks(settings))
    image = np.zeros((200, 300, 3), np.uint8)
    image[70:130, 80:180] = 255
    predictor.set_image(image)
    for click in [(110, 100), (115, 100)]:
        predictor.predict([click], [1])
        assert get_iou(image[..., 0] > 0, predictor.session.probs > 0.49) > 0.9


@pytest.mark.parametrize("protocol", ["ritm", "clickseg", "focalclick", "cdnet"])
def test_published_protocols_get_one_pass(protocol):
    settings = settings_for(protocol)
    assert settings.widen is None and settings.second_look is None


def test_programs_of_people_look_again():
    for settings in (Predictor(TinyModel()).settings, Settings().inference):
        assert settings.widen and settings.second_look
    assert Predictor(TinyModel(), refinement=build_refinement("RGB-BRS")).settings.widen is None
    assert replace(Settings(), zoom_in=False).inference.widen is None
    assert with_further_looks(replace(settings_for("ritm"), zoom_in=None)).second_look is None


def test_ritms_rule_keeps_the_wider_crop_for_the_next_click():
    settings = replace(settings_for("ritm"), zoom_in=ZoomIn(64, min_crop_size=20), merge="guarded", widen=10)
    session, _ = clicked(settings)
    predictor = Predictor(BrightModel(), settings=settings)
    (after,) = predictor.step([session], [Click(True, (100, 200))])
    assert wider_crop(after.prev_probs, after.view.output_box, 0.49) is None
