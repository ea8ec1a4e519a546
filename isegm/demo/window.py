"""Opening a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isegm.utils.errors import InputError

if TYPE_CHECKING:
    import tkinter as tk


def open_window() -> tk.Tk:
    """Open an empty window.

    Raises:
        InputError: this Python has no tkinter, or there is no display.
    """
    try:
        import tkinter as tk
    except ModuleNotFoundError as error:
        if error.name not in ("tkinter", "_tkinter"):
            raise
        raise InputError(
            "this Python has no tkinter, which draws the window: install it (Debian, Ubuntu: apt install python3-tk)."
        ) from error
    try:
        return tk.Tk()
    except tk.TclError as error:
        raise InputError(
            f"no window can be opened ({error}): run this on a desktop, or over ssh -X; without "
            "a screen, use isegm predict."
        ) from error
