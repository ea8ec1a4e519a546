"""The Latin letter that a key stands for on a keyboard of any script, and the editing keys of text fields."""

from __future__ import annotations

import tkinter as tk
import unicodedata

SHIFT, CONTROL = 0x1, 0x4  # in the state of a Tk event
COMMAND = 0x8  # likewise on a Mac; NumLock or Alt elsewhere
ALT_ON_WINDOWS = 0x20000  # AltGr is Ctrl and Alt there
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # the letters of a keyboard from the upper left key on
FIRST_CODES = (24, 38, 52)  # X11's code of the first key of each row
X11_LETTERS = {
    code: letter for first, row in zip(FIRST_CODES, ROWS, strict=True) for code, letter in enumerate(row, start=first)
}
LAYOUTS = (  # rows of other scripts; a blank is a key without a letter of its own
    ("йцукенгшщз", "фывапролд", "ячсмить"),  # Russian
    ("йцукенгшўз", "фівапролд", "ячсмить"),  # Belarusian, Ukrainian
    (" ςερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"),  # Greek
    ("  קראטוןםפ", "שדגכעיחלך", "זסבהנמצ"),  # Hebrew
    ("ضصثقفغعهخح", "شسيبلاتنم", "ئءؤر ىة"),  # Arabic
)
LETTERS = {
    other: letter
    for layout in LAYOUTS
    for others, row in zip(layout, ROWS, strict=True)
    for other, letter in zip(others, row, strict=True)
    if other != " "
}
FIELDS = ("Entry", "TEntry", "TCombobox", "TSpinbox", "Spinbox", "Text")  # Tk's classes of widgets for text
EDITING = {"a": "<<SelectAll>>", "c": "<<Copy>>", "v": "<<Paste>>", "x": "<<Cut>>"}


def latin_letter(keysym: str, char: str, keycode: int, system: str) -> str:
    """Find the letter by which a shortcut names a key.

    A key with a Latin letter is that letter, wherever it lies. A key of another script is the letter at its place on
    an English keyboard: by its physical key where the system tells, else by the usual layout of the script.

    Args:
        keysym, char, keycode: of a Tk event.
        system: Tk's name of the windowing system.

    Returns:
        a lower-case letter; "" for none.
    """
    if len(keysym) == 1 and keysym.isascii():
        return keysym.lower() if keysym.isalpha() else ""
    unknown = system == "win32" and keysym == "??"  # as Tk calls keys of other scripts there
    if not unknown and not _is_foreign(char):
        return ""
    if system == "x11" and keycode in X11_LETTERS:
        return X11_LETTERS[keycode]
    if system == "win32" and chr(keycode).isascii() and chr(keycode).isalpha():
        return chr(keycode).lower()
    return LETTERS.get(char.lower(), "")


def _is_foreign(char: str) -> bool:
    """Whether a character is a letter or sign of a script other than Latin."""
    if len(char) != 1 or char.isascii() or unicodedata.category(char)[0] not in "LM":
        return False
    return not unicodedata.name(char, "LATIN").startswith("LATIN")


def shortcut(event: tk.Event) -> str:
    """Name the key of an event, such as "Ctrl+z", "Ctrl+Shift+z", "a" or "Next".

    The layout of the keyboard and Caps Lock make no difference; on a Mac Command counts as Ctrl.
    """
    system, state = str(event.widget.tk.call("tk", "windowingsystem")), int(event.state)
    letter = latin_letter(event.keysym, event.char, event.keycode, system)
    held = bool(state & CONTROL) or (system == "aqua" and bool(state & COMMAND))
    if system == "win32" and state & ALT_ON_WINDOWS:
        return event.keysym
    if not held:
        return letter or event.keysym
    return f"Ctrl+{'Shift+' if state & SHIFT else ''}{letter or event.keysym}"


def bind_editing_keys(root: tk.Misc) -> None:
    """Let Ctrl+A select the whole text of a field, and Ctrl+A, C, V, X work on keyboards of any script."""
    for field in FIELDS:
        for keys in ("<Control-Key>", "<Control-a>", "<Control-A>"):  # the last ones are "start of the line" on X11
            root.bind_class(field, keys, _edit)


def _edit(event: tk.Event) -> str | None:
    key = shortcut(event)
    known = len(event.keysym) == 1  # Tk's own bindings see to these
    wanted = EDITING.get(key.removeprefix("Ctrl+").removeprefix("Shift+"))
    if wanted is None or (known and wanted != "<<SelectAll>>"):
        return None
    event.widget.event_generate(wanted)
    return "break"
