"""Tests of the package. Where pytest-xdist runs several processes, each takes its share of the cores."""

import os

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # before PyTorch reads it
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))
