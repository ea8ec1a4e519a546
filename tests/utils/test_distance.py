"""The exact distance transform of batches, by all methods that this machine has."""

import cv2
import numpy as np
import pytest
import torch

from isegm.utils.distance import LONGEST_IN_OPENCV, squared_distance


def drawn_labels(rng, count, height, width):
    """Labels of noise, of blocks, of overlapping disks, and full ones."""
    labels = np.zeros((count, height, width), np.uint8)
    for number in range(count):
        kind = number % 4
        if kind == 0:
            labels[number] = rng.integers(0, 3, (height, width))
        elif kind == 1:
            blocks = rng.integers(0, 4, (1 + height // 8, 1 + width // 8)).astype(np.uint8)
            labels[number] = np.kron(blocks, np.ones((8, 8), np.uint8))[:height, :width]
        elif kind == 2:
            for label in (1, 2, 3):
                centre = (int(rng.integers(width)), int(rng.integers(height)))
                cv2.circle(labels[number], centre, int(rng.integers(1, 25)), label, -1)
        else:
            labels[number] = int(rng.integers(2))
    return labels


def by_opencv(labels):
    """Squared distances of (H, W) labels, each label with OpenCV's precise transform."""
    total = np.zeros(labels.shape, np.float64)
    for label in np.unique(labels[labels > 0]):
        padded = np.pad((labels == label).astype(np.uint8), 1)
        total += cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1].astype(np.float64) ** 2
    return np.rint(total)


@pytest.mark.parametrize("method", ["torch", "opencv"])
def test_10_000_masks_agree_with_opencv_to_the_last_pixel(method):
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 40), (33, 1), (17, 48), (40, 40)):
        labels = drawn_labels(rng, 2000, height, width)
        found = squared_distance(torch.from_numpy(labels), method).numpy()
        assert found.dtype == np.int32
        wanted = np.stack([by_opencv(one) for one in labels])
        assert np.array_equal(found, wanted)


def test_a_label_ends_where_another_begins():
    labels = torch.tensor([[1, 1, 1, 2, 2, 0, 3]], dtype=torch.uint8).expand(7, 7)
    wanted = [1, 4, 1, 1, 1, 0, 1]
    for method in ("torch", "opencv"):
        assert squared_distance(labels, method)[3].tolist() == wanted


def test_bools_and_leading_axes_are_taken():
    mask = torch.ones(2, 3, 5, 9, dtype=torch.bool)
    found = squared_distance(mask)
    assert found.shape == mask.shape and found[1, 2, 2].tolist() == [1, 4, 9, 9, 9, 9, 9, 4, 1]
    assert squared_distance(mask[:0]).shape == (0, 3, 5, 9)


def test_long_sides_are_exact_and_refused_where_they_would_not_be():
    row = torch.ones(1, LONGEST_IN_OPENCV + 1, dtype=torch.uint8).expand(4, -1)
    assert squared_distance(row).max() == 4
    with pytest.raises(ValueError, match="a side must be at most 2048"):
        squared_distance(row, "opencv")
    with pytest.raises(ValueError, match="there is no method 'fast': known are opencv, torch, triton"):
        squared_distance(row, "fast")
    high = torch.ones(2600, 2600, dtype=torch.uint8)
    high[0] = 0
    assert int(squared_distance(high[:, 1200:1400].contiguous())[1500, 100]) == 100**2
