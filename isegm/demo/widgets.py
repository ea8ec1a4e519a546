"""Small widgets: groups, tooltips and the status line."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Iterable
from tkinter import ttk

HINT_COLOR = "#ffffe0"
BUSY_COLOR = "#ffe599"
HINT_WIDTH = 380
HINT_MS = 400


def group(master: tk.Misc, label: str) -> tk.LabelFrame:
    """A frame with a label, below the others."""
    frame = tk.LabelFrame(master, text=label)
    frame.pack(side=tk.TOP, fill=tk.X, padx=5, pady=2)
    return frame


def enable(widgets: Iterable[tk.Widget], enabled: bool) -> None:
    """Enable or disable widgets."""
    for widget in widgets:
        state = tk.NORMAL if enabled else tk.DISABLED
        if str(widget["state"]) != state:
            widget["state"] = state


def table(
    master: tk.Misc, columns: Iterable[tuple[str, str, int]], wide: Iterable[str], chosen: Callable[[], None]
) -> ttk.Treeview:
    """A table of which one row can be selected, with a scroll bar, in the space that is left.

    Args:
        columns: name, heading and width of each; "#0" is the first one.
        wide: names of those that take the space that is left.
        chosen: called when another row is selected.
    """
    frame = tk.Frame(master)
    frame.pack(side=tk.TOP, fill=tk.BOTH, expand=True, padx=5, pady=3)
    listed, wide = list(columns), set(wide)
    made = ttk.Treeview(frame, columns=[name for name, *_ in listed[1:]], selectmode="browse", height=2)
    for name, label, width in listed:
        made.heading(name, text=label)
        made.column(name, width=width, stretch=name in wide)
    bar = tk.Scrollbar(frame, orient=tk.VERTICAL, command=made.yview)
    made.configure(yscrollcommand=bar.set)
    bar.pack(side=tk.RIGHT, fill=tk.Y)
    made.pack(side=tk.LEFT, fill=tk.BOTH, expand=True)
    made.bind("<<TreeviewSelect>>", lambda _: chosen())
    return made


class Hint:
    """A tooltip, shown while the pointer rests on a widget, enabled or not.

    Args:
        widget: the widget.
        text: returns the sentence, "" for none.
    """

    def __init__(self, widget: tk.Widget, text: Callable[[], str]) -> None:
        self.window: tk.Toplevel | None = None
        self._widget = widget
        self._text = text
        self._timer: str | None = None
        widget.bind("<Enter>", self._entered, add="+")
        for event in ("<Leave>", "<Button>", "<Destroy>"):
            widget.bind(event, self._left, add="+")

    def _entered(self, _: tk.Event) -> None:
        self._left()
        self._timer = self._widget.after(HINT_MS, self._show)

    def _left(self, _: tk.Event | None = None) -> None:
        if self._timer is not None:
            self._widget.after_cancel(self._timer)
            self._timer = None
        if self.window is not None:
            self.window.destroy()
            self.window = None

    def _show(self) -> None:
        self._timer = None
        text = self._text()
        if not text:
            return
        self.window = tk.Toplevel(self._widget)
        self.window.wm_overrideredirect(True)
        label = tk.Label(self.window, text=text, background=HINT_COLOR, relief=tk.SOLID, borderwidth=1, justify=tk.LEFT)
        label.configure(wraplength=HINT_WIDTH, padx=4, pady=2)
        label.pack()
        self.window.update_idletasks()
        right = self._widget.winfo_screenwidth() - self.window.winfo_reqwidth()
        x = min(self._widget.winfo_rootx() + 12, right)
        below = self._widget.winfo_rooty() + self._widget.winfo_height() + 4
        above = self._widget.winfo_rooty() - self.window.winfo_reqheight() - 4
        fits = below + self.window.winfo_reqheight() <= self._widget.winfo_screenheight()
        self.window.wm_geometry(f"+{max(x, 0)}+{below if fits else max(above, 0)}")


class StatusLine(tk.Frame):
    """The status line: running job or last notice, and the open image."""

    def __init__(self, master: tk.Misc) -> None:
        super().__init__(master)
        self._plain = self.cget("background")
        self.left = tk.Label(self, anchor=tk.W, padx=6)
        self.right = tk.Label(self, anchor=tk.E, padx=6)
        self.right.pack(side=tk.RIGHT)
        self.left.pack(side=tk.LEFT, fill=tk.X, expand=True)

    def show(self, busy: str, notice: str, image: str) -> None:
        """Show the running job, or the last notice without one, and the description of the image."""
        text = f"{busy[0].upper()}{busy[1:]} ..." if busy else notice
        for part, changes in (
            (self.left, {"text": text, "background": BUSY_COLOR if busy else self._plain}),
            (self.right, {"text": image}),
        ):
            if any(str(part[key]) != value for key, value in changes.items()):
                part.configure(**changes)
