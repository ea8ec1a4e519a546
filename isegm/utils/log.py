"""The library's logger, and text of other people in what people read: escaped, shortened, on a line of its own."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

logger = logging.getLogger("isegm")

LONG_TEXT = 2000  # letters of a message
LONG_WORD = 300  # letters without a blank
KEPT_AT_THE_END = 0.25  # of what is kept of a long text


def printable(text: str) -> str:
    """Return a text as it can be shown: on one line, without control characters, and not endless.

    Names of files and texts in them may hold line breaks, escape sequences of terminals, bytes that are no UTF-8, or a
    million letters. What cannot be printed is written as Python writes it in strings; of long words and of a long text
    the middle is left out.
    """
    if len(text) > LONG_WORD:
        text = re.sub(rf"\S{{{LONG_WORD},}}", lambda word: _shortened(word[0], LONG_WORD), text)
        text = _shortened(text, LONG_TEXT)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def escaped(text: str, longest: int = 40) -> str:
    """Shorten a text from a file for a message, and write what does not print as escapes, on one line."""
    return printable(text if len(text) <= longest else f"{text[:longest]}...")


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = round(KEPT_AT_THE_END * most)
    return f"{text[: most - end]}[... {len(text) - most} letters ...]{text[-end:]}"


def _bars() -> list[tqdm]:
    """List the progress bars that are drawn; the attribute is tqdm's only one that tells them."""
    return list(getattr(tqdm, "_instances", ()))


def say(text: str) -> None:
    """Write a last message on stderr, ``printable`` and on a line of its own; progress bars end."""
    for bar in _bars():
        leave = bar.leave
        bar.close()
        if not leave and not sys.stderr.isatty():
            sys.stderr.write("\n")
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def log_to_console() -> None:
    """Show messages on stderr; calling it again changes nothing."""
    if not logger.handlers:
        handler = _ConsoleHandler()
        handler.setFormatter(_Formatter("(%(levelname)s) %(asctime)s: %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def log_to_file(folder: Path, prefix: str = "train") -> Path:
    """Also write messages to ``<folder>/<prefix>_<date>_<time>.log``; returns its path.

    If the file cannot be written any more, as on a full disk, one message says so and the program goes on without it.
    """
    path = folder / f"{prefix}_{datetime.now():%Y-%m-%d_%H-%M-%S}.log"
    handler = _FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_Formatter("(%(levelname)s) %(asctime)s: %(message)s"))
    logger.addHandler(handler)
    return path


class _Formatter(logging.Formatter):
    """Messages as ``printable`` makes them."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        return super().formatMessage(record)


class _FileHandler(logging.FileHandler):
    """Messages in a file, until it cannot be written."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        logger.removeHandler(self)
        with suppress(OSError):  # of what is still in memory
            self.close()
        logger.error("%s cannot be written (%s): messages are shown here alone", self.baseFilename, error.strerror)


class _ConsoleHandler(logging.StreamHandler):
    """Messages on what is stderr when they come, on a line of their own where a progress bar has drawn on it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        if self.stream is None:  # of a program without a console
            return
        with _beside_bars(self.stream):
            super().emit(record)


@contextmanager
def _beside_bars(stream: TextIO) -> Iterator[None]:
    """Clear the progress bars of a terminal while the block writes; in a file end the line that they are on."""
    if not _bars():
        yield
    elif stream.isatty():
        with tqdm.external_write_mode(file=stream):
            yield
    else:
        stream.write("\n")
        yield
