"""The image in the window: clicks, zooming with the wheel, panning with the right button, scroll bars."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable

from isegm.demo.keyboard import shortcut
from isegm.demo.pyramid import Pyramid
from isegm.demo.scene import Renderer, Scene
from isegm.demo.viewport import Viewport

ZOOM_STEP = 1.2
CLICK_MS = 500  # a longer press of the right button is not a click
CLICK_PIXELS = 3  # nor is a press that moves further
SCROLL_STEP = 40
TOUCHPAD = "<TouchpadScroll>"  # what Tk 9 sends for trackpads of Macs, where Tk 8 sends <MouseWheel>
TOUCHPAD_TK = 9.0
TOOLS = ("click", "box", "scribble", "lasso")  # what the mouse draws
TRACE_STEP = 3  # pixels of the screen between two points of a line
TRACE_COLORS = {True: "#00ff00", False: "#ff0000"}  # positive and negative
KEY_STEPS = {"w": (0, 1), "up": (0, 1), "s": (0, -1), "down": (0, -1)}
KEY_STEPS |= {"a": (1, 0), "left": (1, 0), "d": (-1, 0), "right": (-1, 0)}


def touchpad_deltas(packed: int) -> tuple[int, int]:
    """Return how far a trackpad scrolls, (dx, dy) in pixels, dy positive as that of a wheel that zooms in.

    Args:
        packed: %D of Tk's event, dx in the high 16 bits and dy in the low ones, both signed, as
            ``tk::PreciseScrollDeltas`` reads them.
    """
    dx, dy = (half - 0x10000 if half >= 0x8000 else half for half in (packed >> 16 & 0xFFFF, packed & 0xFFFF))
    return dx, dy


class ImageCanvas(tk.Frame):
    """An image for viewing and clicking.

    It is drawn when Tk is idle, so that all changes until then are drawn together.

    Args:
        master: the widget around it.
        on_click: called with x, y in pixels of the image and whether the click is positive.
        on_draw: called with "box", "scribble" or "lasso", the points (x, y) in pixels of the image that were drawn, and
            whether they are positive, which all but scribbles of the right button are.

    Attributes:
        tool: what the left button draws, one of ``TOOLS``; scribbles are drawn with the right button, too.
    """

    def __init__(
        self,
        master: tk.Misc,
        on_click: Callable[[int, int, bool], None],
        on_draw: Callable[[str, list[tuple[int, int]], bool], None],
    ) -> None:
        super().__init__(master, width=400, height=300)
        self.grid_propagate(False)  # scroll bars take space from the image, not from the window
        self.canvas = tk.Canvas(self, highlightthickness=0, background="gray25", cursor="hand1")
        self.viewport: Viewport | None = None
        self.tool = TOOLS[0]
        self._on_click = on_click
        self._on_draw = on_draw
        self._trace: list[tuple[int, int]] = []  # positions in the window, while something is drawn
        self._positive = True  # what is drawn
        self._pyramid: Pyramid | None = None
        self._scene = Scene()
        self._renderer = Renderer()
        self._shown: tk.PhotoImage | None = None
        self._item = self.canvas.create_image(0, 0, anchor=tk.NW)
        self._drawing: str | None = None  # Tk's id of the scheduled drawing
        self._press: tuple[int, int, int] | None = None  # x, y, milliseconds
        self._dragged: tuple[int, int] = (0, 0)
        self._moved = False
        self._on_mac = self.tk.call("tk", "windowingsystem") == "aqua"
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)
        self.canvas.grid(row=0, column=0, sticky="nsew")
        self._bars = (
            tk.Scrollbar(self, orient=tk.HORIZONTAL, command=lambda *what: self._scroll(0, *what)),
            tk.Scrollbar(self, orient=tk.VERTICAL, command=lambda *what: self._scroll(1, *what)),
        )
        for bar, row, column, sticky in zip(self._bars, (1, 0), (0, 1), ("ew", "ns"), strict=True):
            bar.grid(row=row, column=column, sticky=sticky)
            bar.grid_remove()
        self._bind()

    def show(self, pyramid: Pyramid, scene: Scene, fit: bool = False) -> None:
        """Show an image in place of the one before.

        Args:
            pyramid: the image.
            scene: the contents to draw over it.
            fit: show the whole image; else the visible part stays, if the image has the size of the one before.
        """
        self._pyramid, self._scene = pyramid, scene
        if fit or self.viewport is None or self.viewport.image != pyramid.size:
            self.viewport = Viewport(pyramid.size, self._window())
        self._draw_soon()

    def destroy(self) -> None:
        """Destroy the widget and cancel a scheduled drawing."""
        if self._drawing is not None:
            self.after_cancel(self._drawing)
        super().destroy()

    def busy(self, working: bool) -> None:
        """Show whether the program is busy."""
        self.canvas.configure(cursor="watch" if working else "hand1" if self.tool == "click" else "crosshair")

    def choose(self, tool: str) -> None:
        """Choose what the mouse draws; what is being drawn is dropped."""
        self.tool = tool
        self._drop_trace()
        self.canvas.configure(cursor="hand1" if tool == "click" else "crosshair")

    def scroll_by_key(self, event: tk.Event) -> None:
        """Move by a step if the key is one of W, A, S, D and the arrows."""
        step = KEY_STEPS.get(shortcut(event).lower())
        if step is not None and self.viewport is not None:
            self._look(self.viewport.panned(step[0] * SCROLL_STEP, step[1] * SCROLL_STEP))

    def _bind(self) -> None:
        for right in (2, 3) if self._on_mac else (3,):  # on a Mac it depends on Tk's version
            self.canvas.bind(f"<ButtonPress-{right}>", self._right_pressed)
            self.canvas.bind(f"<B{right}-Motion>", self._right_moved)
            self.canvas.bind(f"<ButtonRelease-{right}>", self._right_released)
        for event, handler in (
            ("<Configure>", self._resized),
            ("<Button-1>", self._left_pressed),
            ("<B1-Motion>", self._draw_on),
            ("<ButtonRelease-1>", self._drawn),
            ("<MouseWheel>", lambda event: self._wheel(event, event.delta > 0)),
            ("<Button-4>", lambda event: self._wheel(event, True)),
            ("<Button-5>", lambda event: self._wheel(event, False)),
            ("<Key>", self.scroll_by_key),
        ):
            self.canvas.bind(event, handler)
        if tk.TkVersion >= TOUCHPAD_TK:  # others know no such event
            self.canvas.bind(TOUCHPAD, self._touchpad)

    def _window(self) -> tuple[int, int]:
        return max(1, self.canvas.winfo_width()), max(1, self.canvas.winfo_height())

    def _look(self, viewport: Viewport) -> None:
        if viewport != self.viewport:
            self.viewport = viewport
            self._draw_soon()

    def _draw_soon(self) -> None:
        if self._drawing is None:
            self._drawing = self.after_idle(self._draw)

    def _draw(self) -> None:
        self._drawing = None
        if self._pyramid is None or self.viewport is None:
            return
        if self._set_bars(self.viewport):
            self._draw_soon()  # after Tk has placed the bars
            return
        pixels, corner = self._renderer.render(self._pyramid, self.viewport, self._scene)
        height, width = pixels.shape[:2]
        # A new image from PPM bytes: half the time of ImageTk, and much less than writing into an image that is shown.
        data = b"".join((b"P6 %d %d 255 " % (width, height), pixels.data))
        shown = tk.PhotoImage(master=self.canvas, format="ppm", data=data)
        self.canvas.itemconfigure(self._item, image=shown)
        self.canvas.coords(self._item, *corner)
        self._shown = shown  # keeps the one before alive until here

    def _set_bars(self, viewport: Viewport) -> bool:
        """Update the scroll bars; returns whether one appears or disappears, which changes the image's space."""
        changed = False
        for axis, bar in enumerate(self._bars):
            share = viewport.share(axis)
            bar.set(*share)
            needed = share != (0.0, 1.0)
            if needed != bool(bar.grid_info()):
                bar.grid() if needed else bar.grid_remove()
                changed = True
        return changed

    def _resized(self, event: tk.Event) -> None:
        if self.viewport is not None:
            self._look(self.viewport.resized((event.width, event.height)))

    def _clicked(self, x: int, y: int, is_positive: bool) -> None:
        self.canvas.focus_set()
        pixel = (0, 0) if self.viewport is None else self.viewport.pixel(x, y)
        if pixel is not None:
            self._on_click(*pixel, is_positive)

    def _left_pressed(self, event: tk.Event) -> None:
        if self.tool == "click" or self.viewport is None:
            self._clicked(event.x, event.y, True)
        else:
            self._begin(event, True)

    def _begin(self, event: tk.Event, is_positive: bool) -> None:
        self.canvas.focus_set()
        self._trace, self._positive = [(event.x, event.y)], is_positive

    def _draw_on(self, event: tk.Event) -> None:
        if not self._trace:
            return
        last = self._trace[-1]
        if self.tool == "box":
            self._trace[1:] = [(event.x, event.y)]
        elif max(abs(event.x - last[0]), abs(event.y - last[1])) >= TRACE_STEP:
            self._trace.append((event.x, event.y))
        self._show_trace()

    def _drawn(self, event: tk.Event) -> None:
        """Hand on what was drawn; a press that hardly moved drew nothing, and is a click instead of a scribble."""
        self._draw_on(event)
        trace, tool = self._trace, self.tool
        self._drop_trace()
        if not trace or self.viewport is None:
            return
        far = any(max(abs(x - trace[0][0]), abs(y - trace[0][1])) > CLICK_PIXELS for x, y in trace)
        if far and len(trace) >= (3 if tool == "lasso" else 2):
            points = [self.viewport.nearest(x, y) for x, y in trace]
            if tool != "scribble" or len(set(points)) > 1:
                self._on_draw(tool, points, self._positive)
                return
        if tool == "scribble":
            self._clicked(*trace[0], self._positive)

    def _show_trace(self) -> None:
        self.canvas.delete("trace")
        if len(self._trace) < 2:
            return
        if self.tool == "box":
            self.canvas.create_rectangle(*self._trace, outline=TRACE_COLORS[True], width=2, tags="trace")
        else:
            self.canvas.create_line(*self._trace, fill=TRACE_COLORS[self._positive], width=2, tags="trace")

    def _drop_trace(self) -> None:
        self._trace = []
        self.canvas.delete("trace")

    def _right_pressed(self, event: tk.Event) -> None:
        if self.tool == "scribble" and self.viewport is not None:
            self._begin(event, False)
            return
        self._press, self._dragged, self._moved = (event.x, event.y, event.time), (event.x, event.y), False

    def _right_moved(self, event: tk.Event) -> None:
        if self._press is None:
            self._draw_on(event)
            return
        self._note_move(event, self._press)
        if self._moved and self.viewport is not None:
            x, y = self._dragged
            self._look(self.viewport.panned(event.x - x, event.y - y))
            self._dragged = (event.x, event.y)

    def _right_released(self, event: tk.Event) -> None:
        if self._press is None:
            self._drawn(event)
            return
        self._note_move(event, self._press)
        x, y, time = self._press
        self._press = None
        if not self._moved and event.time - time <= CLICK_MS:
            self._clicked(x, y, False)

    def _note_move(self, event: tk.Event, press: tuple[int, int, int]) -> None:
        x, y, _ = press
        self._moved |= max(abs(event.x - x), abs(event.y - y)) > CLICK_PIXELS

    def _wheel(self, event: tk.Event, larger: bool) -> None:
        if self.viewport is not None:
            self._look(self.viewport.zoomed(ZOOM_STEP if larger else 1 / ZOOM_STEP, event.x, event.y))

    def _touchpad(self, event: tk.Event) -> None:
        """Zoom by a step of the wheel for each ``SCROLL_STEP`` of the way."""
        _, way = touchpad_deltas(event.delta)
        if way and self.viewport is not None:
            self._look(self.viewport.zoomed(ZOOM_STEP ** (way / SCROLL_STEP), event.x, event.y))

    def _scroll(self, axis: int, action: str, amount: str, what: str = "") -> None:
        """Handle a scroll bar's command: ``moveto <share>`` or ``scroll <number> units|pages``."""
        if self.viewport is None:
            return
        if action == "moveto":
            self._look(self.viewport.at_share(axis, float(amount)))
            return
        step = self._window()[axis] if what == "pages" else SCROLL_STEP
        self._look(self.viewport.panned(*(-int(amount) * step if i == axis else 0 for i in (0, 1))))
