"""Measure the latency of the annotation program, from a click to the new mask on the screen.

    python scripts/measure_demo.py
    python scripts/measure_demo.py --size 6708 --clicks 10

Opens the program's window (on a server: xvfb-run python scripts/measure_demo.py), clicks on a sample image of the given
size, and times each click until its mask is drawn. A timer in the event loop measures how long the window is blocked
meanwhile, and while it undoes, zooms, drags a slider, selects objects, saves, opens, and moves to another image. The
same is measured with everything on the thread of the window, as in the published programs ("network inside").
"""

from isegm.utils.arguments import CommandParser
from isegm.utils.startup import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # before the imports, which take seconds

import argparse
import gc
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from isegm import load_model
from isegm.annotations.formats import FORMATS
from isegm.data.datasets.samples import IMAGES, image_path
from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.demo.window import open_window
from isegm.model.checkpoint import DEFAULT_CHECKPOINT
from isegm.model.click_model import ClickModel
from isegm.utils.cli import choose_device, run
from isegm.utils.files import read_image, write_image
from isegm.utils.lookup import find_checkpoint

TICK_MS = 2  # interval of the timer that measures blocking
WARM_UP = 2  # clicks that are not counted
OBJECTS = 12  # saved at least
BETWEEN_MS = 30  # pause before the next step
WINDOW = "1280x800"
PLAIN, OURS = "network inside", "here"


@dataclass
class Times:
    """Measured times in milliseconds.

    Attributes:
        clicks: from each click to its mask on the screen.
        blocked: delays of the timer's ticks, by the name of the step that was being done.
    """

    clicks: list[float] = field(default_factory=list)
    blocked: dict[str, list[float]] = field(default_factory=dict)

    @property
    def longest(self) -> float:
        """Longest delay over all steps."""
        return max(max(gaps) for gaps in self.blocked.values())


def parse_args() -> argparse.Namespace:
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="network; default: the shipped one")
    parser.add_argument("--size", type=int, default=800, help="longest side of the image (default: %(default)s)")
    parser.add_argument("--clicks", type=int, default=40, help="how many are timed (default: %(default)s)")
    parser.add_argument("--gpu", help="CUDA id")
    parser.add_argument("--cpu", action="store_true", help="run on the CPU")
    return parser.parse_args()


def image_of(size: int, folder: Path) -> Path:
    """Write a sample image whose longest side is ``size`` pixels as a JPEG file."""
    image = read_image(image_path(next(sample for sample in IMAGES if sample.name == "cat")))
    scale = size / max(image.shape[:2])
    shape = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    path = folder / f"image{size}.jpg"
    write_image(path, cv2.resize(image, shape, interpolation=cv2.INTER_LINEAR))
    return path


