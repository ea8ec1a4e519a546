"""The parts of a click against plain implementations of the same results, which is checked."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from isegm.benchmarks.compared import Compared, median_ms
from isegm.benchmarks.network_clicks import freed_memory_kept, vit_click
from isegm.benchmarks.published_layouts import full_grid_disks
from isegm.click_maps import DistMaps
from isegm.inference.clicker import Clicker
from isegm.inference.merge import change_around
from isegm.model.heads.pixel_diffusion import DILATIONS, STEPS, PixelDiffusion


def all_parts() -> Iterator[Compared | str]:
    """Time each part when its turn comes; a sentence stands for one that this machine does not have."""
    yield click_maps(2, 20, (400, 400))
    yield click_maps(8, 24, (320, 480))
    yield next_click(480, 854)
    yield next_click(2048, 2048)
    yield change_by_click(480, 854)
    yield change_by_click(2048, 2048)
    yield freed_memory_kept() or "freed memory cannot be kept with this C library"
    yield pixel_diffusion(384)
    yield vit_click()


def click_maps(batch: int, slots: int, size: tuple[int, int]) -> Compared:
    """Time the drawing of clicks as disks, against the distance of every pixel to every slot."""
    rng = np.random.default_rng(0)
    points = torch.full((batch, 2 * slots, 3), -1.0)
    points[:, : slots // 2] = torch.from_numpy(rng.uniform(0, min(size), (batch, slots // 2, 3))).float()
    maps = DistMaps(5, use_disks=True)
    assert torch.equal(maps(points, size), full_grid_disks(points, size, 5))
    return Compared(
        f"click maps, batch {batch}, {slots} slots, {size[0]}x{size[1]}",
        median_ms(lambda: full_grid_disks(points, size, 5)),
        median_ms(lambda: maps(points, size)),
    )


def full_image_click(truth: np.ndarray, pred: np.ndarray) -> tuple[bool, int]:
    """Find the next click by distance transforms of the whole image: its sign and its flat index."""
    depths = []
    for error in (truth & ~pred, ~truth & pred):
        padded = np.pad(error.astype(np.uint8), 1)
        depths.append(cv2.distanceTransform(padded, cv2.DIST_L2, 0)[1:-1, 1:-1])
    is_positive = depths[0].max() > depths[1].max()
    depth = depths[0] if is_positive else depths[1]
    return bool(is_positive), int(np.flatnonzero(depth == depth.max())[0])


def next_click(height: int, width: int) -> Compared:
    """Time the search for the next click of the simulated user, against that in the whole image."""
    rows, columns = np.mgrid[:height, :width]
    truth = ((rows / height - 0.45) / 0.3) ** 2 + ((columns / width - 0.5) / 0.2) ** 2 <= 1
    pred = np.roll(truth, height // 40, axis=0)

    def ours() -> tuple[bool, int]:
        clicker = Clicker(gt_mask=truth.astype(np.int32))
        start = time.perf_counter()
        clicker.make_next_click(pred)
        spent.append(1000 * (time.perf_counter() - start))
        click = clicker.clicks_list[0]
        return click.is_positive, int(click.coords[0] * width + click.coords[1])

    spent: list[float] = []
    assert ours() == full_image_click(truth, pred)
    median_ms(ours)
    plain = median_ms(lambda: full_image_click(truth, pred))
    return Compared(f"next simulated click, {height}x{width}", plain, statistics.median(spent))


def change_by_click(height: int, width: int) -> Compared:
    """Time the search for the changed region that holds the last click, of FocalClick's crop and merge."""
    rows, columns = np.mgrid[:height, :width]
    before = ((rows / height - 0.45) / 0.3) ** 2 + ((columns / width - 0.5) / 0.2) ** 2 <= 1
    changed = before ^ np.roll(before, height // 40, axis=0)
    row, column = (int(indices[len(indices) // 2]) for indices in np.nonzero(changed))

    def plain() -> np.ndarray:
        labels = cv2.connectedComponents(changed.astype(np.uint8), connectivity=8)[1]
        return labels == labels[row, column]

    region = change_around(changed, row, column)
    assert region is not None and np.array_equal(plain(), region)
    ours = median_ms(lambda: change_around(changed, row, column))
    return Compared(f"region changed by a click, {height}x{width}", median_ms(plain), ours)


@torch.inference_mode()
def pixel_diffusion(side: int) -> Compared:
    """Time CDNet's pixel diffusion against convolutions with the kernels that published files hold."""
    diffusion = PixelDiffusion()
    image, logits, clicks = torch.rand(1, 3, side, side), torch.randn(1, 1, side, side), torch.zeros(1, 2, side, side)

    def convolved(x: torch.Tensor, kernels: torch.nn.Module) -> torch.Tensor:
        """Convolve each channel with each kernel at each dilation: (C, kernels * dilations, H, W)."""
        kernel = kernels.get_buffer("kernel")
        planes = x.transpose(0, 1)
        padded = [(F.pad(planes, (d,) * 4, mode="replicate"), d) for d in DILATIONS]
        return torch.cat([F.conv2d(plane, kernel, dilation=d) for plane, d in padded], dim=1)

    def plain() -> torch.Tensor:
        unit = 1e-8 + 0.1 * convolved(image, diffusion.aff_std).std(1, keepdim=True)
        affinity = (-convolved(image, diffusion.aff_x).abs() / unit).mean(0, keepdim=True).softmax(1)
        residual = 2 * (logits.sigmoid() - 0.5)
        mask = torch.where(residual.abs() > 0.25, residual, 0.0)
        for _ in range(STEPS):
            mask = (convolved(mask, diffusion.aff_m) * affinity).sum(1, keepdim=True)
        return mask + residual

    torch.testing.assert_close(plain(), diffusion(image, logits, clicks), atol=1e-3, rtol=0)
    ours = median_ms(lambda: diffusion(image, logits, clicks))
    return Compared(f"pixel diffusion of CDNet, {side}x{side}", median_ms(plain), ours)
