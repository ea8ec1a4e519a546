"""Crops of random sides: image and masks stay where they are against each other, and the published form on request."""

from statistics import NormalDist

import cv2
import numpy as np
import pytest

from isegm.data.aligned_crop import AlignedCrop, RandomResizedCrop, resize_ids, resize_objects
from isegm.data.sample import DSample

FACTORS = (0.4, 0.55, 0.8, 1.3, 1.7, 2.6)


def drawn(height=120, width=160):
    """An image that is bright on a disk and a box, and the mask of each: they agree to the pixel."""
    rows, columns = np.mgrid[:height, :width]
    masks = np.zeros((height, width, 1), np.int32)
    masks[(rows - 50) ** 2 + (columns - 45) ** 2 < 30**2] = 3
    masks[20:90, 95:141] = 7
    return np.repeat((masks > 0).astype(np.uint8) * 255, 3, axis=2), masks


def centroid(weights):
    rows, columns = np.indices(weights.shape)
    return np.array([(rows * weights).sum(), (columns * weights).sum()]) / weights.sum()


def shift(resized, factor):
    """How far a disk's mask moves, down and to the right, against the disk in the image, in pixels of the result."""
    masks = drawn()[1] * (drawn()[1] == 3)
    size = (round(120 * factor), round(160 * factor))
    grey = cv2.resize(np.float32(masks[..., 0] > 0), size[::-1])
    return (centroid(resized(masks, size)[..., 0] > 0) - centroid(grey)).mean()


def naive(masks, size):
    return cv2.resize(masks[..., 0].astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)[..., None]


def test_masks_stay_where_the_image_is_while_nearest_pixels_shift_them():
    ours = [abs(shift(resize_objects, factor)) for factor in FACTORS]
    nearest = [shift(naive, factor) for factor in FACTORS]
    assert max(ours) < 0.06  # measured 0.02 to 0.05 pixels either way
    assert min(nearest) > 0.3  # measured 0.33 to 0.45 pixels, always down and to the right


def test_every_object_keeps_its_area_and_no_other_id_appears():
    _, masks = drawn()
    for factor in FACTORS:
        found = resize_objects(masks, (round(120 * factor), round(160 * factor)))
        assert set(np.unique(found)) == {0, 3, 7} and found.dtype == np.int32
        for value in (3, 7):
            assert (found == value).sum() / factor**2 == pytest.approx((masks == value).sum(), rel=0.05)


def test_layers_and_large_ids_are_kept_apart():
    masks = np.zeros((40, 40, 2), np.int32)
    masks[5:30, 5:30, 0], masks[10:38, 3:20, 1] = 70000, 300
    found = resize_objects(masks, (64, 64))
    assert set(np.unique(found[..., 0])) == {0, 70000} and set(np.unique(found[..., 1])) == {0, 300}


def test_published_ids_shrink_objects():
    masks = np.zeros((40, 40, 1), np.int32)
    masks[10:30, 10:30] = 7
    sample = DSample.flat(np.zeros((40, 40, 3), np.uint8), masks, [7])

    def area(resized):
        view = sample.augmented(lambda image, ids: (cv2.resize(image, (64, 64)), resized(ids, (64, 64))))
        return view.areas()[0]

    assert area(resize_ids) == 900 and area(resize_objects) == 1024  # as measured on the published code
    assert resize_ids(np.full((8, 8, 1), 256 + 9, np.int32), (4, 4)).max() == 9


def sides(published):
    """Which share of an image's rows and columns crops show, and whether they reach its right edge."""
    height, width = 100, 200
    rows, columns = np.mgrid[:height, :width]
    image = np.stack((rows, columns, np.full_like(rows, 255)), axis=2).astype(np.uint8)
    crop = AlignedCrop((50, 50), p_flip=0, published=published)
    rng, found = np.random.default_rng(0), []
    for _ in range(200):
        view, _ = crop(image, np.zeros((height, width, 1), np.int32), rng)
        seen = view[view[..., 2] == 255]
        found.append((np.ptp(seen[:, 0]) / height, np.ptp(seen[:, 1]) / width, seen[:, 1].max() > width - 9))
    return np.array(found, float)


def test_crops_have_the_sides_that_were_drawn_and_the_published_ones_reach_the_right_edge():
    ours, published = sides(False), sides(True)
    for axis in (0, 1):
        assert ours[:, axis].min() < 0.4 and 0.97 < ours[:, axis].max() <= 1
        assert 0.6 < ours[:, axis].mean() < 0.85
    assert published[:, 2].all() and 0.2 < ours[:, 2].mean() < 0.7
    assert published[:, 0].mean() == pytest.approx(ours[:, 0].mean(), abs=0.03)
    assert published[:, 1].mean() > ours[:, 1].mean() + 0.05


