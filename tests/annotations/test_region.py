"""Regions and annotated objects: sets of pixels, plain data, what is refused."""

import numpy as np
import pytest

from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.utils.errors import InputError
from isegm.utils.vis import object_color
from tests.annotations.drawn import SIZE, hard_masks


def noise(seed, share=0.3):
    rng = np.random.default_rng(seed)
    mask = np.zeros(SIZE, bool)
    top, left = rng.integers(0, 20, 2)
    mask[top : top + 12, left : left + 20] = rng.random((12, 20)) < share
    return mask


@pytest.mark.parametrize("name", hard_masks())
def test_masks_come_back_from_their_box_and_from_plain_data(name):
    mask = hard_masks()[name]
    region = Region.of(mask)
    np.testing.assert_array_equal(region.mask(), mask)
    assert region.area == mask.sum()
    assert region.pixels.any(axis=0)[[0, -1]].all() and region.pixels.any(axis=1)[[0, -1]].all()
    assert Region.from_json(mask.shape, region.to_json()).same(region)


def test_an_empty_region_has_no_box_and_joins_in_everything():
    empty, some = Region.empty(SIZE), Region.of(noise(0))
    assert not empty and some and empty.same(Region.of(np.zeros(SIZE, bool)))
    assert empty.overlap(some) == some.overlap(empty) == 0
    assert some.without(empty).same(some) and not some.without(some) and not empty.without(some)
    assert Region.from_json(SIZE, empty.to_json()).same(empty)
    assert not empty.mask().any()


@pytest.mark.parametrize("seed", range(20))
def test_overlap_without_and_union_are_those_of_sets(seed):
    one, two = noise(seed), noise(seed + 100)
    first, second = Region.of(one), Region.of(two)
    assert first.overlap(second) == second.overlap(first) == (one & two).sum()
    assert first.without(second).same(Region.of(one & ~two))
    third = noise(seed + 200)
    assert Region.union(SIZE, [first, Region.empty(SIZE), second, Region.of(third)]).same(Region.of(one | two | third))
    assert Region.union(SIZE, []).same(Region.empty(SIZE))


def test_a_region_never_changes():
    mask = noise(1)
    region = Region.of(mask)
    before = region.mask()
    mask[:] = True
    region.mask()[:] = True
    np.testing.assert_array_equal(region.mask(), before)
    with pytest.raises(ValueError, match="read-only"):
        region.pixels[0, 0] = True


def test_damaged_plain_data_are_refused():
    content = Region.of(noise(2)).to_json()
    top, left, height, width = content["box"]
    for damaged in (
        {},
        {"box": content["box"]},
        {**content, "bits": content["bits"][:-8]},
        {**content, "bits": "§"},
        {**content, "bits": 7},
        {**content, "box": [top, left, height]},
        {**content, "box": [top, left, height, width + 8]},
        {**content, "box": [SIZE[0], left, height, width]},
        {**content, "box": [-1, left, height, width]},
        {**content, "box": [top, left, None, width]},
    ):
        with pytest.raises(ValueError):
            Region.from_json(SIZE, damaged)


def test_later_objects_lie_over_earlier_ones():
    one, two = noise(3), noise(4)
    objects = (AnnotatedObject(300, Region.of(one)), AnnotatedObject(2, Region.of(two)))
    labels = Annotations("a.jpg", SIZE, objects).labels()
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, np.where(two, 2, np.where(one, 300, 0)))


def test_an_object_has_its_numbers_colour_unless_another_is_given():
    region = Region.empty(SIZE)
    assert AnnotatedObject(5, region).color == object_color(5)
    assert AnnotatedObject(5, region, color=(9, 8, 7)).color == (9, 8, 7)


@pytest.mark.parametrize(
    "arguments",
    [
        {"number": 0},
        {"number": 65536},
        {"color": (0, 0, 256)},
        {"color": (0, 0)},
        {"color": (0.5, 0, 0)},
        {"category": " "},
    ],
)
def test_an_object_out_of_bounds_is_refused(arguments):
    with pytest.raises(InputError, match=r"give|write"):
        AnnotatedObject(**({"number": 1, "region": Region.empty(SIZE)} | arguments))
