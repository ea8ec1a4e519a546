"""HQSeg-44K (Ke et al. 2023, "Segment Anything in High Quality"): fine masks of six data sets, joined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isegm.data.datasets.base import HELP
from isegm.data.datasets.benchmarks import PairsDataset
from isegm.data.paired_files import by_stem, list_files, name_key, name_some
from isegm.utils.errors import InputError
from isegm.utils.text_values import as_path

THIN_OBJECTS = "thin_object_detection"


@dataclass(frozen=True)
class Part:
    """Folders of a part, below that of the data set, and how many images are published."""

    images: str
    masks: str
    count: int


def _side_by_side(folder: str, count: int) -> Part:
    return Part(f"cascade_psp/{folder}", f"cascade_psp/{folder}", count)


PARTS = {
    "train": {
        "DIS": Part("DIS5K/DIS-TR/im", "DIS5K/DIS-TR/gt", 3000),
        "ThinObject": Part(
            f"{THIN_OBJECTS}/ThinObject5K/images_train", f"{THIN_OBJECTS}/ThinObject5K/masks_train", 4748
        ),
        "FSS": _side_by_side("fss_all", 10000),
        "DUTS_TR": _side_by_side("DUTS-TR", 10553),
        "DUTS_TE": _side_by_side("DUTS-TE", 5019),
        "ECSSD": _side_by_side("ecssd", 1000),
        "MSRA10K": _side_by_side("MSRA_10K", 10000),
    },
    "val": {
        "DIS": Part("DIS5K/DIS-VD/im", "DIS5K/DIS-VD/gt", 470),
        "ThinObject": Part(f"{THIN_OBJECTS}/ThinObject5K/images_test", f"{THIN_OBJECTS}/ThinObject5K/masks_test", 500),
        "COIFT": Part(f"{THIN_OBJECTS}/COIFT/images", f"{THIN_OBJECTS}/COIFT/masks", 280),
        "HRSOD": Part(f"{THIN_OBJECTS}/HRSOD/images", f"{THIN_OBJECTS}/HRSOD/masks_max255", 287),
    },
}


class HQSeg44KDataset(PairsDataset):
    """HQSeg-44K: ``<name>.jpg`` with ``<name>.png`` for each object, sorted by part and name.

    A pixel of any colour is the object, half-transparent edges included, as published. Training passes over masks that
    are empty.

    Args:
        root: the folder with ``DIS5K/``, ``thin_object_detection/`` and, for training, ``cascade_psp/``.
        split: "train" (44320 images in seven folders) or "val" (1537 in four).
        part: one of ``PARTS[split]`` alone; None for all.

    Attributes:
        parts: the indices of the images of each part, see ``HasParts``.

    Raises:
        InputError: there is no such part, a folder is missing or empty, or images lack their masks (up to ten are
            named).
    """

    def __init__(self, root: str | Path, split: str = "train", part: str | None = None) -> None:
        self.root = as_path(root, "the folder of a data set")
        if split not in PARTS:
            raise InputError(f"HQSeg44K has no part {split}: it has {' and '.join(PARTS)}.")
        parts = PARTS[split]
        if part is not None and part not in parts:
            raise InputError(f"HQSeg44K has no part {part} of {split}: known are {', '.join(parts)}.")
        self.allow_empty = split == "train"
        self.name = f"HQSeg44K_{split}" if self.allow_empty else "HQSeg44K" + (f"_{part}" if part else "")
        chosen = parts if part is None else {part: parts[part]}
        missing = [folder for one in chosen.values() for folder in (one.images, one.masks)]
        missing = [folder for folder in dict.fromkeys(missing) if not (self.root / folder).is_dir()]
        if missing:
            raise InputError(f"{self.root} lacks {name_some(missing)}, which belong to {self.name}: {HELP}.")
        self.pairs: list[tuple[Path, Path]] = []
        self.parts: dict[str, range] = {}
        for name, one in chosen.items():
            pairs = _pairs(self.root / one.images, self.root / one.masks)
            self.parts[name] = range(len(self.pairs), len(self.pairs) + len(pairs))
            self.pairs += pairs


def _pairs(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """List the images of a folder with their masks, sorted by name; masks without an image are no samples.

    Raises:
        InputError: there are no images, or some lack their masks.
    """
    found = by_stem(list_files(images, (".jpg",)))
    if not found:
        raise InputError(f"{images} holds no .jpg files, where images of HQSeg-44K should lie; {HELP}.")
    mask_of = by_stem(list_files(masks, (".png",)))
    lonely = [path.name for stem, path in found.items() if stem not in mask_of]
    if lonely:
        raise InputError(
            f"{len(lonely)} of {len(found)} images in {images} have no mask of the same name, ending in .png, in "
            f"{masks}: {name_some(lonely)}; get the published files again."
        )
    return [(path, mask_of[name_key(path.stem)]) for path in found.values()]
