"""What the program says about itself: the next step under the image, and the text of About."""

from __future__ import annotations

from isegm.demo.controller import Controller

ABOUT = """Click-based interactive segmentation.

Left button: a click on the object. Right button: a click on the background; held down it moves the image.
Wheel: zoom. Space: finish the object. A: keep what is selected and go on without the clicks.
B, L: draw a box or a lasso around the object with the left button.
P: draw lines on the object with the left button, on the background with the right one. Escape: click again.
H: hide the masks, and show them again.
W, A, S, D, arrows: move the image, A while no object is in progress.
Ctrl+Z, Ctrl+Y: undo, redo. Page up, page down: the images of the folder. Ctrl+O: load an image. Ctrl+S: save.

Every click is autosaved: whatever happens, the image will be as you left it."""
NOTHING_OPEN = "Load an image (Ctrl+O) or a folder to begin."
FIRST = "Left click on the object that you want, or B: draw a box, L: a lasso around it, P: a line on it. Wheel: zoom."
CORRECT = "Left click: add. Right click: take away. Space: finish. H: hide. Ctrl+Z: undo. A: keep and go on."
FURTHER = "Left click: next object. Page down: next image. Ctrl+S: save. Double click in the list: correct one."
HIDDEN = "Masks are hidden: H shows them."


def next_step(controller: Controller, hidden: bool) -> str:
    """Say what mouse and keys do at this moment, in one line.

    Args:
        hidden: whether the user hides the masks.
    """
    if controller.image is None:
        return NOTHING_OPEN
    if hidden:
        return HIDDEN
    if controller.in_progress:
        return CORRECT
    return FURTHER if controller.document.objects else FIRST


def describe_image(controller: Controller) -> str:
    """Describe the open image in one line."""
    image, folder = controller.image, controller.folder
    if image is None or folder is None:
        return ""
    height, width = image.size
    kept = "autosaved" if controller.autosaves else "not autosaved"
    return f"{image.name}, {folder.index + 1} of {len(folder.images)}, {width} x {height} pixels, {kept}"
