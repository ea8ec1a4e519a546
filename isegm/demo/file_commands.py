"""The window's commands that ask for files: loading images, masks and objects, and saving."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tkinter import messagebox

from isegm.annotations.formats import FORMATS
from isegm.demo.controller import Controller
from isegm.demo.dialogs import ANNOTATIONS, IMAGES, MASKS, FileDialogs

UNFINISHED = "The object in progress is not finished.\n\nSave it as it is, too? (No: leave it out.)"


@dataclass(frozen=True)
class FileCommands:
    """Asks the user for files, and hands them to the controller; without a file nothing happens.

    Args:
        root: the window.
        controller: reads and writes the files.
        dialogs: ask for the files.
        open_image: called with the image or folder that the user chooses.
        act: carries out an action of the controller.
        apply_texts: applies what is half written in the list of objects.
    """

    root: tk.Misc
    controller: Controller
    dialogs: FileDialogs
    open_image: Callable[[str], None]
    act: Callable[[Callable[[], None]], None]
    apply_texts: Callable[[], None]

    def load_image(self) -> None:
        if path := self.dialogs.open("Choose an image", IMAGES):
            self.open_image(path)

    def load_folder(self) -> None:
        if path := self.dialogs.folder("Choose a folder of images"):
            self.open_image(path)

    def load_mask(self) -> None:
        if path := self.dialogs.open("Choose a mask", MASKS):
            self.act(lambda: self.controller.load_mask(path))

    def load_objects(self) -> None:
        if path := self.dialogs.open("Choose annotations", ANNOTATIONS):
            self.act(lambda: self.controller.load_annotations(path))

    def save(self, kind: str) -> None:
        """Save the objects of the image; ``kind`` is a key of ``FORMATS``, as for ``save_folder``."""
        self._save(kind, FORMATS[kind].ending, lambda image: image.stem, self.controller.save)

    def save_folder(self, kind: str) -> None:
        """Save the objects of all images of the folder."""
        self._save(kind, FORMATS[kind].ending_all, lambda image: image.parent.name, self.controller.save_folder)

    def _save(
        self, kind: str, ending: str, stem: Callable[[Path], str], save: Callable[[str, str, bool], None]
    ) -> None:
        """Ask about the object in progress and for the file, and save; without an image do nothing."""
        self.apply_texts()
        image = self.controller.image
        if image is None or self.controller.opening:
            return
        with_draft: bool | None = False
        if self.controller.in_progress:
            with_draft = messagebox.askyesnocancel("Unfinished object", UNFINISHED, parent=self.root)
        if with_draft is not None and (path := self.dialogs.save(kind, stem(image.path), ending)):
            self.act(lambda: save(path, kind, with_draft))
