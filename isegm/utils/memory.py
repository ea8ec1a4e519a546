"""The memory that a program takes: what it keeps, and how much it was at most."""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
KEEP = 2**31 - 1
TOP_PAD = 64 * 2**20


def keep_freed_memory() -> bool:
    """Keep freed memory in the process instead of returning it to the system after every layer.

    By default glibc maps each large activation anew and faults its pages in again, which on CPUs can cost more time
    than the layer itself. Call this once at the start of a program that runs networks on the CPU. The resident size
    grows.

    Returns:
        whether it took effect; False with other C libraries than glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return all(
        libc.mallopt(key, value) for key, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, KEEP), (M_TOP_PAD, TOP_PAD))
    )


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """Return the largest resident size that this process has had so far, in bytes.

    Args:
        status: where Linux tells it; other systems are asked otherwise.
    """
    if sys.platform == "win32":
        return _windows_peak()
    if status.is_file():  # not by getrusage, which on Linux counts the program that started this one too
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_memory_of_children() -> int:
    """Return the largest resident size that one of the ended processes started from here has had, in bytes.

    Memory that they share with this process, such as what both have imported, counts; 0 without any, and on Windows.
    """
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _windows_peak() -> int:
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in ("PeakWorkingSetSize", "WorkingSetSize", "QuotaPeakPagedPoolUsage")),
            *((f"unread{number}", ctypes.c_size_t) for number in range(5)),
        ]

    counters = Counters(cb=ctypes.sizeof(Counters))
    process = ctypes.windll.kernel32.GetCurrentProcess  # type: ignore[attr-defined]
    process.restype = wintypes.HANDLE
    query = ctypes.windll.psapi.GetProcessMemoryInfo  # type: ignore[attr-defined]
    query.argtypes = [wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD]
    query(process(), ctypes.byref(counters), counters.cb)
    return int(counters.PeakWorkingSetSize)
