"""Where the published data sets are fetched from, and what lies in their folders when they are whole."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isegm.utils.errors import InputError


@dataclass(frozen=True)
class DatasetSource:
    """One archive.

    Attributes:
        name: how people ask for it.
        key: of the data set's folder in config.yml.
        folder: where it goes when config.yml does not say.
        url: of a zip or tar file.
        holds: what lies side by side in the data set's folder, and in some folder of the archive.
        terms: licence, as far as the source says.
        size: of the archive in bytes, None where not known.
        sha256: checksum of the archive, None where not known.
    """

    name: str
    key: str
    folder: str
    url: str
    holds: tuple[str, ...]
    terms: str
    size: int | None = None
    sha256: str | None = None

    def target(self, cfg: Mapping[str, Any]) -> Path:
        """The folder that readers look into."""
        return Path(cfg.get(self.key, self.folder))

    def is_there(self, cfg: Mapping[str, Any]) -> bool:
        """Whether the folder holds what it should, by name."""
        return all((self.target(cfg) / name).exists() for name in self.holds)


FBRS = "https://github.com/saic-vul/fbrs_interactive_segmentation/releases/download/v1.0"
RITM = "https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/v1.0"
UNSAID = "the release names none; see the data set's own page"

SOURCES = (
    DatasetSource(
        "GrabCut", "GRABCUT_PATH", "./datasets/GrabCut", f"{FBRS}/GrabCut.zip", ("data_GT", "boundary_GT"), UNSAID
    ),
    DatasetSource(
        "Berkeley", "BERKELEY_PATH", "./datasets/Berkeley", f"{FBRS}/Berkeley.zip", ("images", "masks"), UNSAID
    ),
    DatasetSource("DAVIS", "DAVIS_PATH", "./datasets/DAVIS", f"{FBRS}/DAVIS.zip", ("img", "gt"), UNSAID),
    DatasetSource(
        "COCO_MVal", "COCO_MVAL_PATH", "./datasets/COCO_MVal", f"{FBRS}/COCO_MVal.zip", ("img", "gt"), UNSAID
    ),
    DatasetSource(
        "COCO_LVIS",
        "LVIS_v1_PATH",
        "./datasets/LVIS",
        f"{RITM}/cocolvis_annotation.tar.gz",
        ("train/hannotation.pickle", "train/masks", "val/hannotation.pickle", "val/masks"),
        "annotations of COCO and LVIS: CC BY 4.0; their photos are not in it",
    ),
)


def find_source(name: str) -> DatasetSource:
    """The source of a name.

    Raises:
        InputError: there is none (the nearest is suggested).
    """
    by_name = {source.name: source for source in SOURCES}
    if name not in by_name:
        near = difflib.get_close_matches(name, by_name, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(by_name)}."
        raise InputError(f"there is no source of a data set named {name}: {hint}")
    return by_name[name]
