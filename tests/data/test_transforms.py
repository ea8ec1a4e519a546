"""Augmentations of images and their masks."""

from collections import Counter

import cv2
import numpy as np
import pytest

from isegm.data.transforms import (
    BlurNoise,
    Compose,
    HorizontalFlip,
    LimitLongestSide,
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomCrop,
    RandomFlip,
    RandomGrey,
    RandomRotate90,
    RandomView,
    ResizeLongestSide,
    RGBShift,
    ShiftRotate,
    Stretch,
    UniformRandomResize,
    resize,
)

STEPS = [
    UniformRandomResize((0.5, 2.0)),
    HorizontalFlip(),
    RandomFlip(),
    RandomRotate90(),
    ShiftRotate(0.2, 30),
    Compose((PadIfNeeded((90, 70)), RandomCrop((90, 70)))),
    RandomView((48, 40)),
    ResizeLongestSide(100),
    Stretch((48, 40)),
    RandomBrightnessContrast(),
    RGBShift(),
    BlurNoise(1, 1),
    RandomGrey(1),
]


@pytest.fixture
def scene():
    """An image whose red channel is bright exactly where its mask is, and the mask."""
    masks = np.zeros((60, 80, 1), np.int32)
    masks[20:45, 25:60] = 3
    image = np.zeros((60, 80, 3), np.uint8)
    image[..., 0] = 200 * (masks[..., 0] > 0)
    return image, masks


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_image_and_mask_stay_together_and_inputs_are_kept(step, scene):
    image, masks = scene
    before = image.copy(), masks.copy()
    for seed in range(8):
        new_image, new_masks = step(image, masks, np.random.default_rng(seed))
        assert new_image.dtype == np.uint8 and new_image.shape[:2] == new_masks.shape[:2] and new_masks.shape[2] == 1
        assert set(np.unique(new_masks)) <= {0, 3}
        if not isinstance(step, (RandomBrightnessContrast, RGBShift, BlurNoise, RandomGrey)):
            inside = new_masks[..., 0] == 3
            bright = new_image[..., 0] > 100
            edge = 2 * (
                np.abs(np.diff(inside.astype(int), axis=0)).sum() + np.abs(np.diff(inside.astype(int), axis=1)).sum()
            )
            assert (inside != bright).sum() <= edge / 2  # they differ at most along the border
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(masks, before[1])


