"""What the window may ask the controller of the interactive program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from isegm.annotations import Annotations
from isegm.annotations.objects import CATEGORY
from isegm.clicks import Click
from isegm.demo.actions import MOVES
from isegm.demo.annotation_session import AnnotationSession, Request
from isegm.demo.document import Document, Draft
from isegm.demo.image_folder import Folder
from isegm.demo.image_loading import LoadedImage, OpenedImage
from isegm.demo.inference_state import build_predictor
from isegm.demo.jobs import Job, Jobs
from isegm.demo.settings import Settings, unavailable
from isegm.model.click_model import ClickModel
from isegm.prompts import Prompt
from isegm.utils.errors import InputError

NO_IMAGE = "there is no image yet: load one first."
NOTHING = Document((0, 0))  # before an image is open


class ControllerState:
    """The state of a ``Controller``, which see.

    Args:
        model: the network; it is moved to ``device``.
        device: device of the network; None to leave it where it is.
        settings: None for ``Settings.for_model``.
        autosave: folder to which every action is written immediately, see ``isegm.demo.journal``; None for no autosave.
        background: run slow work in a thread of its own; else calls return when it is done.
        network: name of the network, for the user.
        classes: classes to choose from; new objects get the first one.

    Attributes:
        settings: the present settings; ``change`` replaces them.
        unavailable: for each option that does not work with this network, the reason.
        folder: the images in the folder of the open image, before one is open in that of one that could not be opened;
            None for neither.
        autosave: as given.
        network: name of the present network.
        category: class of new objects.
        classes: classes to choose from, in the order of their numbers in files; others are allowed, too.
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
        network: str = "",
        classes: Sequence[str] = (),
    ) -> None:
        self.settings = Settings.for_model(model) if settings is None else settings
        self.unavailable = unavailable(model)
        self.folder: Folder | None = None
        self.classes = tuple(classes)
        self.category = self.classes[0] if classes else CATEGORY
        self.network = network
        self.protect = False
        self.notice = ""
        self.warnings: list[str] = []
        self.autosave = autosave
        self._session: AnnotationSession | None = None
        self._bound_for: Folder | None = None  # the place that is being opened or could not be, if it is known
        self._left: list[AnnotationSession] = []  # whose memory is not yet free
        self._predictor = build_predictor(model, device, self.settings)
        self._jobs = Jobs(background, self._dropped)

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
    def waiting(self) -> tuple[Click | Prompt, ...]:
        """Clicks and other prompts on which the network has not run yet."""
        actions = [] if self._session is None else self._session.waiting
        moves = [action.move for action in actions if action.kind in MOVES]
        return tuple(move for move in moves if not isinstance(move, str))

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

    @property
    def _waits(self) -> bool:
        return self._session is not None and bool(self._session.waiting)

    def _present(self) -> LoadedImage:
        if self.image is None:
            raise InputError(NO_IMAGE)
        return self.image

    def _say(self, notice: str, warning: str = "") -> None:
        """Keep sentences for the user; "" for none."""
        self.notice = notice or self.notice
        self.warnings += [warning] if warning else []

    def _dropped(self, job: Job) -> None:
        if job.token is OpenedImage:
            self._bound_for = None
        if isinstance(job.token, Request) and self._session is not None:
            self._session.dropped(job.token)
