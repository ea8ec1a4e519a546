"""The image in its window, driven by Tk events on a virtual screen."""

import gc

import numpy as np
import pytest

from isegm.annotations import Region
from isegm.clicks import Click
from isegm.demo.pyramid import Pyramid
from isegm.demo.scene import Renderer, Scene

tk = pytest.importorskip("tkinter", reason="this Python has no tkinter")
canvas = pytest.importorskip("isegm.demo.canvas")
LEFT_HELD, RIGHT_HELD = 0x100, 0x400  # in the state of a Tk event
WIDTH, HEIGHT = 96, 72


class User:
    """Someone in front of an image in a window, who sees what is drawn."""

    def __init__(self, root):
        self.root, self.clicks, self.prompts, self.drawn = root, [], [], 0
        self.image = canvas.ImageCanvas(
            root, lambda *click: self.clicks.append(click), lambda *drawn: self.prompts.append(drawn)
        )
        self.image.pack(fill=tk.BOTH, expand=True)
        self.canvas = self.image.canvas
        render = self.image._renderer.render

        def counted(*args):
            self.drawn += 1
            return render(*args)

        self.image._renderer.render = counted
        root.geometry("300x200+0+0")
        root.update()
        self.canvas.focus_force()
        root.update()

    @property
    def viewport(self):
        return self.image.viewport

    def show(self, pyramid, scene, fit=False):
        self.image.show(pyramid, scene, fit)
        self.root.update()

    def event(self, name, x=0, y=0, update=True, **more):
        """An event over the middle of a pixel of the image."""
        column, row = (
            round(start + (pixel + 0.5) * self.viewport.scale)
            for start, pixel in zip(self.viewport.offset, (x, y), strict=True)
        )
        self.canvas.event_generate(name, x=column + more.pop("move", 0), y=row, **more)
        if update:
            self.root.update()

    def right(self, x, y, milliseconds=100, move=0):
        self.event("<ButtonPress-3>", x, y, time=1000, update=False)
        before = self.viewport
        if move:
            self.event("<Motion>", x, y, move=move, state=RIGHT_HELD, time=1010, update=False)
        dragged = round(self.viewport.offset[0] - before.offset[0])
        self.event("<ButtonRelease-3>", x, y, move=move - dragged, time=1000 + milliseconds)

    def seen(self):
        """(H, W, 3) colours of the drawn image, and where it lies."""
        shown = self.image._shown
        (item,) = self.canvas.find_all()
        assert self.canvas.itemcget(item, "image") == str(shown)
        colors = [[shown.get(x, y) for x in range(shown.width())] for y in range(0, shown.height(), 20)]
        return np.array(colors), tuple(int(place) for place in self.canvas.coords(item))


@pytest.fixture
def user(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen)
    root, errors = tk.Tk(), []
    root.report_callback_exception = lambda *error: errors.append(error)
    root.createcommand("bgerror", errors.append)  # what Tk itself finds wrong
    yield User(root)
    if root.children:
        root.destroy()
    del root
    gc.collect()  # what belongs to a window must not be collected in another thread
    assert not errors


@pytest.fixture
def pyramid():
    return Pyramid(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))


def test_what_is_on_the_screen_is_the_scene(user, pyramid):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[20:50, 30:70] = True
    for scene, zoom in ((Scene(), False), (Scene(selection=Region.of(mask), clicks=[Click(True, (30, 40))]), True)):
        user.show(pyramid, scene)
        for _ in range(3 * zoom):
            user.event("<Button-4>", 48, 36)
        expected, place = Renderer().render(pyramid, user.viewport, scene)
        colors, corner = user.seen()
        np.testing.assert_array_equal(colors, expected[::20])
        assert corner == place


