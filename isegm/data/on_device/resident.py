"""Training images that stay on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from isegm.data.compose import ComposeDataset, Reader
from isegm.data.datasets.base import RandomReader
from isegm.data.datasets.packed import scaled_down
from isegm.data.sample import DSample, with_ids
from isegm.utils.errors import InputError
from isegm.utils.threads import usable_cpus

IGNORED = 255  # id of the pixels that count neither as object nor as background
BYTES = 4  # of a pixel: three colours and an id
ALONE = "train without --data-on-device"


@dataclass(frozen=True)
class ResidentImages:
    """Images and ids of objects on a device, each in the upper left corner of a square.

    Attributes:
        images: (N, 3, S, S) uint8 RGB, 0 beyond the image.
        ids: (N, S, S) uint8: 0 background and beyond the image, 255 ignored, others objects.
        sizes: (N, 2) float32, height and width of each image.
        boxes: (M, 4) float32, top, left, height and width of every object.
        box_ids: (M,) uint8, the id of each object.
        first, count: (N,) int64: the objects of image n are ``first[n]`` to ``first[n] + count[n] - 1``.
        shares: (N,) float32, the probability that an image is drawn.
    """

    images: Tensor
    ids: Tensor
    sizes: Tensor
    boxes: Tensor
    box_ids: Tensor
    first: Tensor
    count: Tensor
    shares: Tensor

    @property
    def side(self) -> int:
        """S, the side of the squares in pixels."""
        return self.images.shape[-1]

    @classmethod
    def load(
        cls,
        reader: Reader,
        device: torch.device,
        side: int,
        shares: np.ndarray | None = None,
        progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
    ) -> ResidentImages:
        """Read all images and copy them to a device.

        Args:
            reader: images whose objects do not overlap.
            device: where they go.
            side: pixels; images of a longer side are scaled down to it.
            shares: (len(reader),) how often each image is drawn; None for what a ``ComposeDataset`` says, else alike.
            progress: shows how far the images are, such as tqdm.

        Raises:
            InputError: an image cannot be read, has overlapping objects or more than 254, or the data set shows its
                objects in random ways; or the device has too little memory.
        """
        _require_fixed(reader)
        number = len(reader)
        try:
            images = torch.zeros((number, 3, side, side), dtype=torch.uint8, device=device)
            ids = torch.zeros((number, side, side), dtype=torch.uint8, device=device)
        except torch.OutOfMemoryError as error:
            raise InputError(f"{number} images of {side} pixels do not fit {device}: {ALONE}.") from error
        sizes, counts = np.zeros((number, 2), np.float32), []
        boxes: list[tuple[int, int, int, int]] = []
        box_ids: list[int] = []
        with ThreadPoolExecutor(usable_cpus()) as pool:
            read = pool.map(lambda index: _flat(reader.get_sample(index), side), range(number))
            for index, (image, mask) in enumerate(progress(read, number)):
                height, width = sizes[index] = mask.shape
                images[index, :, : int(height), : int(width)] = torch.from_numpy(image.transpose(2, 0, 1)).to(device)
                ids[index, : int(height), : int(width)] = torch.from_numpy(mask).to(device)
                found = _boxes(mask)
                counts.append(len(found))
                boxes += found.values()
                box_ids += found.keys()
        if not boxes:
            raise InputError(f"{reader.name} has no object: draw some, or give another folder.")
        ends = np.cumsum(counts)
        return cls(
            images,
            ids,
            torch.from_numpy(sizes).to(device),
            torch.tensor(boxes, dtype=torch.float32, device=device),
            torch.tensor(box_ids, dtype=torch.uint8, device=device),
            torch.from_numpy(ends - counts).to(device),
            torch.tensor(counts, device=device),
            torch.from_numpy(_shares(reader) if shares is None else shares).float().to(device),
        )


def _require_fixed(reader: Reader) -> None:
    """Check that the images of a reader, or of those that it joins, always show the same."""
    if isinstance(reader, ComposeDataset):
        for inner in reader.readers:
            _require_fixed(inner)
    elif isinstance(reader, RandomReader):
        raise InputError(f"{reader.name} draws what its images show, which cannot stay on a device: {ALONE}.")


def needed_bytes(reader: Reader, side: int) -> int:
    """Return how many bytes the images of a reader take on a device."""
    return len(reader) * side * side * BYTES


def _flat(sample: DSample, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the image (H, W, 3) uint8 and its ids (H, W) uint8, scaled down to ``side`` pixels."""
    layered = sample.encoded_masks.shape[-1] > 1 or any(node.parent is not None for node in sample.objects.values())
    if layered or len(sample.objects) >= IGNORED:
        reason = "objects that overlap" if layered else f"{len(sample.objects)} objects, more than {IGNORED - 1}"
        raise InputError(f"{sample.sample_id} has {reason}, which cannot stay on a device: {ALONE}.")
    numbers = {node.value: number for number, node in enumerate(sample.objects.values(), 1)}
    ids = with_ids(sample.encoded_masks[..., 0], {**numbers, **{value: IGNORED for _, value in sample.ignored}})
    image, ids = scaled_down(sample.image, ids, side)
    return image, ids.astype(np.uint8)


def _boxes(mask: np.ndarray) -> dict[int, tuple[int, int, int, int]]:
    """Return top, left, height and width of each object in ids (H, W)."""
    boxes = {}
    for value in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:IGNORED]):
        if value:
            left, top, width, height = cv2.boundingRect((mask == value).view(np.uint8))
            boxes[int(value)] = (top, left, height, width)
    return boxes


def _shares(reader: Reader) -> np.ndarray:
    """Return the probability of each image."""
    if not isinstance(reader, ComposeDataset) or reader.ratios is None:
        return np.full(len(reader), 1 / len(reader))
    return np.concatenate(
        [np.full(len(r), ratio / len(r)) for r, ratio in zip(reader.readers, reader.ratios, strict=True)]
    )
