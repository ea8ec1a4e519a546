"""The window of the interactive program: shows what the controller says and tells it what the user does.

The network runs in one thread beside the window's own. What the user does meanwhile waits in a queue; undo drops what
came last, reset and loading drop all, and an answer to a click that was dropped is not used.
"""

from __future__ import annotations

import tkinter as tk
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tkinter import filedialog, messagebox
from types import TracebackType
from typing import Any

import torch

from isegm.demo.canvas import PictureCanvas
from isegm.demo.controller import Controller, PendingClick
from isegm.demo.settings import BRS_MODES, NO_BRS, NUMERIC
from isegm.utils.errors import InputError
from isegm.utils.log import logger

TITLE = "isegm: interactive segmentation"
ABOUT = """Click-based interactive segmentation.

Left button: a click on the object. Right button: a click on the background; held down it moves the picture.
Wheel: zoom. Space: finish the object. A: keep what is selected and go on without the clicks.
W, A, S, D, arrows: move the picture, A while no object is in progress."""
SMALLEST_WINDOW = (960, 480)
POLL_MS = 10
PICTURES = [("Pictures", "*.jpg *.jpeg *.png *.bmp *.tif *.tiff *.webp *.JPG *.JPEG *.PNG *.BMP"), ("All files", "*")]
MASKS = [("Masks", "*.png *.bmp *.PNG *.BMP"), ("All files", "*")]
SAVED = [("PNG", "*.png"), ("BMP", "*.bmp")]


