"""Evaluate a predictor on a data set: a simulated user clicks each object until its mask is good enough."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch

from isegm.clicks import Click
from isegm.data import EvaluationDataset
from isegm.data.sample import DSample
from isegm.evaluation.first_prompts import FirstPrompt
from isegm.evaluation.records import ObjectRecord
from isegm.inference.predictor import Predictor
from isegm.inference.session import Session
from isegm.inference.session_engine import SessionEngine
from isegm.inference.simulation import ClickSimulation, EvalSettings
from isegm.utils.errors import InputError
from isegm.utils.inputs import require
from isegm.utils.schema import Instance, Nothing, Whole, shown
from isegm.utils.threads import usable_cpus

Result = TypeVar("Result")

MOST_TOGETHER, FEW_TOGETHER = 64, 8  # objects on a GPU, and on a device that does not say what it holds
OBJECT_BYTES = 100 << 20  # of an object's image, masks and share of the network's memory
MAX_NAME = 60  # characters of a sample's name in the name of a file, each of up to 4 bytes


MOST_PIXELS = 50_000_000  # of the images of all objects that are clicked side by side; each pixel takes about 20 bytes


@dataclass(frozen=True)
class ClickEvent:
    """The state of one object after a click, for callbacks that draw it.

    Attributes:
        index: index of the sample in the data set.
        object_id: the object in the sample.
        sample: the sample.
        gt_mask: (H, W) int32, 1 on the object, 0 elsewhere, -1 ignored.
        before: the session before the click.
        session: the session after the click.
        mask: (H, W) bool, the mask after the click.
        previous: (H, W) bool, the mask before the click.
        clicks: all clicks so far.
        iou: IoU of ``mask``.
        finished: whether this was the object's last click.
        prompted: whether something else than a click came first.
    """

    index: int
    object_id: int
    sample: DSample
    gt_mask: np.ndarray
    before: Session
    session: Session
    mask: np.ndarray
    previous: np.ndarray
    clicks: tuple[Click, ...]
    iou: float
    finished: bool
    prompted: bool = False

    @property
    def number(self) -> int:
        """Of clicks so far, a first prompt included."""
        return len(self.clicks) + self.prompted

    @property
    def lines(self) -> list[tuple[np.ndarray, bool]]:
        """The box or scribble that came first, for ``isegm.utils.vis.draw_lines``."""
        return [(prompt.outline(), prompt.is_positive) for prompt in self.session.prompts]

    @property
    def file_name(self) -> str:
        """Name for a file about the object: ``<name of the sample>_<index>[_<object>]``, unique in the data set.

        The object is named if the sample has several. What file systems do not take in a name is replaced.
        """
        name = re.sub(r"[^\w .()+-]", "_", self.sample.sample_id)[:MAX_NAME].strip(" .")
        of_object = str(self.object_id) if len(self.sample.objects_ids) > 1 else ""
        return "_".join(part for part in (name, str(self.index), of_object) if part)


@dataclass
class _ActiveObject:
    """One object while it is being clicked."""

    index: int
    object_id: int
    sample: DSample
    session: Session
    simulation: ClickSimulation
    prompt: FirstPrompt | None = None
    seconds: float = 0.0
    first_seconds: float = 0.0

    @property
    def key(self) -> tuple[int, int]:
        return self.index, self.object_id

    def update(self, session: Session) -> ClickEvent:
        """Take the session after the last click and compute its IoU."""
        simulation, previous, before = self.simulation, self.simulation.mask, self.session
        self.session = session
        iou = simulation.update(session.mask(simulation.settings.threshold))
        return ClickEvent(
            index=self.index,
            object_id=self.object_id,
            sample=self.sample,
            gt_mask=simulation.gt_mask,
            before=before,
            session=session,
            mask=simulation.mask,
            previous=previous,
            clicks=tuple(simulation.clicker.clicks_list),
            iou=iou,
            finished=simulation.finished,
            prompted=self.prompt is not None,
        )

    def record(self, dataset: str) -> ObjectRecord:
        """Make the record of a finished object."""
        clicks = self.simulation.clicker.clicks_list
        return ObjectRecord(
            dataset=dataset,
            index=self.index,
            object_id=self.object_id,
            name=self.sample.sample_id,
            clicks=tuple((int(click.coords[1]), int(click.coords[0]), int(click.is_positive)) for click in clicks),
            ious=tuple(self.simulation.ious),
            seconds=round(self.seconds, 6),  # as in the file, so that a resumed run gives the same times
            first_seconds=round(self.first_seconds, 6),
            passes=self.session.passes,
            prompt=None if self.prompt is None else self.prompt.to_record(),
        )


def evaluate_dataset(
    dataset: EvaluationDataset,
    predictor: Predictor,
    settings: EvalSettings,
    batch_size: int = 1,
    done: Collection[tuple[int, int]] = frozenset(),
    max_objects: int | None = None,
    on_click: Callable[[ClickEvent], None] | None = None,
    known: Mapping[int, Sequence[int]] | None = None,
    indices: Iterable[int] | None = None,
    simulation: type[ClickSimulation] = ClickSimulation,
) -> Iterator[ObjectRecord]:
    """Click every object of every sample, or of some; each sample is read once for all its objects.

    Args:
        dataset: the data set.
        predictor: predicts the mask of an object from its clicks.
        settings: when to stop.
        batch_size: number of objects that are clicked side by side at most, and no more than have ``MOST_PIXELS``
            together; clicks and IoUs do not depend on it.
        done: (index, object_id) of objects that are skipped because their records exist.
        max_objects: stop after so many first objects of the data set, those in ``done`` included; None for all.
        on_click: called after each click; its time is not counted.
        known: object ids of samples by index, which are not read again where all of them are in ``done``.
        indices: of the samples, each drawn when its turn comes; None for all of the data set, where the next sample is
            read in a thread meanwhile.
        simulation: the simulated user.

    Yields:
        one record per object, in the order of the data set, or of ``indices``, whatever ``batch_size`` is.

    Raises:
        InputError: an argument is of another kind or out of its range, an object has no pixels, its mask is of another
            size than the image, or a file of the data set cannot be read.
    """
    if not Whole(1).fits(batch_size):
        raise InputError(f"batch_size is {shown(batch_size)}: give a number of at least 1.")
    require(max_objects, Whole(0) | Nothing(), "max_objects")
    require(predictor, Instance(SessionEngine, "a Predictor"), "the predictor of evaluate_dataset")
    require(settings, Instance(EvalSettings, "EvalSettings"), "the settings of evaluate_dataset")
    require(on_click, Instance(object, "a function", callable) | Nothing(), "on_click")
    require(dataset, Instance(object, "a data set", lambda value: hasattr(value, "get_sample")), "dataset")
    require(done, Instance(Collection, "a set of (index, object id)", lambda v: not isinstance(v, str)), "done")
    drawn, ahead = (range(len(dataset)), 1) if indices is None else (indices, 0)
    with ThreadPoolExecutor(1, "reading") as reader, ThreadPoolExecutor(usable_cpus(), "user") as users:
        samples = _read_ahead(dataset, drawn, ahead, frozenset(done), known or {}, reader)
        started_objects = _start_objects(dataset, predictor, settings, frozenset(done), samples, simulation)
        waiting = islice(started_objects, max_objects)
        yield from _side_by_side(dataset.name, waiting, predictor, batch_size, on_click, users)


def _side_by_side(
    dataset: str,
    waiting: Iterator[_ActiveObject | None],
    predictor: Predictor,
    batch_size: int,
    on_click: Callable[[ClickEvent], None] | None,
    users: Executor,
) -> Iterator[ObjectRecord]:
    """Click objects, ``batch_size`` of them side by side, and yield their records in order."""
    active: list[_ActiveObject] = []
    in_order: deque[tuple[int, int]] = deque()  # keys of objects whose records are not yielded yet
    records: dict[tuple[int, int], ObjectRecord] = {}
    exhausted = False
    while True:
        started = time.perf_counter()
        while len(active) < batch_size and not exhausted and not _fill_memory(active):
            asked = time.perf_counter()
            try:
                new = next(waiting)
            except StopIteration:
                exhausted = True
                break
            if new is None:
                started += time.perf_counter() - asked  # reading a skipped object counts for no other
            else:
                active.append(new)
                in_order.append(new.key)
        if not active:
            return
        sessions = _next_sessions(active, predictor, users)
        events = list(_mapped(users, _ActiveObject.update, active, sessions))
        share = (time.perf_counter() - started) / len(active)
        for one in active:
            one.seconds += share
            if len(one.simulation.ious) == 1:
                one.first_seconds = share
        if on_click is not None:
            for event in events:
                on_click(event)
        records.update({one.key: one.record(dataset) for one in active if one.simulation.finished})
        active = [one for one in active if not one.simulation.finished]
        while in_order and in_order[0] in records:
            yield records.pop(in_order.popleft())


def _mapped(users: Executor, work: Callable[..., Result], *arguments: Sequence[Any]) -> Iterable[Result]:
    """``map``; for several objects in threads, as OpenCV and NumPy compute without Python's lock."""
    return map(work, *arguments) if len(arguments[0]) == 1 else users.map(work, *arguments)


