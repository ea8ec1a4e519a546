"""Boxes, scribbles and polygons: what is refused, how they are drawn, and what stands for them."""

import numpy as np
import pytest
import torch

from isegm import InputError
from isegm.click_maps import DistMaps
from isegm.clicks import points_tensor
from isegm.prompts import Prompt, Stroke, draw_strokes, prompts_from_xy

SIZE = (60, 80)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"box": (-5, 0, 20, 20)}, ("reaches beyond the image", "80 pixels wide and 60 high")),
        ({"box": (90, 10, 120, 30)}, ("reaches beyond the image",)),
        ({"box": (10, 10, 20, 61)}, ("reaches beyond the image",)),
        ({"box": (float("nan"), 0, 20, 20)}, ("reaches beyond the image",)),
        ({"box": (10, 10, 10, 30)}, ("has no area", "x0 < x1")),
        ({"box": (30, 30, 10, 40)}, ("has no area",)),
        ({"box": (10.2, 10, 10.8, 30)}, ("has no area",)),
        ({"box": (1, 2, 3)}, ("four numbers",)),
        ({"box": "here"}, ("four numbers", "here")),
        ({"polygon": [(1, 1), (5, 5)]}, ("polygon of 2 points", "three different corners")),
        ({"polygon": [(1, 1), (5, 5), (1, 1), (5, 5)]}, ("polygon of 4 points",)),
        ({"polygon": [(1, 1), (5, 5), (9, 9)]}, ("area of less than a pixel",)),
        ({"polygon": [(1, 1), (5, 5), (90, 9)]}, ("point of the polygon", "x=90")),
        ({"polygon": [1, 2, 3]}, ("(N, 2)",)),
        ({"scribbles": [([(4, 4)], 1)]}, ("no length",)),
        ({"scribbles": [([(4, 4), (4, 4)], 1)]}, ("no length",)),
        ({"scribbles": [([(4, 4), (4, 60)], 0)]}, ("point of the scribble", "y=60")),
        ({"scribbles": [([(4, 4), (4, 9)], 2)]}, ("(points, label) pairs",)),
        ({"scribbles": [(4, 4), (4, 9)]}, ("scribbles must be",)),
        ({"scribbles": 7}, ("(points, label) pairs", "7")),
    ],
)
def test_one_sentence_says_what_is_wrong(given, words):
    with pytest.raises(InputError) as raised:
        prompts_from_xy(SIZE, **given)
    sentence = str(raised.value)
    assert all(word in sentence for word in words) and "\n" not in sentence and sentence.endswith(".")


def test_a_box_covers_its_pixels_and_its_end_is_excluded():
    (box,) = prompts_from_xy(SIZE, box=(10, 20, 30, 25))
    rows, columns = np.nonzero(box.mask(SIZE))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 24, 10, 29) and len(rows) == 100
    (whole,) = prompts_from_xy(SIZE, box=(0, 0, 80, 60))
    assert whole.mask(SIZE).all()
    (click,) = box.clicks(SIZE)
    assert click.coords == (22, 19.5) and click.is_positive


def test_the_click_of_a_polygon_lies_at_its_innermost_pixel():
    corners = [(5, 5), (75, 5), (75, 9), (25, 9), (25, 50), (5, 50)]  # the centre of its box is outside
    (polygon,) = prompts_from_xy(SIZE, polygon=corners)
    inside = polygon.mask(SIZE)
    assert inside[30, 15] and not inside[27, 40] and inside[5, 5]
    (click,) = polygon.clicks(SIZE)
    row, column = click.coords
    assert column == 15 and 15 <= row <= 40


def test_clicks_of_a_scribble_lie_at_equal_distances_and_have_its_sign():
    (scribble,) = prompts_from_xy(SIZE, scribbles=[([(10, 5), (10, 35)], 0)])
    clicks = scribble.clicks(SIZE)
    steps = np.diff([click.coords[0] for click in clicks])
    assert all(click.coords[1] == 10 and not click.is_positive for click in clicks)
    np.testing.assert_allclose(steps, steps[0])
    assert clicks[0].coords[0] - 5 == pytest.approx(35 - clicks[-1].coords[0]) == pytest.approx(steps[0] / 2)


