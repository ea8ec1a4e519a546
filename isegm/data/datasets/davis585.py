"""DAVIS-585 (Chen et al. 2022, "FocalClick"): 585 objects on frames of DAVIS 2017, with masks to start from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from isegm.data.datasets.base import HELP, require_files
from isegm.data.datasets.benchmarks import OBJECT, BrightMasks
from isegm.data.paired_files import list_files
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, sha256
from isegm.utils.log import logger

STARTS = ("sp", "stm")  # super-pixels put on and taken away; answers of the video network STM


class Davis585Dataset(BrightMasks):
    """One item for each ``<sequence>/object<j>_<frame>.png``, whose image is ``<sequence>/<frame>.jpg``.

    Items are sorted by sequence and mask; published code takes them as the file system lists them.

    Args:
        root: the folder of the sequences.
        start: "sp" or "stm": samples start from ``init_sp_object<j>_<frame>.png``, or ``init_stm_...``; None: from
            nothing. Only the masks that are asked for need to be there.
        name: for people and log files.

    Raises:
        InputError: there are no such masks, or images or initial masks of them are missing (up to ten are named).
    """

    def __init__(self, root: str | Path, start: str | None = None, name: str = "D585_ZERO") -> None:
        if start is not None and start not in STARTS:
            raise ValueError(f"start is {start!r}: it must be 'sp', 'stm' or None")
        self.root, self.name, self.start = Path(root), name, start
        self.pairs = [
            (mask.with_name(f"{mask.stem.rpartition('_')[2]}.jpg"), mask)
            for folder in sorted(path for path in self.root.iterdir() if path.is_dir())
            for mask in list_files(folder, (".png",))
            if "init" not in mask.name
        ]
        if not self.pairs:
            raise InputError(f"{self.root} holds no <sequence>/object<j>_<frame>.png: {HELP}.")
        require_files([image_path for image_path, _ in self.pairs] + self._starts(None), self.root)

    def start_of(self, index: int, kind: str) -> Path:
        """The file of the ``index``-th object's initial mask of a kind of ``STARTS``; it may not be there."""
        mask = self.pairs[index][1]
        return mask.with_name(f"init_{kind}_{mask.name}")

    def _starts(self, samples: int | None) -> list[Path]:
        """Initial masks of the first samples, None for all."""
        if self.start is None:
            return []
        return [self.start_of(index, self.start) for index in range(len(self.pairs[:samples]))]

    @property
    def fingerprint(self) -> str:
        """As ``PairedFiles.fingerprint``, with the checksums of the initial masks that are read."""
        starts = [sha256(path) for path in self._starts(None)]
        return hashlib.sha256(f"{super().fingerprint} {starts}".encode()).hexdigest()[:16]

    def check(self, samples: int | None = None) -> None:
        """As ``PairedFiles.check``, for initial masks too; those without an object are counted in the log.

        Raises:
            InputError: a mask does not decode, or some masks (not initial ones) hold no object.
        """
        super().check(samples)
        empty = [path for path in self._starts(samples) if not self.holds_object(path)]
        if empty:
            logger.warning(
                "%s: %d initial masks hold no object, such as %s: these objects start from an empty mask",
                *(self.name, len(empty), empty[0]),
            )

    def get_sample(self, index: int) -> DSample:
        """The ``index``-th object; ``init_mask`` is (H, W) float32 of 0 and 1, or None where it starts from nothing.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask (not the initial one) is empty.
        """
        mask_path = self.pairs[index][1]
        sample = replace(super().get_sample(index), sample_id=f"{mask_path.parent.name}_{mask_path.stem}")
        if self.start is None:
            return sample
        path = self.start_of(index, self.start)
        init_mask = (self.labels(read_image(path)) == OBJECT).astype(np.float32)
        require_initial_size(init_mask, path, (sample.image.shape[0], sample.image.shape[1]))
        return replace(sample, init_mask=init_mask)


def require_initial_size(mask: np.ndarray, path: Path, size: tuple[int, int]) -> None:
    """Raises:
    InputError: an initial mask has another size than its image, (H, W).
    """
    if mask.shape != size:
        raise InputError(
            f"the initial mask {path} is {mask.shape[1]}x{mask.shape[0]} pixels, its image {size[1]}x{size[0]}: "
            "make them equal."
        )