def test_the_left_button_draws_while_a_tool_is_chosen(user, pyramid):
    user.show(pyramid, Scene(), fit=True)

    def drag(*places):
        user.event("<ButtonPress-1>", *places[0])
        for place in places[1:]:
            user.event("<Motion>", *place, state=LEFT_HELD)
        user.event("<ButtonRelease-1>", *places[-1])

    user.image.choose("box")
    drag((20, 10), (30, 20), (60, 40))
    drag((20, 10), (20, 10))  # does not move
    user.image.choose("lasso")
    drag((20, 10), (60, 10), (60, 40), (20, 40))
    drag((20, 10), (90, 10), (200, 400), (20, 40))  # leaves the image
    assert [tool for tool, *_ in user.prompts] == ["box", "lasso", "lasso"] and not user.clicks
    assert user.prompts[0][1] == [(20, 10), (60, 40)]
    assert user.prompts[1][1] == [(20, 10), (60, 10), (60, 40), (20, 40)]
    assert user.prompts[2][1][2] == (WIDTH - 1, HEIGHT - 1)
    user.image.choose("click")
    drag((30, 30), (50, 30))
    assert user.clicks == [(30, 30, True)] and len(user.prompts) == 3
    assert len(user.canvas.find_all()) == 1  # nothing of the drawing is left


def test_both_buttons_draw_scribbles_and_a_press_that_does_not_move_clicks(user, pyramid):
    user.show(pyramid, Scene(), fit=True)
    user.image.choose("scribble")
    before = user.viewport
    for button, held, positive in ((1, LEFT_HELD, True), (3, RIGHT_HELD, False)):
        user.event(f"<ButtonPress-{button}>", 20, 10)
        for place in ((30, 10), (30, 25)):
            user.event("<Motion>", *place, state=held)
        user.event(f"<ButtonRelease-{button}>", 30, 25)
        user.event(f"<ButtonPress-{button}>", 40, 30)
        user.event(f"<ButtonRelease-{button}>", 40, 30)
        assert user.prompts.pop() == ("scribble", [(20, 10), (30, 10), (30, 25)], positive)
        assert user.clicks.pop() == (40, 30, positive)
    assert not user.prompts and not user.clicks and user.viewport == before
    user.image.choose("click")
    for _ in range(3):
        user.event("<Button-4>", 48, 36)
    zoomed = user.viewport
    user.right(48, 36, move=30)  # moves the image again
    assert user.viewport != zoomed and len(user.canvas.find_all()) == 1


def test_what_happens_at_once_is_drawn_once(user, pyramid):
    user.show(pyramid, Scene())
    drawn, before = user.drawn, user.viewport
    for _ in range(5):
        user.event("<Button-4>", 20, 50, update=False)
    user.image.show(pyramid, Scene(alpha=0.1))
    assert user.drawn == drawn and user.viewport.scale == pytest.approx(before.scale * 1.2**5)
    user.root.update_idletasks()
    assert user.drawn == drawn + 1  # though scroll bars have come
    user.event("<Motion>", 3, 3)
    assert user.drawn == drawn + 1


def test_an_image_of_another_size_is_seen_whole_and_one_of_the_same_size_where_the_last_was(user, pyramid):
    user.show(pyramid, Scene())
    user.event("<Button-4>", 48, 36)
    zoomed = user.viewport
    user.show(Pyramid(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), Scene())
    assert user.viewport == zoomed
    user.show(Pyramid(np.zeros((40, 50, 3), np.uint8)), Scene())
    assert user.viewport.image == (50, 40) and user.viewport.share(0) == user.viewport.share(1) == (0, 1)
    user.event("<Button-4>", 25, 20)
    user.show(Pyramid(np.zeros((40, 50, 3), np.uint8)), Scene(), fit=True)
    assert user.viewport.share(0) == user.viewport.share(1) == (0, 1)


