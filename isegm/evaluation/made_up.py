"""Images that are drawn, with an object each: as many as a measurement needs."""

from __future__ import annotations

import cv2
import numpy as np

from isegm.data.sample import DSample

SIZE = (96, 128)  # of images, (H, W) in pixels


class MadeUpDataset:
    """An ellipse, brighter than the noise around it, on each of some images.

    Args:
        count: of images.
    """

    name = "made-up"

    def __init__(self, count: int) -> None:
        self.count = count

    @property
    def fingerprint(self) -> str:
        """See ``EvaluationDataset``."""
        return f"{self.name} {self.count}"

    def __len__(self) -> int:
        return self.count

    def get_sample(self, index: int) -> DSample:
        """Draw the image at ``index``, always the same one."""
        rng = np.random.default_rng(index)
        image = rng.integers(0, 90, (*SIZE, 3)).astype(np.uint8)
        mask = np.zeros(SIZE, np.uint8)
        centre = int(rng.integers(40, 88)), int(rng.integers(30, 66))
        axes = int(rng.integers(8, 40)), int(rng.integers(8, 30))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        image[mask > 0] += np.uint8(120)
        return DSample.flat(image, mask, [1], sample_id=str(index))

    def check(self, samples: int | None = None) -> None:
        """Return: there are no files to look into."""
