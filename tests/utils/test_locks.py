"""Locks: one holder at a time, freed by every end of a process, no file left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from isegm.utils import locks
from isegm.utils.errors import InputError
from isegm.utils.files import atomic_write
from isegm.utils.locks import hold_lock

HOLD = """
import sys, time
from isegm.utils.locks import hold_lock
with hold_lock(sys.argv[1], "exp/000", "wait"):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path, wait=0.0):
    return hold_lock(path, "exp/000", "wait until it ends, or start a new run", wait=wait)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock, and the lock file."""
    path = tmp_path / "running.lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process, path
    process.kill()
    process.communicate()


def test_a_lock_is_held_by_one_program_at_a_time(holder):
    process, path = holder
    with pytest.raises(InputError) as refused, hold(path):
        pass
    assert str(refused.value).startswith(f"exp/000 is in use by another program (process {process.pid} on ")
    assert str(refused.value).endswith("): wait until it ends, or start a new run.")
    assert path.is_file()
    process.communicate(b"")
    with hold(path):
        assert path.is_file()
    assert not path.exists()


def test_a_lock_of_a_killed_program_is_free(holder):
    process, path = holder
    process.kill()
    process.wait()
    assert path.is_file()
    with hold(path), pytest.raises(InputError, match=f"process {os.getpid()} on"), hold(path):
        pass
    assert not path.exists()


def test_a_lock_is_released_when_its_block_fails(tmp_path):
    path = tmp_path / "new" / "running.lock"
    with pytest.raises(ZeroDivisionError), hold(path):
        raise ZeroDivisionError
    with hold(path):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_child_that_outlives_its_parent_does_not_keep_the_lock(tmp_path):
    path = tmp_path / "running.lock"
    code = (
        "import multiprocessing, os, signal, sys, time\n"
        "from isegm.utils.locks import hold_lock\n"
        "with hold_lock(sys.argv[1], 'exp/000', 'wait'):\n"
        "    child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,))\n"
        "    child.start()\n"
        "    print(child.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    try:
        parent.wait()
        with hold(path, wait=60):  # the child may not have run yet
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


def _take_turns(path, counter, turns):
    done = 0
    while done < turns:
        try:
            with hold(path):
                number = int(counter.read_text())
                counter.write_text(str(number + 1))
                done += 1
        except InputError:
            continue


def test_programs_that_take_turns_never_meet(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("spawn")
    several = [context.Process(target=_take_turns, args=(tmp_path / "l", counter, 40)) for _ in range(3)]
    for process in several:
        process.start()
    for process in several:
        process.join()
    assert counter.read_text() == "120"


def test_a_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch, caplog):
    def refuse(file):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks, "lock_file", refuse)
    with hold(tmp_path / "running.lock"):
        pass
    assert "running.lock cannot be locked (Function not implemented)" in caplog.text


def test_a_lock_in_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"running\.lock cannot be written"), hold(tmp_path / "file" / "running.lock"):
        pass


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_lock_of_windows_does_not_move_what_is_written_next(tmp_path, monkeypatch, mode):
    locked = []
    windows = SimpleNamespace(
        LK_NBLCK=2, locking=lambda file, mode, count: locked.append(os.lseek(file, 0, os.SEEK_CUR))
    )
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    monkeypatch.setattr(locks, "sys", SimpleNamespace(platform="win32"))
    with atomic_write(tmp_path / "file", mode) as file:
        file.write(b"abc" if mode == "wb" else "abc")
    assert (tmp_path / "file").stat().st_size == 3 and locked == [1 << 30]
