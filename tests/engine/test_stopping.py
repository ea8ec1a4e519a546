"""A run that is stopped at any moment has saved its work, and goes on as if it had not been stopped."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from isegm.engine.loading import EpochBatches, load_batches
from isegm.engine.logs import TrainingLog
from isegm.engine.random import BatchRNG
from isegm.engine.save_clock import SaveClock
from isegm.model.checkpoint import read_checkpoint
from isegm.utils.errors import InputError
from isegm.utils.signals import Stopped, noted_signals
from tests.drawn import draw_folder
from tests.engine.tiny import EVERY_CLICK, PUBLISHED, finished, tiny

REPOSITORY = Path(__file__).resolve().parents[2]
TURNS = {"task": EVERY_CLICK, "norm": True, "dropout": 0.3, "config": {"interleaved_batches": 3, "epochs": 1}}


@pytest.fixture
def images(tmp_path):
    return draw_folder(tmp_path / "photos")


def last_of(run):
    return run.run_config.checkpoints / "last_checkpoint.pth"


def stopped_after(run, updates, number=signal.SIGINT):
    """Train until a signal comes in an update of the weights; the exception that ends the run."""
    optimise, done = run._optimise, []

    def update():
        optimise()
        done.append(0)
        if len(done) == updates:
            signal.raise_signal(number)

    run._optimise = update
    with pytest.raises(Stopped) as stopped:
        run.run()
    assert len(done) == updates  # the step under way was the last
    return stopped.value


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_with_a_sentence_and_the_conventional_exit_code(images, tmp_path, number):
    run = tiny(images, tmp_path / "000_first", task=PUBLISHED)
    stopped = stopped_after(run, 3, number)
    assert stopped.exit_code == 128 + number
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert str(stopped).startswith(f"{word} in epoch 0, step 3: {last_of(run)} is written; go on with ")
    assert str(stopped).endswith("the same options and --resume-exp 000_first.")
    assert read_checkpoint(last_of(run))["training"]["global_step"] == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("accumulate", "updates"),
    [
        pytest.param(accumulate, updates, marks=() if (updates % 2 == 1) == (accumulate == 2) else pytest.mark.long)
        for accumulate in (1, 2)
        for updates in (1, 2, 5, 7, 10)
    ],
)
def test_a_run_stopped_between_two_clicks_of_batches_in_turn_ends_as_unbroken(images, tmp_path, updates, accumulate):
    options = {**TURNS, "accumulate": accumulate, "batch_size": 4}
    whole = finished(tiny(images, tmp_path / "whole", **options))
    run = tiny(images, tmp_path / "run", **options)
    stopped_after(run, updates)
    resumed = tiny(images, tmp_path / "run", resume=last_of(run), **options)
    ended = finished(resumed)
    assert ended["weights"] == whole["weights"]
    assert ended["curves"] == whole["curves"][-len(ended["curves"]) :]
    assert read_checkpoint(last_of(resumed))["training"]["turns"] is None


def test_the_state_is_kept_when_the_run_is_stopped_again_before_its_first_batch(images, tmp_path):
    whole = finished(tiny(images, tmp_path / "whole", **TURNS))
    run = tiny(images, tmp_path / "run", **TURNS)
    stopped_after(run, 4)
    again = tiny(images, tmp_path / "run", resume=last_of(run), **TURNS)
    load = again._load

    def interrupted(*arguments, **more):
        signal.raise_signal(signal.SIGTERM)
        return load(*arguments, **more)

    again._load = interrupted
    with pytest.raises(Stopped):
        again.run()
    resumed = tiny(images, tmp_path / "run", resume=last_of(run), **TURNS)
    assert finished(resumed)["weights"] == whole["weights"]


def test_checkpoints_are_due_by_steps_and_by_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = SaveClock(every=4, seconds=60)
    clock.restart(6)
    assert not clock.is_due(7) and clock.is_due(8) and clock.is_due(9)
    now[0] += 59
    assert not clock.is_due(7)
    now[0] += 1
    assert clock.is_due(7) and clock.is_due(6)
    clock.restart(7)
    assert not clock.is_due(7)
    now[0] += 10**6
    assert not SaveClock(every=0, seconds=0).is_due(10**6)


@pytest.mark.parametrize("options", [{"save_seconds": 1e-9, "save_every": 0}, {"save_seconds": 0, "save_every": 1}])
def test_a_checkpoint_is_written_within_the_first_batches_that_take_turns(images, tmp_path, options):
    run = tiny(images, tmp_path, **TURNS, **options)
    log_step, seen = run._log_step, []

    def look(*arguments):
        if not seen:
            seen.append(read_checkpoint(last_of(run))["training"]["turns"]["done"])
        log_step(*arguments)

    run._log_step = look
    run.run()
    assert seen > [0]


def test_time_between_checkpoints_is_a_minute_by_default(images, tmp_path):
    assert tiny(images, tmp_path).clock.seconds == 60


def test_a_signal_in_validation_ends_the_run_whose_training_is_saved(images, tmp_path):
    whole = finished(tiny(images, tmp_path / "whole", **TURNS))
    run = tiny(images, tmp_path / "run", **TURNS)
    validate = run._validate

    def interrupted():
        signal.raise_signal(signal.SIGINT)
        validate()
        raise AssertionError("validation went on")

    run._validate = interrupted
    with pytest.raises(Stopped):
        run.run()
    resumed = tiny(images, tmp_path / "run", resume=last_of(run), **TURNS)
    assert resumed.step_in_epoch == resumed.steps_per_epoch
    assert finished(resumed)["weights"] == whole["weights"]
    ends = [read_checkpoint(tmp_path / name / "checkpoints" / "last_checkpoint.pth") for name in ("whole", "run")]
    groups = [end["training"]["optimizer"]["param_groups"] for end in ends]
    assert groups[0] == groups[1]


def test_an_image_that_breaks_in_the_middle_of_training_costs_nothing(images, tmp_path):
    run = tiny(images, tmp_path / "run", task=PUBLISHED)
    load = run._load

    def breaking(*arguments, **more):
        parts, batches = load(*arguments, **more)

        def three():
            for _ in range(3):
                yield next(batches)
            raise InputError("07.png is broken: get it again.")

        return parts, three()

    run._load = breaking
    with pytest.raises(InputError, match=r"07\.png"):
        run.run()
    assert read_checkpoint(last_of(run))["training"]["global_step"] == 3


def test_a_loss_that_is_not_finite_is_never_saved(images, tmp_path):
    run = tiny(images, tmp_path, save_every=1, **TURNS)
    optimise, updates = run._optimise, []

    def spoil():
        optimise()
        updates.append(0)
        if len(updates) == 4:
            with torch.no_grad():
                run.model.last.bias.fill_(torch.nan)

    run._optimise = spoil
    with pytest.raises(InputError, match="loss is nan"):
        run.run()
    content = read_checkpoint(last_of(run))
    assert all(value.isfinite().all() for value in content["state_dict"].values())


def test_a_signal_later_than_the_first_one_ends_at_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with noted_signals() as request:
        signal.raise_signal(signal.SIGTERM)
        now[0] = 0.5
        signal.raise_signal(signal.SIGINT)  # as a terminal and a launcher send the same one
        assert request.number == signal.SIGTERM
        now[0] = 2.0
        with pytest.raises(Stopped) as stopped:
            signal.raise_signal(signal.SIGINT)
    assert stopped.value.exit_code == 130
    with noted_signals(patient=True):
        signal.raise_signal(signal.SIGTERM)
        now[0] = 9.0
        signal.raise_signal(signal.SIGTERM)


def test_signals_are_left_alone_where_they_are_ignored_and_in_other_threads():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noted_signals() as request:
            signal.raise_signal(signal.SIGINT)
            assert request.number == 0
    finally:
        signal.signal(signal.SIGINT, before)
    failures = []

    def work():
        try:
            with noted_signals():
                pass
        except ValueError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures


def test_generators_of_samples_go_on_where_they_stood():
    rng = BatchRNG(3, 1, first=2, count=2)
    for generator in rng.samples:
        generator.integers(100, dtype=np.uint32)
    state = rng.state()
    assert state.shape == (2, 40) and state.dtype == torch.uint8
    following = [generator.integers(1 << 30, size=5, dtype=np.uint32).tolist() for generator in rng.samples]
    other = BatchRNG(9, first=0, count=2)
    other.load_state(state)
    assert [g.integers(1 << 30, size=5, dtype=np.uint32).tolist() for g in other.samples] == following


class Slow(torch.utils.data.Dataset):
    """Samples that know the process that made them."""

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return {"images": torch.tensor([os.getpid()])}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_loader_process_is_one_sentence_and_an_interrupt_does_not_reach_it():
    handler = signal.getsignal(signal.SIGCHLD)
    batches = load_batches(Slow(), EpochBatches(1000, 1, 0, 0), 1, torch.device("cpu"))
    (worker,) = next(batches)["images"].flatten().tolist()
    assert signal.getsignal(signal.SIGCHLD) == handler
    os.kill(worker, signal.SIGINT)
    for _ in range(20):
        next(batches)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(InputError, match=r"^a process that loads images was killed, .* --workers .* --resume-exp\.$"):
        for _ in batches:
            pass


def test_loading_does_not_wait_for_threads_that_a_fork_has_left_behind():
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        for _ in range(3):
            cv2.GaussianBlur(np.zeros((1500, 1500, 3), np.uint8), (9, 9), 2)  # starts OpenCV's threads
        batches = load_batches(Slow(), EpochBatches(1000, 1, 0, 0), 1, torch.device("cpu"))
        assert next(batches)["images"].item() != os.getpid()
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


SCRIPT = """
from isegm.recipes import Recipe, light, train
from tests.engine.tiny import TinyModel

