"""The notebook runs from a checkout, from top to bottom, and holds no outputs."""

import json
import os
import re
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import isegm
from isegm import load_model
from tests import segnext

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def cells():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and notebook["metadata"]["kernelspec"]["language"] == "python"
    return notebook["cells"]


def test_cells_are_of_the_form_of_nbformat_4(cells):
    assert 8 <= len(cells) <= 12
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        assert re.fullmatch(r"[\w-]{1,64}", cell["id"]) and isinstance(cell["metadata"], dict)
        lines = cell["source"]
        assert lines and all(line.endswith("\n") for line in lines[:-1]) and not lines[-1].endswith("\n")
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
        else:
            assert cell["cell_type"] == "markdown" and "outputs" not in cell


@pytest.fixture
def images(monkeypatch):
    """matplotlib that opens no windows; the list takes up how many axes each shown figure has."""
    shown = []
    backend = matplotlib.get_backend()
    matplotlib.use("Agg")
    pyplot = matplotlib.pyplot

    def show():
        figure = pyplot.gcf()
        figure.canvas.draw()
        shown.append(len(figure.axes))
        pyplot.close(figure)

    monkeypatch.setattr(pyplot, "show", show)
    yield shown
    matplotlib.use(backend)


def run_cells(cells, monkeypatch):
    """Run the notebook's code, and return the names that it defines."""
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.syspath_prepend(str(ROOT))
    names = {"__name__": "__main__"}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{NOTEBOOK.name}, {cell['id']}", "exec"), names)
    return names


def test_it_runs_from_top_to_bottom_and_shows_what_it_says(cells, images, monkeypatch, capsys):
    names = run_cells(cells, monkeypatch)
    assert images == [2, 2, 2, 1]
    assert names["too_much"].sum() > 1.2 * names["undone_mask"].sum()
    rough, first, mask = (names["get_iou"](names["cup"], names[name]) for name in ("rough", "first", "mask"))
    assert mask > max(rough, first) and mask > 0.8
    assert len(names["records"]) == 4 and np.all(np.diff(names["curve"]) > -0.05)
    assert f"two clicks  IoU {mask:.2f}" in capsys.readouterr().out
    assert not set(os.listdir(NOTEBOOK.parent)) - {NOTEBOOK.name, ".ipynb_checkpoints"}


def test_it_runs_with_a_checkpoint_of_segnext(cells, images, monkeypatch, tmp_path):
    path = segnext.save_published(tmp_path / "vitb_sa2_cocolvis_hq44k_epoch_0.pth")
    monkeypatch.setattr(isegm, "load_model", partial(load_model, path))
    names = run_cells(cells, monkeypatch)
    assert names["predictor"].model.encodes_once and images == [2, 2, 2, 1] and len(names["records"]) == 4
