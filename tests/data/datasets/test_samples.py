"""The images of scikit-image with the project's own masks."""

import hashlib
import socket
from dataclasses import replace

import cv2
import numpy as np
import pytest

from isegm.data.datasets import samples
from isegm.data.datasets.samples import IGNORED, IMAGES, MASKS, SamplesDataset, image_path
from isegm.utils.errors import InputError

# of the files that the masks were drawn on: a scikit-image that replaces an image makes its masks void
CHECKSUMS = {
    "astronaut": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "camera": "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    "cat": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "coins": "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    "rocket": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
}

every_image = pytest.mark.parametrize("index", range(len(IMAGES)), ids=[photo.name for photo in IMAGES])


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("this test must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@every_image
def test_sample_is_rgb_with_int32_masks_of_the_same_size(index):
    photo = IMAGES[index]
    sample = SamplesDataset().get_sample(index)
    assert sample.sample_id == photo.name
    assert sample.image.dtype == np.uint8 and sample.image.ndim == 3 and sample.image.shape[2] == 3
    assert sample.image.std() > 10
    assert sample.encoded_masks.dtype == np.int32
    assert sample.encoded_masks.shape == (*sample.image.shape[:2], photo.layers)
    assert len(sample.objects_ids) == len(photo.objects)


@every_image
def test_masks_hold_exactly_the_objects_of_the_table(index):
    photo = IMAGES[index]
    masks = SamplesDataset().get_sample(index).encoded_masks
    drawn = {(layer, value) for layer in range(photo.layers) for value in np.unique(masks[..., layer]).tolist()}
    table = {(item.layer, item.value) for item in photo.objects}
    assert drawn - {(layer, 0) for layer in range(photo.layers)} - {(0, IGNORED)} == table


@every_image
def test_each_object_is_one_region_apart_from_occluded_bits(index):
    sample = SamplesDataset().get_sample(index)
    for object_id in sample.objects_ids:
        mask = sample.get_object_mask(object_id)
        area = int((mask == 1).sum())
        _, _, stats, _ = cv2.connectedComponentsWithStats((mask == 1).astype(np.uint8), connectivity=8)
        parts = stats[1:, cv2.CC_STAT_AREA]
        assert area > 1000
        assert parts.max() > 0.85 * area  # the cup hides the middle of the spoon, the tripod a strip of the cameraman
        assert parts.min() > 50
        assert (mask == -1).sum() < 0.02 * mask.size


def test_nested_object_lies_inside_the_one_that_carries_it():
    sample = SamplesDataset().get_sample([photo.name for photo in IMAGES].index("astronaut"))
    person, patch = sample.pixels(0), sample.pixels(3)
    assert patch.sum() > 0 and (person | ~patch).all()


def test_grey_image_has_three_equal_channels():
    image = SamplesDataset().get_sample([photo.name for photo in IMAGES].index("camera")).image
    assert (image == image[..., :1]).all()


@every_image
def test_image_is_the_one_that_the_masks_were_drawn_on(index):
    photo = IMAGES[index]
    assert hashlib.sha256(image_path(photo).read_bytes()).hexdigest() == CHECKSUMS[photo.name]


def test_table_names_source_and_licence_and_is_unambiguous():
    assert len({photo.name for photo in IMAGES}) == len(IMAGES) == len(SamplesDataset())
    for photo in IMAGES:
        assert photo.source and photo.licence
        assert all(item.name for item in photo.objects)
        values = [item.value for item in photo.objects]
        assert values == sorted(set(values)) and 0 not in values and IGNORED not in values


def test_readme_lists_every_object_and_licence():
    text = (MASKS / "README.md").read_text(encoding="utf-8")
    for photo in IMAGES:
        assert photo.file in text and photo.licence in text
        for item in photo.objects:
            assert f"{item.value} {item.name}" in text


def test_mask_folder_holds_nothing_else_and_is_small():
    files = {photo.name + ending for photo in IMAGES for ending in (".png", "_2.png")[: photo.layers]} | {"README.md"}
    assert {path.name for path in MASKS.iterdir()} == files
    assert sum(path.stat().st_size for path in MASKS.iterdir()) < 200_000


def test_missing_image_is_named(monkeypatch):
    gone = replace(IMAGES[0], file="no-such-photo.png")
    monkeypatch.setattr(samples, "IMAGES", (gone,))
    with pytest.raises(InputError, match=r"no-such-photo\.png"):
        SamplesDataset().get_sample(0)


def test_image_of_another_size_is_refused(monkeypatch):
    monkeypatch.setattr(samples, "IMAGES", (replace(IMAGES[0], file="coins.png"),))
    with pytest.raises(InputError, match="384x303"):
        SamplesDataset().get_sample(0)
