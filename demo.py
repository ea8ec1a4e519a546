"""Segment objects interactively, in a window.

    python demo.py
    python demo.py photos/
    python demo.py --checkpoint=hrnet18_cocolvis_itermask_3p --gpu=0
    python demo.py --checkpoint=hrnet18_cocolvis_itermask_3p --limit-longest-size=400 --cpu photo.jpg

Without arguments the shipped network and a sample image are there at once. Left click: on the object; right click: on
the background; wheel: zoom; right button held down: move the image; space: finish the object. Every click is
autosaved: an image that is opened again is as it was left.
"""

from isegm.cli.annotate import main
from isegm.utils.cli import run

if __name__ == "__main__":
    run(main)
