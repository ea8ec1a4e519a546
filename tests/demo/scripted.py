"""Scripted sessions of the interactive program, and what must come of them as plain data."""

import numpy as np

from isegm.annotations import Region
from isegm.demo.controller import Controller
from isegm.demo.document import Document
from isegm.demo.settings import Settings
from isegm.utils.files import write_image
from tests.analytic import BlobModel

SIZE = (40, 56)
PROMPTLY = ("edit", "reset")  # look at the document when they are asked for, so scripts wait before them


def drawn(size=SIZE):
    """A dark image with a bright box."""
    image = np.random.default_rng(0).integers(0, 60, (*size, 3)).astype(np.uint8)
    image[size[0] // 5 : size[0] * 2 // 3, size[1] // 4 : size[1] * 2 // 3] += 120
    return image


def prepare(folder):
    """Files that scripts need: ``photo.png``, a mask to begin from, and two objects to import."""
    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "photo.png", drawn())
    mask = np.zeros(SIZE, np.uint8)
    mask[22:36, 30:50] = 255
    write_image(folder / "mask.png", mask)
    labels = np.zeros(SIZE, np.uint8)
    labels[2:9, 3:20], labels[5:15, 12:30] = 1, 2
    write_image(folder / "objects.png", labels)
    return folder


def opened(folder, model=None, wait=True, **options):
    """A controller with the image of ``prepare`` open."""
    controller = Controller(model or BlobModel(), settings=Settings(zoom_in=False, target_size=100), **options)
    controller.open(folder / "photo.png")
    if wait:
        controller.wait()
    return controller


def perform(controller, step):
    """Hand one step of a script to a controller: a method's name and its arguments."""
    name, *arguments = step
    if name in PROMPTLY:
        controller.wait()
    if name == "edit":
        number, changes = arguments
        controller.edit(number, **changes)
    else:
        getattr(controller, name)(*arguments)


def write_script(seed, length, controller, folder):
    """Make up a script while carrying it out, so that every step does something.

    Returns:
        the steps, and ``as_data`` of the documents: before the first step, and after each.
    """
    rng = np.random.default_rng(seed)
    steps, documents = [], [as_data(controller.document)]
    while len(steps) < length:
        step = _next(rng, controller, folder)
        perform(controller, step)
        controller.wait()
        steps.append(step)
        documents.append(as_data(controller.document))
    return steps, documents


def _next(rng, controller, folder):
    document = controller.document
    wanted = {"click": 9, "load_mask": 0.3, "load_annotations": 0.2}
    wanted |= {"undo": 3} if controller.can_undo else {}
    wanted |= {"redo": 3} if controller.can_redo else {}
    if document.draft is not None:
        wanted |= {"partially_finish": 0.7, "reset": 0.4}
        wanted |= {"finish": 2.5} if document.selection else {}
    if document.objects:
        wanted |= {"edit": 2, "remove": 0.6} | ({"reopen": 2} if document.draft is None else {})
    shares = np.array(list(wanted.values()))
    name = str(rng.choice(list(wanted), p=shares / shares.sum()))
    if name == "click":
        return name, float(rng.uniform(0, SIZE[1] - 1)), float(rng.uniform(0, SIZE[0] - 1)), bool(rng.random() < 0.6)
    if name == "load_mask":
        return name, folder / "mask.png"
    if name == "load_annotations":
        return name, folder / "objects.png"
    if name in ("remove", "reopen"):
        return name, _some_number(rng, document)
    if name == "edit":
        changes = (
            {"name": f"Katze {rng.integers(9)}"},
            {"category": "cat"},
            {"color": tuple(rng.integers(0, 256, 3).tolist())},
            {"protected": bool(rng.random() < 0.7)},
        )
        return name, _some_number(rng, document), changes[rng.integers(len(changes))]
    return (name,)


def _some_number(rng, document):
    return document.objects[rng.integers(len(document.objects))].number


def as_data(document: Document):
    """All that a document says, to be compared."""
    objects = [
        (item.number, item.name, item.category, tuple(item.color), item.protected, _pixels(item.region))
        for item in document.objects
    ]
    draft = document.draft
    if draft is not None:
        moves = [move if isinstance(move, str) else (move.is_positive, move.coords) for move in draft.moves]
        masks = [_pixels(each) for each in (draft.region, draft.start, draft.kept)]
        draft = draft.number, draft.threshold, moves, masks
    return document.size, objects, draft


def _pixels(region: Region | None):
    return None if region is None else (region.size, region.top, region.left, region.shape, region.pixels.tobytes())
