"""Signals end the program properly, also while nobody touches its window: one word, and the work is kept."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from isegm.utils.files import read_mask
from tests.demo.scripted import opened, prepare

pytest.importorskip("tkinter", reason="this Python has no tkinter")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent in another way there")

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys, time
from pathlib import Path

from isegm.annotations.formats import FORMATS
from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.demo.view import Program
from isegm.demo.window import open_window
from isegm.utils.cli import run
from tests.analytic import BlobModel

place, state = Path(sys.argv[1]), sys.argv[2]
settings = Settings(zoom_in=False, target_size=100)
program = Program(open_window(), Controller(BlobModel(), settings=settings, autosave=place / "auto", background=True))
controller = program.controller
clicked = False

def say():
    print("ready", flush=True)

def look():
    global clicked
    if controller.image is None or controller.busy:
        program.root.after(10, look)
    elif not clicked:
        clicked = True
        program.act(lambda: controller.click(20, 15, True))
        program.root.after(10, look)
    elif state == "saving":
        write = FORMATS["mask"].write
        slow = lambda *what: (say(), time.sleep(1), write(*what))
        object.__setattr__(FORMATS["mask"], "write", slow)
        program.act(lambda: controller.save(place / "saved.png", "mask", True))
    elif state == "unsavable":
        write = FORMATS["mask"].write
        slow = lambda *what: (say(), time.sleep(1), write(*what))
        object.__setattr__(FORMATS["mask"], "write", slow)
        program.act(lambda: controller.save(place / "photo.png" / "saved.png", "mask", True))
    else:
        program.root.after(300, say)
        {"idle": lambda: None, "dialog": program._about, "files": program.commands.load_image}[state]()

program.open(place / "photo.png")
program.root.after(10, look)
run(program.run)
"""


def heed_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background of a shell ignores them


@pytest.fixture
def ended(screen, tmp_path):
    """Start the program in a state, send it a signal; gives exit code and error output."""

    def end(state, number):
        place = prepare(tmp_path / "place")
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(place), state],
            env=os.environ | {"DISPLAY": screen, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_interrupts,
        )
        try:
            line = process.stdout.readline()
            assert line == "ready\n", process.communicate()
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        return place, process.returncode, errors

    return end


@pytest.mark.parametrize(
    ("state", "number"),
    [
        ("idle", signal.SIGTERM),
        pytest.param("dialog", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("idle", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("files", signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_an_idle_window_ends_by_a_signal_and_its_work_is_kept(number, state, ended):
    place, code, errors = ended(state, number)
    assert (code, errors) == (128 + number, "interrupted\n" if number == signal.SIGINT else "terminated\n")
    controller = opened(place, autosave=place / "auto")
    assert [click.coords for click in controller.draft.clicks] == [(15, 20)] and not controller.warnings
    controller.close()


@pytest.mark.long
def test_a_file_that_is_being_saved_is_written_whole_first(ended):
    place, code, errors = ended("saving", signal.SIGINT)
    assert (code, errors) == (130, "interrupted\n")
    assert read_mask(place / "saved.png").any()


def test_a_file_that_cannot_be_saved_is_told(ended):
    _, code, errors = ended("unsavable", signal.SIGINT)
    assert code == 2 and errors.startswith("error: ") and "saved.png cannot be written" in errors
    assert len(errors.splitlines()) == 1
