"""Segment objects interactively, in a window.

    python demo.py
    python demo.py photos/
    python demo.py --checkpoint=hrnet18_cocolvis_itermask_3p --gpu=0
    python demo.py --checkpoint=hrnet18_cocolvis_itermask_3p --limit-longest-size=400 --cpu photo.jpg

Without arguments the shipped network and a sample image are there at once. Left click: on the object; right click: on
the background; wheel: zoom; right button held down: move the image; space: finish the object. Every click is
autosaved: an image that is opened again is as it was left.
"""

import argparse
import gc
import sys
from pathlib import Path

import torch

from isegm import load_model
from isegm.data.datasets.samples import IMAGES, image_path
from isegm.demo.controller import Controller
from isegm.demo.journal import default_folder
from isegm.demo.settings import Settings
from isegm.demo.window import open_window
from isegm.model.checkpoint import DEFAULT_CHECKPOINT
from isegm.utils.cli import choose_device, run
from isegm.utils.exp import load_config_file
from isegm.utils.lookup import find_checkpoint

SAMPLE = next(image for image in IMAGES if image.name == "cat")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Segment objects interactively, in a window.")
    parser.add_argument("image", nargs="?", help="image to open, or folder of images")
    parser.add_argument(
        "--checkpoint",
        help="network: a path, with or without .pth, or the beginning of a name below INTERACTIVE_MODELS_PATH; "
        "default: the shipped one",
    )
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument("--gpu", help="CUDA id; default: CUDA where there is one")
    devices.add_argument("--cpu", action="store_true", help="run on the CPU")
    devices.add_argument("--device", help="any device that PyTorch knows, such as mps")
    parser.add_argument(
        "--limit-longest-size",
        type=int,
        default=800,
        help="longest side of what the network sees, in pixels; masks keep the image's size (default: %(default)s)",
    )
    parser.add_argument("--cfg", default="config.yml", help="configuration (default: %(default)s)")
    parser.add_argument(
        "--autosave",
        type=Path,
        default=default_folder(),
        metavar="FOLDER",
        help="where work is kept while it goes on (default: %(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    Settings(max_size=args.limit_longest_size, target_size=min(400, args.limit_longest_size))
    checkpoint = DEFAULT_CHECKPOINT
    if args.checkpoint is not None:
        weights = load_config_file(args.cfg).get("INTERACTIVE_MODELS_PATH", "./weights")
        checkpoint = find_checkpoint(weights, args.checkpoint)
    device = choose_device(args.gpu, args.cpu, args.device)
    root = open_window()
    from isegm.demo.view import Program  # imports tkinter

    torch.backends.cudnn.deterministic = True
    model = load_model(checkpoint, device)
    settings = Settings.for_model(model, args.limit_longest_size)
    program = Program(root, Controller(model, device, settings, autosave=args.autosave, background=True))
    image = image_path(SAMPLE) if len(sys.argv) == 1 else args.image
    if image is not None:
        program.open(image)
    gc.freeze()  # what is there by now stays: looking through it for garbage would hold the window up for 90 ms
    root.mainloop()


if __name__ == "__main__":
    run(main)