def _next_sessions(active: Sequence[_ActiveObject], predictor: Predictor, users: Executor) -> list[Session]:
    """Make the next click on each object, or give it its first prompt; return the sessions after that, in order."""
    prompted = {i: one.prompt for i, one in enumerate(active) if one.prompt is not None and not one.simulation.ious}
    clicked = [i for i in range(len(active)) if i not in prompted]
    sessions = {i: _prompted(active[i].session, prompt, predictor) for i, prompt in prompted.items()}
    if clicked:
        users_of_them = [active[i].simulation for i in clicked]
        clicks = list(_mapped(users, lambda simulation: simulation.next_click(), users_of_them))
        sessions.update(zip(clicked, predictor.step([active[i].session for i in clicked], clicks), strict=True))
    return [sessions[i] for i in range(len(active))]


def _prompted(session: Session, prompt: FirstPrompt, predictor: Predictor) -> Session:
    """Run the network on a first prompt; a mask is the answer itself."""
    session = prompt.given_to(session)
    return session if prompt.drawn is None else predictor.run([session])[0]


def _fill_memory(active: Sequence[_ActiveObject]) -> bool:
    """Whether one more object as large as the last one would exceed ``MOST_PIXELS``; one object is always clicked."""
    sizes = [one.simulation.gt_mask.size for one in active]
    return bool(sizes) and sum(sizes) + sizes[-1] > MOST_PIXELS


