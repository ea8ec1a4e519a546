"""Clicks and their tensor."""

import numpy as np
import pytest
import torch

from isegm.clicks import Click, clicks_from_xy, pad_points, points_tensor, split_points, used, write_simulated_click
from isegm.utils.errors import InputError

UNUSED = [-1.0, -1.0, -1.0]


# --- points in pixels


def test_clicks_from_xy_swaps_to_row_and_column_and_counts():
    clicks = clicks_from_xy([(3, 4.5), (0, 0)], [1, 0], image_size=(10, 20))
    assert clicks == [Click(True, (4.5, 3.0), 0), Click(False, (0.0, 0.0), 1)]


def test_clicks_from_xy_takes_the_last_pixel_and_no_clicks_at_all():
    assert clicks_from_xy([(19, 9)], [True], image_size=(10, 20)) == [Click(True, (9.0, 19.0), 0)]
    assert clicks_from_xy([], [], image_size=(10, 20)) == []


@pytest.mark.parametrize(
    ("points", "labels", "complaint"),
    [
        ([(3, 4)], [1, 0], "one label per"),
        ([(3, 4)], [], "one label per"),
        ([3, 4], [1, 1], "must be"),
        ([(3, 4, 5)], [1], "must be"),
        ([(3, 4), (5,)], [1, 1], "numbers"),
        ([("left", 4)], [1], "numbers"),
        ([(None, 4), "top"], [1], "numbers"),
        (object(), [1], "numbers"),
        ([(3, 4)], ["on"], "numbers"),
        ([(3, 4)], [[1], []], "numbers"),
        ([(3, 4)], [-1], "labels must be 1"),
        ([(3, 4)], [None], "labels must be 1"),
        ([(3, 4)], [0.5], "labels must be 1"),
        ([(20, 4)], [1], "outside the image"),
        ([(3, 10)], [1], "outside the image"),
        ([(-1, 4)], [1], "outside the image"),
        ([(3, -0.5)], [1], "outside the image"),
        ([(float("nan"), 4)], [1], "outside the image"),
        ([(3, float("inf"))], [1], "outside the image"),
    ],
)
def test_clicks_from_xy_says_what_is_wrong(points, labels, complaint):
    with pytest.raises(InputError, match=complaint):
        clicks_from_xy(points, labels, image_size=(10, 20))


def test_a_click_keeps_its_sign_and_index_when_it_moves():
    assert Click(False, (1, 2), 5).at(3, 4.5) == Click(False, (3, 4.5), 5)


# --- the tensor


def test_points_tensor_puts_positive_clicks_before_negative_ones():
    first = [Click(True, (1.5, 2), 0), Click(False, (3, 4), 1), Click(True, (5, 6), 2)]
    points = points_tensor([first, [Click(False, (7, 8), 0)]])
    assert points.dtype == torch.float32
    assert points.tolist() == [
        [[1.5, 2, 0], [5, 6, 2], [3, 4, 1], UNUSED],
        [UNUSED, UNUSED, [7, 8, 0], UNUSED],
    ]


def test_points_tensor_without_clicks_still_has_one_row_per_polarity():
    assert points_tensor([[], []]).tolist() == [[UNUSED, UNUSED]] * 2
    assert points_tensor([[Click(True, (1, 2), 0)]], multiple=2).tolist() == [[[1, 2, 0], UNUSED, UNUSED, UNUSED]]


def test_points_tensor_limit_counts_clicks_of_both_signs():
    clicks = [Click(True, (1, 1), 0), Click(False, (2, 2), 1), Click(True, (3, 3), 2)]
    assert points_tensor([clicks], limit=2).tolist() == [[[1, 1, 0], [2, 2, 1]]]
    assert points_tensor([clicks], limit=0).tolist() == [[UNUSED, UNUSED]]


def test_points_tensor_marks_a_click_without_index():
    assert points_tensor([[Click(True, (1, 2))]])[0, 0].tolist() == [1, 2, -1]


def test_pad_points_pads_behind_each_half():
    points = pad_points([(1, 2, 0)], [(3, 4, 100), (5, 6, 100)], slots=2)
    assert points.dtype == np.float32
    assert points.tolist() == [[1, 2, 0], UNUSED, [3, 4, 100], [5, 6, 100]]
    assert pad_points([], [], slots=1).tolist() == [UNUSED, UNUSED]


def test_split_points_gives_positive_and_negative_rows():
    points = points_tensor([[Click(True, (1, 2), 0), Click(False, (3, 4), 1)]])
    positive, negative = split_points(points)
    assert (positive.tolist(), negative.tolist()) == ([[[1, 2, 0]]], [[[3, 4, 1]]])


def test_a_row_is_unused_only_when_both_coordinates_are_negative():
    points = torch.tensor([[[0.0, 0.0, 0.0], [-2.0, 3.0, 1.0], [3.0, -2.0, 1.0], [-0.5, -2.0, 1.0], UNUSED]])
    assert used(points).tolist() == [[True, True, True, False, False]]


def test_simulated_clicks_fill_each_half_from_its_end():
    points = torch.from_numpy(np.stack([pad_points([(1, 1, 0)], [(2, 2, 100)] * 3, slots=3)] * 2))
    untouched = points[0].clone()
    write_simulated_click(points, 1, True, 7, 8, order=1)
    write_simulated_click(points, 1, False, 9, 10.5, order=2)
    write_simulated_click(points, 1, True, 11, 12, order=3)
    assert torch.equal(points[0], untouched)
    assert points[1].tolist() == [[11, 12, 3], UNUSED, [7, 8, 1], [2, 2, 100], [9, 10.5, 2], [2, 2, 100]]


@pytest.mark.parametrize("order", [0, 4])
@pytest.mark.parametrize("is_positive", [True, False])
def test_a_simulated_click_never_lands_in_the_other_half(order, is_positive):
    with pytest.raises(ValueError, match="order goes from 1 to 3"):
        write_simulated_click(torch.full((1, 6, 3), -1.0), 0, is_positive, 5, 5, order)
