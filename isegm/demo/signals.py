"""Signals that ask the program to end, from the terminal or from the system."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # of which a system knows some
KILLED_BY = 128  # exit codes of programs that a signal has ended begin here, as shells have it


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Note the signals that end programs, in place of their usual effect, while the block lasts.

    A window that waits for events does not see them by itself: look into the list now and then. Signals that the
    program was told to ignore, such as Ctrl+C in the background of a shell, stay ignored.

    Returns:
        the list of the signals that have arrived.
    """
    received: list[int] = []
    known = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    heeded = [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda arrived, _: received.append(arrived)) for number in heeded}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