@pytest.mark.parametrize("box", [(0, 0, 0.5, 10), (0, 0, 0.9, 0.5), (3.2, 4.6, 9.5, 20.1), (2, 3, 9, 12)])
def test_the_click_of_a_box_lies_in_the_middle_of_its_pixels(box):
    (prompt,) = prompts_from_xy(SIZE, box=box)
    rows, columns = np.nonzero(prompt.mask(SIZE))
    (click,) = prompt.clicks(SIZE)
    assert click.coords == ((rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2)


def test_of_several_innermost_pixels_a_polygon_has_the_click_on_the_middle_one():
    (wide,) = prompts_from_xy(SIZE, polygon=[(2, 10), (36, 10), (36, 18), (2, 18)])
    (high,) = prompts_from_xy(SIZE, polygon=[(10, 2), (18, 2), (18, 26), (10, 26)])
    assert wide.clicks(SIZE)[0].coords == (14, 19) and high.clicks(SIZE)[0].coords == (14, 14)


def test_a_polygon_whose_loops_cancel_is_one():
    (prompt,) = prompts_from_xy(SIZE, polygon=[(0, 0), (25, 0), (0, 25), (25, 25)])
    (click,) = prompt.clicks(SIZE)
    assert prompt.mask(SIZE).sum() > 100 and prompt.mask(SIZE)[int(click.coords[0]), int(click.coords[1])]


def test_prompts_stand_in_the_order_polygon_box_scribbles():
    prompts = prompts_from_xy(
        SIZE,
        box=(1, 1, 20, 20),
        scribbles=[([(3, 3), (9, 9)], 1), ([(30, 3), (39, 9)], 0)],
        polygon=[(1, 1), (20, 1), (9, 20)],
    )
    assert [(prompt.kind, prompt.is_positive) for prompt in prompts] == [
        ("polygon", True),
        ("box", True),
        ("scribble", True),
        ("scribble", False),
    ]


def test_a_box_is_drawn_as_a_negative_outline_a_scribble_with_its_sign_a_polygon_not_at_all():
    given = {"box": (5, 5, 30, 25), "scribbles": [([(3, 3), (9, 9)], 1), ([(30, 3), (39, 9)], 0)]}
    strokes = [stroke for prompt in prompts_from_xy(SIZE, **given) for stroke in prompt.strokes()]
    assert [stroke.is_positive for stroke in strokes] == [False, True, False]
    np.testing.assert_array_equal(strokes[0].points[[0, 2]], [(5, 5), (24, 29)])
    (polygon,) = prompts_from_xy(SIZE, polygon=[(1, 1), (20, 1), (9, 20)])
    assert polygon.strokes() == []


def test_a_stroke_that_stands_still_is_the_disk_of_a_click():
    clicks = Prompt("box", ((3, 4), (20, 31))).clicks(SIZE)
    disks = DistMaps(5, use_disks=True)(points_tensor([clicks]), SIZE)[0]
    still = Stroke(np.array([clicks[0].coords] * 2), True)
    np.testing.assert_array_equal(draw_strokes([still], SIZE, 5), disks.numpy())


@pytest.mark.parametrize("ends", [((10.5, 12.25), (41, 66)), ((-20, 30), (90, 50)), ((30, 10), (30, 200))])
def test_a_stroke_is_what_lies_within_the_radius_of_its_line(ends):
    steps = np.linspace(0, 1, 4001)[:, None]
    points = np.array(ends[0]) * (1 - steps) + np.array(ends[1]) * steps
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = torch.tensor(np.stack((rows, columns), axis=-1).reshape(-1, 2), dtype=torch.float64)
    distance = torch.cdist(pixels, torch.from_numpy(points)).amin(dim=1).view(SIZE).numpy()
    drawn = draw_strokes([Stroke(np.array(ends, dtype=float), False)], SIZE, 3)
    clear = np.abs(distance - 3) > 0.05
    assert drawn.dtype == np.float32 and not drawn[0].any()
    np.testing.assert_array_equal(drawn[1][clear], (distance <= 3)[clear])
