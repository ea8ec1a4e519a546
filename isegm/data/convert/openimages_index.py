"""Index of the object masks of OpenImages that exist on disk."""

from __future__ import annotations

import csv
from pathlib import Path

from isegm.data.convert.parallel import write_pickle
from isegm.data.datasets.base import HELP, wrong_format
from isegm.data.datasets.openimages import INDEX
from isegm.utils.errors import InputError
from isegm.utils.log import logger


def convert_openimages(root: Path, split: str) -> int:
    """Write ``<split>/<split>-annotations-object-segmentation_clean.pkl``.

    Args:
        root: the folder with ``<split>/images``, ``<split>/masks`` and the published CSV file of the split.
        split: "train", "validation" or "test".

    Returns:
        the number of images in the index.

    Raises:
        InputError: the CSV file is missing or holds something else, or none of its masks exists.
    """
    folder = root / split
    listed = folder / f"{split}-annotations-object-segmentation.csv"
    if not listed.is_file():
        raise InputError(f"there is no annotation file {listed}: {HELP}.")
    images, masks = ({path.name for path in (folder / kind).glob("*")} for kind in ("images", "masks"))
    found: dict[str, list[str]] = {}
    absent = 0
    try:
        with listed.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name, mask = row["ImageID"], row["MaskPath"]
                if f"{name}.jpg" in images and mask in masks:
                    found.setdefault(name, []).append(mask)
                else:
                    absent += 1
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise wrong_format(listed, "OpenImages' masks (columns ImageID and MaskPath)") from error
    if not found:
        raise InputError(f"none of the masks that {listed} names lies in {folder} with its image: {HELP}.")
    if absent:
        logger.warning("%s: %d masks are left out, whose files or images are not there", listed, absent)
    write_pickle(folder / INDEX.format(split), {"image_id_to_masks": found, "dataset_samples": list(found)})
    return len(found)
