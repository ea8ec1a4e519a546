"""Which of the published data sets lie where config.yml says, and how complete they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isegm.data.catalogue import EVALUATION_SETS, TRAINING_SETS, data_path, unknown
from isegm.data.files import IMAGE_ENDINGS
from isegm.data.listed import read_names
from isegm.utils.errors import InputError

FBRS_RELEASE = "https://github.com/saic-vul/fbrs_interactive_segmentation/releases/tag/v1.0"
RITM_RELEASE = "https://github.com/saic-vul/ritm_interactive_segmentation/releases/tag/v1.0"


@dataclass(frozen=True)
class Part:
    """One folder or file of a data set.

    Attributes:
        path: below the data set's folder; of several with | between them the first that is there.
        count: published number of files in the folder, or of lines in a list; None where no number is known.
        endings: of the files that count in a folder.
    """

    path: str
    count: int | None = None
    endings: tuple[str, ...] = IMAGE_ENDINGS

    def found(self, root: Path) -> Path:
        """The part below ``root``; it may not be there."""
        choices = [root / path for path in self.path.split("|")]
        return next((path for path in choices if path.exists()), choices[0])

    def size(self, root: Path) -> int | None:
        """Number of files in the folder, or of names in the list; 1 for another file, None where nothing is there."""
        path = self.found(root)
        if path.is_dir():
            return sum(entry.suffix.lower() in self.endings for entry in path.iterdir() if entry.name[0] != ".")
        if not path.is_file():
            return None
        return len(read_names(path)) if path.suffix == ".txt" else 1


@dataclass(frozen=True)
class Source:
    """Where a data set comes from and what it consists of."""

    origin: str
    parts: tuple[Part, ...]


def _pairs(images: str, masks: str, count: int) -> tuple[Part, Part]:
    return Part(images, count), Part(masks, count)


SOURCES: dict[str, Source] = {
    "GrabCut": Source(f"GrabCut.zip of {FBRS_RELEASE}", _pairs("data_GT", "boundary_GT", 50)),
    "Berkeley": Source(f"Berkeley.zip of {FBRS_RELEASE}", _pairs("images", "masks", 100)),
    "DAVIS": Source(f"DAVIS.zip of {FBRS_RELEASE}", _pairs("img", "gt", 345)),
    "COCO_MVal": Source(f"COCO_MVal.zip of {FBRS_RELEASE}", _pairs("img", "gt", 800)),
    "SBD": Source(
        "benchmark.tgz of the Semantic Boundaries Dataset (Hariharan et al. 2011); its folder dataset/ is meant",
        (Part("img", 11355), Part("inst", 11355, (".mat",)), Part("train.txt", 8498), Part("val.txt", 2857)),
    ),
    "PascalVOC": Source(
        "VOCtrainval_11-May-2012.tar of http://host.robots.ox.ac.uk/pascal/VOC/voc2012/; its folder VOC2012 is meant",
        (
            Part("JPEGImages", 17125),
            Part("SegmentationObject", 2913),
            Part("ImageSets/Segmentation/train.txt", 1464),
            Part("ImageSets/Segmentation/val.txt", 1449),
        ),
    ),
    "COCO": Source(
        "train2017.zip, val2017.zip and panoptic_annotations_trainval2017.zip of https://cocodataset.org/#download",
        (
            Part("train|train2017", 118287),
            Part("val|val2017", 5000),
            Part("annotations/panoptic_train|annotations/panoptic_train2017", 118287),
            Part("annotations/panoptic_val|annotations/panoptic_val2017", 5000),
            Part("annotations/panoptic_train.json|annotations/panoptic_train2017.json"),
            Part("annotations/panoptic_val.json|annotations/panoptic_val2017.json"),
        ),
    ),
    "LVIS": Source(
        "lvis_v1_train.json and lvis_v1_val.json of https://www.lvisdataset.org/dataset, and COCO's pictures of 2017",
        (
            Part("train/images", 118287),
            Part("val/images", 5000),
            Part("train/lvis_v1_train.json"),
            Part("val/lvis_v1_val.json"),
        ),
    ),
    "COCO_LVIS": Source(
        f"cocolvis_annotation.tar.gz of {RITM_RELEASE}, or scripts/convert_annotations.py coco_lvis; and COCO's "
        "pictures of 2017",
        (
            Part("train/images", 118287),
            Part("val/images", 5000),
            Part("train/masks", None, (".pickle",)),
            Part("val/masks", None, (".pickle",)),
            Part("train/hannotation.pickle"),
            Part("val/hannotation.pickle"),
        ),
    ),
    "ADE20k": Source(
        "the release of 2016-07-26 of https://groups.csail.mit.edu/vision/datasets/ADE20K/, then "
        "scripts/convert_annotations.py ade20k",
        (
            Part("index_ade20k.mat|ADE20K_2016_07_26/index_ade20k.mat"),
            Part("train-annotations-object-segmentation.pkl"),
            Part("val-annotations-object-segmentation.pkl"),
        ),
    ),
    "OpenImages": Source(
        "pictures, masks and lists of masks of https://storage.googleapis.com/openimages/web/download.html, then "
        "scripts/convert_annotations.py openimages",
        (
            Part("train/images"),
            Part("train/masks"),
            Part("train/train-annotations-object-segmentation_clean.pkl"),
        ),
    ),
}
ENTRIES = {**TRAINING_SETS, **EVALUATION_SETS}


@dataclass(frozen=True)
class Finding:
    """What was found of one data set: its state, and a line for each of its parts or for what to do.

    Attributes:
        state: "present", "incomplete" or "absent".
    """

    name: str
    state: str
    lines: tuple[str, ...]


def inspect(names: list[str], cfg: Mapping[str, Any]) -> Iterator[Finding]:
    """Look for data sets, all of them where ``names`` is empty.

    Raises:
        InputError: an unknown name; the nearest is suggested.
    """
    for name in names:
        if name not in SOURCES:
            raise unknown(name, SOURCES)
    for name in names or SOURCES:
        yield _inspect(name, cfg)


def _inspect(name: str, cfg: Mapping[str, Any]) -> Finding:
    source = SOURCES[name]
    origin = f"get it from: {source.origin}"
    try:
        root = data_path(ENTRIES[name].key, cfg, name)
    except InputError as error:
        return Finding(name, "absent", (str(error), origin))
    sizes = [part.size(root) for part in source.parts]
    if not any(sizes):
        return Finding(name, "absent", (f"{root} holds none of its files", origin))
    lines, complete = [str(root)], True
    for part, size in zip(source.parts, sizes, strict=True):
        enough = bool(size) and size >= (part.count or 1)
        complete = complete and enough
        published = "" if part.count is None else f" of {part.count}"
        found = "missing" if size is None else f"{size}{published}"
        where = part.found(root).relative_to(root)
        lines.append(f"{'ok ' if enough else '-- '} {where}: {found}")
    return Finding(name, "present" if complete else "incomplete", (*lines, *([] if complete else [origin])))
