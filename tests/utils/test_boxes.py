import numpy as np
import pytest
import torch

from isegm.utils.boxes import Box


@pytest.mark.parametrize("pixels", [[(0, 0)], [(4, 6)], [(1, 5), (3, 2)], [(0, 3), (4, 3), (2, 0), (2, 6)]])
def test_box_of_a_mask_holds_exactly_its_pixels(pixels):
    mask = np.zeros((5, 7), dtype=bool)
    mask[tuple(zip(*pixels, strict=True))] = True
    rows, columns = np.nonzero(mask)
    expected = (rows.min(), rows.max(), columns.min(), columns.max())
    assert Box.around(mask).inclusive == expected
    assert Box.around_above(torch.from_numpy(mask) * 0.6, 0.5).inclusive == expected
    assert Box.around_above(torch.from_numpy(mask) * 0.6, 0.7).is_empty
    assert Box.from_inclusive(*expected) == Box.around(mask)


def test_an_empty_mask_has_an_empty_box():
    box = Box.around(np.zeros((5, 7), dtype=bool))
    assert box.is_empty and box.area == 0


def test_boxes_share_the_pixels_of_both():
    one, other = Box(0, 4, 0, 6), Box(2, 8, 3, 5)
    assert one.intersection(other) == (2, 4, 3, 5)
    assert one.iou(other) == other.iou(one) == 2 / 8 * 2 / 6  # of the rows times that of the columns
    assert one.intersection(Box(4, 8, 0, 6)).is_empty and one.iou(Box(4, 8, 0, 6)) == 0


@pytest.mark.parametrize("maps", [np.arange(60).reshape(3, 4, 5), torch.arange(60).reshape(3, 4, 5)])
def test_a_crop_is_a_view_of_the_maps(maps):
    crop = Box(1, 3, 2, 5).crop(maps)
    assert crop.shape == (3, 2, 3) and crop[0, 0, 0] == 7
    crop[0, 0, 0] = -1
    assert maps[0, 1, 2] == -1


def test_a_point_is_mapped_into_the_resized_box():
    assert Box(10, 50, 20, 60).to_crop((30, 30), (80, 20)) == (40, 5)
