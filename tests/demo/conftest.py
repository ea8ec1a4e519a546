"""What tests of the interactive program's window share."""

import gc

import numpy as np
import pytest

from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.utils.files import write_image
from tests.analytic import BlobModel
from tests.demo.clicked import SlowModel, prepared, started

SIZE = (72, 96)


@pytest.fixture
def photo(tmp_path):
    """A dark image of 96x72 pixels with a bright box."""
    image = np.random.default_rng(0).integers(0, 60, (*SIZE, 3)).astype(np.uint8)
    image[15:50, 25:70] += 120
    write_image(tmp_path / "photos" / "photo.png", image)
    return tmp_path / "photos" / "photo.png"


@pytest.fixture
def drive(screen, monkeypatch, tmp_path, photo):
    """Start the program; gives a driver of it, with the image unless told otherwise."""
    tk = pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from tkinter import messagebox

    from isegm.demo.view import Program
    from tests.demo.driver import Driver

    monkeypatch.setenv("DISPLAY", screen)
    warnings, roots = [], []
    monkeypatch.setattr(messagebox, "showwarning", lambda title, sentence, parent: warnings.append(sentence))

    def start(model=None, path=photo, autosave=True, **changes):
        roots.append(tk.Tk())
        settings = Settings(**{"target_size": 100, **changes})
        folder = tmp_path / "autosave" if autosave else None
        controller = Controller(model or BlobModel(), settings=settings, autosave=folder, background=True)
        driver = Driver(Program(roots[-1], controller), warnings)
        if path is not None:
            driver.open(path)
        return driver

    yield start
    assert all(sentence.endswith(".") and "unexpected" not in sentence for sentence in warnings), warnings
    for root in roots:
        if root.children:
            root.destroy()
    roots.clear()
    gc.collect()  # what belongs to a window must not be collected in another thread
    gc.freeze()  # what is left was there before; to look at it again after each window takes longest


@pytest.fixture
def answer(monkeypatch):
    """What dialogs give: paths to files, colours, answers to questions."""

    pytest.importorskip("tkinter", reason="this Python has no tkinter")
    from tkinter import colorchooser, filedialog, messagebox

    def give(**values):
        def dialog(name, value):
            def opened(*_, **__):
                asked.append(name)
                return value

            return opened

        places = {"askcolor": colorchooser, "askyesnocancel": messagebox, "askokcancel": messagebox}
        for name, value in values.items():
            monkeypatch.setattr(places.get(name, filedialog), name, dialog(name, value))
        return asked

    asked = []
    return give


@pytest.fixture
def place(tmp_path):
    """A folder with an image, and masks of its size."""
    return prepared(tmp_path)


@pytest.fixture
def slow(place):
    """A controller whose network answers when ``model.gate`` is set."""
    model = SlowModel()
    controller = started(place, model=model, background=True)
    controller.model = model
    yield controller
    model.gate.set()
    controller.close()
