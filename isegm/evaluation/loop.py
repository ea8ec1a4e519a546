"""The one evaluation loop: a simulated user clicks each object until its mask is good enough."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np

from isegm.clicks import Click
from isegm.data.sample import DSample
from isegm.evaluation.records import ObjectRecord
from isegm.inference.clicker import Clicker
from isegm.inference.metrics import get_iou
from isegm.inference.predictor import Predictor
from isegm.inference.session import Session
from isegm.utils.errors import InputError

NEVER_STOP = 1.01  # a target that no IoU reaches: every object gets all clicks


class EvaluationDataset(Protocol):
    """What the loop needs of a data set."""

    name: str
    fingerprint: str  # tells it from other data, of the same name or before an edit: a resumed run must not mix them

    def __len__(self) -> int: ...

    def check(self, samples: int | None = None) -> None: ...  # looks early for what get_sample would find wrong

    def get_sample(self, index: int) -> DSample: ...


@dataclass(frozen=True)
class EvalSettings:
    """When clicking stops, and where the mask's border lies.

    Attributes:
        target_iou: an object is done after the click that reaches it; ``NEVER_STOP`` clicks on to the end.
        max_clicks: clicks an object gets at most.
        min_clicks: clicks an object gets at least.
        threshold: the mask is where probabilities are strictly greater.
    """

    target_iou: float = 0.90
    max_clicks: int = 20
    min_clicks: int = 1
    threshold: float = 0.49

    def __post_init__(self) -> None:
        if self.max_clicks < 1 or self.min_clicks < 1:
            raise InputError(
                f"an object gets {self.min_clicks} to {self.max_clicks} clicks: both numbers must be at least 1."
            )
        if not 0 < self.target_iou < 2:
            raise InputError(f"the target IoU is {self.target_iou:g}: give a fraction such as 0.9, not a percentage.")
        if not 0 < self.threshold < 1:
            raise InputError(f"the mask threshold is {self.threshold:g}: give a probability between 0 and 1.")


@dataclass(frozen=True)
class ClickEvent:
    """What happened at one click, for callbacks that draw.

    Attributes:
        index, object_id: which object of the data set.
        sample: the sample it belongs to.
        gt_mask: (H, W) int32, 1 on the object, 0 elsewhere, -1 ignored.
        probs: (H, W) float32 probabilities after the click.
        mask: (H, W) bool, probabilities above the threshold.
        clicks: all clicks so far.
        iou: IoU of the mask.
    """

    index: int
    object_id: int
    sample: DSample
    gt_mask: np.ndarray
    probs: np.ndarray
    mask: np.ndarray
    clicks: tuple[Click, ...]
    iou: float


@dataclass
class _Course:
    """One object while it is being clicked."""

    index: int
    object_id: int
    sample: DSample
    gt_mask: np.ndarray
    session: Session
    mask: np.ndarray
    clicker: Clicker
    ious: list[float] = field(default_factory=list)
    seconds: float = 0.0
    finished: bool = False

    def judge(self, session: Session, settings: EvalSettings) -> ClickEvent:
        probs = session.probs
        self.session = session
        self.mask = probs > settings.threshold
        iou = get_iou(self.gt_mask, self.mask)
        self.ious.append(float(np.float32(iou)))
        made = len(self.ious)
        reached = iou >= settings.target_iou and made >= settings.min_clicks
        self.finished = reached or made >= settings.max_clicks
        clicks = tuple(self.clicker.clicks_list)
        return ClickEvent(self.index, self.object_id, self.sample, self.gt_mask, probs, self.mask, clicks, iou)

    def record(self, dataset: str) -> ObjectRecord:
        clicks = tuple((int(c.coords[1]), int(c.coords[0]), int(c.is_positive)) for c in self.clicker.clicks_list)
        seconds = round(self.seconds, 6)  # so that a record read from a file gives the same times
        return ObjectRecord(
            dataset, self.index, self.object_id, self.sample.sample_id, clicks, tuple(self.ious), seconds
        )


def evaluate_dataset(
    dataset: EvaluationDataset,
    predictor: Predictor,
    settings: EvalSettings,
    batch_size: int = 1,
    done: Collection[tuple[int, int]] = frozenset(),
    max_objects: int | None = None,
    on_click: Callable[[ClickEvent], None] | None = None,
) -> Iterator[ObjectRecord]:
    """Click every object of every sample; each sample is read once for all its objects.

    Args:
        dataset: samples with their objects.
        predictor: how a click becomes probabilities.
        settings: when to stop.
        batch_size: how many objects are clicked side by side; clicks and IoUs do not depend on it.
        done: (index, object_id) of objects that are passed over because their records are there.
        max_objects: stop after the first so many objects of the data set, those in ``done`` included.
        on_click: called after each click; its time does not count.

    Yields:
        one record per object in the order of the data set, whatever ``batch_size`` is.

    Raises:
        InputError: ``batch_size`` is below 1, an object has no pixels, or what the data set raises for a file that
            cannot be read.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: give a number of at least 1.")
    waiting = islice(_courses(dataset, predictor, settings, frozenset(done)), max_objects)
    in_flight: list[_Course] = []
    in_order: deque[tuple[int, int]] = deque()  # keys of objects whose records are still to come
    records: dict[tuple[int, int], ObjectRecord] = {}
    exhausted = False
    while True:
        started = time.perf_counter()
        while len(in_flight) < batch_size and not exhausted:
            try:
                course = next(waiting)
            except StopIteration:
                exhausted = True
                break
            if course is None:
                started = time.perf_counter()  # reading what is done already is nobody's time
            else:
                in_flight.append(course)
                in_order.append((course.index, course.object_id))
        if not in_flight:
            return
        clicks = [course.clicker.make_next_click(course.mask) for course in in_flight]
        sessions = predictor.step([course.session for course in in_flight], clicks)
        events = [course.judge(session, settings) for course, session in zip(in_flight, sessions, strict=True)]
        share = (time.perf_counter() - started) / len(in_flight)
        for course in in_flight:
            course.seconds += share
        if on_click is not None:
            for event in events:
                on_click(event)
        records.update({(c.index, c.object_id): c.record(dataset.name) for c in in_flight if c.finished})
        in_flight = [course for course in in_flight if not course.finished]
        while in_order and in_order[0] in records:
            yield records.pop(in_order.popleft())


