"""A virtual screen for tests of windows."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

HAS_SCREEN = shutil.which("Xvfb") is not None


@contextmanager
def virtual_screen(size: str = "1280x900x24") -> Iterator[str]:
    """Start Xvfb on a free display; gives its name, such as ``:1``."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-screen", "0", size, "-nolisten", "tcp", "-displayfd", str(write)],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            yield f":{pipe.readline().strip()}"
    finally:
        server.terminate()
        server.wait()
