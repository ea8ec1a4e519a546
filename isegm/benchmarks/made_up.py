"""Images that are drawn, with objects: as many as a measurement needs."""

from __future__ import annotations

import cv2
import numpy as np

from isegm.data.sample import DSample

SIZE = (96, 128)  # of images, (H, W) in pixels


class MadeUpDataset:
    """Ellipses, brighter than the noise around them, on each of some images.

    Args:
        count: of images.
        size: of images, (H, W) in pixels.
        objects: ellipses on an image, of which later ones cover earlier ones.
    """

    name = "made-up"

    def __init__(self, count: int, size: tuple[int, int] = SIZE, objects: int = 1) -> None:
        self.count, self.size, self.objects = count, size, objects

    @property
    def fingerprint(self) -> str:
        """See ``EvaluationDataset``."""
        return f"{self.name} {self.count} {self.size} {self.objects}"

    def __len__(self) -> int:
        return self.count

    def get_sample(self, index: int) -> DSample:
        """Draw the image at ``index``, always the same one."""
        rng = np.random.default_rng(index)
        height, width = self.size
        coarse = rng.integers(0, 90, (height // 4, width // 4, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        mask = np.zeros(self.size, np.uint8)
        for label in range(1, self.objects + 1):
            centre = int(rng.integers(width // 5, 4 * width // 5)), int(rng.integers(height // 5, 4 * height // 5))
            axes = rng.integers(height // 16, height // 4, 2).tolist()
            cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, label, -1)
        image[mask > 0] += np.uint8(120)
        return DSample.flat(image, mask, np.unique(mask)[1:].tolist(), sample_id=str(index))

    def check(self, samples: int | None = None) -> None:
        """Return: there are no files to look into."""
