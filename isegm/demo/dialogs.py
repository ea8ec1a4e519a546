"""Dialogs that ask for files, beginning in the folder of the open image."""

from __future__ import annotations

import tkinter as tk
from pathlib import Path
from tkinter import filedialog, messagebox

from isegm.annotations.formats import FORMATS
from isegm.annotations.label_images import MASKS as MASKS_FOLDER
from isegm.demo.controller import Controller
from isegm.demo.image_folder import ENDINGS, saved_name

FileTypes = list[tuple[str, str | list[str]]]  # as Tk's file dialogs take them
IMAGES: FileTypes = [("Images", [each for ending in ENDINGS for each in (f"*{ending}", f"*{ending.upper()}")])]
MASKS: FileTypes = [("Masks", "*.png *.bmp *.PNG *.BMP")]
ANNOTATIONS: FileTypes = [("Annotations", "*.old *.jsonl *.json *.png *.txt *.yaml *.JSON *.PNG *.TXT")]
CLASSES: FileTypes = [("Classes", "*.txt *.yaml *.yml *.json")]
CHECKPOINTS: FileTypes = [("Checkpoints", "*.pth")]
ANYTHING: FileTypes = [("All files", "*")]


class FileDialogs:
    """Asks the user for files. Every method returns a path, "" for none.

    Args:
        root: the window.
        controller: its image's folder is where dialogs begin.
    """

    def __init__(self, root: tk.Tk, controller: Controller) -> None:
        self._root = root
        self._controller = controller

    def open(self, title: str, kinds: FileTypes) -> str:
        """Ask for a file to read."""
        return filedialog.askopenfilename(
            parent=self._root, title=title, filetypes=kinds + ANYTHING, initialdir=self._beside()
        )

    def folder(self, title: str) -> str:
        """Ask for a folder."""
        return filedialog.askdirectory(parent=self._root, title=title, initialdir=self._beside())

    def save(self, kind: str, stem: str, ending: str) -> str:
        """Ask for a file to write.

        Args:
            kind: a key of ``FORMATS``.
            stem: stem of the image's name, or the folder's name.
            ending: of the file, with the dot; "" for the folder of a data set.
        """
        label = FORMATS[kind].label
        if not ending:
            return self._data_set(label)
        return filedialog.asksaveasfilename(
            parent=self._root,
            title=f"Save: {label}",
            initialdir=self._data_set_folder(),
            initialfile=saved_name(stem, kind, ending),
            defaultextension=ending,
            filetypes=[(label, f"*{ending}")],
        )

    def _data_set(self, label: str) -> str:
        """Ask for the folder of a data set, and whether masks that it has may be replaced."""
        title = f"Save: {label}, into {MASKS_FOLDER} of the folder"
        chosen = filedialog.askdirectory(parent=self._root, title=title, initialdir=self._data_set_folder())
        masks = Path(chosen) / MASKS_FOLDER
        if chosen and masks.is_dir() and any(masks.iterdir()):
            question = f"{masks} holds files. Those of the same names are replaced, whatever their endings."
            return chosen if messagebox.askokcancel("Masks are there", question, parent=self._root) else ""
        return chosen

    def _data_set_folder(self) -> str | None:
        """Initial folder: that of the image; or the one above ``images``, in which a mask would count as an image."""
        beside = self._beside()
        return str(Path(beside).parent) if beside is not None and Path(beside).name == "images" else beside

    def _beside(self) -> str | None:
        """Initial folder: that of the image; None for Tk's default."""
        image = self._controller.image
        return None if image is None else str(image.path.parent.absolute())
