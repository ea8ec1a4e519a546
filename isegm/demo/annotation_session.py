"""The work on one image: actions that are asked for, wait, are carried out, and are written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from threading import Event
from typing import Any

from isegm.demo.actions import Action, Outcome, carry_out
from isegm.demo.document import KEEP, Document, Draft, History, Selected
from isegm.demo.image_loading import Opened, read_objects, read_start
from isegm.demo.jobs import Job, Jobs
from isegm.demo.journal import Journal
from isegm.inference.predictor import Predictor
from isegm.utils.errors import InputError

OF_THE_DRAFT = ("click", KEEP, "mask", "reopen")  # kinds of actions that are forgotten with the object in progress
AT_THRESHOLD = ("click", KEEP, "mask")  # what is answered at the threshold of when it was asked for
NOT_KEPT = "Work on this image is not autosaved."


@dataclass(frozen=True, eq=False)
class Request:
    """An action in the queue; ``identity`` is its id in the journal, None where there is none."""

    action: Action
    identity: int | None


class AnnotationSession:
    """What is done to one image.

    Args:
        opened: the image, and what was autosaved of it.
        jobs: the program's queue.
        predictor: answers clicks.
        threshold: probability above which a pixel is selected.
        warn: takes sentences that people must be told.

    Attributes:
        image: the image.
        history: what is annotated, and all that it was.
        journal: what keeps it; None for nothing.
    """

    def __init__(
        self, opened: Opened, jobs: Jobs, predictor: Predictor, threshold: float, warn: Callable[[str], None]
    ) -> None:
        self.image = opened.image
        self.journal = opened.journal
        self.history = History(Document(self.image.size)) if opened.kept is None else opened.kept.history
        self._unfinished = {} if opened.kept is None else opened.kept.unfinished
        self._live = opened.live
        self._jobs = jobs
        self._predictor = predictor
        self._threshold = threshold
        self._warn = warn

    @property
    def draft(self) -> Draft | None:
        """The object in progress, as far as the network has answered."""
        return self.history.present.draft

    @property
    def waiting(self) -> list[Action]:
        """Actions that are asked for and not yet carried out."""
        return [job.token.action for job in self._pending]

    def resume(self) -> None:
        """Carry out what was asked for when the image was left."""
        for identity, action in self._unfinished.items():
            if action.kind == "threshold":  # killed between the two lines of it; the threshold is the earlier one
                self._note(Journal.dropped, identity)
            else:
                self._queue(action, identity)

    def ask(self, action: Action) -> None:
        """Write down an action that does something new, and carry it out behind all that waits."""
        if action.kind in AT_THRESHOLD:
            action = replace(action, values={**action.values, "threshold": self._threshold})
        self.history.branch()
        self._queue(action, self._note(Journal.ask, action))

    def undo(self) -> None:
        """Take back what was done last, or what was asked for last and is not yet done."""
        pending = self._pending
        if pending:
            last: Request = pending[-1].token
            self.history.postpone(last.action)
            self._note(Journal.undone, last.identity)
            self._jobs.take_back(pending[-1])
        elif self.history.can_undo:
            self._at_once(Action("undo"))

    def redo(self) -> None:
        """Do again what was taken back last; nothing happens where there is nothing."""
        if isinstance(self.history.next, Action):
            action = self.history.resume()
            self._queue(action, self._note(Journal.ask, action, True))
        elif self.history.can_redo:
            self._at_once(Action("redo"))

    def reset(self) -> None:
        """Forget the object in progress, with what waits to be done to it."""
        for job in takewhile(lambda job: job.token.action.kind in OF_THE_DRAFT, reversed(self._pending)):
            self.dropped(job.token)
            self._jobs.take_back(job)
        if self.draft is not None or self._pending:
            self.ask(Action("reset"))

    def dropped(self, asked: Request) -> None:
        """Write down that an action is not carried out."""
        self._note(Journal.dropped, asked.identity)

    def answered_by(self, predictor: Predictor, threshold: float) -> None:
        """Let later clicks be answered by a predictor that sees the same of the image, and select at a threshold."""
        self._predictor, self._threshold = predictor, threshold
        if self.draft is not None or self._pending:
            unfinished = self._jobs.unfinished
            if unfinished and unfinished[-1].token is Selected:
                self._jobs.take_back(unfinished[-1])
            self._select_again()

    def seen_by(self, predictor: Predictor) -> None:
        """Let later objects be answered by another predictor."""
        self._predictor = predictor
        live = self._live = self._live.seen_by(predictor)
        self._jobs.add(Job("preparing the network", lambda: live.start, lambda _: None))

    def close(self) -> None:
        """Let others write down what they do to the image."""
        if self.journal is not None:
            self.journal.close()
            self.journal = None

    @property
    def _pending(self) -> list[Job]:
        return [job for job in self._jobs.unfinished if isinstance(job.token, Request)]

    def _at_once(self, action: Action) -> None:
        """Carry out an undo or redo, which wait for nothing: no other action waits."""
        for job in self._jobs.unfinished:
            if job.token is Selected:  # for the object as it was
                self._jobs.take_back(job)
        self._end(Request(action, self._note(Journal.ask, action)), None)

    def _queue(self, action: Action, identity: int | None) -> None:
        token, given_up = Request(action, identity), Event()
        begin = partial(self._begin, action, given_up)
        self._jobs.add(Job(_doing(action), begin, partial(self._end, token), token, given_up=given_up))

    def _begin(self, action: Action, given_up: Event) -> Callable[[], Outcome] | None:
        """What has to run elsewhere before an action can be carried out."""
        live, draft, image, values = self._live, self.draft, self.image, action.values
        work: Callable[[], Outcome]
        if action.kind == "click" or (action.kind == KEEP and draft is not None):
            step, threshold = live.find(draft), values["threshold"]
            work = partial(live.answer, draft, step, action.move, self._predictor, threshold, given_up)
        elif action.kind == "mask":
            work = partial(read_start, values["path"], image.size, values["threshold"])
        elif action.kind == "import":
            work = partial(read_objects, values["path"], image.name, image.size)
        else:
            return None
        return partial(_kept, self.journal, work)

    def _end(self, asked: Request, outcome: Outcome) -> None:
        carry_out(self.history, asked.action, outcome)
        self._note(Journal.done, asked.identity, outcome)
        if isinstance(outcome, Selected):
            self._live.remember(self.draft, outcome.step)
        self._follow()

    def _follow(self) -> None:
        """See to it that the object in progress follows the threshold."""
        behind = self.draft is not None and self.draft.threshold != self._threshold
        if behind and all(job.token is not Selected for job in self._jobs.unfinished):
            self._select_again()

    def _select_again(self) -> None:
        """Let the object that will be in progress when all that waits is done have the present threshold."""
        draft, predictor, threshold, given_up = None, self._predictor, self._threshold, Event()

        def begin() -> Callable[[], Outcome] | None:
            nonlocal draft
            draft, live = self.draft, self._live
            if draft is None or draft.threshold == threshold:
                return None
            work = partial(live.selected, draft, live.find(draft), predictor, threshold, given_up)
            return partial(_kept, None, work)

        def end(selected: Outcome) -> None:
            if isinstance(selected, Selected) and draft is self.draft:
                action = Action("threshold")
                self._end(Request(action, self._note(Journal.ask, action)), selected)
            else:
                self._follow()

        self._jobs.add(Job("selecting", begin, end, token=Selected, given_up=given_up))

    def _note(self, method: Callable[..., int | None], *args: Any) -> int | None:
        """Write into the journal; where that fails the work goes on without one, and people are told."""
        if self.journal is None:
            return None
        try:
            return method(self.journal, *args)
        except InputError as error:
            self._warn(f"{error} {NOT_KEPT}")
            self.close()
            return None


def _doing(action: Action) -> str:
    return {"mask": "reading the mask", "import": "reading the objects"}.get(action.kind, "the network is working")


def _kept(journal: Journal | None, work: Callable[[], Outcome]) -> Outcome:
    """What ``work`` gives, ready to be written down, after everything before it has reached the disk."""
    if journal is not None:
        journal.sync()
    outcome = work()
    for selected in (outcome,) if isinstance(outcome, Selected) else outcome or ():
        _ = selected.region.bits  # packed here, not in the interface's thread
    return outcome
