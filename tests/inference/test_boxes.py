import pytest

from isegm.inference.boxes import bbox_iou, expand_bbox
from isegm.utils.boxes import Box
from tests.golden import golden_json


def expanded(ends, *args):
    return expand_bbox(Box.from_inclusive(*ends), *args).inclusive


def test_expansion_and_iou_of_appendix_a4():
    assert expanded((10, 30, 20, 80), 1.4, 200) == (-80, 120, -50, 150)
    assert expanded((10, 30, 20, 80), 1.4) == (5, 35, 7, 93)
    assert expanded((10, 31, 20, 80), 1.25) == (7, 34, 12, 88)
    assert bbox_iou(Box(0, 100, 0, 100), Box(10, 60, 0, 100)) == 0.5


def test_box_formulas_equal_the_published_ones():
    limits = Box.from_inclusive(10, 60, 5, 70)
    for case in golden_json("protocol/bbox_utils.json"):
        box, other = Box.from_inclusive(*case["a"]), Box.from_inclusive(*case["b"])
        assert bbox_iou(box, other) == pytest.approx(case["iou"], abs=1e-12)
        assert list(expanded(case["a"], 1.4, 20)) == case["expand14"]
        assert list(expanded(case["a"], 1.4)) == case["expand14_none"]
        assert list(box.intersection(limits).inclusive) == case["clamp"]
