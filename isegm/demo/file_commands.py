"""The window's commands that ask for files: loading images, masks and objects, and saving."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from tkinter import messagebox

from isegm.annotations.formats import FORMATS
from isegm.demo.controller import Controller
from isegm.demo.dialogs import ANNOTATIONS, IMAGES, MASKS, FileDialogs

UNFINISHED = "The object in progress is not finished.\n\nSave it as it is, too? (No: leave it out.)"


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

    def __init__(
        self,
        root: tk.Misc,
        controller: Controller,
        dialogs: FileDialogs,
        open_image: Callable[[str], None],
        act: Callable[[Callable[[], None]], None],
        apply_texts: Callable[[], None],
    ) -> None:
        self._root = root
        self._controller = controller
        self._dialogs = dialogs
        self._open_image = open_image
        self._act = act
        self._apply_texts = apply_texts

    def load_image(self) -> None:
        if path := self._dialogs.open("Choose an image", IMAGES):
            self._open_image(path)

    def load_folder(self) -> None:
        if path := self._dialogs.folder("Choose a folder of images"):
            self._open_image(path)

    def load_mask(self) -> None:
        if path := self._dialogs.open("Choose a mask", MASKS):
            self._act(lambda: self._controller.load_mask(path))

    def load_objects(self) -> None:
        if path := self._dialogs.open("Choose annotations", ANNOTATIONS):
            self._act(lambda: self._controller.load_annotations(path))

    def save(self, kind: str) -> None:
        """Save the objects of the image; ``kind`` is a key of ``FORMATS``, as for ``save_folder``."""
        self._save(kind, FORMATS[kind].ending, lambda image: image.stem, self._controller.save)

    def save_folder(self, kind: str) -> None:
        """Save the objects of all images of the folder."""
        self._save(kind, FORMATS[kind].ending_all, lambda image: image.parent.name, self._controller.save_folder)

    def _save(
        self, kind: str, ending: str, stem: Callable[[Path], str], save: Callable[[str, str, bool], None]
    ) -> None:
        """Ask about the object in progress and for the file, and save; without an image do nothing."""
        self._apply_texts()
        image = self._controller.image
        if image is None or self._controller.opening:
            return
        with_draft: bool | None = False
        if self._controller.in_progress:
            with_draft = messagebox.askyesnocancel("Unfinished object", UNFINISHED, parent=self._root)
        if with_draft is not None and (path := self._dialogs.save(kind, stem(image.path), ending)):
            self._act(lambda: save(path, kind, with_draft))
