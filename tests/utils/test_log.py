"""What people read: hostile text is escaped and shortened, and a message begins on a line of its own."""

import errno
import logging
import runpy
import sys

import pytest
from tqdm import tqdm

from isegm.utils import log
from isegm.utils.log import log_to_console, log_to_file, logger, printable, say

HOSTILE = {
    "an escape sequence": ("\x1b[31mred", r"\x1b[31mred"),
    "line breaks": ("a\nb\r\tc\x0bd\u2028e", r"a\nb\r\tc\x0bd\u2028e"),
    "the other direction": ("a\u202egpj.exe", r"a\u202egpj.exe"),
    "bytes that are no UTF-8": ("caf\udce9.png", r"caf\udce9.png"),
    "nothing strange": ("사진 ça 😀 'x' \\", "사진 ça 😀 'x' \\"),
    "NUL": ("a\0b", r"a\x00b"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_terminal_would_obey_is_escaped(name):
    text, shown = HOSTILE[name]
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["x" * 1_000_000, "word " * 200_000, "\x1b" * 1_000_000])
def test_a_million_letters_are_shortened_and_both_ends_stay(text):
    shown = printable(f"the file {text} is broken: remove it.")
    assert len(shown) < 9000
    assert shown.startswith("the file ") and shown.endswith(" is broken: remove it.") and " letters ..." in shown


def test_usual_messages_stay_as_they_are():
    message = f"{'/folder' * 40}/file.png has no mask: known are {', '.join(f'name{i}' for i in range(100))}."
    assert printable(message) == message


@pytest.fixture
def console(monkeypatch, capsys):
    """A function that returns the text on stderr."""
    monkeypatch.setattr(logger, "handlers", [])
    log_to_console()
    return lambda: capsys.readouterr().err


def test_a_message_after_a_progress_bar_begins_on_its_own_line(console):
    for _ in tqdm(range(3), mininterval=0):
        logger.info("a message")
    lines = [line for line in console().split("\n") if "message" in line]
    assert len(lines) == 3 and all(line.startswith("(INFO) ") for line in lines)


@pytest.mark.parametrize("leave", [True, False])
def test_the_last_word_after_a_bar_that_never_ended_begins_on_its_own_line(console, leave):
    bar = iter(tqdm(range(3), mininterval=0, leave=leave))
    next(bar)
    say("error: something")
    assert console().split("\n")[-2:] == ["error: something", ""]


def test_in_a_terminal_the_bar_steps_aside(console, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with tqdm(total=3, mininterval=0) as bar:
        logger.info("a message")
        bar.update()
    message = console().partition("(INFO)")
    assert message[0].endswith("\r") and message[2].partition("\n")[2].lstrip("\r").startswith("  0%")


def test_the_logger_escapes_and_shortens_everywhere(console, tmp_path, monkeypatch):
    path = log_to_file(tmp_path)
    monkeypatch.setattr(logger, "propagate", False)  # pytest, in several processes, cannot send such text
    logger.warning("the file %s is broken", "\x1b[31m\n" + "x" * 1_000_000 + "\udce9")
    for text in (console(), path.read_text(encoding="utf-8")):
        (line,) = text.splitlines()
        assert r"the file \x1b[31m\nxxx" in line and line.endswith(" is broken") and len(line) < 600
    for handler in logger.handlers:
        handler.close()


def test_a_traceback_in_the_log_keeps_its_lines(console):
    try:
        raise RuntimeError("inner")
    except RuntimeError:
        logger.log(logging.ERROR, "outer", exc_info=True)
    assert "\n  File " in console()


def test_a_log_file_on_a_full_disk_is_left_with_one_message(tmp_path, caplog, capsys):
    path = log_to_file(tmp_path)
    (handler,) = [each for each in logger.handlers if getattr(each, "baseFilename", "") == str(path)]

    class Full:
        def write(self, text=""):
            raise OSError(errno.ENOSPC, "No space left on device")

        flush = close = write

    handler.stream.close()
    handler.stream = Full()
    logger.error("something")
    logger.error("something else")
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count(f"{path} cannot be written (No space left on device): messages are shown here alone") == 1
    assert messages[-1] == "something else" and handler not in logger.handlers
    assert "Traceback" not in capsys.readouterr().err


def test_the_module_runs_where_handlers_have_no_type_arguments(monkeypatch):
    monkeypatch.delattr(logging.StreamHandler, "__class_getitem__", raising=False)  # as in Python 3.10
    runpy.run_path(log.__file__)
