"""Seconds per click as a program that has just been started meets them: beside busy programs, under any environment.

How OpenMP waits is settled when PyTorch is loaded, so each measurement is a process of its own. As a script this module
is that process: ``python -m isegm.benchmarks.busy_machine CLICKS [THREADS]`` prints the seconds of each click.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from isegm.data.datasets.samples import SamplesDataset
from isegm.inference.predictor import Predictor
from isegm.model.checkpoint import load_model
from isegm.utils.errors import InputError
from isegm.utils.memory import keep_freed_memory
from isegm.utils.threads import POLICY, SPINS, set_threads

RUNTIME_DEFAULTS = {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"}  # what OpenMP does where nobody bounds it
POINTS = ((0.5, 0.5, 1), (0.1, 0.1, 0), (0.45, 0.6, 1), (0.9, 0.15, 0))  # x, y as shares of the image, and label


def seconds_per_click(spins: Mapping[str, str], clicks: int, threads: int | None = None) -> float:
    """Return the median seconds per click of the default model on a sample image, in a process of its own.

    Args:
        spins: environment variables of OpenMP in place of those of this process, such as ``SPINS``.
        clicks: how many are timed, after some that are not.
        threads: see ``set_threads``.

    Raises:
        InputError: the process fails, such as for lack of memory.
    """
    kept = {name: value for name, value in os.environ.items() if name not in (*SPINS, POLICY)}
    command = [sys.executable, "-m", "isegm.benchmarks.busy_machine", str(clicks)]
    command += [] if threads is None else [str(threads)]
    done = subprocess.run(command, env=kept | dict(spins), capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"clicks could not be timed: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
    return statistics.median(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Let so many processes spin beside this one while the block lasts."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
        for process in spinning:
            process.wait()


def busy_lines(busy: int, clicks: int, rounds: int, threads: int | None) -> Iterator[str]:
    """Time clicks as OpenMP waits by itself and with the bound of ``bound_spinning``, idle and beside busy processes.

    Both are timed in turn in every round; the figures are medians over the rounds. Lines come as they are measured.
    """
    yield f"seconds per click, medians of {rounds} rounds of {clicks} clicks; by default, and with bounded spinning"
    for name, count in (("idle", 0), (f"beside {busy} busy processes", busy)):
        plain, ours = [], []
        with busy_processes(count):
            for _ in range(rounds):
                plain.append(seconds_per_click(RUNTIME_DEFAULTS, clicks, threads))
                ours.append(seconds_per_click(SPINS, clicks, threads))
        before, after = statistics.median(plain), statistics.median(ours)
        yield f"{name:<28} default {before:7.3f} s   here {after:7.3f} s   {before / after:6.2f} x"


def _timed_clicks(clicks: int) -> list[float]:
    """Click on a sample image, again and again; return the seconds of each click but those of the first time."""
    image = SamplesDataset().get_sample(0).image
    height, width = image.shape[:2]
    predictor = Predictor(load_model())
    seconds: list[float] = []
    while len(seconds) < clicks + len(POINTS):
        predictor.set_image(image)
        for x, y, label in POINTS:
            started = time.perf_counter()
            predictor.predict([(x * (width - 1), y * (height - 1))], [label])
            seconds.append(time.perf_counter() - started)
    return seconds[len(POINTS) :][:clicks]


def _main(clicks: int, threads: int | None) -> None:
    keep_freed_memory()
    set_threads(threads)
    print(json.dumps(_timed_clicks(clicks)))


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
