"""Augmentations, and the samples that training draws."""

from collections import Counter

import cv2
import numpy as np
import pytest

from isegm import InputError
from isegm.data.compose import ComposeDataset
from isegm.data.datasets.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.sample import DSample
from isegm.data.train_set import CopyPaste, TrainSet
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
    RGBShift,
    ShiftRotate,
    UniformRandomResize,
    resize,
)
from isegm.utils.files import write_image
from tests.drawn import draw_folder

STEPS = [
    UniformRandomResize((0.5, 2.0)),
    HorizontalFlip(),
    RandomFlip(),
    RandomRotate90(),
    ShiftRotate(0.2, 30),
    Compose((PadIfNeeded((90, 70)), RandomCrop((90, 70)))),
    RandomView((48, 40)),
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
def test_turns_and_mirrors_come_as_often_as_published(step, turned):
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


def train_set(reader, **more):
    more = {"epoch_len": 20, **more}
    return TrainSet(reader, RandomView((40, 48)), MultiPointSampler(6), **more)


def test_a_training_sample(tmp_path):
    samples = train_set(FolderDataset(draw_folder(tmp_path, 4)), copy_paste=CopyPaste(p=1.0), min_object_area=10)
    for index in range(20):
        sample = samples[index]
        assert sample["images"].shape == (3, 40, 48) and 0 <= sample["images"].min() <= sample["images"].max() <= 1
        assert sample["points"].shape == (12, 3) and sample["instances"].shape == (1, 40, 48)
        assert (sample["instances"] == 1).sum() >= 10
    again = samples[3]
    assert all((again[key] == samples[3][key]).all() for key in again)
    samples.epoch = 1
    assert any((again[key] != samples[3][key]).any() for key in again)


def test_ratios_decide_how_often_each_folder_is_drawn(tmp_path):
    readers = [FolderDataset(draw_folder(tmp_path / name, 4, seed=seed)) for seed, name in enumerate("ab")]
    combined = ComposeDataset(readers, [0.9, 0.1])
    rng = np.random.default_rng(0)
    drawn = np.array([combined.draw_index(rng) for _ in range(1000)])
    assert set(drawn) == set(range(8)) and (drawn < 4).mean() == pytest.approx(0.9, abs=0.04)
    assert [combined.get_sample(i).sample_id for i in (0, 3, 4, 7)] == ["00", "03", "00", "03"]


def test_images_whose_objects_are_all_too_small_are_told(tmp_path):
    samples = train_set(FolderDataset(draw_folder(tmp_path, 2)), min_object_area=10_000)
    with pytest.raises(InputError, match="lower min_object_area"):
        samples[0]


def test_images_with_empty_masks_are_passed_over_with_a_warning(tmp_path, caplog):
    draw_folder(tmp_path, 4)
    for name in ("00", "02"):
        write_image(tmp_path / "masks" / f"{name}.png", np.zeros((72, 96), np.uint8))
    samples = train_set(FolderDataset(tmp_path, allow_empty=True), epoch_len=None, copy_paste=CopyPaste(p=1.0))
    assert all((samples[index]["instances"] == 1).any() for index in range(4))
    assert "00.png holds no object" in caplog.text


def test_an_image_without_a_usable_object_may_become_an_empty_target(tmp_path):
    images = FolderDataset(draw_folder(tmp_path, 2))
    samples = train_set(images, min_object_area=10_000, allow_background=True)
    assert not samples[0]["instances"].any()
    samples = train_set(images, min_object_area=10, allow_background=True)
    assert all(samples[index]["instances"].any() for index in range(4))


def test_large_images_are_shrunk_and_others_left_alone():
    rng = np.random.default_rng(0)
    image, masks = np.zeros((90, 60, 3), np.uint8), np.ones((90, 60, 1), np.int32)
    smaller, ids = LimitLongestSide(45)(image, masks, rng)
    assert smaller.shape == (45, 30, 3) and ids.shape == (45, 30, 1) and (ids == 1).all()
    assert LimitLongestSide(90)(image, masks, rng)[0] is image


def test_background_views_can_be_kept(tmp_path):
    samples = train_set(FolderDataset(draw_folder(tmp_path, 2)), min_object_area=10_000, keep_background_prob=1.0)
    assert not samples[0]["instances"].any()


class TwoImages:
    """Of two images the first has an object along its upper edge; the second has none, or a large one."""

    name = "two images"

    def __init__(self, second_is_empty=True):
        self.second_is_empty = second_is_empty

    def __len__(self):
        return 2

    def get_sample(self, index):
        masks = np.zeros((100, 100), np.int32)
        if index == 0:
            masks[:10] = 1
        elif not self.second_is_empty:
            masks[:] = 1
        image = np.full((100, 100, 3), 100 * index, np.uint8)
        return DSample.flat(image, masks, [1] if masks.any() else [], sample_id=str(index))


def drawn(samples, index, epochs=40):
    """For each epoch the image that a sample shows and how many pixels its target has."""
    found = []
    for samples.epoch in range(epochs):
        sample = samples[index]
        found.append((int(sample["images"].max() > 0.1), int(sample["instances"].sum())))
    return found


def test_as_published_a_view_without_an_object_is_replaced_by_one_of_the_same_image():
    more = {"epoch_len": None, "retry_image": True}
    samples = TrainSet(TwoImages(False), RandomCrop((50, 50)), MultiPointSampler(6), **more)
    views_of_first = drawn(samples, 0)
    assert {photo for photo, _ in views_of_first} == {0} and min(area for _, area in views_of_first) > 0
    anew = TrainSet(TwoImages(False), RandomCrop((50, 50)), MultiPointSampler(6), epoch_len=None)
    assert {photo for photo, _ in drawn(anew, 0)} == {0, 1}


def test_as_published_small_objects_and_images_without_any_become_empty_targets():
    more = {"epoch_len": None, "retry_image": True, "min_object_area": 501}
    samples = TrainSet(TwoImages(), RandomCrop((50, 50)), MultiPointSampler(6), **more)
    assert set(drawn(samples, 0)) == {(0, 0)}
    assert {photo for photo, _ in drawn(samples, 1)} == {0}  # nothing on the second is ever to be kept
    kept = TrainSet(TwoImages(), RandomCrop((50, 50)), MultiPointSampler(6), keep_background_prob=0.01, **more)
    assert set(drawn(kept, 1)) == {(1, 0)}
