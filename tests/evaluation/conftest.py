"""What tests of evaluations share."""

from pathlib import Path

import pytest

from isegm.evaluation import plots


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are empty files: drawing one takes longer than a small evaluation."""
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: Path(path).touch())