def _read_ahead(
    dataset: EvaluationDataset,
    indices: Iterable[int],
    ahead: int,
    done: frozenset[tuple[int, int]],
    known: Mapping[int, Sequence[int]],
    reader: Executor,
) -> Iterator[tuple[int, DSample | int]]:
    """Yield the index and the content of each sample, while the next ``ahead`` ones are being read in a thread.

    A sample whose objects are known and all in ``done`` is not read: of it the number of its objects is yielded.
    """
    coming: deque[tuple[int, Future[DSample] | int]] = deque()
    for index in indices:
        ids = known.get(index, ())
        skipped = ids and all((index, object_id) in done for object_id in ids)
        coming.append((index, len(ids) if skipped else reader.submit(dataset.get_sample, index)))
        if len(coming) > ahead:
            yield _read(*coming.popleft())
    for one in coming:
        yield _read(*one)


def _read(index: int, content: Future[DSample] | int) -> tuple[int, DSample | int]:
    return index, content if isinstance(content, int) else content.result()


def _start_objects(
    dataset: EvaluationDataset,
    predictor: Predictor,
    settings: EvalSettings,
    done: frozenset[tuple[int, int]],
    samples: Iterable[tuple[int, DSample | int]],
    user: type[ClickSimulation],
) -> Iterator[_ActiveObject | None]:
    """Start every object, None for one in ``done``; the objects of a sample share its first session."""
    for index, sample in samples:
        if isinstance(sample, int):
            yield from (None for _ in range(sample))
            continue
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
            if gt_mask.shape != sample.image.shape[:2]:
                raise InputError(
                    f"the mask of object {object_id} of {sample.sample_id or f'sample {index}'} in {dataset.name} is "
                    f"{gt_mask.shape}, its image {sample.image.shape[:2]}: make them equal."
                )
            if session is None:
                session = predictor.start(sample.image, sample.init_mask if settings.prompt == "click" else None)
            mask = session.mask(settings.threshold)  # the initial mask, or an empty one
            simulation = user(gt_mask, settings, mask, (index, object_id))
            prompt = FirstPrompt.simulated(settings, sample, index, object_id)
            yield _ActiveObject(index, object_id, sample, session, simulation, prompt)


def usual_batch_size(device: torch.device) -> int:
    """How many objects are clicked side by side where nobody says it.

    One on a CPU, which computes several in no less time; on a GPU as many as a quarter of its free memory
    holds, at most ``MOST_TOGETHER``.
    """
    if device.type == "cpu":
        return 1
    if device.type != "cuda":
        return FEW_TOGETHER
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MOST_TOGETHER, free // 4 // OBJECT_BYTES))


def replay(record: ObjectRecord, sample: DSample, predictor: Predictor) -> Session:
    """Repeat the clicks of a record and return the last session, so that runs need not store masks."""
    (session,) = deque(replay_each(record, sample, predictor), maxlen=1)
    return session


def replay_each(record: ObjectRecord, sample: DSample, predictor: Predictor) -> Iterator[Session]:
    """Repeat the first prompt and the clicks of a record, and yield the session after each of them."""
    if record.prompt is None:
        session = predictor.start(sample.image, sample.init_mask)
    else:
        prompt = FirstPrompt.of_record(record.prompt, sample, *record.key)
        session = _prompted(predictor.start(sample.image), prompt, predictor)
        yield session
    for index, (x, y, label) in enumerate(record.clicks):
        (session,) = predictor.step([session], [Click(bool(label), (y, x), index)])
        yield session