def _courses(
    dataset: EvaluationDataset, predictor: Predictor, settings: EvalSettings, done: frozenset[tuple[int, int]]
) -> Iterator[_Course | None]:
    """Every object at its start, None for one that is done. Objects of a sample share its first session."""
    for index in range(len(dataset)):
        sample = dataset.get_sample(index)
        session = None
        for object_id in sample.objects_ids:
            if (index, object_id) in done:
                yield None
                continue
            gt_mask = sample.get_object_mask(object_id)
            if not (gt_mask == 1).any():
                raise InputError(
                    f"object {object_id} of {sample.sample_id or f'sample {index}'} in {dataset.name} has no pixels: "
                    "draw it in the mask, or remove it."
                )
            if session is None:
                session = predictor.start(sample.image, sample.init_mask)
            mask = session.probs > settings.threshold  # the initial mask, or nothing
            yield _Course(index, object_id, sample, gt_mask, session, mask, Clicker(gt_mask))


def replay(record: ObjectRecord, sample: DSample, predictor: Predictor) -> np.ndarray:
    """Probabilities (H, W) float32 after the clicks of a record, so that no run has to store masks."""
    session = predictor.start(sample.image, sample.init_mask)
    for index, (x, y, label) in enumerate(record.clicks):
        (session,) = predictor.step([session], [Click(bool(label), (y, x), index)])
    return session.probs
