"""Interrupts (SIGINT, as Ctrl+C sends it) and SIGTERM as requests to put the work in order and end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

REQUESTS = (signal.SIGINT, signal.SIGTERM)
WORDS: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
ONE_PRESS = (
    1.0  # seconds within which further signals belong to the first: launchers pass on what a terminal also sends
)


class Stopped(BaseException):
    """A signal has ended the work, which is in order; commands print the sentence and end with ``exit_code``.

    It is no ``Exception``, as ``KeyboardInterrupt`` is none: nothing that handles errors handles it.

    Args:
        number: of the signal.
        sentence: what a user should know, such as how to go on.
    """

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.number = number

    @property
    def exit_code(self) -> int:
        """The exit code by which shells know that a signal ended a program: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


class StopRequest:
    """What ``noted_signals`` has noted.

    Args:
        promise, patient: see ``noted_signals``.

    Attributes:
        number: of the first signal; 0 for none so far.
    """

    def __init__(self, promise: str = "", patient: bool = True) -> None:
        self.number = 0
        self._promise, self._patient = promise, patient
        self._since = 0.0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: note the first, and let a later one end the program, unless it is patient."""
        if not self.number:
            self.number, self._since = number, time.monotonic()
            if self._promise:  # not by print or a logger, which the signal may have interrupted
                os.write(2, f"\n{WORDS[number]}: {self._promise}\n".encode())
        elif not self._patient and time.monotonic() - self._since > ONE_PRESS:
            raise Stopped(number, WORDS[number])


@contextmanager
def noted_signals(promise: str = "", patient: bool = False) -> Iterator[StopRequest]:
    """Note SIGINT and SIGTERM instead of ending the program, while the block lasts.

    Signals that the program ignores stay ignored. In another thread than the main one nothing is noted, as signals
    reach the main thread alone.

    Args:
        promise: what happens now, for the user who sent the signal; "" prints nothing.
        patient: ignore every signal but the first. Else one that comes more than a second later raises ``Stopped``.
    """
    request = StopRequest(promise, patient)
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in REQUESTS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, request.note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def quiet_children() -> Iterator[None]:
    """Let processes that are started in the block leave interrupts to this one, which decides when they end.

    A handler for ended children that the block sets is undone too: a child that is killed is found when its work is
    waited for, not in the middle of a step.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGCHLD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