class Measurement:
    """A window in which an image is opened, clicked, zoomed, saved and opened again.

    Clicks are drawn from a seed; before every sixth one the current object is finished.
    """

    def __init__(
        self, model: ClickModel, device: torch.device, image_path: Path, clicks: int, background: bool
    ) -> None:
        self.root = open_window()
        from isegm.demo.view import Program  # imports tkinter

        self.root.geometry(WINDOW)
        folder = image_path.parent / f"saved_{background}"
        controller = Controller(model, device, Settings.for_model(model), autosave=folder, background=background)
        self.program = Program(self.root, controller)
        self.controller = controller
        self.image_path, self.folder, self.wanted = image_path, folder, clicks
        self.times = Times()
        self.doing = ""
        self.looking = False
        self.rng = np.random.default_rng(0)

    def run(self) -> Times:
        steps = self.steps()
        self.root.after(0, self.go_on, steps)
        self.root.after(0, self.tick, time.perf_counter())
        gc.freeze()  # as demo.py does
        self.root.mainloop()
        gc.unfreeze()
        gc.collect()  # a window must not be collected in the network's thread of the next one
        return self.times

    def go_on(self, steps: Iterator[tuple[str, Callable[[], None]]]) -> None:
        """Take the next step once the previous one is done."""
        if self.controller.busy or self.looking:
            self.root.after(1, self.go_on, steps)
            return
        self.doing, step = next(steps, ("", self.end))
        step()
        if self.doing:
            self.root.after(BETWEEN_MS, self.go_on, steps)

    def end(self) -> None:
        self.root.after_cancel(self.ticking)
        self.program.exit()

    def tick(self, before: float) -> None:
        """Record how late the event loop calls this again."""
        now = time.perf_counter()
        if self.doing:
            self.times.blocked.setdefault(self.doing, []).append(1000 * (now - before) - TICK_MS)
        self.ticking = self.root.after(TICK_MS, self.tick, now)

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield each step with its name."""
        program, controller, canvas = self.program, self.controller, self.program.image.canvas
        yield "opening", partial(program.open, self.image_path)
        yield "a large first mask", partial(program.act, partial(controller.click, *self.middle(), True))
        yield "finishing", partial(program.act, controller.finish)
        for made in range(WARM_UP + self.wanted):
            if made % 6 == 5:
                yield "finishing", partial(program.act, controller.finish)
            yield ("clicking" if made >= WARM_UP else "first clicks"), partial(self.click, made >= WARM_UP)
        for key in 30 * ["<Control-z>"] + 30 * ["<Control-y>"]:
            yield "undo and redo", partial(canvas.event_generate, key)
        yield "showing the options", partial(program.pages.select, program.controls)
        for value in [*range(50, 95, 3), *range(95, 20, -3), 50]:
            yield "dragging the threshold", partial(program.controls.sliders["threshold"].set, value / 100)
        yield "showing the options", partial(program.pages.select, program.objects)
        for _ in range(OBJECTS - len(controller.document.objects)):
            yield "clicking", partial(self.click, False)
            yield "finishing", partial(program.act, controller.finish)
        for item in 2 * controller.document.objects:
            yield "selecting objects", partial(program.objects.select, item.number)
        for button in 12 * ["<Button-4>"] + 12 * ["<Button-5>"]:
            yield "zooming", partial(canvas.event_generate, button, x=300, y=250)
        for kind, form in FORMATS.items():
            save = partial(controller.save, self.folder / f"{kind}{form.ending}", kind, True)
            yield "saving", partial(program.act, save)
        yield "opening again", partial(program.open, self.image_path)
        for step in (1, -1, 1):
            yield "walking", partial(program.act, partial(controller.walk, step))

    def middle(self) -> tuple[int, int]:
        """Return the middle of the image, which lies on the cat."""
        height, width = self.controller.document.size
        return width // 2, height // 2

    def click(self, counted: bool) -> None:
        """Click, and record when the mask is on the screen."""
        controller = self.controller
        height, width = controller.document.size
        x, y = (int(self.rng.uniform(0.3, 0.7) * side) for side in (width, height))
        moves = 0 if controller.draft is None else len(controller.draft.moves)
        self.looking = True
        start = time.perf_counter()
        self.program.act(lambda: controller.click(x, y, moves % 3 != 2))

        def look() -> None:
            draft = controller.draft
            if draft is None or len(draft.moves) <= moves:
                self.root.after(1, look)
                return
            self.root.update_idletasks()
            self.root.winfo_pointerxy()  # returns when the display has drawn everything
            self.looking = False
            if counted:
                self.times.clicks.append(1000 * (time.perf_counter() - start))

        look()


def report(plain: Times, ours: Times) -> None:
    print(f"\n{'':<44}{PLAIN:>16}{OURS:>16}")
    for name, of in (("median", statistics.median), ("longest", max)):
        print(f"{f'from click to mask, {name}':<44}{of(plain.clicks):>13.1f} ms{of(ours.clicks):>13.1f} ms")
    for doing in ours.blocked:
        longest = (f"{max(times.blocked[doing]):>13.1f} ms" for times in (plain, ours))
        print(f"{f'longest time without reaction, {doing}':<44}" + "".join(longest))
    ratio = plain.longest / ours.longest
    print(f"the window is blocked {ratio:.1f} x shorter, and never longer than {ours.longest:.0f} ms")


def main() -> None:
    args = parse_args()
    device = choose_device(args.gpu, args.cpu)
    checkpoint = DEFAULT_CHECKPOINT if args.checkpoint is None else find_checkpoint("./weights", args.checkpoint)
    model = load_model(checkpoint, device)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {device}; window {WINDOW}")
    with tempfile.TemporaryDirectory() as folder:
        image_path = image_of(args.size, Path(folder))
        shutil.copy(image_path, image_path.with_name("another.jpg"))
        height, width = read_image(image_path).shape[:2]
        print(f"{type(model).__name__}, {width}x{height} pixels, {args.clicks} clicks")
        plain, ours = (Measurement(model, device, image_path, args.clicks, each).run() for each in (False, True))
    report(plain, ours)


if __name__ == "__main__":
    run(main)
