"""Command lines as users type them, run in this process."""

import runpy
from pathlib import Path

import pytest

from isegm.utils import cli

ROOT = Path(__file__).resolve().parents[1]


def exit_code(words, monkeypatch, shown_as=None):
    """Run a script of the checkout with options in the present folder; give its exit code.

    Args:
        words: the script, such as ``scripts/evaluate_model.py``, and its options.
        monkeypatch: pytest's.
        shown_as: the script as the user has written it; None for as in ``words``.
    """
    monkeypatch.setattr("sys.argv", [shown_as or words[0], *words[1:]])
    with pytest.raises(SystemExit) as end:
        cli.run(runpy.run_path(str(ROOT / words[0]))["main"])
    return end.value.code
