"""A few tiny images in the layouts of the data sets that came with ClickSEG; see ``tests.miniatures``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from isegm.utils.files import write_image
from tests.miniatures import THINGS, boxes, draw_image, voc_palette


def box(number: int, level: int = 255) -> np.ndarray:
    """(60, 80) uint8: ``level`` on one of the ``THINGS``."""
    return boxes(THINGS[number]) * np.uint8(level)


def davis585(root: Path) -> Path:
    """DAVIS-585: sequence b with two objects on one frame, a with one; each starts from less of it, or more.

    Object 1 of b has a rim of 128, which is background, and an empty mask of STM.
    """
    for sequence, number, frame in (("b", 1, "00012"), ("b", 2, "00012"), ("a", 1, "00003")):
        mask = box(number - 1)
        name = f"object{number}_{frame}.png"
        folder = root / sequence
        more, less = np.roll(mask, 5, axis=1), mask.copy()
        less[:20] = 0
        if (sequence, number) == ("b", 1):
            mask[30], less[:] = 128, 0
        draw_image(folder / f"{frame}.jpg", number)
        for prefix, pixels in (("", mask), ("init_sp_", more), ("init_stm_", less)):
            write_image(folder / f"{prefix}{name}", pixels)
    return root


def coco_mval(root: Path) -> Path:
    """COCO_MVal: one image, its object of 255 with a soft edge of 100."""
    draw_image(root / "img" / "1.jpg")
    write_image(root / "gt" / "1.png", np.maximum(box(0), box(1, 100)))
    return root


def msra10k(root: Path) -> Path:
    """MSRA10K: two images and masks in one folder, the second mask empty."""
    for number in (0, 1):
        draw_image(root / f"{number}.jpg", number)
        write_image(root / f"{number}.png", np.maximum(box(0, 255 * (1 - number)), box(1, 128)))
    return root


def _pairs(images: Path, masks: Path, names: dict[str, str]) -> None:
    for number, (mask, image) in enumerate(names.items()):
        draw_image(images / f"{image}.jpg", number)
        write_image(masks / f"{mask}.png", box(number % 2))


def duts(root: Path, part: str) -> Path:
    """DUTS: two images of a part, "TR" or "TE"."""
    _pairs(root / f"DUTS-{part}-Image", root / f"DUTS-{part}-Mask", {"a": "a", "b": "b"})
    return root


def thin_object(root: Path) -> Path:
    """ThinObject-5K: two images with masks, and one without that nobody asks for."""
    _pairs(root / "images", root / "masks", {"a": "a", "b_1": "b_1"})
    draw_image(root / "images" / "c.jpg")
    return root


def hflickr(root: Path) -> Path:
    """HFlickr: three masks on two images."""
    _pairs(root / "real_images", root / "masks", {"f1_1": "f1", "f1_2": "f1", "f20_1": "f20"})
    return root


def youtube_vos(root: Path) -> Path:
    """YouTube-VOS: video v2 with one object on two annotated frames of three, v1 with two objects on one frame."""
    frames = {"v2": {"00000": box(0, 4), "00005": box(1, 4)}, "v1": {"00010": boxes(*THINGS)}}
    for video, masks in frames.items():
        for frame, mask in masks.items():
            draw_image(root / "train" / "JPEGImages" / video / f"{frame}.jpg")
            (root / "train" / "Annotations" / video).mkdir(parents=True, exist_ok=True)
            labels = Image.fromarray(mask)
            labels.putpalette(voc_palette())
            labels.save(root / "train" / "Annotations" / video / f"{frame}.png")
    draw_image(root / "train" / "JPEGImages" / "v2" / "00001.jpg")
    (root / "train" / "meta.json").write_text(json.dumps({"videos": {video: {"objects": {}} for video in frames}}))
    return root


def davis2017(root: Path, frames: int = 23) -> Path:
    """DAVIS 2017: a sequence of object 1, which has 300 pixels before frame 10, and object 3."""
    for number in range(frames):
        mask = box(1, 3)
        mask[5:20, 5:25] = 1
        if number >= 10:
            mask[20, 5:25] = 1
        draw_image(root / "JPEGImages" / "480p" / "car" / f"{number:05d}.jpg", number)
        write_image(root / "Annotations" / "480p" / "car" / f"{number:05d}.png", mask)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("car\n")
    return root
