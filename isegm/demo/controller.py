"""The interactive program without its window: images, clicks, objects, undo, settings, files.

Every call returns immediately. Slow work (reading images, the network, writing files) is queued and runs in a thread of
its own; ``poll`` applies finished results. Results that are no longer wanted are discarded.
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
from isegm.annotations.objects import CATEGORY
from isegm.clicks import Click, clicks_from_xy
from isegm.demo.actions import Action
from isegm.demo.annotation_session import AnnotationSession, Request
from isegm.demo.document import KEEP, Color, Document, Draft
from isegm.demo.image_folder import Folder
from isegm.demo.image_loading import LoadedImage, OpenedImage, open_image
from isegm.demo.inference_state import build_predictor
from isegm.demo.jobs import Job, Jobs
from isegm.demo.saving import Begin, saving, saving_folder
from isegm.demo.settings import Settings, unavailable
from isegm.inference.predictor import Predictor
from isegm.model.click_model import ClickModel
from isegm.utils.errors import InputError

NO_IMAGE = "there is no image yet: load one first."
NOTHING = Document((0, 0))  # before an image is open
POLL_SECONDS = 0.002


class Controller:
    """Annotates images, one at a time.

    Args:
        model: the network; it is moved to ``device``.
        device: device of the network; None to leave it where it is.
        settings: None for ``Settings.for_model``.
        autosave: folder to which every action is written immediately, see ``isegm.demo.journal``; None for no autosave.
        background: run slow work in a thread of its own; else calls return when it is done.

    Attributes:
        settings: the present settings; ``change`` replaces them.
        unavailable: for each option that does not work with this network, the reason.
        folder: the images in the folder of the open image; None before one is open.
        category: class of new objects.
        protect: whether new objects are protected.
        notice: sentence about the last result that is not visible otherwise.
        warnings: sentences to show to the user; the window removes those it has shown.
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
        self._session: AnnotationSession | None = None
        self._bound_for: Folder | None = None  # where ``walk`` is going
        self._left: list[AnnotationSession] = []  # whose memory is not yet free
        self._predictor = build_predictor(model, device, self.settings)
        self._jobs = Jobs(background, self._dropped)

    # State

    @property
    def image(self) -> LoadedImage | None:
        """The image that is annotated; None before one is open."""
        return None if self._session is None else self._session.image

    @property
    def document(self) -> Document:
        """Finished objects and the one in progress; of size (0, 0) before an image is open."""
        return NOTHING if self._session is None else self._session.history.present

    @property
    def draft(self) -> Draft | None:
        """The object in progress, after the last action that was carried out."""
        return self.document.draft

    @property
    def in_progress(self) -> bool:
        """Whether there is an unfinished object, or may be one when all waiting actions are done."""
        return self.draft is not None or self._waits

    @property
    def waiting(self) -> tuple[Click, ...]:
        """Clicks on which the network has not run yet."""
        actions = [] if self._session is None else self._session.waiting
        return tuple(action.click for action in actions if action.kind == "click")

    @property
    def busy(self) -> str:
        """Description of the running job, such as "opening cat.png"; "" for none."""
        unfinished = self._jobs.unfinished
        return unfinished[0].description if unfinished else ""

    @property
    def opening(self) -> bool:
        """Whether another image is being opened."""
        return any(job.token is OpenedImage for job in self._jobs.unfinished)

    @property
    def saving(self) -> bool:
        """Whether a file is being written, or waits to be."""
        return any(job.lasting for job in self._jobs.unfinished)

    @property
    def can_undo(self) -> bool:
        return self._waits or (self._session is not None and self._session.history.can_undo)

    @property
    def can_redo(self) -> bool:
        return self._session is not None and self._session.history.can_redo

    @property
    def autosaves(self) -> bool:
        """Whether the image is autosaved, so that a killed program loses nothing."""
        return self._session is not None and self._session.journal is not None

    def annotations(self, with_draft: bool = False) -> Annotations:
        """The objects, for writing to a file.

        Args:
            with_draft: include the object in progress as if it were finished.

        Raises:
            InputError: there is no image, or ``with_draft`` and nothing is selected.
        """
        return self.document.annotations(self._present().name, with_draft)

    # Images

    def open(self, path: str | Path) -> None:
        """Open an image file with its autosaved work, or the first image of a folder; ``poll`` raises the errors."""
        path = Path(path)
        self.tidy()
        self._bound_for = None
        if path.is_dir():
            path = Folder.of(path).present

        def begin() -> Callable[[], OpenedImage]:
            journal = None if self._session is None else self._session.journal
            return partial(open_image, path, self._predictor, self._autosave, journal)

        self._jobs.add(Job(f"opening {path.name}", begin, self._opened, token=OpenedImage))

    def walk(self, step: int) -> None:
        """Open the image ``step`` positions further in the folder, if there is one.

        Steps count from the image that is being opened, if one is.
        """
        here = self._bound_for if self.opening and self._bound_for is not None else self.folder
        if here is not None and here.moved(step) != here:
            self.open(here.moved(step).present)
            self._bound_for = here.moved(step)

    def tidy(self) -> None:
        """Free the memory of images that were left, once the window no longer shows them."""
        left, self._left = self._left, []
        if left:
            self._jobs.release(left)

    def _opened(self, opened: OpenedImage) -> None:
        if self._session is not None:
            self._session.close()
            self._left.append(self._session)
        draft = None if opened.kept is None else opened.kept.history.present.draft
        if draft is not None:
            self.settings = replace(self.settings, threshold=draft.threshold)
            self._predictor = self._built(self.settings)
        self._session = AnnotationSession(
            opened, self._jobs, self._predictor, self.settings.threshold, self.warnings.append
        )
        self.folder, self.notice = opened.folder, opened.notice
        if opened.warning:
            self.warnings.append(opened.warning)
        if opened.kept is not None:
            self._session.resume()
            progress = " and the one in progress" if self.in_progress else ""
            count = len(self.document.objects)
            left = f"as you left it: {count} finished object{'' if count == 1 else 's'}{progress}"
            self.notice = "; ".join(filter(None, (left, opened.notice)))

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
        """Start an object from the pixels of an image file above 127; an object in progress is dropped."""
        self._ready().ask(Action("mask", {"path": str(path)}))

    def partially_finish(self) -> None:
        """Keep the probabilities so far and go on without the clicks: later predictions can only add to the object."""
        if self.in_progress:
            self._ready().ask(Action(KEEP))

    def finish(self) -> None:
        """Finish the object in progress, if there is one."""
        if self.in_progress:
            self._ready().ask(Action("finish", {"category": self.category, "protected": self.protect}))

    def color(self, color: Color) -> None:
        """Give the object in progress a colour, RGB of 0 to 255 each.

        Raises:
            InputError: no object is in progress, or it is no colour.
        """
        if not self._waits:
            self.document.colored(color)  # raises before the action is written to the journal
        self._ready().ask(Action("color", {"color": list(color)}))

    def reset(self) -> None:
        """Drop the object in progress, and reset threshold and blending (docs/fidelity.md#reset-clicks).

        Undo restores the object as of the last prediction; clicks that were still waiting are lost.
        """
        if self._session is not None:
            self._ready().reset()
        self.change(replace(self.settings, threshold=Settings.threshold, alpha=Settings.alpha))

    def undo(self) -> None:
        """Undo the last action of any kind, without waiting for the prediction of a click.

        Raises:
            InputError: the action is part of a file that is being saved.
        """
        if self._waits and self.saving:
            raise InputError("a file is being saved with what is not yet done: undo when it is written.")
        if self.can_undo:
            self._ready().undo()

    def redo(self) -> None:
        """Redo the last action that was undone, if any."""
        if self.can_redo:
            self._ready().redo()

    # Finished objects

    def reopen(self, number: int) -> None:
        """Put a finished object in progress again, from its mask."""
        self._ready().ask(Action("reopen", {"number": number, "threshold": self.settings.threshold}))

    def remove(self, number: int) -> None:
        """Delete an object."""
        self._ready().ask(Action("remove", {"number": number}))

    def edit(self, number: int, **changes: Any) -> None:
        """Change an object's ``name``, ``category``, ``color`` or ``protected``, see ``AnnotatedObject``."""
        self.document.edited(number, **changes)  # raises before the action is written to the journal
        self._ready().ask(Action("edit", {"number": number, **changes}))

    def load_annotations(self, path: str | Path) -> None:
        """Add the objects of a file, see ``isegm.annotations.formats``."""
        self._ready().ask(Action("import", {"path": str(path)}))

    def save(self, path: str | Path, kind: str, with_draft: bool = False) -> None:
        """Write the objects.

        Args:
            path: of the file.
            kind: a key of ``FORMATS``.
            with_draft: include the object in progress as if it were finished.

        Raises:
            InputError: there is no image, or another one is being opened.
        """
        self._write(path, saving(path, kind, self._ready(), with_draft))

    def save_folder(self, path: str | Path, kind: str, with_draft: bool = False) -> None:
        """Write the finished objects of all images in the folder into one file.

        Args:
            path: of the file.
            kind: a key of ``FORMATS`` with ``write_all``.
            with_draft: as if the object in progress of the image that is open were finished.

        Raises:
            InputError: there is no image, or another one is being opened.
        """
        session, folder = self._ready(), self.folder
        if folder is None:
            raise InputError(NO_IMAGE)
        self._write(path, saving_folder(path, kind, session, folder, self._autosave, with_draft))

    # Settings and the queue

    def change(self, settings: Settings) -> None:
        """Change the settings. Threshold, drawing and Cascade-Forward Refinement may change within an object.

        Raises:
            InputError: the network does not support the mode, or the view of the image would change while an object is
                in progress; the settings then stay as they were.
        """
        old = self.settings
        seen = settings.seen != old.seen
        if seen and self.in_progress:
            raise InputError("options of the network cannot change within an object: finish or reset it first.")
        if seen or (settings.inference, settings.threshold) != (old.inference, old.threshold):
            self._predictor = self._built(settings)
            if self._session is not None:
                self._session.use_predictor(self._predictor, settings.threshold)
        self.settings = settings
        if seen and self._session is not None:
            self._session.change_view(self._predictor)

    def poll(self) -> bool:
        """Apply the result of a finished job, raise its error if it failed; returns whether there was one."""
        return self._jobs.poll()

    def wait(self) -> None:
        """Poll until all jobs are done."""
        while self.busy:
            if not self._jobs.poll():
                time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Wait for files that are being saved and for the running job, and close the image.

        Waiting clicks are carried out when the image is opened again.
        """
        try:
            while self.saving:
                if not self._jobs.poll():
                    time.sleep(POLL_SECONDS)
        finally:
            left = self._jobs.close()
            if isinstance(left, OpenedImage):
                left.close()
            if self._session is not None:
                self._session.close()

    @property
    def _waits(self) -> bool:
        return self._session is not None and bool(self._session.waiting)

    def _present(self) -> LoadedImage:
        if self.image is None:
            raise InputError(NO_IMAGE)
        return self.image

    def _ready(self) -> AnnotationSession:
        """The session of the open image.

        Raises:
            InputError: there is none, or another image is being opened.
        """
        if self._session is None:
            raise InputError(NO_IMAGE)
        if self.opening:
            raise InputError("another image is being opened: wait until it is there.")
        return self._session

    def _built(self, settings: Settings) -> Predictor:
        return build_predictor(self._predictor.model, self._predictor.device, settings)

    def _write(self, path: str | Path, begin: Begin) -> None:
        """Queue the writing of a file, after all earlier actions."""

        def end(warning: str | None) -> None:
            self.notice = f"saved {path}"
            if warning:
                self.warnings.append(warning)

        self._jobs.add(Job(f"saving {Path(path).name}", begin, end, lasting=True))

    def _dropped(self, job: Job) -> None:
        if isinstance(job.token, Request) and self._session is not None:
            self._session.dropped(job.token)
