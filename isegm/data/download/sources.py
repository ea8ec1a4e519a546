"""Sources of the published data sets, and the folders and files of a complete copy.

Counts are those of the papers and of the data sets' own pages. URLs and checksums of SBD and PASCAL VOC are
torchvision's, whose import would take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isegm.data.catalogue import unknown_name
from isegm.data.datasets.base import read_names
from isegm.data.datasets.hqseg44k import PARTS as HQSEG44K_PARTS
from isegm.data.paired_files import IMAGE_ENDINGS
from isegm.utils.errors import InputError

FBRS_RELEASE = "https://github.com/saic-vul/fbrs_interactive_segmentation/releases/download/v1.0"
RITM_RELEASE = "https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/v1.0"
SBD = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz"
VOC2012 = "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"


@dataclass(frozen=True)
class Part:
    """A folder, a file or a pattern of files that belongs to a data set.

    Attributes:
        path: below the data set's folder. Alternatives are separated by |, and the first that exists counts. A path
            with a * is a pattern of files.
        count: published number of files in the folder or of the pattern, or of lines in a list; None where unknown.
        endings: of the files that are counted in a folder.
    """

    path: str
    count: int | None = None
    endings: tuple[str, ...] = IMAGE_ENDINGS

    @property
    def alternatives(self) -> list[str]:
        """The alternative paths below the data set's folder."""
        return self.path.split("|")

    def existing(self, root: Path) -> str:
        """Return the alternative that exists below ``root``, or the first one if none does."""
        return next((path for path in self.alternatives if any(_matches(root, path))), self.alternatives[0])

    def size(self, root: Path) -> int | None:
        """Count the files of the folder or pattern, or the names in the list; 1 for another file, None if missing."""
        path = self.existing(root)
        found = root / path
        if "*" in path:
            return sum(1 for _ in _matches(root, path)) or None
        if found.is_dir():
            return sum(entry.suffix.lower() in self.endings for entry in found.iterdir() if entry.name[0] != ".")
        if not found.is_file():
            return None
        return len(read_names(found)) if found.suffix == ".txt" else 1


def _matches(root: Path, path: str) -> Iterator[Path]:
    """List the files of a pattern below ``root``, or the one path if it exists."""
    if "*" in path:
        return (match for match in root.glob(path) if match.name[0] != ".")
    return iter([root / path] if (root / path).exists() else [])


@dataclass(frozen=True)
class Archive:
    """A zip or tar file that holds a data set, or a part of one.

    Attributes:
        url: of the file.
        holds: names that lie side by side in one folder of the archive, which becomes the data set's folder.
        terms: licence, as far as the source states it.
        most_gigabytes: what it may unpack to, several times what the data set needs; no download may be larger either.
        most_files: number of files and folders that it may hold, likewise.
        size: of the archive in bytes; None where nobody has measured it on a file from the source.
        sha256, md5: checksums of the archive; None where unknown.
    """

    url: str
    holds: tuple[str, ...]
    terms: str
    most_gigabytes: float
    most_files: int
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    def is_present(self, root: Path) -> bool:
        """Return whether the data set's folder has everything that the archive holds, by name."""
        return all((root / name).exists() for name in self.holds)


@dataclass(frozen=True)
class Source:
    """Origin and contents of a data set.

    Attributes:
        origin: sentence on where to get it.
        parts: its folders and files.
        archive: the file that ``isegm download`` fetches; None where it must be fetched by hand.
    """

    origin: str
    parts: tuple[Part, ...]
    archive: Archive | None = None


def _from_archive(name: str, archive: Archive, parts: tuple[Part, ...]) -> Source:
    """A data set that one archive holds completely."""
    return Source(f"isegm download datasets {name}, or {archive.url}", parts, archive)


def _benchmark(name: str, images: str, masks: str, count: int) -> Source:
    """A data set of f-BRS's release: a folder of images and one of as many masks."""
    terms = "the release names none; see the data set's own page"
    archive = Archive(f"{FBRS_RELEASE}/{name}.zip", (images, masks), terms, most_gigabytes=2, most_files=20 * count)
    return _from_archive(name, archive, (Part(images, count), Part(masks, count)))


