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
from isegm.utils.inputs import require_index
from isegm.utils.log import logger
from isegm.utils.text_values import as_path

STARTS = ("sp", "stm")  # kinds of initial masks: corrupted by superpixels; predicted by the video network STM


class Davis585Dataset(BrightMasks):
    """DAVIS-585: one sample per ``<sequence>/object<j>_<frame>.png``, with the image ``<sequence>/<frame>.jpg``.

    Samples are sorted by sequence and mask (docs/fidelity.md#order-of-items).

    Args:
        root: the folder of the sequences.
        start: kind of the initial masks: "sp" for ``init_sp_object<j>_<frame>.png``, "stm" for ``init_stm_...``; None
            for an empty start. Masks of other kinds may be missing.
        name: shown in reports, and part of file names.

    Raises:
        InputError: there are no such masks, or their images or initial masks are missing (up to ten are named).
        ValueError: another ``start``.
    """

    def __init__(self, root: str | Path, start: str | None = None, name: str = "D585_ZERO") -> None:
        if start is not None and start not in STARTS:
            raise ValueError(f"start is {start!r}: it must be 'sp', 'stm' or None")
        self.root, self.name, self.start = as_path(root, "the folder of a data set"), name, start
        self.pairs = [
            (mask.with_name(f"{mask.stem.rpartition('_')[2]}.jpg"), mask)
            for folder in sorted(path for path in self.root.iterdir() if path.is_dir())
            for mask in list_files(folder, (".png",))
            if "init" not in mask.name
        ]
        if not self.pairs:
            raise InputError(f"{self.root} holds no <sequence>/object<j>_<frame>.png: {HELP}.")
        require_files([image_path for image_path, _ in self.pairs] + self._starts(None), self.root)

    def initial_mask_path(self, index: int, kind: str) -> Path:
        """Path of the initial mask of the object at ``index``, of a kind in ``STARTS``; the file may be missing."""
        mask = self.pairs[index][1]
        return mask.with_name(f"init_{kind}_{mask.name}")

    def _starts(self, samples: int | None) -> list[Path]:
        """Paths of the initial masks of the first ``samples``, None for all."""
        if self.start is None:
            return []
        return [self.initial_mask_path(index, self.start) for index in range(len(self.pairs[:samples]))]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of ``PairedFiles``, extended by the checksums of the initial masks in use."""
        starts = [sha256(path) for path in self._starts(None)]
        return hashlib.sha256(f"{super().fingerprint} {starts}".encode()).hexdigest()[:32]

    def check(self, samples: int | None = None) -> None:
        """Check masks as ``PairedFiles.check`` does, and initial masks too; a warning counts empty initial masks.

        Raises:
            InputError: a mask does not decode, or some masks other than initial ones hold no object.
        """
        super().check(samples)
        empty = [path for path in self._starts(samples) if not self.holds_object(path)]
        if empty:
            logger.warning(
                "%s: %d initial masks hold no object, such as %s: these objects start from an empty mask",
                *(self.name, len(empty), empty[0]),
            )

    def get_sample(self, index: int) -> DSample:
        """Read the object at ``index``; ``init_mask`` is (H, W) float32 of 0 and 1, or None for an empty start.

        Raises:
            InputError: a file does not decode, sizes differ, or the mask (not the initial one) is empty.
        """
        require_index(index, len(self), self.name)
        mask_path = self.pairs[index][1]
        sample = replace(super().get_sample(index), sample_id=f"{mask_path.parent.name}_{mask_path.stem}")
        if self.start is None:
            return sample
        path = self.initial_mask_path(index, self.start)
        init_mask = (self.labels(read_image(path)) == OBJECT).astype(np.float32)
        require_initial_size(init_mask, path, (sample.image.shape[0], sample.image.shape[1]))
        return replace(sample, init_mask=init_mask)


def require_initial_size(mask: np.ndarray, path: Path, size: tuple[int, int]) -> None:
    """Check that an initial mask has its image's size (H, W).

    Raises:
        InputError: it has not.
    """
    if mask.shape != size:
        raise InputError(
            f"the initial mask {path} is {mask.shape[1]}x{mask.shape[0]} pixels, its image {size[1]}x{size[0]}: "
            "make them equal."
        )