def test_the_same_generator_gives_the_same_view(scene):
    first, second = (RandomView((32, 32))(*scene, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_resized_mask_is_not_shifted_against_its_image():
    masks = np.zeros((40, 40, 1), np.int32)
    masks[10:30, 10:30] = 1
    _, larger = resize(np.zeros((40, 40, 3), np.uint8), masks, (80, 80))
    rows = np.flatnonzero(larger[..., 0].any(axis=1))
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(39.5)
    assert larger.sum() == 1600


@pytest.mark.parametrize("size", [(320, 480), (598, 896), (256, 256)])
def test_resized_masks_lie_on_the_image_and_the_published_ones_beside_it(size):
    rows, columns = np.ogrid[:427, :640]
    disk = (rows - 213) ** 2 + (columns - 320) ** 2 < 80**2
    image, masks = np.repeat(disk[..., None] * np.uint8(255), 3, axis=2), disk[..., None].astype(np.int32)

    def centre(weights):
        return np.array(
            [np.average(np.arange(n), weights=weights.sum(axis)) for axis, n in ((1, size[0]), (0, size[1]))]
        )

    shifts = []
    for published in (False, True):
        view, ids = resize(image, masks, size, published)
        shifts.append(centre(ids[..., 0]) - centre(view[..., 0].astype(float)))
    nearest = cv2.resize(disk.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    assert np.abs(shifts[0]).max() < 0.15 and (np.abs(shifts[1] - 0.45) < 0.15).all()
    assert np.mean(nearest != ids[..., 0]) < 1e-3


def test_a_whole_view_shows_the_whole_image(scene):
    view = RandomView((60, 80), p_whole=1, p_object=0, p_rotate=0, aspect=1, p_flip=0)
    image, masks = view(*scene, np.random.default_rng(0))
    np.testing.assert_array_equal(image, scene[0])
    np.testing.assert_array_equal(masks, scene[1])


def views(step, image, masks, count=600):
    """How often each distinct view comes, by its bytes and height."""
    rng = np.random.default_rng(0)
    found = Counter()
    for _ in range(count):
        view, ids = step(image, masks, rng)
        np.testing.assert_array_equal(view[..., 0], ids[..., 0])
        found[view.shape[0], view.tobytes()] += 1
    return {key: number / count for key, number in found.items()}


@pytest.mark.parametrize(
    ("step", "turned"),
    [
        (RandomFlip(), {0: 1 / 2, "rows": 1 / 6, "columns": 1 / 6, 180: 1 / 6}),
        (RandomRotate90(), {0: 5 / 8, 90: 1 / 8, 180: 1 / 8, 270: 1 / 8}),
    ],
    ids=["flip", "rotate"],
)
def test_rotations_and_flips_are_as_frequent_as_published(step, turned):
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    results = {0: image, "rows": image[::-1], "columns": image[:, ::-1]}
    results |= {angle: np.rot90(image, angle // 90) for angle in (90, 180, 270)}
    found = views(step, image, image[..., :1].astype(np.int32))
    expected = {(results[name].shape[0], results[name].tobytes()): share for name, share in turned.items()}
    assert found.keys() == expected.keys()
    assert all(found[key] == pytest.approx(share, abs=0.06) for key, share in expected.items())


def test_shifts_and_small_turns_stay_within_their_limits():
    masks = np.zeros((201, 401, 1), np.int32)
    masks[100, 200], masks[100, 380] = 1, 2
    masks = cv2.dilate(masks[..., 0].astype(np.uint8), np.ones((9, 9)))[..., None].astype(np.int32)
    image, rng = np.zeros((201, 401, 3), np.uint8), np.random.default_rng(0)
    moves, angles = [], []
    for _ in range(200):
        ids = ShiftRotate(p=1)(image, masks, rng)[1][..., 0]
        centre, end = (np.argwhere(ids == value).mean(axis=0) for value in (1, 2))
        moves.append(np.abs(centre - (100, 200)) / (201, 401))
        angles.append(abs(np.degrees(np.arctan2(end[0] - centre[0], end[1] - centre[1]))))
    assert 0.025 < np.max(moves) < 0.033 and np.min(moves, axis=0).max() < 0.005
    assert 2.7 < max(angles) < 3.3 and min(angles) < 0.3


def test_large_images_are_shrunk_and_others_left_alone():
    rng = np.random.default_rng(0)
    image, masks = np.zeros((90, 60, 3), np.uint8), np.ones((90, 60, 1), np.int32)
    smaller, ids = LimitLongestSide(45)(image, masks, rng)
    assert smaller.shape == (45, 30, 3) and ids.shape == (45, 30, 1) and (ids == 1).all()
    assert LimitLongestSide(90)(image, masks, rng)[0] is image


def test_the_longer_side_gets_exactly_its_length(scene):
    image, masks = scene
    for shape, expected in (((60, 80), (75, 100)), ((80, 60), (100, 75)), ((30, 41), (73, 100)), ((200, 3), (100, 2))):
        view, ids = ResizeLongestSide(100)(np.resize(image, (*shape, 3)), np.resize(masks, (*shape, 1)), None)
        assert view.shape == (*expected, 3) and ids.shape == (*expected, 1)


def test_an_image_may_stay_at_the_top_left_of_what_is_padded(scene):
    image, masks = scene
    view, ids = PadIfNeeded((100, 90), at_top_left=True)(image, masks, None)
    assert view.shape == (100, 90, 3) and ids.shape == (100, 90, 1)
    np.testing.assert_array_equal(view[:60, :80], image)
    np.testing.assert_array_equal(ids[:60, :80], masks)
    assert not view[60:].any() and not view[:, 80:].any() and not ids[60:].any() and not ids[:, 80:].any()
