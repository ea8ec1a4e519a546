import numpy as np
import pytest
import torch

from isegm.inference.boxes import bbox_above, bbox_from_mask, bbox_iou, clamp_bbox, expand_bbox
from tests.golden import golden_json


def test_expansion_and_iou_of_appendix_a4():
    assert expand_bbox((10, 30, 20, 80), 1.4, 200) == (-80, 120, -50, 150)
    assert expand_bbox((10, 30, 20, 80), 1.4) == (5, 35, 7, 93)
    assert expand_bbox((10, 31, 20, 80), 1.25) == (7, 34, 12, 88)
    assert bbox_iou((0, 99, 0, 99), (10, 59, 0, 99)) == 0.5


def test_box_helpers_equal_the_published_ones():
    for case in golden_json("protocol/bbox_utils.json"):
        assert bbox_iou(case["a"], case["b"]) == pytest.approx(case["iou"], abs=1e-12)
        assert list(expand_bbox(case["a"], 1.4, 20)) == case["expand14"]
        assert list(expand_bbox(case["a"], 1.4)) == case["expand14_none"]
        assert list(clamp_bbox(case["a"], 10, 60, 5, 70)) == case["clamp"]


@pytest.mark.parametrize("pixels", [[(0, 0)], [(4, 6)], [(1, 5), (3, 2)], [(0, 3), (4, 3), (2, 0), (2, 6)]])
def test_box_of_a_mask_holds_exactly_its_pixels(pixels):
    mask = np.zeros((5, 7), dtype=bool)
    mask[tuple(zip(*pixels, strict=True))] = True
    rows, columns = np.nonzero(mask)
    expected = (rows.min(), rows.max(), columns.min(), columns.max())
    assert bbox_from_mask(mask) == expected
    assert bbox_above(torch.from_numpy(mask) * 0.6, 0.5) == expected
    assert bbox_above(torch.from_numpy(mask) * 0.6, 0.7) is None


def test_an_empty_mask_has_no_box():
    assert bbox_from_mask(np.zeros((5, 7), dtype=bool)) is None
