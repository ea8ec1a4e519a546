"""Boxes and scribbles that training samples begin with."""

import numpy as np
import pytest

from isegm import InputError
from isegm.data.drawn_prompts import DrawnPrompts


def sample():
    label = np.zeros((1, 96, 128), np.float32)
    label[0, 20:70, 30:100] = 1
    label[0, :5] = -1
    return {"images": np.zeros((96, 128, 3), np.uint8), "points": np.full((48, 3), 7, np.float32), "instances": label}


def test_some_samples_begin_with_a_box_and_some_with_a_scribble():
    rng, step = np.random.default_rng(0), DrawnPrompts(p_box=0.3, p_scribble=0.2)
    made = [step(sample(), rng) for _ in range(200)]
    boxes = [one for one in made if one["strokes"][1].any()]
    scribbles = [one for one in made if one["strokes"][0].any()]
    clicked = [one for one in made if not one["strokes"].any()]
    assert 40 < len(boxes) < 80 and 20 < len(scribbles) < 60 and len(boxes) + len(scribbles) + len(clicked) == 200
    assert all(one["strokes"].shape == (2, 96, 128) and one["strokes"].dtype == np.float32 for one in made)
    assert all((one["points"] == 7).all() for one in clicked)
    for one, clicks in [(boxes[0], 1), (scribbles[0], 3)]:
        assert one["points"].shape == (48, 3) and one["points"].dtype == np.float32
        assert (one["points"][:clicks, 2] == np.arange(clicks)).all() and (one["points"][clicks:] == -1).all()
    assert len({one["strokes"].tobytes() for one in boxes}) > 20  # their sides move


def test_a_sample_without_an_object_keeps_its_clicks():
    empty = sample() | {"instances": np.zeros((1, 96, 128), np.float32)}
    made = DrawnPrompts(p_box=1, p_scribble=0)(empty, np.random.default_rng(0))
    assert not made["strokes"].any() and (made["points"] == 7).all()


@pytest.mark.parametrize("wrong", [{"p_box": 2}, {"p_scribble": -1}, {"jitter": -1}, {"radius": 0}])
def test_numbers_out_of_their_range_are_refused(wrong):
    with pytest.raises(InputError):
        DrawnPrompts(**wrong)
