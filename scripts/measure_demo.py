"""Measure how quickly the interactive program answers: from a click to the new mask on the screen.

    python scripts/measure_demo.py
    python scripts/measure_demo.py --size 6708 --clicks 10

Opens the program's window (on a server: xvfb-run python scripts/measure_demo.py), clicks on a sample photo of the given
size, and times each click until its mask is drawn. Meanwhile a timer in the event loop says for how long the window
does not react. The same is measured with the network on the interface's own thread, as in the published programs.
"""

import argparse
import statistics
import sys
import tempfile
import time
import tkinter as tk
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch

from isegm import InputError, load_model
from isegm.data.samples import PHOTOS, photo_path
from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.demo.view import Program
from isegm.model.base import ClickModel
from isegm.model.checkpoint import DEFAULT_CHECKPOINT
from isegm.utils.cli import choose_device, run
from isegm.utils.files import read_image, write_image
from isegm.utils.lookup import find_checkpoint

TICK_MS = 2  # of the timer that notices when the window does not react
WARM_UP = 2  # clicks that do not count
BETWEEN_MS = 30  # that the window has to itself before the next click
WINDOW = "1280x800"


@dataclass
class Times:
    """What was measured, in milliseconds; ``blocked`` holds the gaps between ticks of the timer."""

    clicks: list[float] = field(default_factory=list)
    blocked: list[float] = field(default_factory=list)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="network; default: the shipped one")
    parser.add_argument("--size", type=int, default=800, help="longest side of the photo (default: %(default)s)")
    parser.add_argument("--clicks", type=int, default=40, help="how many are timed (default: %(default)s)")
    parser.add_argument("--gpu", help="CUDA id")
    parser.add_argument("--cpu", action="store_true", help="run on the CPU")
    return parser.parse_args()


def photo_of(size: int, folder: Path) -> Path:
    """A sample photo whose longest side is ``size`` pixels, as a JPEG file."""
    image = read_image(photo_path(next(photo for photo in PHOTOS if photo.name == "cat")))
    scale = size / max(image.shape[:2])
    shape = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    path = folder / f"photo{size}.jpg"
    write_image(path, cv2.resize(image, shape, interpolation=cv2.INTER_LINEAR))
    return path


class Measurement:
    """Clicks in a window at places drawn from a seed, every sixth time finishing the object before."""

    def __init__(self, model: ClickModel, device: torch.device, photo: Path, clicks: int, background: bool) -> None:
        self.root = tk.Tk()
        self.root.geometry(WINDOW)
        autosave = photo.parent / f"autosave_{background}"
        controller = Controller(model, device, Settings.for_model(model), autosave=autosave, background=background)
        self.program = Program(self.root, controller)
        self.times = Times()
        self.wanted = clicks + WARM_UP
        self.made = 0
        self.rng = np.random.default_rng(0)
        self.program.open(photo)
        self.root.after(0, self.next_click)

    def run(self) -> Times:
        self.root.mainloop()
        return self.times

    def tick(self, before: float) -> None:
        """Note how long after the last time the event loop comes here again."""
        now = time.perf_counter()
        if self.made > WARM_UP:
            self.times.blocked.append(1000 * (now - before) - TICK_MS)
        self.root.after(TICK_MS, self.tick, now)

    def next_click(self) -> None:
        program, controller = self.program, self.program.controller
        if controller.busy or controller.picture is None:
            self.root.after(BETWEEN_MS, self.next_click)
            return
        if self.made == self.wanted:
            program.exit()
            return
        if self.made == 0:
            self.tick(time.perf_counter())
        if self.made % 6 == 5:
            program.act(controller.finish)
        self.made += 1
        height, width = controller.picture.size
        x, y = (float(self.rng.uniform(0.3, 0.7) * side) for side in (width, height))
        moves = 0 if controller.draft is None else len(controller.draft.moves)
        start = time.perf_counter()
        program.act(lambda: controller.click(int(x), int(y), moves % 3 != 2))
        self.look(start, moves + 1)

    def look(self, start: float, moves: int) -> None:
        """Wait until the answer to a click is on the screen."""
        draft = self.program.controller.draft
        if draft is None or len(draft.moves) < moves:
            self.root.after(1, self.look, start, moves)
            return
        self.root.update_idletasks()
        self.root.winfo_pointerxy()  # comes back when the display has drawn everything
        if self.made > WARM_UP:
            self.times.clicks.append(1000 * (time.perf_counter() - start))
        self.root.after(BETWEEN_MS, self.next_click)


def report(name: str, times: Times) -> None:
    clicks, blocked = times.clicks, sorted(times.blocked)
    print(
        f"{name:<34} click to mask: median {statistics.median(clicks):6.1f} ms, longest {max(clicks):6.1f} ms;   "
        f"window does not react for: 99 % {blocked[len(blocked) * 99 // 100]:5.1f} ms, longest {blocked[-1]:6.1f} ms"
    )


def main() -> None:
    args = parse_args()
    device = choose_device(args.gpu, args.cpu)
    checkpoint = DEFAULT_CHECKPOINT if args.checkpoint is None else find_checkpoint("./weights", args.checkpoint)
    model = load_model(checkpoint, device)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {device}; window {WINDOW}")
    with tempfile.TemporaryDirectory() as folder:
        photo = photo_of(args.size, Path(folder))
        height, width = read_image(photo).shape[:2]
        print(f"{type(model).__name__}, {width}x{height} pixels, {args.clicks} clicks")
        try:
            plain, ours = (Measurement(model, device, photo, args.clicks, each).run() for each in (False, True))
        except tk.TclError as error:
            raise InputError(f"no window can be opened ({error}): run this on a desktop, or with xvfb-run.") from error
    report("network on the window's thread", plain)
    report("here", ours)
    print(f"longest time without reaction: {max(plain.blocked) / max(ours.blocked):.1f} x shorter")


if __name__ == "__main__":
    run(main)
