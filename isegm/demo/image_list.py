"""The list of the folder's images, with marks of those that are done."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from pathlib import Path

from isegm.demo.controller import Controller
from isegm.demo.progress import FolderProgress, Progress
from isegm.demo.widgets import table

DONE, UNFINISHED, UNTOUCHED = "✓", "…", ""
REFRESH_MS = 200


class ImageList(tk.Frame):
    """The images of the folder: done, in progress or untouched, with their numbers of objects.

    Args:
        master: the widget around it.
        controller: the controller of the images.
        open_image: called with the image that the user selects.
    """

    def __init__(self, master: tk.Misc, controller: Controller, open_image: Callable[[Path], None]) -> None:
        super().__init__(master)
        self._controller = controller
        self._open_image = open_image
        self._progress = FolderProgress()
        self._images: tuple[Path, ...] = ()
        self._marks: list[Progress] = []  # that the rows show
        self._done = 0  # number of images that are done
        self._timer: str | None = None
        self.summary = tk.Label(self, anchor=tk.W)
        self.summary.pack(side=tk.BOTTOM, fill=tk.X, padx=5, pady=3)
        columns = (("#0", "Done", 60), ("name", "Image", 190), ("objects", "Objects", 70))
        self.table = table(self, columns, ("name",), self._choose)
        self.table.column("#0", anchor=tk.CENTER)
        self.table.column("objects", anchor=tk.E)

    def refresh(self) -> None:
        """Update the list to the controller's state."""
        controller, folder = self._controller, self._controller.folder
        if folder is None:
            return
        if folder.images != self._images:
            self._fill(folder.images)
        if controller.image is not None:
            present = folder.index
            self._mark(present, Progress.of(controller.document, controller.in_progress))
            if not controller.opening and self.table.selection() != (str(present),):
                self.table.selection_set(str(present))
                self.table.see(str(present))
        self._summarise()

    def destroy(self) -> None:
        """Destroy the widget and end the thread that reads."""
        if self._timer is not None:
            self.after_cancel(self._timer)
        self._progress.close()
        super().destroy()

    def _fill(self, images: tuple[Path, ...]) -> None:
        self._images = images
        self._marks, self._done = [Progress()] * len(images), 0
        self.table.delete(*self.table.get_children())
        for index, path in enumerate(images):
            self.table.insert("", tk.END, str(index), values=(path.name, ""))
        self._progress.look(images, self._controller.autosave)
        self._watch()

    def _watch(self) -> None:
        """Show what has been found out, until all has."""
        complete = self._progress.complete
        present = None if self._controller.folder is None else self._controller.folder.index
        for index, path in enumerate(self._images):
            if index != present and path in self._progress.found:
                self._mark(index, self._progress.found[path])
        self._summarise()
        self._timer = None if complete else self.after(REFRESH_MS, self._watch)

    def _mark(self, index: int, progress: Progress) -> None:
        before = self._marks[index]
        self._progress.found[self._images[index]] = progress
        if progress != before:
            self._marks[index] = progress
            self._done += progress.done - before.done
            mark = DONE if progress.done else UNFINISHED if progress.unfinished else UNTOUCHED
            self.table.item(str(index), text=mark, values=(self._images[index].name, progress.objects or ""))

    def _summarise(self) -> None:
        text = f"{self._done} of {len(self._images)} images done" if self._images else ""
        if self.summary["text"] != text:
            self.summary["text"] = text

    def _choose(self) -> None:
        """Open the image of the row that the user selects."""
        folder, chosen = self._controller.folder, self.table.selection()
        if folder is not None and chosen and int(chosen[0]) != folder.index:
            self._open_image(self._images[int(chosen[0])])
            self.refresh()  # the user may have decided to stay
