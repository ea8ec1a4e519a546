"""The window of the interactive program: shows the controller's state and passes the user's input to it."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from pathlib import Path
from tkinter import messagebox, ttk
from types import TracebackType

from isegm.demo.canvas import ImageCanvas
from isegm.demo.controller import Controller
from isegm.demo.controls import ClickButtons, Controls
from isegm.demo.dialogs import CLASSES, FileDialogs
from isegm.demo.document import Document
from isegm.demo.file_commands import FileCommands
from isegm.demo.hints import ABOUT, describe_image, next_step
from isegm.demo.image_list import ImageList
from isegm.demo.keyboard import bind_editing_keys, shortcut
from isegm.demo.network_menu import NetworkMenu
from isegm.demo.object_list import ObjectList
from isegm.demo.scene import Scene, scene_of
from isegm.demo.toolbar import ToolBar, ToolChoice
from isegm.demo.widgets import StatusLine
from isegm.utils.errors import InputError, tells_full_memory
from isegm.utils.log import logger
from isegm.utils.lookup import WEIGHTS_FOLDER
from isegm.utils.signals import WORDS, Stopped, StopRequest, noted_signals

TITLE = "isegm: interactive segmentation"
UNSAVED = "This image is not autosaved, and what is not saved will be lost.\n\nGo on?"
CLOSING = "closing when all is saved"
SMALLEST_WINDOW = (960, 480)  # as published
USUAL_WINDOW = (1280, 860)
POLL_MS = 5
SIGNAL_MS = 100
TIDY_MS = 200  # delay after which the image before is no longer on the screen


class Program:
    """The program in its window.

    Args:
        root: an empty window.
        controller: with or without an image.
        weights: folder of the networks to choose from.
    """

    def __init__(self, root: tk.Tk, controller: Controller, weights: str | Path = WEIGHTS_FOLDER) -> None:
        self.root = root
        self.controller = controller
        self.files = FileDialogs(root, controller)
        self.commands = FileCommands(
            root, controller, self.files, self.open, self.act, lambda: self.objects.apply_texts()
        )
        self.scene = Scene()
        self._hidden: Document | None = None  # the document whose masks the user hides
        self._shown: tuple = ()  # the state that the image shows
        self.watching = False
        self._closing = False  # waiting until all files are saved
        self._stopped = False  # by a signal
        root.title(TITLE)
        root.report_callback_exception = self._report
        root.protocol("WM_DELETE_WINDOW", self.exit)
        self.status = StatusLine(root)
        self.network = NetworkMenu(self.status, controller, self.files, weights, self.act)
        self.network.pack(side=tk.RIGHT, padx=2, pady=1, before=self.status.right)
        self.status.pack(side=tk.BOTTOM, fill=tk.X)
        self.bar = self._add_bar()
        self.save_menu = self.bar.save_menu
        self.clicks, self.objects, self.images, self.controls = self._add_side()
        self.buttons = self.bar.buttons | self.clicks.buttons | self.objects.buttons
        self.image = self._add_image()
        self._bind_keys()
        self._center()
        self.redraw()

    def open(self, path: str | Path) -> None:
        """Show an image file, or the first image of a folder."""
        self.objects.apply_texts()
        if self._may_leave():
            self.act(lambda: self.controller.open(path))

    def exit(self) -> None:
        """Close the window after the last file is saved; waiting clicks are kept for when the image is opened again."""
        self.objects.apply_texts()
        if self._closing or not self._may_leave():
            return
        if self.controller.saving:
            self._closing = True
            self.act(lambda: None)
        else:
            self._leave()

    def run(self) -> None:
        """Show the window until it is closed, by the user, by Ctrl+C in the terminal or by SIGTERM.

        A signal asks no question: files that are being saved are finished, and the image stays as autosaved.

        Raises:
            Stopped: a signal has closed it.
            InputError: a file could not be saved before the end.
        """
        with noted_signals() as request:
            self._await(request)
            self.root.mainloop()
            if request.number:
                self.controller.close()
                raise Stopped(request.number, WORDS[request.number])

    def _await(self, request: StopRequest) -> None:
        """Look for a signal now and then, as a window that waits for events does not see it."""
        if not request.number:
            self.root.after(SIGNAL_MS, self._await, request)
            return
        self._stopped = True
        try:
            self.objects.apply_texts()
        except InputError as error:
            logger.error("%s", error)
        finally:
            self._destroy()

    def act(self, action: Callable[[], None]) -> None:
        """Carry out an action, redraw, and start watching for its result."""
        try:
            action()
        finally:
            self.redraw()
            if self.controller.busy and not self.watching:
                self.watching = True
                self.root.after(POLL_MS, self._watch)

    def redraw(self) -> None:
        """Update the window to the controller's state."""
        controller = self.controller
        if not self.hidden:
            self._hidden = None  # the same objects may come back by redo
        self.bar.refresh()
        self.clicks.refresh()
        self.controls.refresh()
        self.objects.refresh()
        self.images.refresh()
        busy = CLOSING if self._closing else controller.busy
        self.status.show(busy, controller.notice, describe_image(controller))
        self.network.refresh()
        self.hint["text"] = next_step(controller, self.hidden)
        self.image.busy(bool(controller.busy))
        self._draw()

    # The window

    def _add_bar(self) -> ToolBar:
        commands = {
            "Load image": self.commands.load_image,
            "Load folder": self.commands.load_folder,
            "Previous": lambda: self._walk(-1),
            "Next": lambda: self._walk(1),
            "Save mask": lambda: self.commands.save("mask"),
            "Load mask": self.commands.load_mask,
            "Load objects": self.commands.load_objects,
            "About": self._about,
            "Exit": self.exit,
        }
        bar = ToolBar(self.root, self.controller, commands, self.commands.save, self.commands.save_folder)
        bar.pack(side=tk.TOP, fill=tk.X, padx=5, pady=3)
        return bar

    def _add_image(self) -> ImageCanvas:
        frame = tk.LabelFrame(self.root, text="Image")
        line = tk.Frame(frame)
        line.pack(side=tk.BOTTOM, fill=tk.X, padx=5)
        self.tools = ToolChoice(line, self._choose)
        self.tools.pack(side=tk.RIGHT)
        self.hint = tk.Label(line, anchor=tk.W)
        self.hint.pack(side=tk.LEFT, fill=tk.X)
        image = ImageCanvas(frame, self._click, self._draw_prompt)
        image.pack(fill=tk.BOTH, expand=True, padx=5, pady=5)
        frame.pack(side=tk.LEFT, fill=tk.BOTH, expand=True, padx=5, pady=3)
        return image

    def _add_side(self) -> tuple[ClickButtons, ObjectList, ImageList, Controls]:
        """The right side: buttons, and below them the pages of objects, images and options."""
        side = tk.Frame(self.root)
        side.pack(side=tk.RIGHT, fill=tk.Y, padx=5, pady=3)
        actions = {"finish": self._finish, "undo": self._undo, "redo": self._redo, "reset": self._reset}
        clicks = ClickButtons(side, self.controller, actions)
        clicks.pack(side=tk.TOP, fill=tk.X)
        pages = self.pages = ttk.Notebook(side)
        objects = ObjectList(
            pages,
            self.controller,
            self.act,
            leave=lambda: self.image.canvas.focus_set(),
            ask_classes=lambda: self.files.open("Choose a list of classes", CLASSES),
        )
        images = ImageList(pages, self.controller, self.open)
        controls = Controls(pages, self.controller, lambda: self.act(lambda: None))
        for label, page in (("Objects", objects), ("Images", images), ("Options", controls)):
            pages.add(page, text=label)
        pages.pack(side=tk.TOP, fill=tk.BOTH, expand=True, pady=5)
        return clicks, objects, images, controls

    def _bind_keys(self) -> None:
        for kind in ("Button", "Checkbutton"):
            self.root.unbind_class(kind, "<space>")  # it finishes the object, whichever widget has the focus
        bind_editing_keys(self.root)
        self._keys: dict[str, Callable[[], None]] = {
            "space": self._finish,
            "a": self._partially_finish,
            "h": self._hide,
            "b": lambda: self._toggle("box"),
            "l": lambda: self._toggle("lasso"),
            "p": lambda: self._toggle("scribble"),
            "Escape": lambda: self._choose("click"),
            "Ctrl+z": self._undo,
            "Ctrl+y": self._redo,
            "Ctrl+Shift+z": self._redo,
            "Prior": lambda: self._walk(-1),
            "Next": lambda: self._walk(1),
            "Ctrl+o": self.commands.load_image,
            "Ctrl+s": lambda: self.commands.save("mask"),
        }
        self.root.bind("<Key>", self._key)
        self.image.canvas.bind("<Key>", self._key_on_image)
        self.root.bind_all("<Button-1>", _focus, add="+")

    def _key(self, event: tk.Event) -> None:
        """Carry out the action of a key, unless the widget with the focus uses the key itself."""
        action = self._keys.get(shortcut(event))
        writing = isinstance(event.widget, tk.Entry)  # a combobox is one, too
        scrolling = isinstance(event.widget, ttk.Treeview) and event.keysym in ("Prior", "Next")
        if action is not None and not writing and not scrolling:
            action()

    def _key_on_image(self, event: tk.Event) -> None:
        """Move the image, except by a key that finishes the object in progress partially."""
        if shortcut(event) != "a" or not self.controller.in_progress:
            self.image.scroll_by_key(event)

    def _center(self) -> None:
        """Centre the window on the screen, with a minimum size for its contents."""
        self.root.update_idletasks()
        screen = (self.root.winfo_screenwidth(), self.root.winfo_screenheight())
        needed = (self.root.winfo_reqwidth(), self.root.winfo_reqheight())
        smallest = [max(pair) for pair in zip(SMALLEST_WINDOW, needed, strict=True)]
        self.root.minsize(*smallest)
        width, height = (
            max(least, min(usual, round(0.9 * side)))
            for least, usual, side in zip(smallest, USUAL_WINDOW, screen, strict=True)
        )
        x, y = (screen[0] - width) // 2, (screen[1] - height) // 2
        self.root.geometry(f"{width}x{height}+{max(x, 0)}+{max(y, 0)}")

    def _draw(self) -> None:
        """Draw the image if its state has changed."""
        controller = self.controller
        image, document, settings = controller.image, controller.document, controller.settings
        now = (image, document, settings, controller.waiting, self.objects.selected, self.hidden)
        if image is None or now == self._shown:
            return
        self.scene = scene_of(document, settings, controller.waiting, self.objects.selected, self.hidden)
        another = not self._shown or image is not self._shown[0]
        self.image.show(image.pyramid, self.scene, fit=another)
        self._shown = now
        if another:
            self.root.after(TIDY_MS, self.controller.tidy)

    @property
    def hidden(self) -> bool:
        """Whether the masks are hidden, until the key is pressed again or the objects change."""
        return self._hidden is not None and self._hidden is self.controller.document

    def _hide(self) -> None:
        self._hidden = None if self.hidden else self.controller.document
        self.redraw()

    # User input

    def _click(self, x: int, y: int, is_positive: bool) -> None:
        self.controls.read_entries()
        self.objects.apply_texts()
        if not self.controller.opening:
            self.act(lambda: self.controller.click(x, y, is_positive))

    def _choose(self, tool: str) -> None:
        """Choose what the mouse draws."""
        self.tools.chosen.set(tool)
        self.image.choose(tool)
        self.redraw()

    def _toggle(self, tool: str) -> None:
        """Choose a tool, or clicks where it is chosen already."""
        self._choose("click" if self.image.tool == tool else tool)

    def _draw_prompt(self, tool: str, points: list[tuple[int, int]], is_positive: bool) -> None:
        """Take what was drawn; after a box or lasso the next press of the left button clicks again."""
        self.controls.read_entries()
        self.objects.apply_texts()
        if tool != "scribble":
            self._choose("click")
        if self.controller.opening or self.controller.image is None:
            return
        if tool == "box":
            (x0, y0), (x1, y1) = points[0], points[-1]
            self.act(lambda: self.controller.draw_box(x0, y0, x1, y1))
        elif tool == "scribble":
            self.act(lambda: self.controller.draw_scribble(points, is_positive))
        else:
            self.act(lambda: self.controller.draw_lasso(points))

    def _finish(self) -> None:
        self.objects.apply_texts()
        self.act(self.controller.finish)

    def _partially_finish(self) -> None:
        self.act(self.controller.partially_finish)

    def _undo(self) -> None:
        self.act(self.controller.undo)

    def _redo(self) -> None:
        self.act(self.controller.redo)

    def _reset(self) -> None:
        self.act(self.controller.reset)

    def _walk(self, step: int) -> None:
        self.objects.apply_texts()
        if self.controller.folder is not None and self._may_leave():
            self.act(lambda: self.controller.walk(step))

    def _about(self) -> None:
        messagebox.showinfo("About", ABOUT, parent=self.root)

    def _may_leave(self) -> bool:
        """Whether nothing would be lost, or the user agrees."""
        controller = self.controller
        nothing = not controller.document.objects and not controller.in_progress
        return controller.autosaves or nothing or messagebox.askokcancel("Not saved", UNSAVED, parent=self.root)

    # Results and errors

    def _leave(self) -> None:
        self._destroy()
        self.controller.close()  # after the window, whose objects the worker thread must not free

    def _destroy(self) -> None:
        for timer in self.root.tk.splitlist(self.root.tk.call("after", "info")):
            self.root.tk.call("after", "cancel", timer)
        self.root.destroy()

    def _watch(self) -> None:
        """Poll the controller until no job is left."""
        done, closing, self._closing = False, self._closing, False
        try:
            done = self.controller.poll()
            self._closing = closing  # stay open if something failed, as files may not be saved
        finally:
            self.watching = bool(self.controller.busy)
            if self.watching:
                self.root.after(POLL_MS, self._watch)
            if done or not self.watching:
                self.redraw()
        while self.controller.warnings:
            self._warn(self.controller.warnings.pop(0))
        if self._closing and not self.controller.saving:
            self._leave()

    def _report(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Show an error in one sentence."""
        if self._stopped:  # an open dialog ends with an error when its window is destroyed
            return
        if isinstance(error, InputError):
            sentence = str(error)
        elif tells_full_memory(error):
            sentence = "memory is full: start the program with a smaller --limit-longest-size, or with --cpu."
        else:
            logger.error("unexpected error", exc_info=(kind, error, trace))
            sentence = f"unexpected error ({kind.__name__}: {error}): the terminal shows where; the objects are kept."
        self._warn(sentence)

    def _warn(self, sentence: str) -> None:
        first = sentence.split(" ", 1)[0]
        if Path(first).name == first and "." not in first:  # a path is shown as it is written
            sentence = sentence[0].upper() + sentence[1:]
        messagebox.showwarning("Warning", sentence, parent=self.root)


def _focus(event: tk.Event) -> None:
    """Focus the clicked widget, so that an entry with new text is read."""
    if isinstance(event.widget, tk.Widget) and not isinstance(event.widget, tk.Menu):
        event.widget.focus_set()
