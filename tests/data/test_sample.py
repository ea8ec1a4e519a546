"""Samples refuse masks, ids and sizes that do not fit, where they are made."""

import numpy as np
import pytest

from isegm import InputError
from isegm.data import ComposeDataset, DSample
from isegm.data.aligned_crop import AlignedCrop
from isegm.data.transforms import HorizontalFlip, RandomView

IMAGE = np.zeros((20, 30, 3), np.uint8)
MASK = np.zeros((20, 30), int)
MASK[5:10, 5:15] = 1


@pytest.mark.parametrize(
    ("masks", "ids"),
    [
        ("x", [1]),
        (None, [1]),
        (MASK.T, [1]),
        (MASK[0], [1]),
        (MASK * 0.5, [1]),
        (np.where(MASK, np.nan, 0), [1]),
        (MASK.astype(complex), [1]),
        (MASK, ["x"]),
        (MASK, [1.5]),
        (MASK, [None]),
        (MASK, [2**40]),
    ],
)
def test_masks_and_ids_of_other_kinds_are_refused(masks, ids):
    with pytest.raises(InputError):
        DSample.flat(IMAGE, masks, ids)


def test_the_image_and_the_initial_mask_have_the_size_of_the_masks():
    with pytest.raises(InputError, match="as its image"):
        DSample.flat(None, MASK, [1])
    with pytest.raises(InputError, match="init_mask"):
        DSample.flat(IMAGE, MASK, [1], init_mask=MASK.T)
    assert DSample.flat(IMAGE, MASK.astype(np.float32), [1]).get_object_mask(0).sum() == 50


@pytest.mark.parametrize("augment", [HorizontalFlip(1.0), AlignedCrop((20, 30)), RandomView((20, 30), p_whole=1.0)])
@pytest.mark.parametrize("masks", [MASK[..., None], np.stack((MASK, MASK), axis=-1)])
def test_ignored_pixels_may_be_minus_1_in_augmented_samples_too(augment, masks):
    masks = masks.copy()
    masks[12:18, :, 0] = -1
    sample = DSample.flat(IMAGE, masks, [1], [-1])
    assert sample.areas() == {0: 50}
    view = sample.augmented(lambda image, ids: augment(image, ids, np.random.default_rng(0)))
    labels = view.get_object_mask(0)
    assert view.areas() == {0: (labels == 1).sum()} and (labels == 1).sum() > 20 and (labels == -1).sum() > 50
    assert (labels == -1).sum() == (view.encoded_masks[..., 0] == -1).sum()


def test_ids_below_0_may_be_objects():
    sample = DSample.flat(IMAGE, np.where(MASK, -7, 0), [-7, -9, 3]).augmented(lambda image, ids: (image, ids))
    assert sample.areas() == {0: 50}


@pytest.mark.parametrize("arguments", [([],), ([[1]], [0.5, 0.5]), ([[1]], [-1.0]), ([[1]], [float("nan")])])
def test_joined_readers_and_their_ratios_are_checked(arguments):
    with pytest.raises(InputError):
        ComposeDataset(*arguments)
