"""How fast a network is evaluated and where the time goes, against a plain loop that works as the published ones do."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from isegm.benchmarks.made_up import MadeUpDataset
from isegm.benchmarks.measurement import Measurement
from isegm.benchmarks.stopwatch import Stopwatch
from isegm.clicks import Click, split_points, used
from isegm.data import EvaluationDataset, get_dataset
from isegm.data.sample import DSample
from isegm.evaluation.loop import evaluate_dataset
from isegm.evaluation.records import ObjectRecord
from isegm.evaluation.reports import device_name
from isegm.inference.batch import Batch, Member, NetworkOutput
from isegm.inference.clicker import Clicker
from isegm.inference.mask_metrics import get_iou, number_of_clicks
from isegm.inference.predictor import Predictor
from isegm.inference.session import Session
from isegm.inference.simulation import ClickSimulation, EvalSettings
from isegm.model.click_model import ClickModel
from isegm.utils.exp import load_config_file
from isegm.utils.memory import peak_memory
from isegm.utils.threads import set_threads

READING, IMAGE, NETWORK, USER, SCORE = "reading", "image", "network", "user", "score"
CROPS = "crops"  # with FocalClick's refiner
STAGES = (READING, IMAGE, NETWORK, CROPS, USER, SCORE)
PROFILED = 8  # objects, or as many as lie side by side, from which the share of a busy GPU is taken
REACH = 0.16  # of a click of the stand-in, as a share of the longer side of the network's input


@dataclass(frozen=True, kw_only=True)
class Wanted(Measurement):
    """What to evaluate. A network by name gives stand-in answers.

    A plain one is evaluated as published code does it: one object at a time, BatchNorm not folded, click simulation
    on the full image, freed memory given back to the system.

    Attributes:
        dataset: its name; None for a synthetic one of ``objects`` objects.
        config: path of the configuration.
        objects: only so many first ones; None for all.
        clicks: on each object at most.
        batch_size: objects side by side; a plain loop has one.
    """

    dataset: str | None
    config: str
    objects: int | None
    clicks: int
    batch_size: int


@dataclass(frozen=True)
class Throughput:
    """An evaluation and its time.

    Attributes:
        name: see ``Measurement``.
        plain, batch_size, compiled: see ``Wanted``; a plain one is never compiled.
        device: see ``isegm.evaluation.reports.device_name``.
        threads: that computed on the CPU.
        seconds: from the first image to the last mask, all of the loop.
        stages: seconds of each of ``STAGES``, the network's with the wait for its answer.
        memory: largest resident size of the process in bytes; on CUDA the largest size of PyTorch's tensors there, of a
            compiled network from the first objects on, as its CUDA graphs take their memory when they are made.
        growth: largest resident size so far in bytes, after each tenth of the objects.
        clicks: (x, y, label) of all clicks, object by object.
        ious: IoU after each click, object by object.
        busy: share of the time in which a CUDA device worked; None for others. See ``busy_seconds``.
    """

    name: str
    plain: bool
    batch_size: int
    device: str
    threads: int
    seconds: float
    stages: Mapping[str, float]
    memory: int
    growth: tuple[int, ...]
    clicks: tuple[tuple[tuple[int, int, int], ...], ...]
    ious: tuple[tuple[float, ...], ...]
    compiled: bool = False
    busy: float | None = None

    @property
    def made(self) -> int:
        """Number of clicks."""
        return sum(map(len, self.clicks))

    def moved(self, other: Throughput, threshold: float, most: int) -> int:
        """Number of objects whose NoC at ``threshold``, of ``most`` clicks, is not that of another evaluation."""
        pairs = zip(self.ious, other.ious, strict=True)
        return sum(len({number_of_clicks(ious, threshold, most) for ious in pair}) > 1 for pair in pairs)


def measured(wanted: Wanted) -> Throughput:
    """Measure in this process, after some objects that do not count.

    Raises:
        InputError: there is no such network, file or data set.
    """
    threads = set_threads(wanted.threads)
    model = wanted.built()
    model = model if wanted.network is None else with_stand_in(model)
    watch = Stopwatch()
    dataset = _Timed(_dataset(wanted), watch)
    kind = _PlainPredictor if wanted.plain else _TimedPredictor
    predictor = kind(model, wanted.device, settings=wanted.settings(model))
    predictor.watch = watch
    settings = EvalSettings(max_clicks=wanted.clicks)
    user = _timed(_PlainSimulation if wanted.plain else ClickSimulation, watch)

    def records(objects: int | None) -> Iterator[ObjectRecord]:
        return evaluate_dataset(dataset, predictor, settings, wanted.batch_size, (), objects, simulation=user)

    growth: list[int] = []
    on_cuda = predictor.device.type == "cuda"
    deque(records(wanted.batch_size), maxlen=0)
    if on_cuda:
        torch.cuda.synchronize(predictor.device)
        if not predictor.settings.compiled:
            torch.cuda.reset_peak_memory_stats(predictor.device)
    watch.reset()
    started = time.perf_counter()
    found, tenth = [], max(1, (wanted.objects or len(dataset)) // 10)
    for record in records(wanted.objects):
        found.append(record)
        if len(found) % tenth == 0:
            growth.append(peak_memory())
    seconds = time.perf_counter() - started
    stages = dict.fromkeys(STAGES, 0.0) | watch.seconds()
    memory = torch.cuda.max_memory_allocated(predictor.device) if on_cuda else peak_memory()
    busy = None
    if on_cuda:
        first = found[: max(PROFILED, wanted.batch_size)]
        working = busy_seconds(lambda: deque(records(len(first)), maxlen=0), predictor.device)
        per_click = seconds / sum(len(record.clicks) for record in found)
        busy = working / sum(len(record.clicks) for record in first) / per_click
    return Throughput(
        name=wanted.name,
        plain=wanted.plain,
        batch_size=wanted.batch_size,
        device=device_name(predictor.device),
        threads=threads,
        seconds=seconds,
        stages=stages,
        memory=memory,
        growth=tuple(growth),
        clicks=tuple(record.clicks for record in found),
        ious=tuple(record.ious for record in found),
        compiled=bool(predictor.settings.compiled),
        busy=busy,
    )


def busy_seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of all that a CUDA device computes and copies in ``work``, by PyTorch's profiler.

    The profiler slows ``work`` down, so that the seconds are to be compared with those of a run without it.

    Args:
        work: a function that uses no other CUDA device.
        device: where it works.
    """
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        work()
        torch.cuda.synchronize(device)
    events = (event for event in recorded.events() or () if event.device_type == DeviceType.CUDA)
    return sum(event.time_range.elapsed_us() for event in events) / 1e6


