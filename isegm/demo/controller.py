"""The interactive program without its window: images, clicks, objects, undo, settings, files.

Every call returns immediately. Slow work (reading images, the network, writing files) is queued and runs in a thread of
its own; ``poll`` applies finished results. Results that are no longer wanted are discarded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from isegm.annotations import Annotations
from isegm.annotations.classes import read_classes
from isegm.clicks import clicks_from_xy
from isegm.demo.actions import Action
from isegm.demo.annotation_session import AnnotationSession
from isegm.demo.controller_state import NO_IMAGE, ControllerState
from isegm.demo.document import KEEP, Color
from isegm.demo.image_folder import Folder
from isegm.demo.image_loading import OpenedImage, open_image
from isegm.demo.inference_state import build_predictor
from isegm.demo.jobs import Job
from isegm.demo.saving import Begin, saving, saving_folder
from isegm.demo.settings import Settings, unavailable
from isegm.inference.predictor import Predictor
from isegm.model.checkpoint import load_model
from isegm.model.click_model import ClickModel
from isegm.prompts import Prompt, prompts_from_xy
from isegm.utils.errors import InputError

POLL_SECONDS = 0.002


class Controller(ControllerState):
    """Annotates images, one at a time. Its arguments and attributes are those of ``ControllerState``."""

    # Images

    def open(self, path: str | Path) -> None:
        """Open an image file with its autosaved work, or the first image of a folder; ``poll`` raises the errors.

        An image that cannot be opened leaves the present one as it is, and ``walk`` goes on from where it is.
        """
        path = Path(path)
        if path.is_dir():
            folder = Folder.of(path)
            self._go_to(folder.present, folder)
        else:
            self._go_to(path, None)

    def walk(self, step: int) -> None:
        """Open the image ``step`` positions further in the folder, if there is one.

        Steps count from the image that is being opened, if one is, or from one that could not be opened; they pass over
        the one that is open.
        """
        here = self._bound_for or self.folder
        if here is None:
            return
        reached = here.present if self.opening or self.image is None else self.image.path
        there = here.moved(step)
        if there.present == reached:
            there = there.moved(step)
        if there.present != reached:
            self._go_to(there.present, there)

    def _go_to(self, path: Path, folder: Folder | None) -> None:
        """Open an image; ``folder`` is its place, if that is known."""
        self.tidy()
        self._bound_for = folder

        def begin() -> Callable[[], OpenedImage]:
            journal = None if self._session is None else self._session.journal
            return partial(open_image, path, self._predictor, self.autosave, journal)

        def failed() -> None:
            self._bound_for = folder
            if self.image is None:
                self.folder = folder or self.folder

        self._jobs.add(Job(f"opening {path.name}", begin, self._opened, token=OpenedImage, failed=failed))

    def tidy(self) -> None:
        """Free the memory of images that were left, once the window no longer shows them."""
        left, self._left = self._left, []
        if left:
            self._jobs.release(left)

    def _opened(self, opened: OpenedImage) -> None:
        if not self.opening:
            self._bound_for = None
        if self._session is not None:
            self._session.close()
            self._left.append(self._session)
        if opened.kept is not None and opened.kept.threshold is not None:
            self.settings = replace(self.settings, threshold=opened.kept.threshold)
            self._predictor = self._built(self.settings)
        self._session = AnnotationSession(opened, self._jobs, self._predictor, self.settings.threshold, self._say)
        self.folder, self.notice = opened.folder, opened.notice
        self._say("", opened.warning)
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

    def draw_box(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw a box around the object in progress, or begin one with it.

        Args:
            x0, y0, x1, y1: two opposite corners in pixels of the image, of any order; the box covers both pixels.

        Raises:
            InputError: there is no image, or a corner lies outside it.
        """
        (left, right), (top, bottom) = sorted((x0, x1)), sorted((y0, y1))
        self._draw_prompt(prompts_from_xy(self._present().size, box=(left, top, right + 1, bottom + 1)))

    def draw_lasso(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw a rough outline of the object in progress, or begin one with it.

        Args:
            points: its corners (x, y) in pixels of the image.

        Raises:
            InputError: there is no image, or the outline lies outside it or has no area.
        """
        self._draw_prompt(prompts_from_xy(self._present().size, polygon=list(points)))

    def draw_scribble(self, points: Sequence[tuple[float, float]], is_positive: bool) -> None:
        """Draw a line on the object in progress or on the background, or begin an object with it.

        Args:
            points: of the line, (x, y) in pixels of the image.
            is_positive: whether it lies on the object.

        Raises:
            InputError: there is no image, or the line lies outside it or has no length.
        """
        self._draw_prompt(prompts_from_xy(self._present().size, scribbles=[(list(points), int(is_positive))]))

    def _draw_prompt(self, prompts: Sequence[Prompt]) -> None:
        for prompt in prompts:
            self._ready().ask(Action.of_prompt(prompt))

    def load_mask(self, path: str | Path) -> None:
        """Start an object from the pixels of an image file above 127; an object in progress is dropped."""
        self._ready().ask(Action("mask", {"path": str(path)}))

    def partially_finish(self) -> None:
        """Keep the probabilities so far and go on without the clicks: later predictions can only add to the object."""
        if self.in_progress:
            self._ready().ask(Action(KEEP))

    def finish(self) -> None:
        """Finish the object in progress, if there is one; it covers all others from now on."""
        if self.in_progress:
            values = {"category": self.category, "protected": self.protect, "on_top": True}
            self._ready().ask(Action("finish", values))

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

        Raises:
            InputError: the object is part of a file that is being saved; so too for ``undo`` and ``redo``.
        """
        self._require_none_awaits()
        if self._session is not None:
            self._ready().reset()
        self.change(replace(self.settings, threshold=Settings.threshold, alpha=Settings.alpha))

    def undo(self) -> None:
        """Undo the last action of any kind, without waiting for the prediction of a click."""
        self._require_none_awaits()
        if self.can_undo:
            self._ready().undo()

    def redo(self) -> None:
        """Redo the last action that was undone, if any."""
        self._require_none_awaits()
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
        """Write the objects as they are now, or, while clicks wait, as they are after these.

        Args:
            path: of the file.
            kind: a key of ``FORMATS``.
            with_draft: include the object in progress as if it were finished.

        Raises:
            InputError: there is no image, or another one is being opened.
        """
        self._write(path, saving(path, kind, self._ready(), self.classes, with_draft))

    def save_folder(self, path: str | Path, kind: str, with_draft: bool = False) -> None:
        """Write the finished objects of all images in the folder into one file, or as the masks of a data set.

        Where an image has no objects any more, a mask or label file that it has there becomes empty.

        Args:
            path: of the file; for masks the folder of the data set.
            kind: a key of ``FORMATS`` with ``write_all``.
            with_draft: as if the object in progress of the image that is open were finished.

        Raises:
            InputError: there is no image, or another one is being opened.
        """
        session, folder = self._ready(), self.folder
        if folder is None:
            raise InputError(NO_IMAGE)
        self._write(path, saving_folder(path, kind, session, folder, self.autosave, self.classes, with_draft))

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

    def use_network(self, checkpoint: str | Path) -> None:
        """Load another network for what is clicked from now on; ``poll`` raises the errors.

        Threshold and drawing stay as they are, the other options are those of the network. An earlier object that is
        opened again goes on from its mask.

        Raises:
            InputError: an object is in progress.
        """
        if self.in_progress:
            raise InputError("the network cannot change within an object: finish or reset it first.")
        path, device = Path(checkpoint), self._predictor.device
        begin = partial(partial, load_model, path, device)
        self._jobs.add(Job(f"loading {path.name}", begin, partial(self._use, path.stem)))

    def _use(self, name: str, model: ClickModel) -> None:
        old = self.settings
        settings = replace(
            Settings.for_model(model, old.max_size),
            threshold=old.threshold,
            alpha=old.alpha,
            click_radius=old.click_radius,
        )
        self._predictor = build_predictor(model, self._predictor.device, settings)
        self.settings, self.unavailable, self.network = settings, unavailable(model), name
        if self._session is not None:
            self._session.use_network(self._predictor)
        self._say(f"the network is {name} from now on")

    def load_classes(self, path: str | Path) -> None:
        """Read the classes to choose from, see ``read_classes``; new objects get the first one.

        Raises:
            InputError: the file cannot be read, or lists no classes.
        """
        self.classes = read_classes(path)
        self.category = self.classes[0]
        count = len(self.classes)
        self._say(f"{count} class{'' if count == 1 else 'es'} from {path}")

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

    def _require_none_awaits(self) -> None:
        """Refuse to go back while a file awaits what is not yet done.

        Raises:
            InputError: one does.
        """
        if any(job.token is Annotations for job in self._jobs.unfinished):
            raise InputError(
                "a file is being saved with what is not yet done: undo, redo or reset the clicks when it is written."
            )

    def _write(self, path: str | Path, begin: Begin) -> None:
        """Queue the writing of a file, after all earlier actions."""
        settled = self._ready().settled

        def end(said: tuple[str, str]) -> None:
            self._say(*said)

        token = None if settled else Annotations  # which are not yet there
        self._jobs.add(Job(f"saving {Path(path).name}", begin, end, token=token, lasting=True))