def _davis585(*starts: str) -> Source:
    """DAVIS-585: its objects, and initial masks of the given kinds."""
    chosen = "; or isegm initial-masks --davis585 chooses its objects from DAVIS 2017"
    made = {(): chosen, ("sp",): f"{chosen} and makes masks of the same kind, not the same ones"}.get(starts, "")
    return Source(
        f"the links in the README of https://github.com/XavierCHEN34/ClickSEG{made}",
        (Part("*/*.jpg"), Part("*/object*.png", 585), *(Part(f"*/init_{start}_object*.png", 585) for start in starts)),
    )


def _hqseg44k() -> tuple[Part, ...]:
    """Images and masks of the parts of HQSeg-44K for training and validation."""
    parts = [part for split in HQSEG44K_PARTS.values() for part in split.values()]
    return tuple(
        Part(folder, part.count, (ending,))
        for part in parts
        for folder, ending in ((part.images, ".jpg"), (part.masks, ".png"))
    )


def _duts(name: str, count: int) -> tuple[Part, ...]:
    """Images and masks of DUTS in two folders below the configured one, or in that one and one beside it."""
    return tuple(Part(f"{name}-{kind}|../{name}-{kind}", count) for kind in ("Image", "Mask"))


SIMPLECLICK_LINKS = "the links in the README of https://github.com/uncbiag/SimpleClick"
ADE20K_RELEASE = "the release of 2016-07-26 of https://groups.csail.mit.edu/vision/datasets/ADE20K/"
DUTS_ORIGIN = "http://saliencydetection.net/duts/"
SOURCES: dict[str, Source] = {
    "GrabCut": _benchmark("GrabCut", "data_GT", "boundary_GT", 50),
    "Berkeley": _benchmark("Berkeley", "images", "masks", 100),
    "DAVIS": _benchmark("DAVIS", "img", "gt", 345),
    "COCO_MVal": _benchmark("COCO_MVal", "img", "gt", 800),
    "D585_ZERO": _davis585(),
    "D585_SP": _davis585("sp"),
    "D585_STM": _davis585("stm"),
    "BraTS": Source(f"{SIMPLECLICK_LINKS}, made of BraTS 2020", (Part("image", 369), Part("annotation", 369))),
    "ssTEM": Source(
        f"{SIMPLECLICK_LINKS}, or stack1 of https://github.com/unidesigner/groundtruth-drosophila-vnc",
        (Part("raw"), Part("mitochondria")),
    ),
    "OAIZIB": Source(f"{SIMPLECLICK_LINKS}, made of OAI-ZIB", (Part("test/image", 150), Part("test/annotations", 150))),
    "HARD": Source(SIMPLECLICK_LINKS, (Part("img"), Part("gt"))),
    "SBD": _from_archive(
        "SBD",
        Archive(
            SBD,
            ("img", "inst", "train.txt", "val.txt"),
            "see http://home.bharathh.info/pubs/codes/SBD/download.html",
            most_gigabytes=8,
            most_files=200_000,
            md5="82b4d87ceb2ed10f6038a1cba92111cb",
        ),
        (Part("img", 11355), Part("inst", 11355, (".mat",)), Part("train.txt", 8498), Part("val.txt", 2857)),
    ),
    "PascalVOC": _from_archive(
        "PascalVOC",
        Archive(
            VOC2012,
            ("JPEGImages", "SegmentationObject", "ImageSets/Segmentation/train.txt"),
            "see http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
            most_gigabytes=8,
            most_files=200_000,
            md5="6cd6e144f989b92b3379bac3b3de84fd",
        ),
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
        "lvis_v1_train.json and lvis_v1_val.json of https://www.lvisdataset.org/dataset, and COCO's images of 2017",
        (
            Part("train/images", 118287),
            Part("val/images", 5000),
            Part("train/lvis_v1_train.json|train/lvis_train.json"),
            Part("val/lvis_v1_val.json|val/lvis_val.json"),
        ),
    ),
    "COCO_LVIS": Source(
        "annotations: isegm download datasets COCO_LVIS, or isegm convert coco_lvis; and COCO's "
        "images of 2017 from https://cocodataset.org/#download",
        (
            Part("train/images", 118287),
            Part("val/images", 5000),
            Part("train/masks", None, (".pickle",)),
            Part("val/masks", None, (".pickle",)),
            Part("train/hannotation.pickle"),
            Part("val/hannotation.pickle"),
        ),
        Archive(
            f"{RITM_RELEASE}/cocolvis_annotation.tar.gz",
            ("train/hannotation.pickle", "train/masks", "val/hannotation.pickle", "val/masks"),
            "annotations of COCO and LVIS: CC BY 4.0; their images are not in it",
            most_gigabytes=24,
            most_files=500_000,
        ),
    ),
    "ADE20k": Source(
        f"{ADE20K_RELEASE}, then isegm convert ade20k",
        (
            Part("index_ade20k.mat|ADE20K_2016_07_26/index_ade20k.mat"),
            Part("train-annotations-object-segmentation.pkl"),
            Part("val-annotations-object-segmentation.pkl"),
        ),
    ),
    "OpenImages": Source(
        "images, masks and lists of masks of https://storage.googleapis.com/openimages/web/download.html, then "
        "isegm convert openimages",
        (
            Part("train/images"),
            Part("train/masks"),
            Part("train/train-annotations-object-segmentation_clean.pkl"),
            Part("validation/images"),
            Part("validation/masks"),
            Part("validation/validation-annotations-object-segmentation_clean.pkl"),
        ),
    ),
    "ADE20k_full": Source(
        ADE20K_RELEASE,
        (
            Part("ADE20K_2016_07_26/images/training/**/*.jpg|images/training/**/*.jpg", 20210),
            Part("ADE20K_2016_07_26/images/training/**/*_seg.png|images/training/**/*_seg.png", 20210),
        ),
    ),
    "ADE20K": Source(
        "ADEChallengeData2016.zip of http://sceneparsing.csail.mit.edu",
        (
            Part("ADEChallengeData2016/images/validation|images/validation", 2000),
            Part("ADEChallengeData2016/annotations/validation|annotations/validation", 2000),
        ),
    ),
    "HQSeg44K": Source("the links of https://github.com/SysCV/sam-hq, train/README.md", _hqseg44k()),
    "MSRA10K": Source("https://mmcheng.net/msra10k/", (Part("*.jpg", 10000), Part("*.png", 10000))),
    "DUTS_TR": Source(DUTS_ORIGIN, _duts("DUTS-TR", 10553)),
    "DUTS_TE": Source(DUTS_ORIGIN, _duts("DUTS-TE", 5019)),
    "ThinObject": Source("https://github.com/liewjunhao/thin-object-selection", (Part("images"), Part("masks"))),
    "HFlickr": Source(
        "HFlickr of iHarmony4, https://github.com/bcmi/Image-Harmonization-Dataset-iHarmony4",
        (Part("real_images"), Part("masks")),
    ),
    "YouTubeVOS": Source(
        "https://youtube-vos.org, the training part",
        (Part("train/JPEGImages", 3471, ("",)), Part("train/Annotations", 3471, ("",)), Part("train/meta.json")),
    ),
}
OTHER_NAMES = {  # evaluation sets that share another's folder
    "SBD_Train": "SBD",
    "COCO_MVal_CS": "COCO_MVal",
    "PascalVOC_SN": "PascalVOC",
    **{f"HQSeg44K_{part}": "HQSeg44K" for part in HQSEG44K_PARTS["val"]},
}


def find_source(name: str) -> Source:
    """Look up the source of a data set.

    Raises:
        InputError: no data set has that name (the nearest is suggested).
    """
    name = OTHER_NAMES.get(name, name)
    if name not in SOURCES:
        raise unknown_name(name, SOURCES)
    return SOURCES[name]


def find_archive(name: str) -> Archive:
    """Look up the archive of a data set.

    Raises:
        InputError: no data set has that name (the nearest is suggested), or it has no archive.
    """
    source = find_source(name)
    if source.archive is None:
        raise InputError(f"{name} cannot be fetched from here: get it from {source.origin}.")
    return source.archive
