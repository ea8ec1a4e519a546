"""Segment objects interactively, in a window.

    python demo.py
    python demo.py images/
    python demo.py --checkpoint=coco_lvis_h18_itermask --gpu=0
    python demo.py --checkpoint=coco_lvis_h18_itermask --limit-longest-size=400 --cpu image.jpg

Without arguments it opens a sample image with the default model. Left click: object; right click: background; wheel:
zoom; right button held down: move the image; space: finish the object. Every click is autosaved: an image that is
opened again shows the work on it.
"""

from isegm.cli import main_of, start

if __name__ == "__main__":
    start("annotate")

main = main_of("annotate")
