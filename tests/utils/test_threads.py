"""How many threads a program uses, and how long they spin while they wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from isegm.utils.threads import SPINS, bound_spinning, set_threads, usable_cpus

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = ["train.py", "demo.py", *(f"scripts/{path.name}" for path in sorted((ROOT / "scripts").glob("*.py")))]
# Says what OpenMP will find, at the moment at which PyTorch is about to be loaded, and ends.
WATCH = """
import os, runpy, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print([os.environ.get(name) for name in {names}])
            sys.stdout.flush()
            os._exit(0)
sys.meta_path.insert(0, Watch())
sys.argv = {arguments}
runpy.{run}(sys.argv[0], run_name="__main__")
"""


def found_by_torch(run, *arguments, **environment):
    """The variables of ``SPINS`` as a command leaves them for PyTorch."""
    code = WATCH.format(names=list(SPINS), arguments=list(arguments), run=run)
    unset = {name: value for name, value in os.environ.items() if name not in (*SPINS, "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**unset, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_script_bounds_spinning_before_torch_is_loaded(entry):
    assert found_by_torch("run_path", str(ROOT / entry)) == str(list(SPINS.values()))


def test_the_command_bounds_spinning_before_torch_is_loaded():
    assert found_by_torch("run_module", "isegm", "predict") == str(list(SPINS.values()))


def test_import_isegm_bounds_spinning_and_loads_no_torch():
    code = f"import isegm, os, sys; print([os.environ.get(n) for n in {list(SPINS)}], 'torch' in sys.modules)"
    unset = {name: value for name, value in os.environ.items() if name not in (*SPINS, "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", code], env=unset | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.stdout.decode().strip() == f"{list(SPINS.values())} False"


@pytest.mark.parametrize(
    ("callers", "left"),
    [
        ({}, SPINS),
        ({"GOMP_SPINCOUNT": "7"}, SPINS | {"GOMP_SPINCOUNT": "7"}),
        ({"KMP_BLOCKTIME": "infinite"}, SPINS | {"KMP_BLOCKTIME": "infinite"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
    ids=str,
)
def test_what_the_caller_has_set_stays(callers, left):
    environment = dict(callers)
    bound_spinning(environment)
    assert environment == left


def described(folder, groups, mounts, files):
    """A folder like /proc/self whose control groups lie below ``folder``."""
    for name, text in files.items():
        path = folder / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "cgroup").write_text(groups)
    lines = [f"30 23 0:26 {root} {folder}/groups/{point} rw shared:9 - {rest}\n" for root, point, rest in mounts]
    (folder / "mountinfo").write_text("".join(["23 1 8:1 / / rw - ext4 /dev/sda1 rw\n", *lines]))
    return folder


V2 = ("/", "v2", "cgroup2 cgroup2 rw,nsdelegate")
V1 = ("/", "cpu", "cgroup cgroup rw,cpu,cpuacct")


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "cpus"),
    [
        ("0::/\n", [V2], {"v2/cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", [V2], {"v2/cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", [V2], {"v2/cpu.max": "10000 100000\n"}, 1),
        ("0::/\n", [V2], {"v2/cpu.max": "max 100000\n"}, 8),
        ("0::/\n", [V2], {}, 8),
        ("0::/a/b\n", [V2], {"v2/a/cpu.max": "300000 100000\n", "v2/a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/a/b\n", [V2], {"v2/a/cpu.max": "300000 100000\n", "v2/a/b/cpu.max": "100000 100000\n"}, 1),
        ("0::/../other\n", [V2], {"v2/cpu.max": "400000 100000\n"}, 4),
        ("0::/a\n", [V2], {"v2/a/cpu.max": "1 2 3\n"}, 8),
        ("0::/a\n", [V2], {"v2/a/cpu.max": "100000 0\n"}, 8),
        ("3:cpu,cpuacct:/\n", [V1], {"cpu/cpu.cfs_quota_us": "500000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 5),
        ("3:cpu,cpuacct:/\n", [V1], {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        (
            "4:memory:/x\n3:cpu,cpuacct:/docker/f00\n0::/\n",
            [("/docker/f00", "cpu", V1[2]), V2],
            {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            2,
        ),
        ("3:cpuset:/\n", [("/", "cpuset", "cgroup cgroup rw,cpuset")], {"cpuset/cpu.cfs_quota_us": "1"}, 8),
        ("0::/\n", [("/", "a\\040b", V2[2])], {"a b/cpu.max": "200000 100000\n"}, 2),
    ],
)
def test_cpus_are_those_of_affinity_and_quota(groups, mounts, files, cpus, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert usable_cpus(described(tmp_path, groups, mounts, files)) == cpus


def test_cpus_are_counted_where_no_control_groups_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 4, 5}, raising=False)
    assert usable_cpus(tmp_path) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cpus(tmp_path) == 1


@pytest.fixture
def threads_kept():
    before = torch.get_num_threads()
    yield
    set_threads(before)


@pytest.mark.usefixtures("threads_kept")
def test_threads_are_no_more_than_the_cpus_unless_the_caller_says_how_many(monkeypatch):
    import cv2

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    torch.set_num_threads(3)
    monkeypatch.setattr("isegm.utils.threads.usable_cpus", lambda: 2)
    assert set_threads() == torch.get_num_threads() == cv2.getNumThreads() == 2
    assert set_threads(3) == torch.get_num_threads() == cv2.getNumThreads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert set_threads() == 3


@pytest.mark.usefixtures("threads_kept")
@pytest.mark.parametrize(
    "command", ["predict", "evaluate", "annotate", "measure-refiner", "measure-latency", "train", "benchmark"]
)
def test_commands_take_a_number_of_threads(command, capsys):
    from isegm.cli import main

    for wrong in ("0", "-1", "two", "1.5", "9" * 30):
        with pytest.raises(SystemExit) as ended:
            main([command, f"--threads={wrong}"])
        assert ended.value.code == 2 and "argument --threads" in capsys.readouterr().err
