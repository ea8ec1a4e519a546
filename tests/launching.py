"""Starting Python as a launcher would, for tests of several processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@contextmanager
def two_processes(*words: str, cwd: Path = REPOSITORY, **variables: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Start Python twice, as another launcher than torchrun would; both have ended behind the block."""
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    running = [
        subprocess.Popen(
            [sys.executable, *words],
            cwd=cwd,
            env=ENVIRONMENT | places | {"RANK": rank, "LOCAL_RANK": rank} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()