def _dataset(wanted: Wanted) -> EvaluationDataset:
    if wanted.dataset is None:
        return MadeUpDataset(wanted.objects or 0)
    return get_dataset(wanted.dataset, load_config_file(wanted.config))


# ---- answers for networks without trained weights ----


def with_stand_in(network: ClickModel) -> ClickModel:
    """Return a network that does all its work and then answers by a formula of the clicks.

    Random weights answer nothing that a user would go on from: a network that is timed with them would be clicked as
    none is in practice.

    Args:
        network: shares its layers with the returned one.
    """
    kind = type(network)

    def decode(self: ClickModel, features: Any, points: Tensor, *further: Any, **named: Any) -> dict[str, Any]:
        outputs: dict[str, Any] = kind.decode(self, features, points, *further, **named)
        size = (outputs["instances"].shape[2], outputs["instances"].shape[3])
        return outputs | {"instances": answer(points, size)}

    standing_in = copy(network)
    standing_in.__class__ = type(kind.__name__, (kind,), {"decode": decode})
    return standing_in


def answer(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits (B, 1, H, W) that fall with the distance to the positive clicks, and rise with that to the negative ones.

    Args:
        points: (B, 2N, 3), see ``isegm.clicks``.
        size: (H, W).
    """
    reach = REACH * max(size)
    rows = torch.arange(0, size[0], 4, device=points.device)[:, None]
    columns = torch.arange(0, size[1], 4, device=points.device)

    def near(clicks: Tensor) -> Tensor:
        """1 at a click, 0 from ``reach`` on: (B, 1, H/4, W/4)."""
        y, x = clicks[..., 0, None, None], clicks[..., 1, None, None]
        far = torch.where(used(clicks)[..., None, None], (rows - y) ** 2 + (columns - x) ** 2, torch.inf)
        return (1 - far.amin(1, keepdim=True).sqrt() / reach).clamp_min(0)

    positive, negative = map(near, split_points(points))
    return torch.nn.functional.interpolate(9 * positive - 12 * negative - 2, size, mode="bilinear", align_corners=True)


# ---- the plain loop ----


class PlainClicker(Clicker):
    """A simulated user that looks at the whole image, as published."""

    def _deepest_pixel(self, error: np.ndarray) -> tuple[int, tuple[int, int]]:
        depth = cv2.distanceTransform(np.pad(error.astype(np.uint8), 1), cv2.DIST_L2, 0)[1:-1, 1:-1]
        not_clicked = np.ones(error.shape, dtype=bool)
        for click in self.clicks_list:
            not_clicked[int(click.coords[0]), int(click.coords[1])] = False
        depth = depth * not_clicked
        squared = round(float(depth.max()) ** 2)
        rows, columns = np.where(depth > (squared - 0.5) ** 0.5) if squared else ((0,), (0,))
        return squared, (int(rows[0]), int(columns[0]))


class _PlainSimulation(ClickSimulation):
    """The published simulated user, and the IoU by whole masks."""

    def update(self, mask: np.ndarray) -> float:
        get_iou(self.gt_mask, mask)
        return super().update(mask)

    @staticmethod
    def new_clicker(gt_mask: np.ndarray, rng: np.random.Generator | None) -> Clicker:
        return PlainClicker(gt_mask, rng=rng)


# ---- the time of each stage ----


class _Timed:
    """A data set whose reading is timed."""

    def __init__(self, dataset: EvaluationDataset, watch: Stopwatch) -> None:
        self.name, self.fingerprint = dataset.name, dataset.fingerprint
        self._dataset, self._watch = dataset, watch

    def __len__(self) -> int:
        return len(self._dataset)

    def get_sample(self, index: int) -> DSample:
        with self._watch.stage(READING):
            return self._dataset.get_sample(index)

    def check(self, samples: int | None = None) -> None:
        self._dataset.check(samples)


class _TimedPredictor(Predictor):
    """A predictor whose stages are timed."""

    watch: Stopwatch

    def start(self, *arguments: Any) -> Session:
        with self.watch.stage(IMAGE):
            return super().start(*arguments)

    def run(self, *arguments: Any, **named: Any) -> list[Session]:
        with self.watch.stage(CROPS):
            return super().run(*arguments, **named)

    def _forward(self, batch: Batch) -> NetworkOutput:
        with self.watch.stage(NETWORK):
            return super()._forward(batch)

    def _encode(self, members: Sequence[Member]) -> Mapping[str, Any]:
        with self.watch.stage(NETWORK):
            return super()._encode(members)


class _PlainPredictor(_TimedPredictor):
    """One that joins image and previous mask in front of the crop, at the size of the image, as published."""

    def run(self, sessions: Sequence[Session], *further: Any, **named: Any) -> list[Session]:
        with self.watch.stage(CROPS):
            for session in sessions if self.model.with_prev_mask else ():
                torch.cat((session.image, session.prev_probs), dim=1)
        return super().run(sessions, *further, **named)


def _timed(kind: type[ClickSimulation], watch: Stopwatch) -> type[ClickSimulation]:
    """A simulated user whose stages are timed."""

    class Timed(kind):  # type: ignore[misc, valid-type]
        def next_click(self) -> Click:
            with watch.stage(USER):
                return super().next_click()

        def update(self, mask: np.ndarray) -> float:
            with watch.stage(SCORE):
                return super().update(mask)

    return Timed
