"""A small folder data set of drawn shapes, made by the tests that need one."""

from pathlib import Path

import cv2
import numpy as np

from isegm.utils.files import write_image


def draw_folder(root: Path, count: int = 12, size: tuple[int, int] = (72, 96), seed: int = 0) -> Path:
    """Write ``count`` images of one bright ellipse on textured ground, with their masks, in the folder layout."""
    rng = np.random.default_rng(seed)
    height, width = size
    for number in range(count):
        mask = np.zeros(size, np.uint8)
        centre = (int(rng.integers(width // 3, 2 * width // 3)), int(rng.integers(height // 3, 2 * height // 3)))
        axes = (int(rng.integers(width // 8, width // 4)), int(rng.integers(height // 8, height // 4)))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        image = rng.integers(0, 90, (height, width, 3)).astype(np.uint8)
        image[mask == 1] += rng.integers(90, 160, 3).astype(np.uint8)
        write_image(root / "images" / f"{number:02d}.png", image)
        write_image(root / "masks" / f"{number:02d}.png", mask)
    return root
