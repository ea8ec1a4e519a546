"""The list of objects, and the fields to edit them."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from functools import partial
from tkinter import colorchooser, ttk
from typing import Any

from isegm.annotations import AnnotatedObject
from isegm.annotations.objects import CATEGORY
from isegm.demo.controller import Controller
from isegm.demo.document import Color, Document
from isegm.demo.widgets import Hint, enable, group, table

SWATCH = 14  # side of a colour swatch in pixels
COLUMNS = (
    ("#0", "No.", 60),
    ("name", "Name", 80),
    ("category", "Class", 70),
    ("protected", "Prot.", 44),
    ("pixels", "Pixels", 78),
)
DRAFT = "draft"  # row of a new object in progress


class ObjectList(tk.Frame):
    """Finished objects and the one in progress.

    Args:
        master: the widget around it.
        controller: the controller of the objects.
        act: carries out an action and redraws.
        leave: returns the focus to the image after an edit.
        ask_classes: asks for a file of classes, "" for none.
    """

    def __init__(
        self,
        master: tk.Misc,
        controller: Controller,
        act: Callable[[Callable[[], None]], None],
        leave: Callable[[], None],
        ask_classes: Callable[[], str],
    ) -> None:
        super().__init__(master)
        self._controller = controller
        self._act = act
        self._leave = leave
        self._ask_classes = ask_classes
        self._document: Document | None = None
        self._shown: AnnotatedObject | None = None  # the object in the fields, apart from unread text
        self._filled: dict[str, str] = {}  # the fields before the user's edit
        self._swatches: dict[Color, tk.PhotoImage] = {}
        self._categories = {CATEGORY}
        self._listed: tuple[str, ...] = ()  # classes in the boxes
        self._applied = CATEGORY  # class of new objects when its box was last read or written
        self._add_new()
        self._add_selected()
        self._add_list()

    @property
    def selected(self) -> int | None:
        """Number of the selected object; None for none."""
        chosen = [row for row in self.table.selection() if row != DRAFT]
        return int(chosen[0]) if chosen else None

    def select(self, number: int) -> None:
        """Select an object in the list."""
        self.table.selection_set(str(number))

    def refresh(self) -> None:
        """Update all widgets to the controller's state."""
        document = self._controller.document
        if document is not self._document:
            self._fill(document)
            self.new_color["image"] = self._swatch(document.draft_color)
        enable([self.new_color], document.draft is not None)
        self._show_classes()
        self._show_selected()

    def apply_texts(self) -> None:
        """Apply the texts of name and class to the object that they belong to."""
        item = self._shown
        if item is not None and item in self._controller.document.objects:
            written = {key: text.strip() for key, text in self._texts().items() if text != self._filled[key]}
            changes = {key: text for key, text in written.items() if text != getattr(item, key)}
            if changes:
                self._edit(item.number, **changes)
        category = self.new_category.get().strip()
        if category and category != self._applied:
            self._controller.category = self._applied = category

    def _add_list(self) -> None:
        buttons = tk.Frame(self)
        buttons.pack(side=tk.BOTTOM, fill=tk.X, padx=5, pady=3)
        for label, command, hint in (
            ("Open again", self._reopen, "Go on with the selected object, from its mask (or double-click it)"),
            ("Delete", self._remove, "Delete: removes the selected object; undo brings it back"),
        ):
            button = self.buttons[label] = tk.Button(buttons, text=label, command=command)
            button.pack(side=tk.LEFT, expand=True, fill=tk.X)
            Hint(button, partial(str, hint))
        self.table = table(self, COLUMNS, ("name", "category"), self._choose)
        self.table.column("pixels", anchor=tk.E)
        self.table.bind("<Double-1>", lambda _: self._reopen())
        self.table.bind("<Delete>", lambda _: self._remove())

    def _add_selected(self) -> None:
        box = group(self, "Selected object")
        box.pack(side=tk.BOTTOM)
        self.name, self.category, self.protected = tk.StringVar(self), tk.StringVar(self), tk.BooleanVar(self)
        name = tk.Entry(box, textvariable=self.name, width=16)
        self.category_box = ttk.Combobox(box, textvariable=self.category, width=14)
        self.color = tk.Button(box, text="Colour", command=self._choose_color)
        protected = tk.Checkbutton(box, text="Protected", variable=self.protected, command=self._set_protected)
        for row, (label, widget) in enumerate((("Name", name), ("Class", self.category_box))):
            tk.Label(box, text=label).grid(row=row, column=0, sticky="w", padx=5)
            widget.grid(row=row, column=1, sticky="ew", padx=5, pady=1)
        self.color.grid(row=2, column=0, padx=5, pady=2, sticky="ew")
        protected.grid(row=2, column=1, sticky="w")
        box.columnconfigure(1, weight=1)
        for widget in (name, self.category_box):
            self._bind_field(widget)
        self._fields = (name, self.category_box, self.color, protected)
        Hint(protected, lambda: "Other objects do not take pixels away from it")
        Hint(name, lambda: "A name of your own, such as Mia; Return applies it")
        Hint(self.category_box, lambda: "The class of the selected object")
        Hint(self.color, lambda: "The colour of the selected object")

    def _add_new(self) -> None:
        box = group(self, "New objects")
        box.pack(side=tk.BOTTOM)
        self.new_category, self.new_protected = tk.StringVar(self, CATEGORY), tk.BooleanVar(self)
        self.new_category_box = ttk.Combobox(box, textvariable=self.new_category, width=14)
        protected = tk.Checkbutton(box, text="Protected", variable=self.new_protected, command=self._protect)
        tk.Label(box, text="Class").grid(row=0, column=0, sticky="w", padx=5)
        self.new_category_box.grid(row=0, column=1, sticky="ew", padx=5, pady=1)
        load = tk.Button(box, text="Load ...", padx=2, pady=0, command=self._load_classes)
        load.grid(row=0, column=2, padx=5)
        Hint(load, lambda: "The classes to choose from, from a file: a class in each line, data.yaml, or COCO JSON")
        self.buttons = {"Load classes": load}
        self.new_color = tk.Button(box, text="Colour", compound=tk.LEFT, padx=2, pady=0, command=self._choose_new_color)
        self.new_color.grid(row=1, column=0, padx=5, pady=2, sticky="ew")
        protected.grid(row=1, column=1, sticky="w")
        box.columnconfigure(1, weight=1)
        self._bind_field(self.new_category_box)
        Hint(protected, lambda: "Later objects do not take pixels away from new ones")
        Hint(self.new_color, lambda: "The colour of the object in progress")
        Hint(self.new_category_box, lambda: "The class of new objects")

    def _bind_field(self, field: tk.Widget) -> None:
        field.bind("<FocusOut>", lambda _: self.apply_texts())
        for event in ("<Return>", "<KP_Enter>", "<<ComboboxSelected>>"):
            field.bind(event, lambda _: self._written())

    def _written(self) -> None:
        """Apply a field and return the focus."""
        self.apply_texts()
        self._leave()

    def _fill(self, document: Document) -> None:
        selected, self._document = self.selected, document
        self.table.delete(*self.table.get_children())
        opened = None if document.draft is None else document.draft.number
        for item in sorted(document.objects, key=lambda item: item.number):
            self._categories.add(item.category)
            region, name = item.region, item.name
            if item.number == opened and document.selection is not None:
                region, name = document.selection, f"{item.name} (open)".strip()
            values = (name, item.category, "yes" if item.protected else "", region.area)
            row, label = str(item.number), f" {item.number}"
            self.table.insert("", tk.END, row, text=label, image=self._swatch(item.color), values=values)
        if document.selection is not None and opened is None:
            values = ("in progress", self._controller.category, "", document.selection.area)
            self.table.insert("", tk.END, DRAFT, text=str(document.draft_number), values=values)
            self.table.see(DRAFT)
        if selected is not None and self.table.exists(str(selected)):
            self.select(selected)

    def _show_classes(self) -> None:
        """List the classes, those of the file first, and show the class of new objects unless it is being written."""
        known = self._controller.classes
        listed = (*known, *sorted(self._categories - set(known) - ({CATEGORY} if known else set())))
        if listed != self._listed:
            self._listed = listed
            for box in (self.category_box, self.new_category_box):
                box.configure(values=listed)
        if self._controller.category != self._applied:
            self._applied = self._controller.category
            self.new_category.set(self._applied)

    def _load_classes(self) -> None:
        if path := self._ask_classes():
            self._act(lambda: self._controller.load_classes(path))

    def _show_selected(self) -> None:
        number = self.selected
        enable(self._fields, number is not None)
        enable([self.buttons["Open again"]], number is not None and not self._controller.in_progress)
        enable([self.buttons["Delete"]], number is not None)
        item = None if number is None else self._controller.document.get(number)
        if item is not self._shown:
            self._shown = item
            self.name.set("" if item is None else item.name)
            self.category.set("" if item is None else item.category)
            self.protected.set(item is not None and item.protected)
            self._filled = self._texts()

    def _texts(self) -> dict[str, str]:
        """The texts of the fields."""
        return {"name": self.name.get(), "category": self.category.get()}

    def _swatch(self, color: Color) -> tk.PhotoImage:
        if color not in self._swatches:
            swatch = tk.PhotoImage(master=self, width=SWATCH, height=SWATCH)
            swatch.put(_hexadecimal(color), to=(0, 0, SWATCH, SWATCH))
            self._swatches[color] = swatch
        return self._swatches[color]

    def _edit(self, number: int, **changes: Any) -> None:
        self._shown = None
        self._act(lambda: self._controller.edit(number, **changes))

    def _set_protected(self) -> None:
        if self.selected is not None:
            self._edit(self.selected, protected=self.protected.get())

    def _choose_color(self) -> None:
        number = self.selected
        if number is None:
            return
        color = self._ask_color(self._controller.document.get(number).color, number)
        if color is not None:
            self._edit(number, color=color)

    def _choose_new_color(self) -> None:
        """Choose the colour of the object in progress."""
        document = self._controller.document
        color = self._ask_color(document.draft_color, document.draft_number)
        if color is not None:
            self._act(lambda: self._controller.color(color))

    def _ask_color(self, present: Color, number: int) -> Color | None:
        """Ask for a colour; None for none."""
        color, _ = colorchooser.askcolor(_hexadecimal(present), parent=self, title=f"Colour of object {number}")
        if color is None:
            return None
        red, green, blue = (min(int(part), 255) for part in color)
        return red, green, blue

    def _choose(self) -> None:
        """Handle the selection of another row."""
        self.apply_texts()
        self._act(lambda: None)

    def _reopen(self) -> None:
        number = self.selected
        if number is not None and not self._controller.in_progress:
            self._act(lambda: self._controller.reopen(number))

    def _remove(self) -> None:
        number = self.selected
        if number is not None:
            self._act(lambda: self._controller.remove(number))

    def _protect(self) -> None:
        self._controller.protect = self.new_protected.get()


def _hexadecimal(color: Color) -> str:
    """A colour as Tk names it."""
    return "#{:02x}{:02x}{:02x}".format(*color)
