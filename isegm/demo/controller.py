"""What the interactive program does, without a window: images, clicks, objects, undo, settings, files.

Every call returns at once. What takes its time (reading images, the network, writing files) waits in a queue and runs
in a thread of its own; ``poll`` takes over what is done. An answer that is not wanted any more is not used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from isegm.annotations import Annotations
from isegm.annotations.formats import FORMATS
from isegm.annotations.objects import CATEGORY
from isegm.clicks import Click, clicks_from_xy
from isegm.demo.actions import Action
from isegm.demo.annotation_session import AnnotationSession, Request
from isegm.demo.document import KEEP, Document, Draft
from isegm.demo.image_folder import Folder
from isegm.demo.image_loading import LoadedImage, Opened, annotations_in, open_image
from isegm.demo.inference_state import build_predictor
from isegm.demo.jobs import Job, Jobs
from isegm.demo.settings import Settings, unavailable
from isegm.inference.predictor import Predictor
from isegm.model.base import ClickModel
from isegm.utils.errors import InputError

NO_IMAGE = "there is no image yet: load one first."
NOTHING = Document((0, 0))  # before an image is open
POLL_SECONDS = 0.002


class Controller:
    """Images that are annotated, one at a time.

    Args:
        model: the network; it is moved to ``device``.
        device: where it runs; None for where it is.
        settings: None for ``Settings.for_model``.
        autosave: folder in which every action is kept at once, see ``isegm.demo.journal``; None for nowhere.
        background: whether the network runs in a thread of its own; else calls return when all is done.

    Attributes:
        settings: the present ones; ``change`` replaces them.
        unavailable: why an option does not work with this network, by option.
        folder: the images around the one that is open; None before.
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
        self.folder: Folder | None = None
        self.category = CATEGORY
        self.protect = False
        self.notice = ""
        self.warnings: list[str] = []
        self._autosave = autosave
        self._work: AnnotationSession | None = None
        self._bound_for: Folder | None = None  # where ``walk`` is going
        self._left: list[AnnotationSession] = []  # whose memory is not yet free
        self._predictor = build_predictor(model, device, self.settings)
        self._jobs = Jobs(background, self._dropped)

    # What there is

    @property
    def image(self) -> LoadedImage | None:
        """The one that is annotated; None before one is open."""
        return None if self._work is None else self._work.image

    @property
    def document(self) -> Document:
        """Finished objects and the one in progress; of size (0, 0) before an image is open."""
        return NOTHING if self._work is None else self._work.history.present

    @property
    def draft(self) -> Draft | None:
        """The object in progress, as far as the network has answered."""
        return self.document.draft

    @property
    def in_progress(self) -> bool:
        """Whether an object is begun and not finished, or may be when all that waits is done."""
        return self.draft is not None or self._waits

    @property
    def waiting(self) -> tuple[Click, ...]:
        """Clicks that the network has not yet answered."""
        actions = [] if self._work is None else self._work.waiting
        return tuple(action.click for action in actions if action.kind == "click")

    @property
    def busy(self) -> str:
        """What the program is doing just now, such as "opening cat.png"; "" for nothing."""
        unfinished = self._jobs.unfinished
        return unfinished[0].what if unfinished else ""

    @property
    def opening(self) -> bool:
        """Whether another image is about to be there."""
        return any(job.token is Opened for job in self._jobs.unfinished)

    @property
    def saving(self) -> bool:
        """Whether a file is being written, or waits to be."""
        return any(job.lasting for job in self._jobs.unfinished)

    @property
    def can_undo(self) -> bool:
        return self._waits or (self._work is not None and self._work.history.can_undo)

    @property
    def can_redo(self) -> bool:
        return self._work is not None and self._work.history.can_redo

    @property
    def autosaves(self) -> bool:
        """Whether a killed program would lose nothing."""
        return self._work is not None and self._work.journal is not None

    def annotations(self, with_draft: bool = False) -> Annotations:
        """The objects as files have them.

        Args:
            with_draft: as if the object in progress were finished; else it is left out.

        Raises:
            InputError: there is no image, or ``with_draft`` and nothing is selected.
        """
        return self.document.annotations(self._present().name, with_draft)

    # Images

    def open(self, path: str | Path) -> None:
        """Show an image file, with what was autosaved of it, or the first image of a folder; errors come later."""
        path = Path(path)
        self.tidy()
        self._bound_for = None
        if path.is_dir():
            path = Folder.of(path).present

        def begin() -> Callable[[], Opened]:
            journal = None if self._work is None else self._work.journal
            return partial(open_image, path, self._predictor, self._autosave, journal)

        self._jobs.add(Job(f"opening {path.name}", begin, self._opened, token=Opened))

    def walk(self, step: int) -> None:
        """Open the image that lies ``step`` farther in the folder; nothing happens at its ends.

        Steps count from the image that is being opened, if one is.
        """
        here = self._bound_for if self.opening and self._bound_for is not None else self.folder
        if here is not None and here.moved(step) != here:
            self.open(here.moved(step).present)
            self._bound_for = here.moved(step)

    def tidy(self) -> None:
        """Free the memory of images that were left, as soon as nobody shows them any more."""
        left, self._left = self._left, []
        if left:
            self._jobs.release(left)

    def _opened(self, opened: Opened) -> None:
        if self._work is not None:
            self._work.close()
            self._left.append(self._work)
        draft = None if opened.kept is None else opened.kept.history.present.draft
        if draft is not None:
            self.settings = replace(self.settings, threshold=draft.threshold)
            self._predictor = self._built(self.settings)
        self._work = AnnotationSession(
            opened, self._jobs, self._predictor, self.settings.threshold, self.warnings.append
        )
        self.folder, self.notice = opened.folder, opened.notice
        if opened.warning:
            self.warnings.append(opened.warning)
        if opened.kept is not None:
            self._work.resume()
            progress = " and the one in progress" if self.in_progress else ""
            count = len(self.document.objects)
            self.notice = f"as you left it: {count} finished object{'' if count == 1 else 's'}{progress}"

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
        self._ready().ask(Action.of_click(click))

    def load_mask(self, path: str | Path) -> None:
        """Begin an object from where an image file is above 127; the one in progress is forgotten."""
        self._ready().ask(Action("mask", {"path": str(path)}))

    def partially_finish(self) -> None:
        """Keep the probabilities so far and go on without the clicks: later answers can only add to the object."""
        if self.in_progress:
            self._ready().ask(Action(KEEP))

    def finish(self) -> None:
        """Put the object in progress among the finished ones; nothing happens where there is none."""
        if self.in_progress:
            self._ready().ask(Action("finish", {"category": self.category, "protected": self.protect}))

    def reset(self) -> None:
        """Forget the object in progress; threshold and blending become what they were at first, as published.

        Undo brings back what the network had answered; what was still waiting for an answer is lost.
        """
        if self._work is not None:
            self._ready().reset()
        self.change(replace(self.settings, threshold=Settings.threshold, alpha=Settings.alpha))

    def undo(self) -> None:
        """Take back what was done last, whatever it was; the answer to a click is not waited for.

        Raises:
            InputError: what would be taken back is about to be saved.
        """
        if self._waits and self.saving:
            raise InputError("a file is being saved with what is not yet done: undo when it is written.")
        if self.can_undo:
            self._ready().undo()

    def redo(self) -> None:
        """Do again what was taken back last; nothing happens where there is nothing."""
        if self.can_redo:
            self._ready().redo()

    # Finished objects

    def reopen(self, number: int) -> None:
        """Go on with a finished object, from its mask."""
        self._ready().ask(Action("reopen", {"number": number, "threshold": self.settings.threshold}))

    def remove(self, number: int) -> None:
        """Delete an object."""
        self._ready().ask(Action("remove", {"number": number}))

    def edit(self, number: int, **changes: Any) -> None:
        """Change an object's ``name``, ``category``, ``color`` or ``protected``, see ``AnnotatedObject``."""
        self.document.edited(number, **changes)  # what is wrong with it is said before it is written down
        self._ready().ask(Action("edit", {"number": number, **changes}))

    def load_annotations(self, path: str | Path) -> None:
        """Add the objects of a file, see ``isegm.annotations.formats``."""
        self._ready().ask(Action("import", {"path": str(path)}))

    def save(self, path: str | Path, kind: str, with_draft: bool = False) -> None:
        """Write the objects.

        Args:
            path: of the file.
            kind: a key of ``FORMATS``.
            with_draft: as if the object in progress were finished; else it is left out.

        Raises:
            InputError: there is no image, or another one is being opened.
        """
        work = self._ready()

        def begin() -> Callable[[], None]:
            annotations = work.history.present.annotations(work.image.name, with_draft)
            return partial(FORMATS[kind].write, path, annotations, work.image.pixels)

        self._write(path, begin)

    def save_folder(self, path: str | Path, kind: str, with_draft: bool = False) -> None:
        """Write the finished objects of all images in the folder into one file.

        Args:
            path: of the file.
            kind: a key of ``FORMATS`` with ``write_all``.
            with_draft: as if the object in progress of the image that is open were finished.

        Raises:
            InputError: there is no image, or another one is being opened.
        """
        work, folder = self._ready(), self.folder
        if folder is None:
            raise InputError(NO_IMAGE)

        def begin() -> Callable[[], str]:
            present = work.history.present.annotations(work.image.name, with_draft)
            return partial(_write_folder, path, kind, folder, self._autosave, present)

        self._write(path, begin)

    # Settings and the queue

    def change(self, settings: Settings) -> None:
        """Use other settings. Threshold, drawing and Cascade-Forward Refinement may change within an object.

        Raises:
            InputError: the network lacks the mode, or something else that it sees would change while an object is in
                progress; the settings then stay as they were.
        """
        old = self.settings
        seen = settings.seen != old.seen
        if seen and self.in_progress:
            raise InputError("options of the network cannot change within an object: finish or reset it first.")
        if seen or (settings.inference, settings.threshold) != (old.inference, old.threshold):
            self._predictor = self._built(settings)
            if self._work is not None:
                self._work.answered_by(self._predictor, settings.threshold)
        self.settings = settings
        if seen and self._work is not None:
            self._work.seen_by(self._predictor)

    def poll(self) -> bool:
        """Take over what was done meanwhile, and say whether something was; raises what went wrong in it."""
        return self._jobs.poll()

    def wait(self) -> None:
        """Poll until nothing is left to do."""
        while self.busy:
            if not self._jobs.poll():
                time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Leave the image when all that was to be saved is saved, and wait for what is running.

        Clicks that are not answered then will be, when the image is opened again.
        """
        try:
            while self.saving:
                if not self._jobs.poll():
                    time.sleep(POLL_SECONDS)
        finally:
            left = self._jobs.close()
            if isinstance(left, Opened):
                left.close()
            if self._work is not None:
                self._work.close()

    @property
    def _waits(self) -> bool:
        return self._work is not None and bool(self._work.waiting)

    def _present(self) -> LoadedImage:
        if self.image is None:
            raise InputError(NO_IMAGE)
        return self.image

    def _ready(self) -> AnnotationSession:
        """The work on the image that is open.

        Raises:
            InputError: there is none, or another one is about to be.
        """
        if self._work is None:
            raise InputError(NO_IMAGE)
        if self.opening:
            raise InputError("another image is being opened: wait until it is there.")
        return self._work

    def _built(self, settings: Settings) -> Predictor:
        return build_predictor(self._predictor.model, self._predictor.device, settings)

    def _write(self, path: str | Path, begin: Callable[[], Callable[[], str | None]]) -> None:
        """Write a file; what the work gives is a warning, or nothing."""

        def end(warning: str | None) -> None:
            self.notice = f"saved {path}"
            if warning:
                self.warnings.append(warning)

        self._jobs.add(Job(f"saving {Path(path).name}", begin, end, lasting=True))

    def _dropped(self, job: Job) -> None:
        if isinstance(job.token, Request) and self._work is not None:
            self._work.dropped(job.token)


def _write_folder(path: str | Path, kind: str, folder: Folder, autosave: Path | None, present: Annotations) -> str:
    """Write what is annotated in a folder; gives the sentence about what is left out, see ``annotations_in``."""
    write_all = FORMATS[kind].write_all
    if write_all is None:
        raise InputError(f"{FORMATS[kind].label} holds one image: choose a format for all images of a folder.")
    annotations, warning = annotations_in(folder, autosave, present)
    write_all(path, annotations)
    return warning