@pytest.mark.parametrize("published", [False, True])
def test_images_of_any_size_give_views_of_the_asked_size(published):
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (2, 3), (300, 7), (64, 64)):
        image, masks = np.zeros((height, width, 3), np.uint8), np.ones((height, width, 2), np.int32)
        for _ in range(20):
            view, ids = AlignedCrop((32, 48), (0.9, 1.1), published=published)(image, masks, rng)
            assert view.shape == (32, 48, 3) and ids.shape == (32, 48, 2) and view.flags.c_contiguous


def test_an_image_and_its_mask_are_mirrored_and_padded_together():
    image, masks = drawn()
    rng, crop = np.random.default_rng(3), AlignedCrop((96, 96), (0.5, 1.3), centre=1)
    seen = set()
    for _ in range(40):
        view, ids = crop(image, masks, rng)
        agree = (view[..., 0] > 127) == (ids[..., 0] > 0)
        assert agree.mean() > 0.99
        where = {value: centroid(ids[..., 0] == value) for value in (3, 7) if (ids == value).any()}
        if len(where) == 2:
            seen.add(bool(where[3][1] < where[7][1]))
    assert seen == {True, False}


def test_resized_crops_have_their_share_of_the_area():
    crop, rng = RandomResizedCrop((64, 64)), np.random.default_rng(0)
    windows = [crop._window(300, 400, rng) for _ in range(300)]
    found = np.array([[side.stop - side.start for side in window] for window in windows])
    areas, shapes = found.prod(1) / (300 * 400), found[:, 1] / found[:, 0]
    assert 0.74 < areas.min() < 0.8 and areas.max() <= 1
    assert shapes.min() > 0.9 and shapes.max() < 4 / 3 + 0.01
    for axis, most in ((0, 300), (1, 400)):  # anywhere in the image
        starts = np.array([window[axis].start for window in windows])
        ends = np.array([window[axis].stop for window in windows])
        assert starts.min() == 0 and ends.max() == most and 0.3 < (starts / (most - found[:, axis] + 1e-9)).mean() < 0.7
    image, masks = drawn()
    view, ids = crop(image, masks, rng)
    assert view.shape == (64, 64, 3) and ((view[..., 0] > 127) == (ids[..., 0] > 0)).mean() > 0.98


@pytest.mark.parametrize(("sides", "window"), [((100, 900), (0, 100, 383, 516)), ((900, 101), (382, 517, 0, 101))])
def test_where_no_resized_crop_fits_it_is_the_middle_of_the_image(sides, window):
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows, columns = RandomResizedCrop((100, 133), scale=(1, 1))._window(*sides, rng)
        assert (rows.start, rows.stop, columns.start, columns.stop) == window


def test_shares_follow_the_truncated_normal_distribution_and_differ_in_height_and_width():
    normal = NormalDist(0.8, 0.4)
    low, high = normal.cdf(0.3), normal.cdf(1.3)
    crop, rng = AlignedCrop((8, 8)), np.random.default_rng(0)
    drawn_shares = np.sort([crop._share(rng) for _ in range(5000)])
    expected = np.array([(normal.cdf(share) - low) / (high - low) for share in drawn_shares])
    assert np.abs(expected - np.arange(5000) / 5000).max() < 0.025  # of a uniform distribution 0.05
    assert abs(np.corrcoef(sides(False)[:, 0], sides(False)[:, 1])[0, 1]) < 0.2


def test_padding_is_split_at_random_on_either_axis():
    image, masks = np.full((100, 80, 3), 255, np.uint8), np.ones((100, 80, 1), np.int32)
    crop, rng = AlignedCrop((200, 200), (1.2, 1.3), centre=1.25, p_flip=0), np.random.default_rng(0)
    before = []
    for _ in range(100):
        view, _ = crop(image, masks, rng)
        lit = view[..., 0] > 127
        rows, columns = lit.any(1), lit.any(0)
        before.append([line.argmax() / (200 - line.sum()) for line in (rows, columns)])
    before = np.array(before)  # share of the padding that lies above and to the left
    assert (before.min(0) < 0.1).all() and (before.max(0) > 0.9).all()
    assert (np.abs(before.mean(0) - 0.5) < 0.1).all() and abs(np.corrcoef(before.T)[0, 1]) < 0.3


def test_both_flips_occur_each_as_often_as_asked():
    image, masks = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 1), np.int32)
    image[:20, :, 0] = image[:, :20, 1] = 255
    crop, rng = AlignedCrop((40, 40), (0.97, 0.99), centre=0.98, spread=0.01, p_flip=0.3), np.random.default_rng(0)
    views = [crop(image, masks, rng)[0] for _ in range(400)]
    upside_down = np.array([view[2, 20, 0] == 0 for view in views])
    flipped = np.array([view[20, 2, 1] == 0 for view in views])
    assert upside_down.mean() == pytest.approx(0.3, abs=0.06) and flipped.mean() == pytest.approx(0.3, abs=0.06)
    assert (upside_down & flipped).mean() == pytest.approx(0.09, abs=0.04)
