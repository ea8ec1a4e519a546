"""The deepest pixel is that of the distance transform of the whole map, wherever it was looked for."""

import math

import cv2
import numpy as np
import pytest

from isegm.inference import depth
from isegm.inference.depth import deepest_pixel


def of_the_whole_map(error, clicked):
    distances = cv2.distanceTransform(np.pad(error.astype(np.uint8), 1), cv2.DIST_L2, 0)[1:-1, 1:-1]
    for pixel in clicked:
        distances[pixel] = 0
    squared = round(float(distances.max()) ** 2)
    if not squared:
        return 0, (0, 0)
    return squared, tuple(map(int, np.argwhere(distances > math.sqrt(squared - 0.5))[0]))


def smooth_noise(rng, height, width):
    sigma = float(rng.uniform(1, 40))
    return cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), sigma) > 0


def ellipses(rng, height, width):
    drawn = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(1, 6)):
        centre, axes = (int(rng.integers(width)), int(rng.integers(height))), rng.integers(5, 150, 2)
        cv2.ellipse(drawn, centre, tuple(map(int, axes)), float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return drawn > 0


def crescents(rng, height, width):
    disk = np.zeros((height, width), np.uint8)
    cv2.circle(disk, (width // 2, height // 2), min(height, width) // 3, 1, -1)
    return (disk > 0) & ~np.roll(disk > 0, int(rng.integers(1, 60)), axis=int(rng.integers(0, 2)))


def rectangles(rng, height, width):  # many pixels are equally deep
    drawn = np.zeros((height, width), bool)
    for _ in range(rng.integers(1, 4)):
        row, column = rng.integers(0, height), rng.integers(0, width)
        drawn[row : row + rng.integers(10, 300), column : column + rng.integers(10, 300)] = True
    return drawn


@pytest.mark.parametrize("kind", [smooth_noise, ellipses, crescents, rectangles])
def test_random_maps_clicked_again_and_again(kind):
    rng = np.random.default_rng(0)
    for _ in range(40):
        error, clicked = kind(rng, *rng.integers(20, 420, 2)), []
        for _ in range(rng.integers(1, 20)):
            found = deepest_pixel(error, clicked)
            assert found == of_the_whole_map(error, clicked)
            clicked.append(found[1])


@pytest.mark.parametrize("pixels", [0, 10**9])
def test_large_maps_by_pairs_of_pixels_and_by_transforms(monkeypatch, pixels):
    monkeypatch.setattr(depth, "MANY_PIXELS", pixels)
    rows, columns = np.mgrid[:1100, :1200]
    ellipse = ((rows - 500) / 480) ** 2 + ((columns - 600) / 550) ** 2 <= 1
    for error in (ellipse, np.ones((1100, 1200), bool), ellipse & ~np.roll(ellipse, 30, axis=0)):
        for clicked in ([], [deepest_pixel(error, [])[1]]):
            assert deepest_pixel(error, clicked) == of_the_whole_map(error, clicked)


def test_maps_without_a_pixel_that_counts():
    assert deepest_pixel(np.zeros((5, 7), bool), []) == (0, (0, 0))
    one = np.zeros((5, 7), bool)
    one[2, 3] = True
    assert deepest_pixel(one, []) == (1, (2, 3))
    assert deepest_pixel(one, [(2, 3)]) == (0, (0, 0))


def test_clicks_outside_the_map_and_thin_lines():
    line = np.zeros((300, 300), bool)
    line[150] = True
    assert deepest_pixel(line, [(500, 3), (150, 0)]) == (1, (150, 1))
