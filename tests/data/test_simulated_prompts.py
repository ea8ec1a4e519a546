"""First prompts of the simulated user: where they lie, and that they can be repeated."""

import numpy as np
import pytest

from isegm.data.simulated_prompts import simulated_box, simulated_mask, simulated_scribble
from isegm.inference.mask_metrics import get_iou
from isegm.prompts import prompts_from_xy


def blob(height=120, width=160):
    truth = np.zeros((height, width), bool)
    truth[30:90, 20:60] = True
    truth[60:90, 20:140] = True
    truth[2:8, 150:156] = True  # a second, smaller part
    return truth


def test_the_box_is_the_smallest_around_the_object():
    inside = simulated_box(blob()).mask((120, 160))
    rows, columns = np.nonzero(inside)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 89, 20, 155)


@pytest.mark.parametrize("jitter", [0.1, 0.5, 3.0])
def test_a_jittered_box_stays_a_box_in_the_image_and_is_the_same_again(jitter):
    boxes = [simulated_box(blob(), jitter, (0, index)) for index in range(20)]
    assert boxes == [simulated_box(blob(), jitter, (0, index)) for index in range(20)] and len(set(boxes)) > 10
    for box in boxes:
        (top, left), (bottom, right) = box.path
        assert prompts_from_xy((120, 160), box=(left, top, right, bottom)) == [box]


def test_a_scribble_lies_on_an_object_that_is_large_and_one_pixel_wide():
    truth = np.eye(1200, dtype=bool)
    points = np.array(simulated_scribble(truth).outline())
    assert np.abs(points[:, 0] - points[:, 1]).max() < 4
    assert np.hypot(*(points[-1] - points[0])) > 800


def test_a_scribble_lies_in_the_largest_part_and_is_long():
    truth = blob()
    points = simulated_scribble(truth).outline()
    assert all(truth[round(row), round(column)] and column < 145 for row, column in points)
    assert np.hypot(*np.diff(points, axis=0).T).sum() > 60


@pytest.mark.parametrize(
    "region",
    [
        (slice(5, 6), slice(7, 8)),
        (slice(0, 1), slice(0, 1)),
        (slice(3, 40), slice(9, 10)),
        (slice(5, 35), slice(5, 35)),
    ],
    ids=["a pixel", "a corner", "a line", "a square"],
)
def test_a_scribble_on_an_odd_object_has_length_and_lies_in_the_image(region):
    truth = np.zeros((50, 60), bool)
    truth[region] = True
    scribble = simulated_scribble(truth)
    xy = [(column, row) for row, column in scribble.path]
    assert prompts_from_xy((50, 60), scribbles=[(xy, 1)]) == [scribble] and simulated_scribble(truth) == scribble


def test_a_mask_resembles_the_object_and_is_the_same_again():
    truth = blob()
    masks = [simulated_mask(truth, (0, index)) for index in range(10)]
    ious = [get_iou(truth.astype(np.int32), mask) for mask in masks]
    assert min(ious) > 0.3 and max(ious) < 0.97 and len(set(ious)) > 5
    np.testing.assert_array_equal(masks[3], simulated_mask(truth, (0, 3)))