def test_buttons_click_and_a_long_or_moved_press_of_the_right_one_does_not(user, pyramid):
    user.canvas.event_generate("<Button-1>", x=7, y=8)
    assert user.clicks == [(0, 0, True)]  # the program says that there is no image
    user.show(pyramid, Scene())
    for _ in range(6):
        user.event("<Button-4>", 48, 36)
    user.clicks.clear()
    before = user.viewport
    user.right(40, 30, milliseconds=600)
    user.right(40, 30, move=-30)
    assert user.clicks == [] and user.viewport.offset[0] == pytest.approx(before.offset[0] - 30)
    user.right(45, 30, move=2)
    user.event("<Button-1>", 50, 31)
    assert user.clicks == [(45, 30, False), (50, 31, True)]
    user.root.geometry("500x200")
    user.root.update()
    for _ in range(20):
        user.event("<Button-5>", 48, 36)
    user.clicks.clear()
    user.canvas.event_generate("<Button-1>", x=2, y=2)  # beside the image
    assert user.clicks == []


def test_wheel_keys_and_scroll_bars_move_what_is_seen(user, pyramid):
    user.show(pyramid, Scene())
    whole = user.viewport
    for _ in range(6):
        user.event("<Button-4>", 20, 50)
    assert user.viewport.scale == pytest.approx(whole.scale * 1.2**6)
    assert all(bar.winfo_ismapped() for bar in user.image._bars)
    before = user.viewport
    for key, step in (("a", (40, 0)), ("Right", (-40, 0)), ("s", (0, -40)), ("Up", (0, 40))):
        expected = user.viewport.panned(*step)
        user.event(f"<{key}>")
        assert user.viewport == expected != before
        before = expected
    user.event("<s>", state=0x4)  # with Ctrl
    assert user.viewport == before
    user.image._bars[0].tk.call(user.image._bars[0]["command"], "moveto", "0.25")
    user.root.update()
    assert user.viewport.share(0)[0] == pytest.approx(0.25) == user.image._bars[0].get()[0]
    for _ in range(8):
        user.event("<Button-5>", 40, 40)
    assert user.viewport == whole and not any(bar.winfo_ismapped() for bar in user.image._bars)


@pytest.mark.parametrize("dx", [0, 1, -1, 300, -300, 0x7FFF, -0x8000])
@pytest.mark.parametrize("dy", [0, 1, -1, 40, -40, 0x7FFF, -0x8000])
def test_both_ways_of_a_trackpad_are_read(dx, dy):
    packed = dx << 16 | dy & 0xFFFF
    assert canvas.touchpad_deltas(packed) == (dx, dy)
    assert canvas.touchpad_deltas(packed & 0xFFFFFFFF) == (dx, dy)  # where Tk writes it without a sign


def test_a_trackpad_zooms_in_tk_9_by_the_way_that_it_scrolls(user, pyramid, monkeypatch):
    monkeypatch.setattr(tk, "TkVersion", 9.0)
    monkeypatch.setattr(canvas, "TOUCHPAD", "<MouseWheel>")  # which every Tk can send
    user.image.destroy()
    other = User(user.root)
    other.show(pyramid, Scene())
    whole = other.viewport.scale
    for dx, dy, steps in ((5, 20, 0.5), (-7, 60, 2), (-9, 0, 2), (3, -40, 1)):
        other.event("<MouseWheel>", 48, 36, delta=dx << 16 | dy & 0xFFFF)
        assert other.viewport.scale == pytest.approx(whole * 1.2**steps)


@pytest.mark.parametrize(("version", "binds"), [(8.6, False), (9.0, True)])
def test_the_event_of_trackpads_is_bound_from_tk_9_on(version, binds, user, monkeypatch):
    monkeypatch.setattr(tk, "TkVersion", version)
    monkeypatch.setattr(canvas, "TOUCHPAD", "<Circulate>")  # which every Tk knows, and nothing else binds
    user.image.destroy()
    assert ("<Circulate>" in User(user.root).canvas.bind()) == binds


def test_an_image_that_is_closed_is_not_drawn_any_more(user, pyramid):
    user.image.show(pyramid, Scene())
    user.image.destroy()
    user.root.update()
    assert user.drawn == 0
