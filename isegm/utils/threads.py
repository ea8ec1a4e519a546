"""Threads of a program that shares its machine: how many there are, and how long they spin while they wait.

PyTorch computes with OpenMP, whose threads spin for a while after each piece of work, in case more follows. Beside
other busy programs they spin away the time that those with work need: a click can take ten times as long. A short spin
keeps an idle machine as fast, and a busy one usable.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path, PurePosixPath

# How long each OpenMP runtime spins: GNU's in rounds, Intel's and LLVM's in milliseconds.
SPINS = {"GOMP_SPINCOUNT": "5000", "KMP_BLOCKTIME": "1"}
POLICY = "OMP_WAIT_POLICY"  # of all runtimes: a caller who sets it has decided
COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # variables by which a caller sets the number of threads


def bound_spinning(environment: MutableMapping[str, str] | None = None) -> None:
    """Let OpenMP threads spin only shortly; has no effect on runtimes that are loaded already.

    What the caller has set in the environment stays. ``import isegm`` calls this, so import it before PyTorch.

    Args:
        environment: default: ``os.environ``, which processes that are started from here inherit.
    """
    environment = os.environ if environment is None else environment
    if POLICY not in environment:
        for name, value in SPINS.items():
            environment.setdefault(name, value)


def usable_cpus(proc: Path = Path("/proc/self")) -> int:
    """Return how many CPUs this process may use: by its affinity and by the quota of its control groups.

    Args:
        proc: folder in which Linux describes the process.

    Returns:
        at least 1; a quota of a part of a CPU counts as a whole one.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *map(math.ceil, _quotas(proc))]))


def _quotas(proc: Path) -> Iterator[float]:
    """The CPU quotas, in CPUs, of the control groups of a process and of the groups that hold them."""
    try:
        groups = (proc / "cgroup").read_text().splitlines()
        mounts = (proc / "mountinfo").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return  # another system than Linux, or one that hides them
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        root, point = map(_unescaped, before.split()[3:5])
        kind, _, options = after.split(maxsplit=2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        for group in groups:
            _, controllers, path = group.split(":", 2)
            same = not controllers if kind == "cgroup2" else bool(controllers)
            if same and (kind == "cgroup2" or ("cpu" in controllers.split(",") and "cpu" in options.split(","))):
                yield from _quotas_below(Path(point), root, path)


def _quotas_below(point: Path, root: str, path: str) -> Iterator[float]:
    """The quotas of the group at ``path``, and of its parents, in a hierarchy whose ``root`` is mounted at ``point``.

    A container may see its group's path as the host names it, while only the group itself is mounted.
    """
    inner = PurePosixPath(path)
    below = inner.relative_to(root) if inner.is_relative_to(root) else PurePosixPath()
    if ".." in below.parts:  # a group outside what is mounted
        below = PurePosixPath()
    for folder in (below, *below.parents):
        quota = _quota(point / folder)
        if quota is not None:
            yield quota


def _quota(folder: Path) -> float | None:
    """The quota of a control group, in CPUs; None where it has none."""
    try:
        if (folder / "cpu.max").is_file():
            limit, period = (folder / "cpu.max").read_text().split()
        else:
            limit = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        quota = float(limit) / float(period) if limit != "max" else 0.0
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return quota if 0 < quota < math.inf else None


def _unescaped(path: str) -> str:
    """A path as ``mountinfo`` writes it, with spaces and the like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def set_threads(count: int | None = None) -> int:
    """Let PyTorch and OpenCV compute with so many threads.

    Args:
        count: None: as many as PyTorch takes by itself, but no more than there are usable CPUs; where the caller has
            set OMP_NUM_THREADS or MKL_NUM_THREADS, those.

    Returns:
        the number of PyTorch's threads.
    """
    import cv2
    import torch

    if count is None and any(name in os.environ for name in COUNTS):
        return torch.get_num_threads()
    threads = min(torch.get_num_threads(), usable_cpus()) if count is None else count
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    return threads