class Program:
    """The program in its window.

    Args:
        root: an empty window.
        controller: with or without an image.
    """

    def __init__(self, root: tk.Tk, controller: Controller) -> None:
        self.root = root
        self.controller = controller
        self.buttons: dict[str, tk.Button] = {}
        self.checks: dict[str, tuple[tk.Checkbutton, tk.BooleanVar]] = {}
        self.entries: dict[str, tuple[tk.Entry, tk.StringVar]] = {}
        self.sliders: dict[str, tk.Scale] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._running: Future | None = None
        self._shown: tuple = (None,) * 4  # image, labels, steps and settings that the picture shows
        self._pool = ThreadPoolExecutor(max_workers=1)
        root.title(TITLE)
        root.minsize(*SMALLEST_WINDOW)
        root.report_callback_exception = self._report
        root.protocol("WM_DELETE_WINDOW", self.exit)
        self._add_menu()
        self.picture = self._add_picture()
        self._add_controls()
        self._bind_keys()
        self._center()
        self._redraw(fit=True)

    @property
    def busy(self) -> bool:
        """Whether the network is running, or something waits for it."""
        return self._running is not None or bool(self._waiting)

    def exit(self) -> None:
        """Close the window; clicks that wait are dropped."""
        self._drop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.root.destroy()

    # The window

    def _add_menu(self) -> None:
        bar = tk.Frame(self.root)
        bar.pack(side=tk.TOP, fill=tk.X, padx=5, pady=5)
        for label, command in (
            ("Load image", self._load_image),
            ("Save mask", self._save_mask),
            ("Load mask", self._load_mask),
            ("About", self._about),
            ("Exit", self.exit),
        ):
            self._button(bar, label, command).pack(side=tk.LEFT)

    def _add_picture(self) -> PictureCanvas:
        frame = tk.LabelFrame(self.root, text="Image")
        picture = PictureCanvas(frame, self._click)
        picture.pack(fill=tk.BOTH, expand=True, padx=5, pady=5)
        frame.pack(side=tk.LEFT, fill=tk.BOTH, expand=True, padx=5, pady=5)
        return picture

    def _add_controls(self) -> None:
        controls = tk.LabelFrame(self.root, text="Controls")
        controls.pack(side=tk.RIGHT, fill=tk.Y, padx=5, pady=5, before=self.picture.master)
        clicks = self._group(controls, "Clicks management")
        for label, color, command in (
            ("Finish\nobject", "#b6d7a8", self._finish),
            ("Undo\nclick", "#ffe599", self._undo),
            ("Reset\nclicks", "#ea9999", self._reset),
        ):
            button = self._button(clicks, label, command)
            button.configure(background=color, width=10, height=2)
            button.pack(side=tk.LEFT, expand=True, padx=5, pady=3)
        zoom_in = self._group(controls, "ZoomIn options")
        self._check(zoom_in, 0, "zoom_in", "Use ZoomIn")
        self._check(zoom_in, 1, "fixed_crop", "Fixed crop")
        for row, name in enumerate(("skip_clicks", "target_size", "expand_ratio")):
            self._entry(zoom_in, row, name, column=1)
        brs = self._group(controls, "BRS options")
        self.mode = tk.StringVar(self.root)
        self.mode_menu = tk.OptionMenu(brs, self.mode, *BRS_MODES, command=self._change_mode)
        self.mode_menu.configure(width=12)
        self.mode_menu.grid(row=0, column=0, rowspan=2, padx=5)
        for mode in self.controller.unavailable.keys() & set(BRS_MODES):
            self.mode_menu["menu"].entryconfigure(BRS_MODES.index(mode), foreground="gray55")
        self._entry(brs, 0, "network_clicks", column=1)
        self._entry(brs, 1, "lbfgs_iterations", column=1)
        for name, step in (("threshold", 0.01), ("alpha", 0.01), ("click_radius", 1)):
            self._slider(controls, name, step)

    def _button(self, master: tk.Misc, label: str, command: Callable[[], None]) -> tk.Button:
        button = tk.Button(master, text=label, command=command)
        self.buttons[label.replace("\n", " ")] = button
        return button

    def _group(self, master: tk.Misc, label: str) -> tk.LabelFrame:
        group = tk.LabelFrame(master, text=label)
        group.pack(side=tk.TOP, fill=tk.X, padx=5, pady=3)
        return group

    def _check(self, master: tk.Misc, row: int, name: str, label: str) -> None:
        value = tk.BooleanVar(self.root)
        check = tk.Checkbutton(master, text=label, variable=value, command=lambda: self._change({name: value.get()}))
        check.grid(row=row, column=0, sticky="w", padx=5)
        self.checks[name] = (check, value)

    def _entry(self, master: tk.Misc, row: int, name: str, column: int) -> None:
        text = tk.StringVar(self.root)
        master.columnconfigure(column, weight=1)
        tk.Label(master, text=NUMERIC[name].label).grid(row=row, column=column, sticky="e", padx=5)
        entry = tk.Entry(master, textvariable=text, width=6, justify=tk.CENTER)
        entry.grid(row=row, column=column + 1, padx=5, pady=1)
        for event in ("<FocusOut>", "<Return>"):
            entry.bind(event, lambda _: self._read_entry(name))
        self.entries[name] = (entry, text)

    def _slider(self, master: tk.Misc, name: str, step: float) -> None:
        numeric = NUMERIC[name]
        slider = tk.Scale(
            self._group(master, numeric.label),
            from_=numeric.least,
            to=numeric.most,
            resolution=step,
            orient=tk.HORIZONTAL,
        )
        slider.set(getattr(self.controller.settings, name))
        slider.configure(command=lambda text: self._slide(name, text))
        slider.pack(fill=tk.X, padx=5)
        self.sliders[name] = slider

    def _bind_keys(self) -> None:
        for kind in ("Button", "Checkbutton"):
            self.root.unbind_class(kind, "<space>")  # it finishes the object, whatever has the focus
        self.root.bind("<space>", lambda event: self._unless_writing(event, self._finish))
        self.root.bind("a", lambda event: self._unless_writing(event, self._partially_finish))
        self.picture.canvas.bind("a", self._key_a)
        self.root.bind_all("<Button-1>", _focus, add="+")

    def _unless_writing(self, event: tk.Event, action: Callable[[], None]) -> None:
        if not isinstance(event.widget, tk.Entry):
            action()

    def _key_a(self, event: tk.Event) -> str:
        """On the picture: partially finish while there is an object in progress, else move to the left."""
        if self.controller.in_progress or self.busy:
            self._partially_finish()
        else:
            self.picture.scroll_by_key(event)
        return "break"

    def _center(self) -> None:
        self.root.update_idletasks()
        sizes = zip((self.root.winfo_reqwidth(), self.root.winfo_reqheight()), SMALLEST_WINDOW, strict=True)
        width, height = (max(pair) for pair in sizes)
        x, y = (self.root.winfo_screenwidth() - width) // 2, (self.root.winfo_screenheight() - height) // 2
        self.root.geometry(f"{width}x{height}+{max(x, 0)}+{max(y, 0)}")

    def _refresh(self) -> None:
        """Bring all widgets to the state of the controller."""
        settings, loaded = self.controller.settings, self.controller.image is not None
        begun = self.controller.in_progress or self.busy
        _enable([self.buttons["Load mask"]], loaded)
        _enable([self.buttons["Save mask"]], loaded and not self.busy)
        _enable((self.buttons[label] for label in ("Finish object", "Undo click", "Reset clicks")), begun)
        _enable((check for check, _ in self.checks.values()), not begun)
        _enable((self.entries[name][0] for name in ("skip_clicks", "target_size", "expand_ratio")), not begun)
        _enable([self.mode_menu], not begun)
        refined = not begun and settings.brs_mode != NO_BRS
        _enable((self.entries[name][0] for name in ("network_clicks", "lbfgs_iterations")), refined)
        for name, (_, value) in self.checks.items():
            value.set(getattr(settings, name))
        for name, (_, text) in self.entries.items():
            text.set(settings.text(name))
        for name, slider in self.sliders.items():
            slider.set(getattr(settings, name))
        self.mode.set(settings.brs_mode)
        self.picture.busy(self.busy)

    def _redraw(self, fit: bool = False) -> None:
        """Bring all widgets to the state of the controller, and the picture, if what it shows has changed."""
        self._refresh()
        now = (self.controller.image, self.controller.labels, self.controller.steps, self.controller.settings)
        if now[0] is not None and any(part is not old for part, old in zip(now, self._shown, strict=True)):
            self.picture.show(self.controller.picture(), fit)
            self._shown = now

    # What the user does

    def _load_image(self) -> None:
        if path := filedialog.askopenfilename(parent=self.root, title="Choose an image", filetypes=PICTURES):
            self.open(path)

    def open(self, path: str | Path) -> None:
        """Show a picture file; objects of the present one are forgotten."""
        self.controller.load_image(path)
        self._drop()
        self._redraw(fit=True)

    def _save_mask(self) -> None:
        path = filedialog.asksaveasfilename(
            parent=self.root, title="Save the mask", initialfile="mask.png", defaultextension=".png", filetypes=SAVED
        )
        if path:
            self.controller.save_mask(path)

    def _load_mask(self) -> None:
        path = filedialog.askopenfilename(parent=self.root, title="Choose a mask", filetypes=MASKS)
        if path:
            self.controller.load_mask(path)
            self._drop()
            self._redraw()

    def _about(self) -> None:
        messagebox.showinfo("About", ABOUT, parent=self.root)

    def _click(self, x: int, y: int, is_positive: bool) -> None:
        for name in self.entries:
            self._read_entry(name)
        self._do(lambda: self._run(self.controller.prepare_click(x, y, is_positive)))

    def _finish(self) -> None:
        self._do(self.controller.finish)

    def _partially_finish(self) -> None:
        self._do(self.controller.partially_finish)

    def _undo(self) -> None:
        if self._waiting:
            self._waiting.pop()
        elif self._running is not None:
            self._running = None
        else:
            self.controller.undo()
        self._redraw()

    def _reset(self) -> None:
        self._drop()
        self.controller.reset()
        self._redraw()

    def _change(self, values: dict[str, Any]) -> None:
        try:
            self.controller.change(replace(self.controller.settings, **values))
        finally:
            self._refresh()

    def _change_mode(self, mode: tk.StringVar | str) -> None:
        try:
            self.controller.change(self.controller.settings.with_mode(str(mode)))
        finally:
            self._refresh()

    def _read_entry(self, name: str) -> None:
        """Take over a number that was written; a wrong one becomes the old one again, and a dialog says why."""
        settings, text = self.controller.settings, self.entries[name][1].get()
        if text != settings.text(name):
            try:
                self.controller.change(settings.with_text(name, text))
            finally:
                self._refresh()

    def _slide(self, name: str, text: str) -> None:
        settings = self.controller.settings.with_text(name, text)
        if settings != self.controller.settings:
            self.controller.change(settings)
            self._redraw()

    # Work beside the window

    def _do(self, action: Callable[[], None]) -> None:
        """Carry out an action behind all that waits."""
        self._waiting.append(action)
        self._advance()

    def _drop(self) -> None:
        """Forget what waits, and the answer that is being computed."""
        self._waiting.clear()
        self._running = None

    def _advance(self) -> None:
        """Carry out what waits until the network is to run."""
        try:
            while self._waiting and self._running is None:
                self._waiting.popleft()()
        except InputError:
            self._waiting.clear()
            raise
        finally:
            self._redraw()

    def _run(self, pending: PendingClick) -> None:
        running = self._running = self._pool.submit(pending.run)

        def look() -> None:
            if self._running is not running:
                return
            if not running.done():
                self.root.after(POLL_MS, look)
                return
            error = running.exception()
            self._running = None
            if error is None:
                self.controller.accept(pending, running.result())
            else:
                self._waiting.clear()
            self._advance()
            if error is not None:
                raise error

        self.root.after(POLL_MS, look)

    def _report(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Say what went wrong in one sentence."""
        if isinstance(error, InputError):
            sentence = str(error)
        elif isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            sentence = "memory is full: start the program with a smaller --limit-longest-size, or with --cpu."
        else:
            logger.error("unexpected error", exc_info=(kind, error, trace))
            sentence = f"unexpected error ({kind.__name__}: {error}): the terminal shows where; the objects are kept."
        messagebox.showwarning("Warning", sentence[0].upper() + sentence[1:], parent=self.root)


def _enable(widgets: Iterable[tk.Widget], enabled: bool) -> None:
    for widget in widgets:
        widget.configure(state=tk.NORMAL if enabled else tk.DISABLED)


def _focus(event: tk.Event) -> None:
    """Focus what is clicked, so that an entry that was written into is read."""
    if isinstance(event.widget, tk.Widget) and not isinstance(event.widget, tk.Menu):
        event.widget.focus_set()
