"""What the interactive program does, without a window: pictures, clicks, objects, undo, settings, files.

Every call returns at once. What takes its time (reading pictures, the network, writing files) waits in a queue and runs
in a thread of its own; ``poll`` takes over what is done. An answer that is not wanted any more is not used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isegm.clicks import Click, clicks_from_xy
from isegm.data.annotations import Annotations
from isegm.data.annotations.files import FORMATS
from isegm.data.annotations.objects import CATEGORY
from isegm.demo.actions import Action, Outcome, carry_out
from isegm.demo.document import KEEP, Document, Draft, History, Selected
from isegm.demo.folder import Folder
from isegm.demo.jobs import Job, Jobs
from isegm.demo.journal import Journal
from isegm.demo.live import Live, build_predictor
from isegm.demo.pictures import Opened, Picture, annotations_in, read_objects, read_picture, read_start
from isegm.demo.settings import Settings, unavailable
from isegm.inference.predictor import Predictor
from isegm.model.base import ClickModel
from isegm.utils.errors import InputError

NO_IMAGE = "there is no image yet: load one first."
POLL_SECONDS = 0.002
OF_THE_DRAFT = ("click", KEEP, "mask", "reopen")  # kinds of actions that are forgotten with the object in progress
NOT_KEPT = "Work on this picture is not autosaved."


@dataclass(frozen=True, eq=False)
class Asked:
    """An action in the queue; ``identity`` is its id in the journal, None where there is none."""

    action: Action
    identity: int | None


class Controller:
    """Pictures that are annotated, one at a time.

    Args:
        model: the network; it is moved to ``device``.
        device: where it runs; None for where it is.
        settings: None for ``Settings.for_model``.
        autosave: folder in which every action is kept at once, see ``isegm.demo.journal``; None for nowhere.
        background: whether the network runs in a thread of its own; else calls return when all is done.

    Attributes:
        settings: the present ones; ``change`` replaces them.
        unavailable: why an option does not work with this network, by option.
        picture: the one that is annotated; None before one is open.
        folder: the pictures around it; None where it is no file.
        category: class of new objects.
        protect: whether new objects are protected.
        notice: what was done last that cannot be seen otherwise.
        warnings: sentences that people must be told; whoever tells them takes them out.
    """

    def __init__(
        self,
        model: ClickModel,
        device: torch.device | str | None = None,
        settings: Settings | None = None,
        *,
        autosave: Path | None = None,
        background: bool = False,
    ) -> None:
        self.settings = Settings.for_model(model) if settings is None else settings
        self.unavailable = unavailable(model)
        self.picture: Picture | None = None
        self.folder: Folder | None = None
        self.category = CATEGORY
        self.protect = False
        self.notice = ""
        self.warnings: list[str] = []
        self._autosave = autosave
        self._history = History(Document((0, 0)))
        self._live: Live | None = None
        self._journal: Journal | None = None
        self._predictor = build_predictor(model, device, self.settings)
        self._jobs = Jobs(background, self._dropped)

    # What there is

    @property
    def document(self) -> Document:
        """Finished objects and the one in progress; of size (0, 0) before a picture is open."""
        return self._history.present

    @property
    def draft(self) -> Draft | None:
        """The object in progress, as far as the network has answered."""
        return self.document.draft

    @property
    def in_progress(self) -> bool:
        """Whether an object is begun and not finished, or will be when the network has answered."""
        return self.draft is not None or bool(self._asked)

    @property
    def waiting(self) -> tuple[Click, ...]:
        """Clicks that the network has not yet answered."""
        return tuple(asked.action.move for asked in self._asked if asked.action.kind == "click")

    @property
    def busy(self) -> str:
        """What the program is doing just now, such as "opening cat.png"; "" for nothing."""
        unfinished = self._jobs.unfinished
        return unfinished[0].what if unfinished else ""

    @property
    def opening(self) -> bool:
        """Whether another picture is about to be there."""
        return any(job.token is Opened for job in self._jobs.unfinished)

    @property
    def can_undo(self) -> bool:
        return self._history.can_undo or bool(self._asked)

    @property
    def can_redo(self) -> bool:
        return self._history.can_redo

    @property
    def autosaves(self) -> bool:
        """Whether a killed program would lose nothing."""
        return self._journal is not None

    def probs(self) -> np.ndarray | None:
        """Float32 (H, W) probabilities of the object in progress; None where there is none, or they are not at hand."""
        step = None if self._live is None else self._live.find(self.draft)
        return None if step is None else step.probs

    def annotations(self, with_draft: bool = False) -> Annotations:
        """The objects as files have them.

        Args:
            with_draft: as if the object in progress were finished; else it is left out.

        Raises:
            InputError: there is no picture, or ``with_draft`` and nothing is selected.
        """
        return self.document.annotations(self._present().name, with_draft)

    # Pictures

    def open(self, path: str | Path) -> None:
        """Show a picture file, with what was autosaved of it, or the first picture of a folder; errors come later."""
        path = Path(path)
        if path.is_dir():
            path = Folder.of(path).present

        def begin() -> Callable[[], Opened]:
            return partial(read_picture, path, self._predictor, self._autosave, self._journal)

        self._jobs.add(Job(f"opening {path.name}", begin, self._opened, token=Opened))

    def walk(self, step: int) -> None:
        """Open the picture that lies ``step`` farther in the folder; nothing happens at its ends."""
        if self.folder is not None and self.folder.moved(step) != self.folder:
            self.open(self.folder.moved(step).present)

    def _opened(self, opened: Opened) -> None:
        if self._journal is not None:
            self._journal.close()
        self.picture, self.folder, self._live = opened.picture, opened.folder, opened.live
        self._journal, kept = opened.journal, opened.kept
        self._history = History(Document(self.picture.size)) if kept is None else kept.history
        self.notice = opened.notice
        if opened.warning:
            self.warnings.append(opened.warning)
        if kept is None:
            return
        if self.draft is not None:
            self.change(replace(self.settings, threshold=self.draft.threshold))
        for identity, action in kept.unfinished.items():
            self._queue(action, identity)
        progress = " and the one in progress" if self.in_progress else ""
        self.notice = f"as you left it: {len(self.document.objects)} finished objects{progress}"

    # The object in progress

    def click(self, x: float, y: float, is_positive: bool) -> None:
        """Add a click to the object in progress, or begin one with it.

        Args:
            x, y: in pixels of the image.
            is_positive: whether it lies on the object.

        Raises:
            InputError: there is no image, or the click lies outside it.
        """
        (click,) = clicks_from_xy([(x, y)], [int(is_positive)], self._present().size)
        self._ask(Action.of_click(click))

    def load_mask(self, path: str | Path) -> None:
        """Begin an object from where a picture file is above 127; the one in progress is forgotten."""
        self._ask(Action("mask", {"path": str(path)}))

    def partially_finish(self) -> None:
        """Keep the probabilities so far and go on without the clicks: later answers can only add to the object."""
        if self.in_progress:
            self._ask(Action(KEEP))

    def finish(self) -> None:
        """Put the object in progress among the finished ones; nothing happens where there is none."""
        if self.in_progress:
            self._ask(Action("finish", {"category": self.category, "protected": self.protect}))

    def reset(self) -> None:
        """Forget the object in progress; threshold and blending become what they were at first, as published.

        Undo brings back what the network had answered; what was still waiting for an answer is lost.
        """
        waiting = reversed([job for job in self._jobs.unfinished if isinstance(job.token, Asked)])
        for job in takewhile(lambda job: job.token.action.kind in OF_THE_DRAFT, waiting):
            self._dropped(job)
            self._jobs.take_back(job)
        if self.in_progress:
            self._ask(Action("reset"))
        self.change(replace(self.settings, threshold=Settings.threshold, alpha=Settings.alpha))

    def undo(self) -> None:
        """Take back what was done last, whatever it was; the answer to a click is not waited for."""
        pending = [job for job in self._jobs.unfinished if isinstance(job.token, Asked)]
        if pending:
            last: Asked = pending[-1].token
            self._history.postpone(last.action)
            self._note(Journal.undone, last.identity)
            self._jobs.take_back(pending[-1])
        elif self._history.can_undo:
            self._at_once(Action("undo"))

    def redo(self) -> None:
        """Do again what was taken back last; nothing happens where there is nothing."""
        if isinstance(self._history.next, Action):
            self._check_ready()
            action = self._history.resume()
            self._queue(action, self._note(Journal.ask, action, True))
        elif self._history.can_redo:
            self._at_once(Action("redo"))

    # Finished objects

    def reopen(self, number: int) -> None:
        """Go on with a finished object, from its mask."""
        self._ask(Action("reopen", {"number": number, "threshold": self.settings.threshold}))

    def remove(self, number: int) -> None:
        """Delete an object."""
        self._ask(Action("remove", {"number": number}))

    def edit(self, number: int, **changes: Any) -> None:
        """Change an object's ``name``, ``category``, ``color`` or ``protected``, see ``AnnotatedObject``."""
        self.document.edited(number, **changes)  # what is wrong with it is said before it is written down
        self._ask(Action("edit", {"number": number, **changes}))

    def load_annotations(self, path: str | Path) -> None:
        """Add the objects of a file, see ``isegm.data.annotations.files``."""
        self._ask(Action("import", {"path": str(path)}))

    def save(self, path: str | Path, kind: str, with_draft: bool = False) -> None:
        """Write the objects.

        Args:
            path: of the file.
            kind: a key of ``FORMATS``.
            with_draft: as if the object in progress were finished; else it is left out.
        """
        picture = self._present()
        self._write(path, lambda: partial(FORMATS[kind].write, path, self.annotations(with_draft), picture.image))

    def save_folder(self, path: str | Path, kind: str) -> None:
        """Write the finished objects of all pictures in the folder into one file.

        Args:
            path: of the file.
            kind: a key of ``FORMATS`` with ``write_all``.
        """
        self._present()

        def begin() -> Callable[[], None]:
            read = annotations_in(self.folder, self._autosave, self.annotations())
            return lambda: FORMATS[kind].write_all(path, read())

        self._write(path, begin)

    def _write(self, path: str | Path, begin: Callable[[], Callable[[], None]]) -> None:
        def end(_: None) -> None:
            self.notice = f"saved {path}"

        self._jobs.add(Job(f"saving {Path(path).name}", begin, end))

    # Settings and the queue

    def change(self, settings: Settings) -> None:
        """Use other settings.

        Raises:
            InputError: the network lacks the mode, or something that the network sees would change while an object is
                in progress; the settings then stay as they were.
        """
        old = self.settings
        seen = (settings.inference, settings.refinement) != (old.inference, old.refinement)
        if seen and self.in_progress:
            raise InputError("options of the network cannot change within an object: finish or reset it first.")
        if seen or settings.threshold != old.threshold:
            self._predictor = build_predictor(self._predictor.model, self._predictor.device, settings)
        self.settings = settings
        if self._live is None:
            return
        if seen:
            live = self._live = self._live.seen_by(self._predictor)
            self._jobs.add(Job("preparing the network", lambda: live.start, lambda _: None))
        elif settings.threshold != old.threshold and self.in_progress:
            unfinished = self._jobs.unfinished
            if unfinished and unfinished[-1].token is Selected:
                self._jobs.take_back(unfinished[-1])
            self._select_again()

    def poll(self) -> bool:
        """Take over what was done meanwhile, and say whether something was; raises what went wrong in it."""
        return self._jobs.poll()

    def wait(self) -> None:
        """Poll until nothing is left to do."""
        while self.busy:
            if not self._jobs.poll():
                time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Leave the picture and wait for what is running; clicks not answered are, when it is opened again."""
        self._jobs.close()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    @property
    def _asked(self) -> list[Asked]:
        return [job.token for job in self._jobs.unfinished if isinstance(job.token, Asked)]

    def _present(self) -> Picture:
        if self.picture is None:
            raise InputError(NO_IMAGE)
        return self.picture

    def _ask(self, action: Action) -> None:
        """Note an action that does something new, and carry it out behind all that waits."""
        self._check_ready()
        self._history.branch()
        self._queue(action, self._note(Journal.ask, action))

    def _at_once(self, action: Action) -> None:
        """Carry out an undo or redo, which wait for nothing: no other action waits."""
        self._check_ready()
        for job in self._jobs.unfinished:
            if job.token is Selected:  # for the object as it was
                self._jobs.take_back(job)
        self._end(Asked(action, self._note(Journal.ask, action)), None)

    def _check_ready(self) -> None:
        self._present()
        if self.opening:
            raise InputError("another picture is being opened: wait until it is there.")

    def _queue(self, action: Action, identity: int | None) -> None:
        token = Asked(action, identity)
        begin = partial(self._begin, action, self._predictor, self.settings.threshold)
        self._jobs.add(Job(_doing(action), begin, lambda got: self._end(token, got), token))

    def _begin(self, action: Action, predictor: Predictor, threshold: float) -> Callable[[], Outcome] | None:
        """What has to run elsewhere before an action can be carried out, at the threshold of when it was asked for."""
        live, draft, picture = self._live, self.draft, self._present()
        if action.kind == "click" or (action.kind == KEEP and draft is not None):
            work = partial(live.answer, draft, live.find(draft), action.move, predictor, threshold)
        elif action.kind == "mask":
            work = partial(read_start, action.values["path"], picture.size, threshold)
        elif action.kind == "import":
            work = partial(read_objects, action.values["path"], picture.name, picture.size)
        else:
            return None
        return partial(_kept, self._journal, work)

    def _end(self, asked: Asked, outcome: Outcome) -> None:
        carry_out(self._history, asked.action, outcome)
        self._note(Journal.done, asked.identity, outcome)
        if isinstance(outcome, Selected):
            self._live.remember(self.draft, outcome.step)
        self._follow()

    def _follow(self) -> None:
        """See to it that the object in progress follows the threshold."""
        behind = self.draft is not None and self.draft.threshold != self.settings.threshold
        if behind and all(job.token is not Selected for job in self._jobs.unfinished):
            self._select_again()

    def _select_again(self) -> None:
        """Let the object that will be in progress when all that waits is done have the present threshold."""
        draft, predictor, threshold = None, self._predictor, self.settings.threshold

        def begin() -> Callable[[], Selected] | None:
            nonlocal draft
            draft, live = self.draft, self._live
            if draft is None or draft.threshold == threshold:
                return None
            return partial(live.selected, draft, live.find(draft), predictor, threshold)

        def end(selected: Selected | None) -> None:
            if selected is not None and draft is self.draft:
                action = Action("threshold")
                self._end(Asked(action, self._note(Journal.ask, action)), selected)
            else:
                self._follow()

        self._jobs.add(Job("selecting", begin, end, token=Selected))

    def _note(self, method: Callable[..., int | None], *args: Any) -> int | None:
        """Write into the journal; where that fails the work goes on without one, and people are told."""
        if self._journal is None:
            return None
        try:
            return method(self._journal, *args)
        except InputError as error:
            self.warnings.append(f"{error} {NOT_KEPT}")
            self._journal.close()
            self._journal = None
            return None

    def _dropped(self, job: Job) -> None:
        if isinstance(job.token, Asked):
            self._note(Journal.dropped, job.token.identity)


def _doing(action: Action) -> str:
    return {"mask": "reading the mask", "import": "reading the objects"}.get(action.kind, "the network is working")


def _kept(journal: Journal | None, work: Callable[[], Outcome]) -> Outcome:
    """What ``work`` gives, after everything before it has reached the disk."""
    if journal is not None:
        journal.sync()
    return work()
