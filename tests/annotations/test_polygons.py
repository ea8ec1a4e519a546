"""Run lengths and outlines against the programs that other people read them with: pycocotools and Pillow."""

import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco_masks

from isegm.annotations import Region
from isegm.annotations.polygons import centre_outlines, corner_outlines, fill_polygon
from isegm.annotations.rle import compress, decode, encode, expand
from tests.annotations.drawn import SIZE, hard_masks


@pytest.mark.parametrize("name", hard_masks())
def test_run_lengths_are_those_of_pycocotools(name):
    mask = hard_masks()[name]
    counts = encode(Region.of(mask))
    letters = coco_masks.encode(np.asfortranarray(mask.view(np.uint8)))["counts"].decode()
    assert compress(counts) == letters
    np.testing.assert_array_equal(expand(letters), counts)
    assert decode(counts, mask.shape).same(Region.of(mask))


def test_run_lengths_of_nothing_and_of_large_numbers():
    np.testing.assert_array_equal(encode(Region.empty(SIZE)), [SIZE[0] * SIZE[1]])
    assert not decode([SIZE[0] * SIZE[1]], SIZE)
    counts = np.array([0, 1, 30_000_000, 2, 1, 29_999_999, 16, 15, 33, 1_000_000_007])
    np.testing.assert_array_equal(expand(compress(counts)), counts)


@pytest.mark.parametrize("counts", [[], [5], [-1, SIZE[0] * SIZE[1] + 1], [0.5, 1], [2**62] * 4, [[1, 2]], ["a"]])
def test_run_lengths_that_do_not_fit_are_refused(counts):
    with pytest.raises(ValueError, match="add up"):
        decode(counts, SIZE)


@pytest.mark.parametrize("text", ["", "o", "ü", " ", "~", "ooooooooo0"])
def test_letters_that_are_no_run_lengths_are_refused(text):
    with pytest.raises(ValueError):
        expand(text)


@pytest.mark.parametrize("name", hard_masks())
def test_polygons_along_pixel_edges_fill_to_the_same_pixels(name):
    mask = hard_masks()[name]
    outlines = corner_outlines(Region.of(mask))
    flat = [corners.ravel().astype(float).tolist() for corners in outlines]
    theirs = coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects(flat, *mask.shape)))
    np.testing.assert_array_equal(theirs, mask)
    pieces = [fill_polygon(corners, mask.shape) for corners in outlines]
    assert Region.union(mask.shape, pieces).same(Region.of(mask))
    assert sum(piece.area for piece in pieces) == mask.sum()


@pytest.mark.parametrize("name", hard_masks())
def test_no_piece_has_a_hole_or_falls_apart(name):
    mask = hard_masks()[name]
    for corners in corner_outlines(Region.of(mask)):
        piece = np.pad(fill_polygon(corners, mask.shape).mask(), 1)
        assert cv2.connectedComponents(piece.view(np.uint8), connectivity=4)[0] == 2
        assert cv2.connectedComponents((~piece).view(np.uint8), connectivity=8)[0] == 2


@pytest.mark.parametrize("name", hard_masks())
def test_polygons_through_pixel_centres_are_drawn_as_the_same_pixels(name):
    mask = hard_masks()[name]
    image_name = Image.new("L", mask.shape[::-1])
    for points in centre_outlines(Region.of(mask)):
        corners = [tuple(point) for point in points.tolist()] * (1 if len(points) > 2 else 3)
        ImageDraw.Draw(image_name).polygon(corners, outline=1, fill=1)
    np.testing.assert_array_equal(np.asarray(image_name), mask)


def test_outlines_leave_out_points_on_straight_lines():
    mask = np.zeros(SIZE, bool)
    mask[5:9, 3:20] = True
    (corners,), (centres,) = corner_outlines(Region.of(mask)), centre_outlines(Region.of(mask))
    assert {tuple(point) for point in corners.tolist()} == {(3, 5), (20, 5), (20, 9), (3, 9)} and len(corners) == 4
    assert {tuple(point) for point in centres.tolist()} == {(3, 5), (19, 5), (19, 8), (3, 8)} and len(centres) == 4


def test_a_hole_cuts_off_little():
    mask = np.ones((40, 40), bool)
    mask[5, 7] = mask[35, 20] = False
    areas = sorted(fill_polygon(corners, mask.shape).area for corners in corner_outlines(Region.of(mask)))
    assert areas == [4, 5, 1600 - 2 - 9]


def test_only_holes_are_cut():
    for name, pieces in {"ring that closes over a corner": 1, "ring": 2, "object within a hole": 3, "full": 1}.items():
        assert len(corner_outlines(Region.of(hard_masks()[name]))) == pieces, name


def test_nothing_has_no_outline():
    assert corner_outlines(Region.empty(SIZE)) == centre_outlines(Region.empty(SIZE)) == []


@pytest.mark.parametrize("fineness", [1, 5, 1000])
def test_polygons_of_other_programs_fill_as_in_pycocotools(fineness):
    rng = np.random.default_rng(fineness)
    for _ in range(100):
        height, width = (int(side) for side in rng.integers(1, 60, 2))
        corners = np.round(rng.uniform(-20, 80, (rng.integers(3, 12), 2)) * fineness) / fineness
        theirs = coco_masks.decode(coco_masks.frPyObjects([corners.ravel().tolist()], height, width))[..., 0]
        np.testing.assert_array_equal(fill_polygon(corners, (height, width)).mask(), theirs)


def test_polygons_that_reach_far_out_fill_as_in_pycocotools():
    rng = np.random.default_rng(0)
    for far in (1e2, 1e3, 1e4, 1e5):
        for _ in range(10):
            height, width = (int(side) for side in rng.integers(1, 60, 2))
            near = rng.uniform(-5, 65, (rng.integers(3, 9), 2))
            corners = near + rng.uniform(-far, far, near.shape) * (rng.random(2) < 0.7)
            theirs = coco_masks.decode(coco_masks.frPyObjects([corners.ravel().tolist()], height, width))[..., 0]
            np.testing.assert_array_equal(fill_polygon(corners, (height, width)).mask(), theirs)


def test_how_far_a_polygon_reaches_takes_no_memory():
    zigzag = np.array([(place % 19 - 0.3, (-1) ** place * 1e6) for place in range(60)])
    tracemalloc.start()
    region = fill_polygon(zigzag, SIZE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert region.shape[0] == SIZE[0] and most < 2e6
