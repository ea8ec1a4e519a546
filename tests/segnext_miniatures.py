"""A few tiny images in the layouts of the data sets that SegNext is trained and evaluated on; see ``miniatures``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.data.datasets.hqseg44k import PARTS
from isegm.utils.files import write_image
from tests.miniatures import boxes, draw_image

SOFT_EDGE = (30, 5, 31, 30)  # a row of 3 below the first object


def hqseg44k(root: Path) -> Path:
    """HQSeg-44K: three images in each part, each with one object whose mask has a soft edge."""
    for parts in PARTS.values():
        for number, part in enumerate(parts.values()):
            for name in "bac":
                mask = 255 * boxes((5, 5, 30, 30))
                mask[SOFT_EDGE[0] : SOFT_EDGE[2], SOFT_EDGE[1] : SOFT_EDGE[3]] = 3
                draw_image(root / part.images / f"{name}.jpg", number)
                write_image(root / part.masks / f"{name}.png", mask)
    return root


def ade20k_challenge(root: Path) -> Path:
    """The challenge's part of ADE20k: images with classes 3 and 150, with none, and with 7 in two places."""
    masks = (
        np.array([0, 3, 150])[boxes((5, 5, 30, 30), (10, 40, 50, 70))],
        boxes(),
        7 * (boxes((5, 5, 30, 30), (40, 40, 50, 70)) > 0).astype(np.uint8),
    )
    folder = root / "ADEChallengeData2016"
    for number, mask in enumerate(masks):
        name = f"ADE_val_{number:08d}"
        draw_image(folder / "images" / "validation" / f"{name}.jpg", number)
        write_image(folder / "annotations" / "validation" / f"{name}.png", mask.astype(np.uint8))
    return root
