"""An image with a box, and controllers that have it open."""

import threading

import numpy as np

from isegm.annotations.formats import read_annotations
from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.utils.files import write_image
from tests.analytic import BlobModel
from tests.demo.scripted import drawn

CLICKS = ((40, 30, True), (70, 50, False), (55, 22, True), (20, 60, True))
SIZE = (72, 96)


class SlowModel(BlobModel):
    """Answers when ``gate`` is open, and ``failing`` not at all."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.failing = False

    def decode(self, features, points, prev_mask=None, cache=None):
        assert self.gate.wait(30)
        if self.failing:
            raise RuntimeError("out of memory")
        return super().decode(features, points, prev_mask, cache)


def prepared(folder):
    """The folder, with an image and masks of its size to load."""
    write_image(folder / "photo.png", drawn(SIZE))
    write_mask(folder / "middle.png", slice(30, 50), slice(40, 80))
    write_mask(folder / "corner.png", slice(60, 70), slice(80, 94))
    return folder


def write_mask(path, rows, columns):
    mask = np.zeros(SIZE, np.uint8)
    mask[rows, columns] = 255
    write_image(path, mask)


def pixels(path):
    return read_annotations(path, "photo.png", SIZE).labels() > 0


def started(place, *clicks, model=None, background=False, autosave=None, **changes):
    """A controller with the image open, after some clicks."""
    settings = Settings(**{"max_size": 800, "target_size": 100, **changes})
    controller = Controller(model or BlobModel(), settings=settings, background=background, autosave=autosave)
    controller.open(place / "photo.png")
    controller.wait()
    for click in clicks:
        controller.click(*click)
    return controller


def mask_of(controller):
    return controller.document.selection.mask()


def step_of(controller):
    """What the network knows of the object in progress; None where there is none."""
    return controller._session._inference_state.find(controller.draft)


def probs_of(controller):
    """Float32 (H, W) probabilities of the object in progress; None where there is none."""
    step = step_of(controller)
    return None if step is None else step.probs
