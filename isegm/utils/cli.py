"""Run a command line: show errors as one sentence, end on signals, choose the device."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from argparse import _ActionsContainer
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import CodeType, FrameType
from typing import TYPE_CHECKING, NoReturn

from isegm.utils.arguments import BAD_INPUT, program
from isegm.utils.errors import InputError, tells_full_memory
from isegm.utils.log import log_to_console, say
from isegm.utils.memory import keep_freed_memory
from isegm.utils.run_options import THREADS
from isegm.utils.signals import REQUESTS, WORDS, Stopped
from isegm.utils.startup import INTERRUPTED
from isegm.utils.text_values import from_text
from isegm.utils.threads import set_threads

if TYPE_CHECKING:
    import torch

__all__ = ["BAD_INPUT", "INTERRUPTED", "add_device_options", "add_thread_option", "choose_device", "program", "run"]

BROKEN_PIPE = 141  # as shells have it
LINK_LOOP = "Symlink loop from "  # begins that of the RuntimeError that pathlib raises
SOON = 0.01  # seconds until a signal that was swallowed comes again
END = 0  # which is the number of no signal


def run(main: Callable[[], None], keep_memory: bool = True) -> NoReturn:
    """Run a command and end the process.

    The exit code is 0; 2 after one sentence about bad input or full memory; 130 after an interrupt (SIGINT, Ctrl+C) and
    143 after SIGTERM. Both end the command as an exception does, so that nothing is left half-written. Letters that the
    terminal's encoding lacks are written with backslashes. Where PyTorch or OpenCV is imported already, they compute
    with no more threads than there are usable CPUs; a command that imports them later calls ``set_threads`` itself.

    Args:
        main: the command.
        keep_memory: call ``keep_freed_memory`` first, which makes networks faster on the CPU.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # None, or of a program that runs this one, where not
            stream.reconfigure(errors="backslashreplace")
    if keep_memory:
        keep_freed_memory()
    if "torch" in sys.modules or "cv2" in sys.modules:
        set_threads()
    log_to_console()
    with _ending_signals() as came:
        try:
            main()
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:  # the program behind the pipe, such as head, has read enough
            _forget_output()
            sys.exit(BROKEN_PIPE)
        except Exception as error:
            if came:  # a library has turned what the signal raised into an error of its own
                _end(came[0])
            sentence = _sentence(error)
            if sentence is None:
                raise
            _forget_output()
            _fail(sentence)
        except Stopped as stopped:
            _end(stopped)
        except KeyboardInterrupt:
            _end(Stopped(signal.SIGINT, WORDS[signal.SIGINT]))
    sys.exit(0)


def _sentence(error: Exception) -> str | None:
    """Return what to tell about bad input, full memory or a file that cannot be used; None for any other error."""
    if isinstance(error, InputError):
        return str(error)
    if tells_full_memory(error):
        return "memory is full: lower --batch-size or the size of the images."
    if isinstance(error, RuntimeError) and str(error).startswith(LINK_LOOP):
        return f"{str(error).removeprefix(LINK_LOOP)} is a symbolic link that leads to itself: remove it."
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object} has letters that cannot be written as {error.encoding}: rename it."
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; check the path, its permissions and the free space."
    return None


def _fail(sentence: str) -> NoReturn:
    say(f"error: {sentence}")
    sys.exit(BAD_INPUT)


def _end(stopped: Stopped) -> NoReturn:
    say(str(stopped))
    sys.exit(stopped.exit_code)


def _forget_output() -> None:
    """Drop what cannot be written to stdout any more, of which Python complains when it ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ending_signals() -> Iterator[list[Stopped]]:
    """Let SIGINT raise ``KeyboardInterrupt`` and SIGTERM ``Stopped`` while the block lasts.

    Signals that are ignored stay ignored. Processes that are forked in the block end on SIGTERM as others do.

    Yields:
        the signals that came.
    """
    came: list[Stopped] = []
    repeater = _Repeater()
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner and number == signal.SIGTERM:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if _runs_within(again.__code__, frame):  # where Python swallows exceptions too
            repeater.repeat(number)
            return
        came.append(Stopped(number, WORDS[number]))
        raise KeyboardInterrupt if number == signal.SIGINT else came[-1]

    def again(unraisable: sys.UnraisableHookArgs) -> None:
        """Repeat a signal that came where Python swallows exceptions, such as in a destructor."""
        if isinstance(unraisable.exc_value, (KeyboardInterrupt, Stopped)) and came:
            repeater.repeat(came[-1].number)
        else:
            hook(unraisable)

    hook, before = sys.unraisablehook, {}
    if threading.current_thread() is threading.main_thread():
        sys.unraisablehook = again
        for number in REQUESTS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handle)
    try:
        yield came
    finally:
        repeater.end()
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _runs_within(code: CodeType, frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


class _Repeater:
    """Sends signals to the main thread a moment later, from a thread of its own; handlers of signals may call it."""

    def __init__(self) -> None:
        self._numbers: SimpleQueue[int] = SimpleQueue()
        self._process = 0  # that has the thread, which processes that are forked have not

    def repeat(self, number: int) -> None:
        self._numbers.put(number)
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._send, daemon=True).start()

    def end(self) -> None:
        self._numbers.put(END)

    def _send(self) -> None:
        while number := self._numbers.get():
            time.sleep(SOON)
            _send_to_main_thread(number)


def _send_to_main_thread(number: int) -> None:
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:  # which also ends a call that waits
        signal.pthread_kill(threading.main_thread().ident or 0, number)


def add_thread_option(parser: _ActionsContainer) -> None:
    """Add the option whose value ``set_threads`` takes."""
    parser.add_argument(
        "--threads",
        type=from_text(THREADS),
        metavar="N",
        help="threads that compute on the CPU; default: one for each core that it may use, or OMP_NUM_THREADS",
    )


def add_device_options(
    parser: _ActionsContainer, gpu_option: str = "--gpus", several: str = "only the first of several is used"
) -> None:
    """Add the options that ``choose_device`` reads, of which a user gives one at most, and ``--threads``.

    Args:
        parser: gets the options.
        gpu_option: the one with CUDA ids.
        several: what happens with several ids.
    """
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument(gpu_option, help=f"CUDA id; {several} (default: CUDA where there is one)")
    devices.add_argument("--cpu", action="store_true", help="run on the CPU (default: off)")
    devices.add_argument("--device", help="any device that PyTorch knows, such as cuda:1 or mps (default: as above)")
    add_thread_option(parser)


def choose_device(
    gpus: str | None = None, cpu: bool = False, device: str | None = None, elsewhere: bool = False
) -> torch.device:
    """Return the device that the options name.

    Args:
        gpus: comma-separated CUDA ids, of which the first is used; None when not given.
        cpu: whether ``--cpu`` was given.
        device: a torch device string, which wins over the others.
        elsewhere: another process will work there, see ``usable_device``.

    Returns:
        the named device; without any option CUDA where there is one, else the CPU.

    Raises:
        InputError: the device does not exist on this machine.
    """
    import torch

    from isegm.utils.device import usable_device

    if device is None:
        if cpu:
            device = "cpu"
        elif gpus is not None:
            device = f"cuda:{gpus.split(',')[0].strip()}"
        else:
            device = "cuda" if torch.cuda.is_available() else "cpu"
    return usable_device(device, elsewhere)
