"""What a command does before its imports, which take seconds."""

import os
import signal
import threading
from types import FrameType

INTERRUPTED = 130  # exit code, as shells have it


def end_on_interrupt() -> None:
    """Let Ctrl+C end the process at once, with one word, until another handler is set.

    While modules are imported there is nothing to put in order, and an exception may be swallowed or turned into
    another one by what imports them. An interrupt that is ignored, as in the background, stays ignored.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
