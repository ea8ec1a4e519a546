"""How fast a network is evaluated and where the time goes, against a plain loop that works as the published ones do."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from isegm.benchmarks.made_up import MadeUpDataset
from isegm.benchmarks.measurement import Measurement, wait_for
from isegm.benchmarks.plain_loop import PlainPredictor, PlainSimulation
from isegm.benchmarks.stand_in import answer_by_clicks
from isegm.benchmarks.stopwatch import Stopwatch
from isegm.clicks import Click
from isegm.data import EvaluationDataset, get_dataset
from isegm.evaluation.loop import evaluate_dataset
from isegm.evaluation.records import ObjectRecord
from isegm.evaluation.reports import device_name
from isegm.inference.mask_metrics import number_of_clicks
from isegm.inference.predictor import Predictor
from isegm.inference.simulation import ClickSimulation, EvalSettings
from isegm.utils.exp import load_config_file
from isegm.utils.memory import peak_memory
from isegm.utils.threads import set_threads

READING, IMAGE, NETWORK, USER, SCORE = "reading", "image", "network", "user", "score"
CROPS = "crops"  # of the network's input, its answer put into the image, FocalClick's refiner
STAGES = (READING, IMAGE, NETWORK, CROPS, USER, SCORE)
Result = TypeVar("Result")
PROFILED = 8  # objects, or as many as lie side by side, from which the share of a busy GPU is taken


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
    dataset = _dataset(wanted)
    kind = PlainPredictor if wanted.plain else Predictor
    predictor = kind(model, wanted.device, settings=wanted.settings(model))
    if wanted.network is not None:
        answer_by_clicks(predictor.model)
    settings = EvalSettings(max_clicks=wanted.clicks)
    watch = Stopwatch()
    watch.time_methods(dataset, READING, "get_sample")
    time_stages(predictor, watch)
    user = _timed(PlainSimulation if wanted.plain else ClickSimulation, watch)

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


def time_stages(predictor: Predictor, watch: Stopwatch) -> None:
    """Time the image, the network and what lies around it; of the last two with the wait for the device."""
    network = predictor.model
    if predictor.device.type != "cpu":
        network.decode = _awaited(network.decode, predictor.device)  # type: ignore[method-assign]
        predictor.run = _awaited(predictor.run, predictor.device)  # type: ignore[method-assign]
    watch.time_methods(network, NETWORK, "encode", "decode")
    watch.time_methods(predictor, IMAGE, "start")
    watch.time_methods(predictor, CROPS, "run")


def _awaited(work: Callable[..., Result], device: torch.device) -> Callable[..., Result]:
    """Return the same function, which waits for the device; the loop waits for it next, to look into the result."""

    def call(*arguments: Any, **named: Any) -> Result:
        result = work(*arguments, **named)
        wait_for(device)
        return result

    return call


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
