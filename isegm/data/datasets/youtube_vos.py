"""YouTube-VOS (Xu et al. 2018): ``meta.json``, ``JPEGImages/<video>/`` and ``Annotations/<video>/`` in ``train/``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.data.datasets.base import HELP, RandomReader, read_json, require_equal_sizes, require_files, wrong_format
from isegm.data.paired_files import list_files
from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, read_mask
from isegm.utils.inputs import require_index
from isegm.utils.text_values import as_path


class YouTubeVosDataset(RandomReader):
    """YouTube-VOS: one sample per video, a random annotated frame.

    Args:
        root: the folder that holds ``train/``.
        split: "train" (3471 videos).

    Raises:
        InputError: ``meta.json`` is missing, of another format, or names videos that are missing.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.folder = as_path(root, "the folder of a data set") / split
        self.name = f"YouTubeVOS_{split}"
        meta = self.folder / "meta.json"
        content = read_json(meta)
        videos = content.get("videos") if isinstance(content, dict) else None
        if not isinstance(videos, dict) or not videos:
            raise wrong_format(meta, "YouTube-VOS's list of videos")
        self.videos = sorted(videos)
        kinds = ("JPEGImages", "Annotations")
        require_files((self.folder / kind / video for kind in kinds for video in self.videos), meta)

    def __len__(self) -> int:
        return len(self.videos)

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """Read a random annotated frame of the video at ``index``; palette indices tell its objects apart.

        Raises:
            InputError: the video has no annotated frame, a file is missing or does not decode, or sizes differ.
        """
        require_index(index, len(self), self.name)
        video = self.videos[index]
        masks = list_files(self.folder / "Annotations" / video, (".png",))
        if not masks:
            raise InputError(f"{self.folder / 'Annotations' / video} holds no masks: {HELP}.")
        mask_path = masks[int(rng.integers(len(masks)))]
        image_path = self.folder / "JPEGImages" / video / f"{mask_path.stem}.jpg"
        image, mask = read_image(image_path), read_mask(mask_path)
        require_equal_sizes(image, image_path, mask, mask_path)
        values = [int(value) for value in np.unique(mask) if value != 0]
        return DSample.flat(image, mask, values, sample_id=f"{video}_{mask_path.stem}")
