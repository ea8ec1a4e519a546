"""Selection of the objects of DAVIS-585 from DAVIS 2017, as published (Chen et al. 2022, "FocalClick")."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.data.datasets.base import HELP, read_names, require_files
from isegm.data.paired_files import list_files
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write, read_mask, write_image

FRAMES = 10  # per sequence
MIN_AREA = 300  # only objects of more pixels are taken
OBJECTS = 585  # in the published set


def select_davis585(davis: Path, out: Path) -> int:
    """Write frames and masks in the layout of DAVIS-585: ``<sequence>/<frame>.jpg``, ``object<id>_<frame>.png``.

    From every sequence of DAVIS 2017's val list ten frames are taken, evenly from the last one backwards, with all
    objects of more than 300 pixels. Frames are copied unchanged; masks are 0 and 255.

    Args:
        davis: the folder with ``JPEGImages/480p``, ``Annotations/480p`` and ``ImageSets/2017/val.txt``.
        out: folder to write, new or empty, so that published masks are never replaced.

    Returns:
        the number of objects; 585 from the published files.

    Raises:
        InputError: files are missing or broken, or cannot be written; or the folder is not empty.
    """
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty, and nothing in it is to be replaced: choose another folder.")
    listed = davis / "ImageSets" / "2017" / "val.txt"
    count = 0
    for sequence in read_names(listed):
        masks = list_files(davis / "Annotations" / "480p" / sequence, (".png",))[::-1]
        if not masks:
            raise InputError(f"{davis / 'Annotations' / '480p' / sequence} holds no masks: {HELP}.")
        chosen = masks[:: max(1, len(masks) // FRAMES)][:FRAMES]
        frames = [davis / "JPEGImages" / "480p" / sequence / f"{path.stem}.jpg" for path in chosen]
        require_files(frames, davis / "Annotations" / "480p" / sequence)
        for mask_path, frame in zip(chosen, frames, strict=True):
            mask = read_mask(mask_path)
            ids = [int(value) for value in np.unique(mask)[1:] if (mask == value).sum() > MIN_AREA]
            if not ids:
                continue
            with atomic_write(out / sequence / frame.name) as file:
                file.write(frame.read_bytes())
            for value in ids:
                pixels = (mask == value).astype(np.uint8) * 255
                write_image(out / sequence / f"object{value}_{mask_path.stem}.png", pixels)
            count += len(ids)
    return count
