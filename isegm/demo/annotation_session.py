"""The annotation of one image: a queue of actions, which are carried out in order and written to the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from threading import Event
from typing import Any

from isegm.demo.actions import MOVES, Action, Outcome, carry_out
from isegm.demo.document import KEEP, Document, Draft, History, Selected
from isegm.demo.image_loading import OpenedImage, ReadObjects, read_new_objects, read_start
from isegm.demo.inference_state import InferenceState
from isegm.demo.jobs import Job, Jobs
from isegm.demo.journal import Journal
from isegm.inference.predictor import Predictor
from isegm.utils.errors import InputError

OF_THE_DRAFT = (*MOVES, KEEP, "mask", "reopen", "color")  # kinds of actions that a reset drops
AT_THRESHOLD = (*MOVES, KEEP, "mask")  # kinds of actions that use the threshold of the time of the request
Work = Callable[[], Outcome | ReadObjects]  # of the worker thread
NOT_KEPT = "Work on this image is not autosaved."


@dataclass(frozen=True, eq=False)
class Request:
    """An action in the queue; ``identity`` is its id in the journal, None without a journal."""

    action: Action
    identity: int | None


class AnnotationSession:
    """Actions of the user on one image.

    Args:
        opened: the image, with its autosaved work.
        jobs: the program's queue.
        predictor: runs the network on clicks.
        threshold: pixels of a greater probability are selected.
        say: called with a sentence for the status line and one to show to the user; either may be "".

    Attributes:
        image: the image.
        history: the document with its undo history.
        journal: the autosave file; None without one.
    """

    def __init__(
        self, opened: OpenedImage, jobs: Jobs, predictor: Predictor, threshold: float, say: Callable[[str, str], None]
    ) -> None:
        self.image = opened.image
        self.journal = opened.journal
        self.history = History(Document(self.image.size)) if opened.kept is None else opened.kept.history
        self._unfinished = {} if opened.kept is None else opened.kept.unfinished
        self._inference_state = opened.inference_state
        self._jobs = jobs
        self._predictor = predictor
        self._threshold = threshold
        self._say = say

    @property
    def draft(self) -> Draft | None:
        """The object in progress, after the last action that was carried out."""
        return self.history.present.draft

    @property
    def waiting(self) -> list[Action]:
        """Requested actions that are not yet carried out."""
        return [job.token.action for job in self._pending]

    @property
    def settled(self) -> bool:
        """Whether the document stays as it is until the next action of the user."""
        return not self._pending and not self._selecting

    def resume(self) -> None:
        """Carry out the actions that were still waiting when the image was left, each at the threshold of its time."""
        if self.draft is not None:
            self._threshold = self.draft.threshold
        for identity, action in self._unfinished.items():
            self._threshold = action.values.get("threshold", self._threshold)
            if action.kind == "threshold":
                self._select_again(Request(action, identity))
            else:
                self._queue(action, identity)

    def ask(self, action: Action) -> None:
        """Write a new action to the journal, and carry it out after all that wait."""
        if action.kind in AT_THRESHOLD:
            action = replace(action, values={**action.values, "threshold": self._threshold})
        self.history.branch()
        self._queue(action, self._note(Journal.ask, action))

    def undo(self) -> None:
        """Undo the last action, or withdraw the last one that still waits."""
        pending = self._pending
        if pending:
            last: Request = pending[-1].token
            self.history.postpone(last.action)
            self._note(Journal.undone, last.identity)
            self._jobs.take_back(pending[-1])
        elif self.history.can_undo:
            self._at_once(Action("undo"))

    def redo(self) -> None:
        """Redo the last action that was undone, if any."""
        if isinstance(self.history.next, Action):
            action = self.history.resume()
            self._queue(action, self._note(Journal.ask, action, True))
        elif self.history.can_redo:
            self._at_once(Action("redo"))

    def reset(self) -> None:
        """Drop the object in progress and the actions on it that still wait."""
        for job in takewhile(lambda job: job.token.action.kind in OF_THE_DRAFT, reversed(self._pending)):
            self._drop(job)
        if self.draft is not None or self._pending:
            self.ask(Action("reset"))

    def dropped(self, asked: Request) -> None:
        """Note in the journal that an action is not carried out."""
        self._note(Journal.dropped, asked.identity)

    def use_predictor(self, predictor: Predictor, threshold: float) -> None:
        """Use another predictor with the same view of the image, and another threshold, from now on."""
        changed = threshold != self._threshold
        self._predictor, self._threshold = predictor, threshold
        if changed and (self.draft is not None or self._pending):
            unfinished = self._jobs.unfinished
            if unfinished and unfinished[-1] in self._selecting:
                self._drop(unfinished[-1])
            self._follow_threshold()

    def change_view(self, predictor: Predictor) -> None:
        """Use a predictor with another view of the image for later objects."""
        self._predictor = predictor
        inference_state = self._inference_state = self._inference_state.for_predictor(predictor)
        self._jobs.add(Job("preparing the network", lambda: inference_state.start, lambda _: None))

    def use_network(self, predictor: Predictor) -> None:
        """Use the predictor of another network for later objects."""
        self._predictor = predictor
        inference_state = self._inference_state = InferenceState(predictor, self.image.pixels)
        self._jobs.add(Job("preparing the network", lambda: inference_state.start, lambda _: None))

    def close(self) -> None:
        """Close the journal, so that other programs may write to it."""
        if self.journal is not None:
            self.journal.close()
            self.journal = None

    @property
    def _pending(self) -> list[Job]:
        """Jobs of actions but changes of the threshold, which are no steps."""
        return [job for job in self._requested if job.token.action.kind != "threshold"]

    @property
    def _selecting(self) -> list[Job]:
        """Jobs that select the object in progress at another threshold."""
        return [job for job in self._requested if job.token.action.kind == "threshold"]

    @property
    def _requested(self) -> list[Job]:
        return [job for job in self._jobs.unfinished if isinstance(job.token, Request)]

    def _drop(self, job: Job) -> None:
        self.dropped(job.token)
        self._jobs.take_back(job)

    def _at_once(self, action: Action) -> None:
        """Carry out an undo or redo immediately; no other action waits."""
        for job in self._selecting:  # for the object as it was
            self._drop(job)
        self._end(Request(action, self._note(Journal.ask, action)), None)

    def _queue(self, action: Action, identity: int | None) -> None:
        token, cancelled = Request(action, identity), Event()
        begin = partial(self._begin, action, cancelled)
        self._jobs.add(Job(_doing(action), begin, partial(self._end, token), token, cancelled=cancelled))

    def _begin(self, action: Action, cancelled: Event) -> Work | None:
        """The part of an action that runs in the worker thread; None if there is none."""
        inference_state, draft, image, values = self._inference_state, self.draft, self.image, action.values
        work: Work
        if action.kind in MOVES or (action.kind == KEEP and draft is not None):
            step, threshold = inference_state.find(draft), values.get("threshold", self._threshold)
            work = partial(inference_state.predict, draft, step, action.move, self._predictor, threshold, cancelled)
        elif action.kind == "mask":
            work = partial(read_start, values["path"], image.size, values.get("threshold", self._threshold))
        elif action.kind == "import":
            objects = self.history.present.objects
            work = partial(read_new_objects, values["path"], image.name, image.size, objects)
        else:
            return None
        return partial(_kept, self.journal, work)

    def _end(self, asked: Request, outcome: Outcome | ReadObjects) -> None:
        if isinstance(outcome, ReadObjects):
            self._say(outcome.notice, outcome.warning)
            outcome = outcome.objects
        carry_out(self.history, asked.action, outcome)
        self._note(Journal.done, asked.identity, outcome)
        if isinstance(outcome, Selected):
            self._inference_state.remember(self.draft, outcome.step)
        self._follow()

    def _follow(self) -> None:
        """Queue a new selection if the object in progress has another threshold than the present one."""
        if self.draft is not None and self.draft.threshold != self._threshold and not self._selecting:
            self._follow_threshold()

    def _follow_threshold(self) -> None:
        """Write the present threshold to the journal, and select at it once all that wait are done."""
        action = Action("threshold", {"threshold": self._threshold})
        self._select_again(Request(action, self._note(Journal.ask, action)))

    def _select_again(self, asked: Request) -> None:
        """Select again at the threshold of a request, once all that wait are done."""
        draft, predictor, threshold, cancelled = None, self._predictor, self._threshold, Event()

        def begin() -> Work | None:
            nonlocal draft
            draft, inference_state = self.draft, self._inference_state
            if draft is None or draft.threshold == threshold:
                return None
            work = partial(
                inference_state.selected, draft, inference_state.find(draft), predictor, threshold, cancelled
            )
            return partial(_kept, None, work)

        def end(selected: Outcome | ReadObjects) -> None:
            if isinstance(selected, Selected) and draft is self.draft:
                self._end(asked, selected)
            else:
                self.dropped(asked)
                self._follow()

        self._jobs.add(Job("selecting", begin, end, token=asked, cancelled=cancelled))

    def _note(self, method: Callable[..., int | None], *args: Any) -> int | None:
        """Call a method of the journal; if that fails, go on without a journal and warn the user."""
        if self.journal is None:
            return None
        try:
            return method(self.journal, *args)
        except InputError as error:
            self._say("", f"{error} {NOT_KEPT}")
            self.close()
            return None


def _doing(action: Action) -> str:
    return {"mask": "reading the mask", "import": "reading the objects"}.get(action.kind, "the network is working")


def _kept(journal: Journal | None, work: Work) -> Outcome | ReadObjects:
    """Run ``work`` after syncing the journal, and pack the masks of its outcome for the journal."""
    if journal is not None:
        journal.sync()
    outcome = work()
    objects = outcome.objects if isinstance(outcome, ReadObjects) else outcome
    for selected in (objects,) if isinstance(objects, Selected) else objects or ():
        _ = selected.region.bits  # packed here, not in the interface's thread
    return outcome
