"""The buttons for the object in progress, and the options with their published names, bounds and order."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from isegm.demo.controller import Controller
from isegm.demo.settings import BRS_MODES, NO_BRS, NUMERIC, Settings
from isegm.demo.widgets import Hint, enable, group

IN_PROGRESS = "An object is in progress: finish or reset it first."
NO_REFINEMENT = "Only with a BRS mode."
WITHIN_OBJECTS = ("adaptive_cascade", "cascade_steps")  # as published
HINTS = {
    "zoom_in": "Show the network a crop around the object, so that small objects get more pixels; else the whole image",
    "fixed_crop": "Resize each crop to a square of the target size; else keep its proportions",
    "skip_clicks": "Up to this number of clicks the network sees the whole image; -1: crops from the first click on",
    "target_size": "Side of the crop in pixels as the network sees it: more is finer and slower",
    "expand_ratio": "Side of the crop relative to that of the object: 1 is tight, 2 shows twice as much around it",
    "brs_mode": "Back-propagating refinement: adapts the network to the clicks, slower but closer to them",
    "network_clicks": "The network is shown this number of first clicks, the refinement all; INF: all to both",
    "lbfgs_iterations": "Steps of the optimiser at each click: more is closer to the clicks and slower",
    "adaptive_cascade": "Stop the additional passes as soon as the mask has settled",
    "cascade_steps": "Additional passes of the network at the first click of an object; 0: none",
    "threshold": "Pixels of a greater probability belong to the object: less makes the mask larger",
    "alpha": "How much of an object's colour covers the image: 0 is clear, 1 opaque",
    "click_radius": "Radius of the dots of clicks, in pixels of the image; 0 hides them",
}
SLIDERS = (("threshold", 0.01), ("alpha", 0.01), ("click_radius", 1))


class ClickButtons(tk.LabelFrame):
    """Buttons for the object in progress.

    Args:
        master: the widget around it.
        controller: the controller of the object.
        actions: commands of the buttons "finish", "undo", "redo" and "reset".
    """

    def __init__(self, master: tk.Misc, controller: Controller, actions: dict[str, Callable[[], None]]) -> None:
        super().__init__(master, text="Clicks management")
        self.buttons: dict[str, tk.Button] = {}
        self._controller = controller
        for label, color, action, hint in (
            ("Finish\nobject", "#b6d7a8", "finish", "Space"),
            ("Undo", "#ffe599", "undo", "Ctrl+Z: takes back whatever was done last, without a limit"),
            ("Redo", "#fff2cc", "redo", "Ctrl+Y, or Ctrl+Shift+Z"),
            ("Reset\nclicks", "#ea9999", "reset", "Forgets the object in progress"),
        ):
            button = tk.Button(self, text=label, command=actions[action], background=color, width=5, height=2)
            button.pack(side=tk.LEFT, fill=tk.X, expand=True, padx=3, pady=3)
            self.buttons[label.replace("\n", " ")] = button
            Hint(button, partial(str, hint))

    def refresh(self) -> None:
        """Disable the buttons of impossible actions."""
        controller = self._controller
        enable([self.buttons["Undo"]], controller.can_undo)
        enable([self.buttons["Redo"]], controller.can_redo)
        enable((self.buttons[label] for label in ("Finish object", "Reset clicks")), controller.in_progress)


class Controls(tk.Frame):
    """The options. Unavailable ones are disabled, and a hint gives the reason.

    Args:
        master: the widget around it.
        controller: the controller of the settings.
        changed: called after a change of a setting.
    """

    def __init__(self, master: tk.Misc, controller: Controller, changed: Callable[[], None]) -> None:
        super().__init__(master)
        self.checks: dict[str, tuple[tk.Checkbutton, tk.BooleanVar]] = {}
        self.entries: dict[str, tuple[tk.Entry, tk.StringVar]] = {}
        self.sliders: dict[str, tk.Scale] = {}
        self.hints: dict[str, Hint] = {}
        self._controller = controller
        self._changed = changed
        self._shown: Settings | None = None  # settings in the widgets, apart from unread text
        self._add_zoom_in()
        self._add_refinement()
        self._add_cascade()
        for name, step in SLIDERS:
            self._add_slider(name, step)

    def refresh(self) -> None:
        """Update all widgets to the controller's state."""
        settings = self._controller.settings
        for name, (check, _) in self.checks.items():
            enable([check], not self._hindrance(name))
        for name, (entry, _) in self.entries.items():
            enable([entry], not self._hindrance(name))
        enable([self.mode_menu], not self._hindrance("brs_mode"))
        if settings is self._shown:
            return
        self._shown = settings
        for name, (_, value) in self.checks.items():
            value.set(getattr(settings, name))
        for name, (_, text) in self.entries.items():
            text.set(settings.text(name))
        for name, slider in self.sliders.items():
            slider.set(getattr(settings, name))
        self.mode.set(settings.brs_mode)

    def read_entries(self) -> None:
        """Apply the numbers in all entries.

        Raises:
            InputError: a number is wrong; its entry shows the old one again.
        """
        for name in self.entries:
            self._read_entry(name)

    def _hindrance(self, name: str) -> str:
        """The reason why an option is unavailable now; "" if it is available."""
        if name in self._controller.unavailable:
            return _sentence(self._controller.unavailable[name])
        if self._controller.in_progress and name not in WITHIN_OBJECTS:
            return IN_PROGRESS
        refined = self._controller.settings.brs_mode != NO_BRS
        return NO_REFINEMENT if name in ("network_clicks", "lbfgs_iterations") and not refined else ""

    def _hint(self, name: str) -> str:
        """What an option does, and why it is unavailable now."""
        return "\n\n".join(filter(None, (f"{HINTS[name]}.", self._hindrance(name))))

    def _add_zoom_in(self) -> None:
        zoom_in = group(self, "ZoomIn options")
        self._add_check(zoom_in, 0, "zoom_in", "Use ZoomIn")
        self._add_check(zoom_in, 1, "fixed_crop", "Fixed crop")
        for row, name in enumerate(("skip_clicks", "target_size", "expand_ratio")):
            self._add_entry(zoom_in, row, name)

    def _add_refinement(self) -> None:
        brs = group(self, "BRS options")
        self.mode = tk.StringVar(self)
        self.mode_menu = tk.OptionMenu(brs, self.mode, *BRS_MODES, command=self._change_mode)
        self.mode_menu.configure(width=12)
        self.mode_menu.grid(row=0, column=0, rowspan=2, padx=5, sticky="w")
        for mode in self._controller.unavailable.keys() & set(BRS_MODES):
            self.mode_menu["menu"].entryconfigure(BRS_MODES.index(mode), foreground="gray55")
        self.hints["brs_mode"] = Hint(self.mode_menu, lambda: self._hint("brs_mode"))
        self._add_entry(brs, 0, "network_clicks")
        self._add_entry(brs, 1, "lbfgs_iterations")

    def _add_cascade(self) -> None:
        cascade = group(self, "Cascade-Forward Refinement")
        self._add_check(cascade, 0, "adaptive_cascade", "Use Adaptive CFR")
        self._add_entry(cascade, 0, "cascade_steps")

    def _add_check(self, master: tk.Misc, row: int, name: str, label: str) -> None:
        value = tk.BooleanVar(self)
        check = tk.Checkbutton(master, text=label, variable=value, command=lambda: self._change({name: value.get()}))
        check.grid(row=row, column=0, sticky="w", padx=5)
        self.checks[name] = (check, value)
        self.hints[name] = Hint(check, lambda: self._hint(name))

    def _add_entry(self, master: tk.Misc, row: int, name: str) -> None:
        text = tk.StringVar(self)
        master.columnconfigure(1, weight=1)
        tk.Label(master, text=NUMERIC[name].label).grid(row=row, column=1, sticky="e", padx=5)
        entry = tk.Entry(master, textvariable=text, width=6, justify=tk.CENTER)
        entry.grid(row=row, column=2, padx=5, pady=1)
        for event in ("<FocusOut>", "<Return>"):
            entry.bind(event, lambda _: self._read_entry(name))
        self.entries[name] = (entry, text)
        self.hints[name] = Hint(entry, lambda: self._hint(name))

    def _add_slider(self, name: str, step: float) -> None:
        numeric = NUMERIC[name]
        if numeric.most is None:
            raise ValueError(f"the slider of {name} needs an upper bound")
        row = tk.Frame(self)
        row.pack(side=tk.TOP, fill=tk.X, padx=5)
        tk.Label(row, text=numeric.label).pack(side=tk.LEFT)
        value = tk.DoubleVar(self)  # shown beside the slider: above it would take twice the height
        slider = tk.Scale(row, from_=numeric.least, to=numeric.most, resolution=step, orient=tk.HORIZONTAL)
        slider.configure(length=120, width=12, showvalue=False, variable=value)
        slider.set(getattr(self._controller.settings, name))
        slider.configure(command=lambda text: self._slide(name, text))
        slider.pack(side=tk.RIGHT)
        tk.Label(row, textvariable=value, width=4, anchor=tk.E).pack(side=tk.RIGHT)
        self.hints[name] = Hint(slider, lambda: f"{HINTS[name]}.")
        self.sliders[name] = slider

    def _change(self, values: dict[str, Any]) -> None:
        self._take(lambda: replace(self._controller.settings, **values))

    def _change_mode(self, mode: tk.StringVar | str) -> None:
        self._take(lambda: self._controller.settings.with_mode(str(mode)))

    def _read_entry(self, name: str) -> None:
        """Apply the number in an entry; for a wrong one the old one is restored and a dialog gives the reason."""
        text = self.entries[name][1].get()
        if text != self._controller.settings.text(name):
            self._take(lambda: self._controller.settings.with_text(name, text))

    def _slide(self, name: str, text: str) -> None:
        settings = self._controller.settings.with_text(name, text)
        if settings != self._controller.settings:
            self._take(lambda: settings)

    def _take(self, settings: Callable[[], Any]) -> None:
        """Pass settings to the controller, and show the resulting ones."""
        try:
            self._controller.change(settings())
        finally:
            self._shown = None
            self._changed()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
