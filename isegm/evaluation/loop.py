"""The one evaluation loop: a simulated user clicks each object until its mask is good enough."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from isegm.clicks import Click
from isegm.data.datasets.base import EvaluationDataset
from isegm.data.sample import DSample
from isegm.evaluation.records import ObjectRecord
from isegm.inference.predictor import Predictor
from isegm.inference.session import Session
from isegm.inference.simulation import ClickSimulation, EvalSettings
from isegm.utils.errors import InputError


@dataclass(frozen=True)
class ClickEvent:
    """What happened at one click, for callbacks that draw.

    Attributes:
        index, object_id: which object of the data set.
        sample: the sample it belongs to.
        gt_mask: (H, W) int32, 1 on the object, 0 elsewhere, -1 ignored.
        session: after the click.
        mask: (H, W) bool, what the simulated user sees after the click.
        previous: (H, W) bool, likewise before it.
        clicks: all clicks so far.
        iou: IoU of the mask.
        finished: this was the object's last click.
    """

    index: int
    object_id: int
    sample: DSample
    gt_mask: np.ndarray
    session: Session
    mask: np.ndarray
    previous: np.ndarray
    clicks: tuple[Click, ...]
    iou: float
    finished: bool


@dataclass
class _Item:
    """One object while it is being clicked."""

    index: int
    object_id: int
    sample: DSample
    session: Session
    simulation: ClickSimulation
    seconds: float = 0.0

    def judge(self, session: Session) -> ClickEvent:
        simulation, previous = self.simulation, self.simulation.mask
        self.session = session
        iou = simulation.update(session.mask(simulation.settings.threshold))
        return ClickEvent(
            self.index,
            self.object_id,
            self.sample,
            simulation.gt_mask,
            session,
            simulation.mask,
            previous,
            tuple(simulation.clicker.clicks_list),
            iou,
            simulation.finished,
        )

    def record(self, dataset: str) -> ObjectRecord:
        made = self.simulation.clicker.clicks_list
        clicks = tuple((int(c.coords[1]), int(c.coords[0]), int(c.is_positive)) for c in made)
        seconds = round(self.seconds, 6)  # so that a record read from a file gives the same times
        ious = tuple(self.simulation.ious)
        return ObjectRecord(dataset, self.index, self.object_id, self.sample.sample_id, clicks, ious, seconds)


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
    waiting = islice(_items(dataset, predictor, settings, frozenset(done)), max_objects)
    in_flight: list[_Item] = []
    in_order: deque[tuple[int, int]] = deque()  # keys of objects whose records are still to come
    records: dict[tuple[int, int], ObjectRecord] = {}
    exhausted = False
    while True:
        started = time.perf_counter()
        while len(in_flight) < batch_size and not exhausted:
            try:
                item = next(waiting)
            except StopIteration:
                exhausted = True
                break
            if item is None:
                started = time.perf_counter()  # reading what is done already is nobody's time
            else:
                in_flight.append(item)
                in_order.append((item.index, item.object_id))
        if not in_flight:
            return
        clicks = [item.simulation.next_click() for item in in_flight]
        sessions = predictor.step([item.session for item in in_flight], clicks)
        events = [item.judge(session) for item, session in zip(in_flight, sessions, strict=True)]
        share = (time.perf_counter() - started) / len(in_flight)
        for item in in_flight:
            item.seconds += share
        if on_click is not None:
            for event in events:
                on_click(event)
        finished = [item for item in in_flight if item.simulation.finished]
        records.update({(item.index, item.object_id): item.record(dataset.name) for item in finished})
        in_flight = [item for item in in_flight if not item.simulation.finished]
        while in_order and in_order[0] in records:
            yield records.pop(in_order.popleft())


def _items(
    dataset: EvaluationDataset, predictor: Predictor, settings: EvalSettings, done: frozenset[tuple[int, int]]
) -> Iterator[_Item | None]:
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
            mask = session.mask(settings.threshold)  # the initial mask, or nothing
            yield _Item(index, object_id, sample, session, ClickSimulation(gt_mask, settings, mask))


def replay(record: ObjectRecord, sample: DSample, predictor: Predictor) -> Session:
    """The session after the clicks of a record, so that no run has to store masks."""
    session = predictor.start(sample.image, sample.init_mask)
    for index, (x, y, label) in enumerate(record.clicks):
        (session,) = predictor.step([session], [Click(bool(label), (y, x), index)])
    return session