RECIPE = Recipe(
    data=light.folders(epoch_len=400), crop=(48, 48), sampler=light.SAMPLER, batch_size=4, lr=1e-3, epochs=2,
    warmup=0.6, decay_from=1, clicks=10, train_every_click=True, interleaved_batches=100,
    losses=light.losses(aux=None), image_every=200,
)

def main(cfg):
    train(TinyModel(norm=True), cfg, RECIPE)
"""


def start(folder, images, *more):
    """A training command below ``folder``; a signal is for it alone, and its standard error is a file."""
    (folder / "models" / "tiny").mkdir(parents=True, exist_ok=True)
    (folder / "models" / "tiny" / "tiny.py").write_text(SCRIPT)
    command = [sys.executable, str(REPOSITORY / "train.py"), "models/tiny/tiny.py", "--data", str(images), "--cpu"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    with (folder / "stderr.txt").open("w") as errors:
        return subprocess.Popen([*command, *more], cwd=folder, env=environment, stderr=errors, start_new_session=True)


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, "the run has ended"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "processes"), [(signal.SIGINT, "1"), pytest.param(signal.SIGTERM, "2", marks=pytest.mark.long)]
)
def test_a_command_in_its_first_batches_ends_with_one_sentence_when_it_gets_a_signal(
    images, tmp_path, number, processes
):
    process = start(tmp_path, images, "--workers", "1", "--save-every", "1", "--ngpus", processes)
    last = tmp_path / "experiments" / "tiny" / "tiny" / "000" / "checkpoints" / "last_checkpoint.pth"
    wait_for(last, process)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)  # as a terminal and a supervisor do
    assert process.wait(300) == 128 + number
    said = (tmp_path / "stderr.txt").read_text()
    assert "Traceback" not in said
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert f"{word} in epoch 0, step 0:" in said and said.count("--resume-exp 000.") == 1
    assert re.search(r"last_checkpoint\.pth is written with \d+\.\d of \d+ batches; go on", said), said
    assert [path.name for path in last.parent.iterdir()] == [last.name]
    assert read_checkpoint(last)["training"]["turns"]["done"] > 0


def test_curves_on_a_full_disk_end_the_run_without_a_trace_of_another_thread(tmp_path, capfd):
    before = threading.excepthook
    log = TrainingLog(tmp_path / "logs", tmp_path / "vis", None)
    events = log.writer._get_file_writer().event_writer._async_writer

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    events._writer.write = full
    with pytest.raises(InputError, match=r"logs cannot be written \(No space left on device\): make room on its disk"):
        for step in range(1000):
            log.values({"a": 1.0}, step)
            events._worker.join(0.05)
    with suppress(InputError):
        log.close()
    assert threading.excepthook == before
    assert "Traceback" not in capfd.readouterr().err
