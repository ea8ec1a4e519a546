"""Training samples: targets, first clicks, and views without a usable object."""

import numpy as np
import pytest

from isegm import InputError
from isegm.data.datasets.folder import FolderDataset
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.sample import DSample
from isegm.data.train_set import CopyPaste, TrainSet
from isegm.data.transforms import (
    RandomCrop,
    RandomView,
)
from isegm.utils.files import write_image
from tests.drawn import draw_folder


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
    arrays = samples.arrays(3)
    assert arrays.keys() == again.keys() and arrays["images"].shape == (40, 48, 3)
    assert (arrays["images"] / np.float32(255) == again["images"].permute(1, 2, 0).numpy()).all()
    samples.epoch = 1
    assert any((again[key] != samples[3][key]).any() for key in again)


def test_images_whose_objects_are_all_too_small_are_told(tmp_path):
    samples = train_set(FolderDataset(draw_folder(tmp_path, 2)), min_object_area=10_000)
    with pytest.raises(InputError, match=r"no object of 10000 pixels or more .lower min_area of the recipe"):
        samples[0]


def test_augmentations_begin_in_the_first_epoch_and_in_order(tmp_path):
    images, small, large = FolderDataset(draw_folder(tmp_path, 2)), RandomView((40, 48)), RandomView((80, 96))
    for augment in ([(1, small)], [(2, large), (0, small)]):
        with pytest.raises(InputError, match=r"augment of TrainSet begins at the epochs .*: let the first one be 0"):
            TrainSet(images, augment, MultiPointSampler(6))
    samples = TrainSet(images, [(0, small), (2, large)], MultiPointSampler(6))
    samples.epoch = 2
    assert samples[0]["images"].shape == (3, 80, 96)


def test_images_with_empty_masks_are_passed_over_with_a_warning(tmp_path, caplog):
    draw_folder(tmp_path, 4)
    for name in ("00", "02"):
        write_image(tmp_path / "masks" / f"{name}.png", np.zeros((72, 96), np.uint8))
    samples = train_set(FolderDataset(tmp_path, allow_empty=True), epoch_len=None, copy_paste=CopyPaste(p=1.0))
    assert all((samples[index]["instances"] == 1).any() for index in range(4))
    assert "00.png holds no object" in caplog.text
    for name in ("01", "03"):
        write_image(tmp_path / "masks" / f"{name}.png", np.zeros((72, 96), np.uint8))
    with pytest.raises(InputError, match=r"50 were of images without any object .draw some"):
        samples[0]


def test_an_image_without_a_usable_object_may_become_an_empty_target(tmp_path):
    images = FolderDataset(draw_folder(tmp_path, 2))
    samples = train_set(images, min_object_area=10_000, allow_background=True)
    assert not samples[0]["instances"].any()
    samples = train_set(images, min_object_area=10, allow_background=True)
    assert all(samples[index]["instances"].any() for index in range(4))


def test_background_views_can_be_kept(tmp_path):
    samples = train_set(FolderDataset(draw_folder(tmp_path, 2)), min_object_area=10_000, keep_background_prob=1.0)
    assert not samples[0]["instances"].any()


def test_nothing_is_pasted_into_an_image_that_is_smaller_than_what_is_pasted():
    def sample(side):
        masks = np.zeros((side, side), np.int32)
        masks[: side // 2] = 1
        return DSample.flat(np.zeros((side, side, 3), np.uint8), masks, [1])

    tiny = sample(6)
    assert CopyPaste()(tiny, sample(40), np.random.default_rng(0)) is tiny


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
    assert {image for image, _ in views_of_first} == {0} and min(area for _, area in views_of_first) > 0
    anew = TrainSet(TwoImages(False), RandomCrop((50, 50)), MultiPointSampler(6), epoch_len=None)
    assert {image for image, _ in drawn(anew, 0)} == {0, 1}


def test_as_published_small_objects_and_images_without_any_become_empty_targets():
    more = {"epoch_len": None, "retry_image": True, "min_object_area": 501}
    samples = TrainSet(TwoImages(), RandomCrop((50, 50)), MultiPointSampler(6), **more)
    assert set(drawn(samples, 0)) == {(0, 0)}
    assert {image for image, _ in drawn(samples, 1)} == {0}  # nothing on the second is ever to be kept
    kept = TrainSet(TwoImages(), RandomCrop((50, 50)), MultiPointSampler(6), keep_background_prob=0.01, **more)
    assert set(drawn(kept, 1)) == {(1, 0)}
