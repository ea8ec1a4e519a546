"""Augmentations, and the samples that training draws."""

import numpy as np
import pytest

from isegm import InputError
from isegm.data.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.train_set import ComposeDataset, CopyPaste, TrainSet
from isegm.data.transforms import (
    BlurNoise,
    Compose,
    HorizontalFlip,
    LimitLongestSide,
    PadIfNeeded,
    RandomBrightnessContrast,
    RandomCrop,
    RandomGrey,
    RandomView,
    RGBShift,
    UniformRandomResize,
    resize,
)
from isegm.utils.files import write_image
from tests.drawn import draw_folder

STEPS = [
    UniformRandomResize((0.5, 2.0)),
    HorizontalFlip(),
    Compose((PadIfNeeded((90, 70)), RandomCrop((90, 70)))),
    RandomView((48, 40)),
    RandomBrightnessContrast(),
    RGBShift(),
    BlurNoise(1, 1),
    RandomGrey(1),
]


@pytest.fixture
def scene():
    """A photo whose red channel is bright exactly where its mask is, and the mask."""
    masks = np.zeros((60, 80, 1), np.int32)
    masks[20:45, 25:60] = 3
    image = np.zeros((60, 80, 3), np.uint8)
    image[..., 0] = 200 * (masks[..., 0] > 0)
    return image, masks


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_photo_and_mask_stay_together_and_inputs_are_kept(step, scene):
    image, masks = scene
    before = image.copy(), masks.copy()
    for seed in range(8):
        new_image, new_masks = step(image, masks, np.random.default_rng(seed))
        assert new_image.dtype == np.uint8 and new_image.shape[:2] == new_masks.shape[:2] and new_masks.shape[2] == 1
        assert set(np.unique(new_masks)) <= {0, 3}
        if isinstance(step, (UniformRandomResize, HorizontalFlip, Compose, RandomView)):
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


def test_a_resized_mask_is_not_shifted_against_its_photo():
    masks = np.zeros((40, 40, 1), np.int32)
    masks[10:30, 10:30] = 1
    _, larger = resize(np.zeros((40, 40, 3), np.uint8), masks, (80, 80))
    rows = np.flatnonzero(larger[..., 0].any(axis=1))
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(39.5)
    assert larger.sum() == 1600


def test_a_whole_view_shows_the_whole_photo(scene):
    view = RandomView((60, 80), p_whole=1, p_object=0, p_rotate=0, aspect=1, p_flip=0)
    image, masks = view(*scene, np.random.default_rng(0))
    np.testing.assert_array_equal(image, scene[0])
    np.testing.assert_array_equal(masks, scene[1])


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
    drawn = np.array([combined.draw(rng) for _ in range(1000)])
    assert set(drawn) == set(range(8)) and (drawn < 4).mean() == pytest.approx(0.9, abs=0.04)
    assert [combined.get_sample(i).sample_id for i in (0, 3, 4, 7)] == ["00", "03", "00", "03"]


def test_photos_whose_objects_are_all_too_small_are_told(tmp_path):
    samples = train_set(FolderDataset(draw_folder(tmp_path, 2)), min_object_area=10_000)
    with pytest.raises(InputError, match="lower min_object_area"):
        samples[0]


def test_photos_with_empty_masks_are_passed_over_with_a_warning(tmp_path, caplog):
    draw_folder(tmp_path, 4)
    for name in ("00", "02"):
        write_image(tmp_path / "masks" / f"{name}.png", np.zeros((72, 96), np.uint8))
    samples = train_set(FolderDataset(tmp_path, allow_empty=True), epoch_len=None, copy_paste=CopyPaste(p=1.0))
    assert all((samples[index]["instances"] == 1).any() for index in range(4))
    assert "00.png holds no object" in caplog.text


def test_a_photo_without_a_usable_object_may_become_an_empty_target(tmp_path):
    photos = FolderDataset(draw_folder(tmp_path, 2))
    samples = train_set(photos, min_object_area=10_000, allow_background=True)
    assert not samples[0]["instances"].any()
    samples = train_set(photos, min_object_area=10, allow_background=True)
    assert all(samples[index]["instances"].any() for index in range(4))


def test_large_pictures_are_shrunk_and_others_left_alone():
    rng = np.random.default_rng(0)
    image, masks = np.zeros((90, 60, 3), np.uint8), np.ones((90, 60, 1), np.int32)
    smaller, ids = LimitLongestSide(45)(image, masks, rng)
    assert smaller.shape == (45, 30, 3) and ids.shape == (45, 30, 1) and (ids == 1).all()
    assert LimitLongestSide(90)(image, masks, rng)[0] is image


def test_background_views_can_be_kept(tmp_path):
    samples = train_set(FolderDataset(draw_folder(tmp_path, 2)), min_object_area=10_000, keep_background_prob=1.0)
    assert not samples[0]["instances"].any()
