"""Batched augmentations: where nothing is random they give what the transforms give, pixel for pixel."""

import numpy as np
import pytest
import torch

from isegm.data.on_device.draws import Draws
from isegm.data.on_device.views import augment
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
    ResizeLongestSide,
    RGBShift,
    Stretch,
    UniformRandomResize,
)

SIZE = (40, 56)
CASES = {
    "crop of all": RandomCrop(SIZE),
    "flip": Compose((HorizontalFlip(p=1.0), RandomCrop(SIZE))),
    "pad": Compose((PadIfNeeded((51, 60)), RandomCrop((51, 60)))),
    "halve": Compose((UniformRandomResize((0.5, 0.5)), RandomCrop((20, 28)))),
    "limit": Compose((LimitLongestSide(28), RandomCrop((20, 28)))),
    "enlarge": Compose((ResizeLongestSide(112), RandomCrop((80, 112)))),
    "stretch": Stretch((64, 50)),
    "pad at the bottom right": Compose((PadIfNeeded((51, 60), at_top_left=True), RandomCrop((51, 60)))),
    "double and flip": Compose((UniformRandomResize((2.0, 2.0)), HorizontalFlip(p=1.0), RandomCrop((80, 112)))),
    "whole view": RandomView((32, 48), p_whole=1.0, rotation=0, aspect=1.0, p_flip=0.0),
    "whole view, flipped": RandomView((32, 48), p_whole=1.0, rotation=0, aspect=1.0, p_flip=1.0),
    "grey": Compose((RandomCrop(SIZE), RandomGrey(p=1.0))),
    "brighter": Compose((RandomCrop(SIZE), RandomBrightnessContrast((0.1, 0.1), (0.2, 0.2), p=1.0))),
    "no colours": Compose((RandomCrop(SIZE), RGBShift(p=0.0), RandomGrey(p=0.0), BlurNoise(0.0, 0.0))),
}


@pytest.mark.parametrize("transform", CASES.values(), ids=CASES)
def test_without_chance_the_batched_twin_does_the_same(transform):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    ids = np.kron(rng.integers(0, 4, (5, 7)), np.ones((8, 8))).astype(np.int32)
    view, labels = transform(image, ids[..., None], rng)
    side = 64
    images, squares = torch.zeros(2, 3, side, side, dtype=torch.uint8), torch.zeros(2, side, side, dtype=torch.uint8)
    images[:, :, : SIZE[0], : SIZE[1]] = torch.from_numpy(image.transpose(2, 0, 1))
    squares[:, : SIZE[0], : SIZE[1]] = torch.from_numpy(ids)
    sizes = torch.tensor([SIZE, SIZE], dtype=torch.float32)
    views, found = augment(transform, images, squares, sizes, Draws(torch.device("cpu"), 0))
    assert views.shape == (2, 3, *view.shape[:2])
    inner = np.s_[2:-2, 2:-2]  # at borders OpenCV repeats pixels where there are none
    apart = np.abs(views[1].permute(1, 2, 0).numpy() - view.astype(np.float32))[inner]
    assert apart.max() <= 2.0 and apart.mean() <= 0.6  # rounding, and OpenCV's fractions of 1/32 pixel
    assert (found[0].numpy() != labels[..., 0])[inner].mean() <= 0.002


def test_as_many_images_as_expected_are_blurred_and_disturbed():
    images = torch.full((40, 3, 32, 32), 100.0).to(torch.uint8)
    images[:, :, ::2] = 180
    sizes, ids = torch.full((40, 2), 32.0), torch.zeros(40, 32, 32, dtype=torch.uint8)
    for step in (BlurNoise(0.25, 0.0), BlurNoise(0.0, 0.25)):
        views, _ = augment(Compose((RandomCrop((32, 32)), step)), images, ids, sizes, Draws(torch.device("cpu"), 3))
        assert int(((views - images.float()).abs().flatten(1).amax(1) > 0.5).sum()) == 10
        assert views.min() >= 0 and views.max() <= 255
