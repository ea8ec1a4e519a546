"""The bar above the image: loading, walking and saving."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from functools import partial

from isegm.annotations.formats import FORMATS
from isegm.demo.controller import Controller
from isegm.demo.widgets import Hint, enable

BUTTONS = (
    ("Load image", "Ctrl+O"),
    ("Load folder", "To walk through its images"),
    ("Previous", "Page up: the image before this one in its folder"),
    ("Next", "Page down: the next image of the folder"),
    ("Save mask", 'Ctrl+S: as grey levels; "Save as" has more'),
    ("Load mask", "To begin an object from it"),
    ("Load objects", "From a file that was saved here, or by other programs"),
    ("About", "Mouse and keys"),
    ("Exit", "All work is kept, and files that are being saved are finished first"),
)
WITH_IMAGE = ("Save mask", "Load mask", "Load objects")
TOOL_HINTS = {
    "click": "Left click: on the object; right click: on the background",
    "box": "B: draw a box around the object with the left button",
    "scribble": "P: draw lines, on the object with the left button, on the background with the right one",
    "lasso": "L: draw around the object with the left button",
}


class ToolBar(tk.Frame):
    """Buttons, and the menu of file formats.

    Args:
        master: the widget around it.
        controller: the controller of the image.
        commands: of the buttons, by label.
        save: saves the objects of the image; called with a key of ``FORMATS``.
        save_folder: likewise, of all images of the folder.
    """

    def __init__(
        self,
        master: tk.Misc,
        controller: Controller,
        commands: dict[str, Callable[[], None]],
        save: Callable[[str], None],
        save_folder: Callable[[str], None],
    ) -> None:
        super().__init__(master)
        self.buttons: dict[str, tk.Button] = {}
        self._controller = controller
        for label, hint in BUTTONS:
            button = self.buttons[label] = tk.Button(self, text=label, command=commands[label])
            button.pack(side=tk.LEFT)
            Hint(button, partial(str, hint))
        self.save_menu = tk.Menubutton(self, text="Save as ...", relief=tk.RAISED)
        self.save_menu.pack(side=tk.LEFT, after=self.buttons["Save mask"], fill=tk.Y)
        Hint(self.save_menu, lambda: "Object numbers, colours, COCO, labelme, YOLO; of this image or of its folder")
        menu = self.save_menu["menu"] = tk.Menu(self.save_menu, tearoff=False)
        for kind, form in FORMATS.items():
            menu.add_command(label=form.label, command=partial(save, kind))
        menu.add_separator()
        for kind, form in FORMATS.items():
            if form.write_all is not None:
                label = f"{form.label}, all images of the folder"
                menu.add_command(label=label, command=partial(save_folder, kind))

    def refresh(self) -> None:
        """Disable what is impossible."""
        controller, folder = self._controller, self._controller.folder
        usable = controller.image is not None and not controller.opening
        enable((self.buttons[label] for label in WITH_IMAGE), usable)
        enable([self.save_menu], usable)
        enable([self.buttons["Previous"]], folder is not None and folder.index > 0)
        enable([self.buttons["Next"]], folder is not None and folder.index + 1 < len(folder.images))


class ToolChoice(tk.Frame):
    """The choice of what the mouse draws.

    Args:
        master: the widget around it.
        choose: called with the tool, a key of ``TOOL_HINTS``.

    Attributes:
        chosen: the tool.
    """

    def __init__(self, master: tk.Misc, choose: Callable[[str], None]) -> None:
        super().__init__(master)
        self.chosen = tk.StringVar(self, "click")
        for name, hint in TOOL_HINTS.items():
            choice = tk.Radiobutton(
                self, text=name.capitalize(), value=name, variable=self.chosen, command=partial(choose, name)
            )
            choice.pack(side=tk.LEFT)
            Hint(choice, partial(str, hint))
