"""The library's logger."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from pathlib import Path

logger = logging.getLogger("isegm")


def log_to_console() -> None:
    """Show messages on stderr; calling it again changes nothing."""
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("(%(levelname)s) %(asctime)s: %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def log_to_file(folder: Path, prefix: str = "train") -> Path:
    """Also write messages to ``<folder>/<prefix>_<date>_<time>.log``; returns its path."""
    path = folder / f"{prefix}_{datetime.now():%Y-%m-%d_%H-%M-%S}.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("(%(levelname)s) %(asctime)s: %(message)s"))
    logger.addHandler(handler)
    return path
