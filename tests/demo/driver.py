"""A user of the interactive program on a virtual screen: Tk events, and what the window says."""

import time
import tkinter as tk

SECONDS = 120  # that an answer may take on a busy machine
RIGHT_HELD = 0x400  # in the state of a Tk event


class Driver:
    """Drives a program by events and sees its warnings."""

    def __init__(self, program, warnings):
        self.program, self.warnings = program, warnings
        self.controller, self.canvas = program.controller, program.image.canvas
        self.root = program.root
        self.canvas.focus_force()
        self.settle()

    def settle(self, busy=False):
        """Wait for the network, and for the window to be drawn."""
        end = time.monotonic() + SECONDS
        self.root.update()
        while not busy and (self.controller.busy or self.program.watching):
            assert time.monotonic() < end, "the network has not answered"
            time.sleep(0.002)
            self.root.update()
        self.root.update()

    def open(self, path):
        self.program.open(path)
        self.settle()

    def place(self, x, y):
        """Where the middle of a pixel of the image is on the canvas."""
        viewport = self.program.image.viewport
        return tuple(
            round(start + (pixel + 0.5) * viewport.scale) for start, pixel in zip(viewport.offset, (x, y), strict=True)
        )

    def left(self, x, y, busy=False):
        column, row = self.place(x, y)
        self.canvas.event_generate("<Button-1>", x=column, y=row)
        self.settle(busy)

    def right(self, x, y, milliseconds=100, move=0):
        column, row = self.place(x, y)
        self.canvas.event_generate("<ButtonPress-3>", x=column, y=row, time=1000)
        if move:
            self.canvas.event_generate("<Motion>", x=column + move, y=row, state=RIGHT_HELD, time=1010)
        self.canvas.event_generate("<ButtonRelease-3>", x=column + move, y=row, time=1000 + milliseconds)
        self.settle()

    def wheel(self, button, x, y, times=1):
        column, row = self.place(x, y)
        for _ in range(times):
            self.canvas.event_generate(f"<Button-{button}>", x=column, y=row)
        self.settle()

    def key(self, name, widget=None, **more):
        (widget or self.canvas).event_generate(f"<{name}>", **more)
        self.settle()

    def press(self, label, busy=False):
        self.program.buttons[label].invoke()
        self.settle(busy)

    def save_as(self, label):
        """Choose an entry of the menu "Save as"."""
        menu = self.program.save_menu.nametowidget(self.program.save_menu["menu"])
        menu.invoke(label)
        self.settle()

    def write(self, entry, text):
        """Write into an entry and leave it."""
        entry.focus_force()
        self.root.update()
        entry.delete(0, tk.END)
        entry.insert(0, text)
        self.canvas.focus_force()
        self.settle()

    def show_options(self):
        self.program.pages.select(self.program.controls)
        self.settle()

    def option(self, name, text):
        self.show_options()
        self.write(self.program.controls.entries[name][0], text)

    def hint(self, widget):
        """What is said of a widget on which the pointer rests; None for nothing."""
        before = set(_windows(widget))
        widget.event_generate("<Enter>")
        end = time.monotonic() + SECONDS
        while not (new := set(_windows(widget)) - before) and time.monotonic() < end:
            time.sleep(0.01)
            self.root.update()
        text = next(iter(new)).winfo_children()[0]["text"] if new else None
        widget.event_generate("<Leave>")
        self.root.update()
        assert set(_windows(widget)) == before
        return text

    def rows(self):
        """The list of objects as it is seen: number, name, class, protection."""
        table = self.program.objects.table
        return [
            (str(table.item(row)["text"]).strip(), *(str(value) for value in table.item(row)["values"][:3]))
            for row in table.get_children()
        ]

    def enabled(self):
        """Names of the buttons and options that can be used."""
        controls = self.program.controls
        widgets = self.program.buttons | {name: entry for name, (entry, _) in controls.entries.items()}
        widgets |= {name: check for name, (check, _) in controls.checks.items()} | {"mode": controls.mode_menu}
        return {name for name, widget in widgets.items() if str(widget["state"]) != tk.DISABLED}


def _windows(widget):
    return [child for child in widget.winfo_children() if isinstance(child, tk.Toplevel)]
