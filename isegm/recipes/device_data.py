"""Whether a run keeps its images on the device that trains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from tqdm import tqdm

from isegm.data.compose import ComposeDataset, Reader
from isegm.data.datasets.folder import FolderDataset
from isegm.data.datasets.packed import PackedDataset
from isegm.data.on_device.resident import needed_bytes
from isegm.data.on_device.train_set import DeviceTrainSet
from isegm.data.train_set import TrainSet
from isegm.engine.config import TrainConfig
from isegm.utils.errors import InputError
from isegm.utils.log import logger
from isegm.utils.quantities import counted, in_bytes

SIDE = 512  # pixels to which images of folders are scaled down
SHARE = 0.3  # of the free memory of a GPU that images may take without being asked for


def place_data(
    train_set: TrainSet, config: TrainConfig, device: torch.device, wanted: bool | None
) -> tuple[TrainSet | DeviceTrainSet, TrainConfig]:
    """Put the images of a training set on the device, where the run wants it, and let clicks be simulated there.

    A task whose ``clicks_on_device`` is false gets its batches on the device, and simulates clicks as it always does.

    Args:
        train_set: the samples.
        config: of the run.
        device: that trains.
        wanted: whether the user wants it; None: folders on a GPU, where everything can be computed there and the
            images take at most 30 % of its free memory.

    Raises:
        InputError: the user wants it, and it cannot be done (see ``DeviceTrainSet``).
    """
    if wanted is False or (wanted is None and device.type != "cuda"):
        return train_set, config
    side = longest_side(train_set.reader)
    needed = needed_bytes(train_set.reader, side)
    if wanted is None and (not _of_folders(train_set.reader) or needed > SHARE * torch.cuda.mem_get_info(device)[0]):
        return train_set, config
    try:
        placed = DeviceTrainSet(train_set, device, side, _progress)
    except InputError as error:
        if wanted:
            raise
        logger.info("images are not kept on the device: %s", error)
        return train_set, config
    logger.info(
        "%s of at most %d pixels are kept on %s: %s", counted(len(train_set.reader), "image"), side, device,
        in_bytes(needed),
    )  # fmt: skip
    task: Any = config.task
    if not getattr(task, "clicks_on_device", False):
        logger.info("%s does not simulate clicks there", type(task).__name__)
        return placed, config
    return placed, replace(config, task=replace(task, on_device=True))


def longest_side(reader: Reader) -> int:
    """Return the side to which the images of a data set are scaled down: that of packed files, else 512 pixels."""
    if isinstance(reader, ComposeDataset):
        return max(longest_side(inner) for inner in reader.readers)
    return reader.file.side if isinstance(reader, PackedDataset) else SIDE


def _of_folders(reader: Reader) -> bool:
    if isinstance(reader, ComposeDataset):
        return all(_of_folders(inner) for inner in reader.readers)
    return isinstance(reader, (FolderDataset, PackedDataset))


def _progress(items: Iterable[Any], total: int) -> Iterable[Any]:
    return tqdm(items, "reading images", total, leave=False, mininterval=1, delay=3)
