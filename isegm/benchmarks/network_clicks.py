"""Clicks of whole networks: on a device, in the published layout, and with freed memory kept."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from isegm.benchmarks.compared import Compared, median_ms
from isegm.benchmarks.published_layouts import in_published_layout
from isegm.clicks import Click
from isegm.inference.predictor import Predictor
from isegm.model import build_model
from isegm.utils.memory import keep_freed_memory

VIT_REPEATS = 3
NETWORKS = (
    "clickseg_mobilenetv2",
    "ritm_hrnet18s",
    "ritm_hrnet32",
    "focalclick_hrnet18s_s2",
    "focalclick_segformerb3_s2",
)  # that are timed on a device


def click_on(device: torch.device, name: str) -> list[Compared]:
    """Time a click, from the image in memory to the mask, on a GPU against the CPU; then eight of them together."""
    network = build_model(name).eval()
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    click = Click(True, (200, 300))

    def median_of(place: torch.device | str, sessions: int) -> float:
        predictor = Predictor(network, place)
        begun = [predictor.start(image)] * sessions
        return median_ms(lambda: [found.mask(0.49) for found in predictor.step(begun, [click] * sessions)]) / sessions

    cpu, one, eight = median_of("cpu", 1), median_of(device, 1), median_of(device, 8)
    return [
        Compared(f"{name}, a click on the CPU against {device}", cpu, one),
        Compared(f"{name}, the same, of 8 together", cpu, eight),
    ]


@torch.inference_mode()
def vit_click() -> Compared:
    """Time a click of SimpleClick's ViT-B, with its flipped copy, against the published layout; both in turn."""
    network = build_model("simpleclick_vitb").eval()
    plain = in_published_layout(network)
    inputs = torch.rand(1, 4, 448, 448), torch.tensor([[[200.0, 300, 0], [-1, -1, -1]]])
    torch.testing.assert_close(plain(*inputs)["instances"], network(*inputs)["instances"], atol=1e-3, rtol=0)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    seconds: list[list[float]] = [[], []]
    for _ in range(VIT_REPEATS):
        for measured, model in zip(seconds, (plain, network), strict=True):
            predictor = Predictor(model)
            begun = [predictor.start(image)]
            start = time.perf_counter()
            predictor.step(begun, [Click(True, (200, 300))])
            measured.append(1000 * (time.perf_counter() - start))
    return Compared("ViT-B, one click at 448, CPU fp32", *map(statistics.median, seconds))


@torch.inference_mode()
def freed_memory_kept() -> Compared | None:
    """Time a forward pass before and after freed memory is kept, as in all commands; this cannot be undone.

    Returns:
        both times; None where this C library cannot keep it.
    """
    network = build_model("clickseg_mobilenetv2").eval()
    image, points = torch.rand(1, 4, 384, 384), torch.full((1, 2, 3), -1.0)
    plain = median_ms(lambda: network(image, points))
    if not keep_freed_memory():
        return None
    ours = median_ms(lambda: network(image, points))
    return Compared("MobileNetV2 forward 384x384, freed memory kept", plain, ours)
