"""How long people wait: for the image to be ready, for the first click and for the next ones, of any network.

Times run from a call to the mask in the memory of the host, so a device has finished when they end. The first round of
clicks is not counted: it loads code, picks algorithms and asks the system for memory.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from isegm.benchmarks.busy_machine import POINTS
from isegm.benchmarks.measurement import Measurement, wait_for
from isegm.clicks import Click
from isegm.evaluation.reports import device_name
from isegm.inference.predictor import Predictor
from isegm.utils.files import sha256
from isegm.utils.memory import peak_memory
from isegm.utils.threads import set_threads

SAMPLES = 1024  # pixels of an image at which two ways of the same work are compared
ROUNDS_TO_COMPILE = 3  # of clicks, until a compiled network has met all sizes and its CUDA graphs are recorded


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one thing, in milliseconds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Sum up measurements in seconds."""
        return cls(1000 * statistics.median(seconds), 1000 * min(seconds), 1000 * max(seconds))


@dataclass(frozen=True)
class GridLatency:
    """Latency of the "segment anything task" (Liu et al. 2024, SegNext): one mask for each point of a grid.

    Attributes:
        points: how many, each one positive click on an object of its own.
        one_by_one: seconds for the image and all points, one pass of the network for each.
        together: seconds for the image and all points, as many in a pass as the predictor takes; None for the published
            layout, which takes one.
        difference: largest absolute difference of the two ways' probabilities; 0 with one way.
        samples: float32 (points, K), probabilities at K pixels spread evenly over the image.
    """

    points: int
    one_by_one: float
    together: float | None
    difference: float
    samples: np.ndarray = field(repr=False, compare=False)


@dataclass(frozen=True)
class Latency:
    """Latency of a network by its own published protocol.

    Attributes:
        network: registered name.
        name: shown to people: the registered name, or the stem of the checkpoint.
        checkpoint: path; None for weights drawn at random, with which a network takes the same time.
        sha256: checksum of the file; None without one.
        protocol: of inference.
        device: see ``isegm.evaluation.reports.device_name``.
        threads: that computed on the CPU.
        image_size: (H, W) in pixels.
        image: until an image is ready for clicks.
        first_click: until the mask of the first click.
        next_click: until the mask of any later click.
        memory: largest resident size of the process in bytes; on CUDA the largest size of PyTorch's tensors there.
        grid: see ``GridLatency``; None where it was not asked for.
        plain: whether it is the published layout, see ``Wanted``.
        compiled: whether the network was compiled.
    """

    network: str
    name: str
    checkpoint: str | None
    sha256: str | None
    protocol: str
    device: str
    threads: int
    image_size: tuple[int, int]
    image: Spread
    first_click: Spread
    next_click: Spread
    memory: int
    grid: GridLatency | None
    plain: bool = False
    compiled: bool = False


@dataclass(frozen=True, kw_only=True)
class Wanted(Measurement):
    """What to measure.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        rounds: of clicks that are counted.
        grid: points on each side of a grid; None for no grid.
    """

    image: np.ndarray
    rounds: int
    grid: int | None


def measured(wanted: Wanted) -> Latency:
    """Measure in this process.

    Raises:
        InputError: there is no such network.
    """
    threads = set_threads(wanted.threads)
    model = wanted.built()
    registered = type(model).__name__ if model.config is None else str(model.config["model"])
    predictor = Predictor(model, wanted.device, settings=wanted.settings(model))
    if predictor.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(predictor.device)
    image, first, later = click_latency(predictor, wanted.image, wanted.rounds)
    on_cuda = predictor.device.type == "cuda"
    memory = torch.cuda.max_memory_allocated(predictor.device) if on_cuda else peak_memory()
    return Latency(
        network=registered,
        name=wanted.name,
        checkpoint=wanted.checkpoint,
        sha256=None if wanted.checkpoint is None else sha256(wanted.checkpoint),
        protocol=model.protocol,
        device=device_name(predictor.device),
        threads=threads,
        image_size=(wanted.image.shape[0], wanted.image.shape[1]),
        image=image,
        first_click=first,
        next_click=later,
        memory=memory,
        grid=None if wanted.grid is None else grid_latency(predictor, wanted.image, wanted.grid, not wanted.plain),
        plain=wanted.plain,
        compiled=bool(predictor.settings.compiled),
    )


def click_latency(predictor: Predictor, image: np.ndarray, rounds: int) -> tuple[Spread, Spread, Spread]:
    """Time the image, the first click and the next ones, in rounds of clicks at the same places.

    Args:
        predictor: by whose settings; the simulated user's work and what programs draw are not part of the times.
        image: (H, W, 3) uint8 RGB.
        rounds: that are counted, after one that is not, or three of a compiled network.

    Returns:
        three spreads, over the rounds and, for the next clicks, over these too.
    """
    height, width = image.shape[:2]
    clicks = [Click(bool(label), (y * (height - 1), x * (width - 1))) for x, y, label in POINTS]
    images: list[float] = []
    firsts: list[float] = []
    nexts: list[float] = []
    uncounted = ROUNDS_TO_COMPILE if predictor.settings.compiled else 1
    for _ in range(uncounted + rounds):
        started = time.perf_counter()
        session = predictor.start(image)
        wait_for(predictor.device)
        images.append(time.perf_counter() - started)
        for number, click in enumerate(clicks):
            started = time.perf_counter()
            (session,) = predictor.step([session], [click])
            session.mask(predictor.threshold)
            (nexts if number else firsts).append(time.perf_counter() - started)
    later = nexts[uncounted * (len(clicks) - 1) :]
    return Spread.of(images[uncounted:]), Spread.of(firsts[uncounted:]), Spread.of(later)


def grid_latency(predictor: Predictor, image: np.ndarray, side: int, both: bool = True) -> GridLatency:
    """Time one mask for each point of a grid; both ways take turns, a row of points each.

    The points are the centres of ``side`` x ``side`` equal cells of the image. The image is encoded once, by networks
    that do so; its time counts in both ways. Passes before the first row, in both ways, do not count.

    Args:
        predictor: by whose settings.
        image: (H, W, 3) uint8 RGB.
        side: points on each side of the grid; 16 in the paper.
        both: whether points together are timed too.
    """
    height, width = image.shape[:2]
    started = time.perf_counter()
    session = predictor.start(image)
    wait_for(predictor.device)
    one_by_one = together = time.perf_counter() - started
    difference, samples = 0.0, []
    every = max(1, height * width // SAMPLES)
    rows = [
        [Click(True, ((i + 0.5) / side * height, (j + 0.5) / side * width)) for j in range(side)] for i in range(side)
    ]
    for _ in range(ROUNDS_TO_COMPILE if predictor.settings.compiled else 1):
        predictor.step([session], rows[0][:1])
        if both:
            predictor.step([session] * side, rows[0])
    for row in rows:
        started = time.perf_counter()
        alone = [predictor.step([session], [click])[0].probs for click in row]
        one_by_one += time.perf_counter() - started
        samples += [probs.reshape(-1)[::every].copy() for probs in alone]
        if not both:
            continue
        started = time.perf_counter()
        joint = [found.probs for found in predictor.step([session] * side, row)]
        together += time.perf_counter() - started
        difference = max(difference, *(float(np.abs(a - b).max()) for a, b in zip(alone, joint, strict=True)))
    return GridLatency(side * side, one_by_one, together if both else None, difference, np.stack(samples))
