"""Settings of the C library's memory allocator."""

from __future__ import annotations

import ctypes
import platform

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
