"""Programs that are killed at any moment lose nothing but what was just being done."""

import multiprocessing
import os
import signal
import sys
import time

import numpy as np
import pytest
import torch

from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.utils.files import write_image
from tests.analytic import AnalyticModel
from tests.demo.scripted import as_data, opened, perform, prepare, write_script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
ACTIONS = 200
SEED = 20240711


class NoiseModel(AnalyticModel):
    """Selects a random half of the pixels, other ones after each click: masks that do not compress."""

    def logits(self, image, prev_mask, points):
        number = int((points[..., 2] >= 0).sum())
        shape = (len(image), 1, *image.shape[2:])
        return torch.randn(shape, generator=torch.Generator().manual_seed(number))


def session(folder, steps, seconds, report):
    """A program that carries out a script, and reports each action before and after it is asked for.

    Args:
        seconds: of a random pause after each action, at most.
        report: the writing end of a pipe.
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    controller = opened(folder, autosave=folder / "auto", background=True)
    report.send_bytes(b"o")
    for step in steps:
        report.send_bytes(b"a")
        perform(controller, step)
        report.send_bytes(b"h")
        pause_end = time.monotonic() + rng.uniform(0, seconds)
        while time.monotonic() < pause_end:
            controller.poll()
    controller.wait()
    report.send_bytes(b"e")
    time.sleep(60)


def large_masks(folder, fatal, share, report):
    """A program that clicks on a large image, and dies in the middle of writing into the file of its work.

    Args:
        fatal: which of its writes is the last, from 1.
        share: how much of that is written.
    """
    torch.set_num_threads(1)
    write, left = os.write, [fatal]

    def dying(file, content):
        left[0] -= 1
        if left[0] == 0:
            write(file, content[: int(share * len(content))])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(file, content)

    controller = noisy(folder, background=True)
    os.write = dying
    for number in range(fatal):
        controller.click(number, 0, True)
        controller.wait()


def noisy(folder, picture=None, **options):
    """A controller with the large image open, whose work is kept in the folder."""
    settings = Settings(max_size=2000, target_size=100, zoom_in=False)
    controller = Controller(NoiseModel(), settings=settings, autosave=folder / "auto", **options)
    controller.open(picture or folder / "large.png")
    controller.wait()
    return controller


@pytest.fixture
def start():
    """Starts a program and gives its process, and the reading end of its reports; torch is imported once for all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    started = []

    def run(program, *arguments):
        reading, writing = context.Pipe(duplex=False)
        process = context.Process(target=program, args=(*arguments, writing), daemon=True)
        process.start()
        writing.close()
        started.append((process, reading))
        return process, reading

    yield run
    for process, reading in started:
        process.kill()
        process.join()
        reading.close()


def kill(process):
    """Like kill -9, and wait until it is dead: before, the system may still hold its files."""
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def received(reading):
    """All reports until the end of the pipe, which comes when the program is dead."""
    reports = []
    try:
        while True:
            reports.append(reading.recv_bytes())
    except EOFError:
        return reports


def test_nothing_but_the_last_action_is_lost_by_kill_9_at_a_random_moment(tmp_path, start, every_click):
    rng = np.random.default_rng(SEED)
    steps, documents = write_script(SEED, ACTIONS, opened(prepare(tmp_path / "plan")), tmp_path / "plan")
    reached = []
    repetitions = 20 if every_click else 6
    for repetition in range(repetitions):
        place = prepare(tmp_path / str(repetition))
        process, reading = start(session, place, steps, 0.002)
        assert reading.recv_bytes() == b"o"
        reports = [reading.recv_bytes() for _ in range(rng.integers(1, ACTIONS))]  # two of each action
        time.sleep(rng.uniform(0, 0.002))
        kill(process)
        reports += received(reading)
        asked, handed_in = reports.count(b"a"), reports.count(b"h")
        assert asked - handed_in in (0, 1)
        resumed = opened(place, autosave=place / "auto", background=repetition % 2 == 0)
        found = as_data(resumed.document)
        assert not resumed.warnings and found in documents[handed_in : asked + 1], (repetition, handed_in, asked)
        for step in steps[documents.index(found, handed_in) :][:5]:  # and the work goes on
            perform(resumed, step)
            resumed.wait()
        assert as_data(resumed.document) in documents
        resumed.close()
        reached.append(handed_in)
    assert sum(0 < count < ACTIONS for count in reached) >= 0.75 * repetitions, reached


@pytest.mark.parametrize("fatal", [1, 2, 3, 4])
def test_a_program_that_is_killed_while_it_writes_leaves_all_that_was_whole(fatal, tmp_path, start):
    write_image(tmp_path / "large.png", np.zeros((700, 900, 3), np.uint8))
    process, _ = start(large_masks, tmp_path, fatal, 0.7)
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    (path,) = (tmp_path / "auto").iterdir()
    content = path.read_bytes()
    assert not content.endswith(b"\n") and (len(content) > 50_000) == (fatal in (2, 3, 4))
    resumed = noisy(tmp_path)
    assert not resumed.warnings
    assert len(resumed.draft.clicks if resumed.draft else ()) == fatal // 2  # an answer that is torn is asked for again
    expected = noisy(tmp_path / "elsewhere", picture=tmp_path / "large.png")
    for number in range(fatal // 2):
        expected.click(number, 0, True)
    assert as_data(resumed.document) == as_data(expected.document)
