"""A few tiny pictures in exactly the layouts of the published data sets.

Every function writes one data set below ``root`` and returns ``root``. Pictures are 60 rows by 80 columns of noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from isegm.utils.files import write_image

SIZE = (60, 80)


def picture(path: Path, seed: int = 0) -> None:
    """Write a picture of noise."""
    write_image(path, np.random.default_rng(seed).integers(0, 255, (*SIZE, 3)).astype(np.uint8))


def boxes(*corners: tuple[int, int, int, int]) -> np.ndarray:
    """(60, 80) uint8: the n-th box (top, left, bottom, right; ends excluded) holds n, later ones cover earlier ones."""
    mask = np.zeros(SIZE, np.uint8)
    for number, (top, left, bottom, right) in enumerate(corners, start=1):
        mask[top:bottom, left:right] = number
    return mask


def voc_palette() -> list[int]:
    """VOC's 256 colours as 768 numbers."""
    colours = []
    for index in range(256):
        colour = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                colour[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
        colours += colour
    return colours


def sbd(root: Path) -> Path:
    """SBD: 3 pictures in train, 2 in val; object 2 of the first of train is a buggy one, a thin diagonal."""
    for split, names in (("train", ("2008_000002", "2008_000003", "2008_000007")), ("val", ("2009_01", "2009_02"))):
        for number, name in enumerate(names):
            mask = boxes((5, 5, 30, 30), (10, 40, 50, 70))
            if split == "train" and number == 0:
                mask = boxes((5, 5, 30, 30))
                steps = np.arange(28)
                mask[31 + steps, 40 + steps] = 2
            elif number == 1:
                mask = boxes((5, 5, 30, 30))
            picture(root / "img" / f"{name}.jpg", number)
            (root / "inst").mkdir(parents=True, exist_ok=True)
            fields = {"Segmentation": mask, "Boundaries": np.zeros(1), "Categories": np.ones((2, 1), np.uint8)}
            savemat(root / "inst" / f"{name}.mat", {"GTinst": fields}, do_compression=True)
        (root / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


def voc(root: Path) -> Path:
    """Pascal VOC: 2 pictures in train, 2 in val; the first of val holds objects 1, 2 and 16 (which looks like 1)."""
    splits = {"train": ("2007_000001", "2007_000002"), "val": ("2007_000003", "2007_000004")}
    for split, names in splits.items():
        for number, name in enumerate(names):
            mask = boxes((5, 5, 30, 30), (10, 40, 50, 70))
            mask[4, 5:30] = 255
            if split == "val" and number == 0:
                mask[52:58, 5:20] = 16
            picture(root / "JPEGImages" / f"{name}.jpg", number)
            (root / "SegmentationObject").mkdir(parents=True, exist_ok=True)
            labels = Image.fromarray(mask)
            labels.putpalette(voc_palette())
            labels.save(root / "SegmentationObject" / f"{name}.png")
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, names in (*splits.items(), ("trainval", (*splits["train"], *splits["val"]))):
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root
