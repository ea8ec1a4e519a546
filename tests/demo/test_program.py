"""The interactive program in its window, driven by Tk events on a virtual screen."""

import gc
import threading
import time

import numpy as np
import pytest

from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.utils.files import read_mask, write_image
from tests.analytic import BlobModel, TinyModel

tk = pytest.importorskip("tkinter", reason="this Python has no tkinter")
filedialog = pytest.importorskip("tkinter.filedialog")
messagebox = pytest.importorskip("tkinter.messagebox")
view = pytest.importorskip("isegm.demo.view")
SECONDS = 20  # that an answer may take on a busy machine
RIGHT_HELD = 0x400  # in the state of a Tk event


class SlowModel(BlobModel):
    """Answers when it is let go."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def decode(self, *args, **kwargs):
        assert self.go.wait(SECONDS)
        return super().decode(*args, **kwargs)


class FailingModel(BlobModel):
    def decode(self, *args, **kwargs):
        raise MemoryError


class Driver:
    """A user of the program, who sees its warnings."""

    def __init__(self, program, warnings):
        self.program, self.warnings = program, warnings
        self.controller, self.canvas = program.controller, program.picture.canvas
        self.canvas.focus_force()
        self.settle()

    def settle(self, busy=False):
        """Wait for the network, and for the window to be drawn."""
        end = time.monotonic() + SECONDS
        self.program.root.update()
        while self.program.busy and not busy:
            assert time.monotonic() < end, "the network has not answered"
            time.sleep(0.005)
            self.program.root.update()
        self.program.root.update()

    def place(self, x, y):
        """Where the middle of a pixel of the image is on the canvas."""
        viewport = self.program.picture.viewport
        return tuple(
            round(start + (pixel + 0.5) * viewport.scale) for start, pixel in zip(viewport.offset, (x, y), strict=True)
        )

    def left(self, x, y, busy=False):
        column, row = self.place(x, y)
        self.canvas.event_generate("<Button-1>", x=column, y=row)
        self.settle(busy)

    def right(self, x, y, milliseconds=100, move=0):
        column, row = self.place(x, y)
        self.canvas.event_generate("<ButtonPress-3>", x=column, y=row, time=1000)
        if move:
            self.canvas.event_generate("<Motion>", x=column + move, y=row, state=RIGHT_HELD, time=1010)
        self.canvas.event_generate("<ButtonRelease-3>", x=column + move, y=row, time=1000 + milliseconds)
        self.settle()

    def wheel(self, button, x, y, times=1):
        column, row = self.place(x, y)
        for _ in range(times):
            self.canvas.event_generate(f"<Button-{button}>", x=column, y=row)
        self.settle()

    def key(self, name, widget=None, **more):
        (widget or self.canvas).event_generate(f"<{name}>", **more)
        self.settle()

    def press(self, label, busy=False):
        self.program.buttons[label].invoke()
        self.settle(busy)

    def write(self, name, text):
        entry, _ = self.program.entries[name]
        entry.focus_force()
        self.program.root.update()
        entry.delete(0, tk.END)
        entry.insert(0, text)
        self.canvas.focus_force()
        self.settle()

    def enabled(self):
        program = self.program
        widgets = program.buttons | {name: entry for name, (entry, _) in program.entries.items()}
        widgets |= {name: check for name, (check, _) in program.checks.items()} | {"mode": program.mode_menu}
        return {name for name, widget in widgets.items() if widget["state"] != tk.DISABLED}


@pytest.fixture
def drive(screen, monkeypatch, tmp_path):
    """Start the program; gives a driver of it, with a picture of 96x72 pixels unless told otherwise."""
    monkeypatch.setenv("DISPLAY", screen)
    warnings, roots = [], []
    monkeypatch.setattr(messagebox, "showwarning", lambda title, sentence, parent: warnings.append(sentence))
    image = np.random.default_rng(0).integers(0, 60, (72, 96, 3)).astype(np.uint8)
    image[15:50, 25:70] += 120
    write_image(tmp_path / "photo.png", image)

    def start(model=None, loaded=True, **changes):
        roots.append(tk.Tk())
        controller = Controller(model or BlobModel(), settings=Settings(**{"target_size": 100, **changes}))
        driver = Driver(view.Program(roots[-1], controller), warnings)
        if loaded:
            driver.program.open(tmp_path / "photo.png")
            driver.settle()
        return driver

    yield start
    assert all(sentence.endswith(".") and "unexpected" not in sentence for sentence in warnings), warnings
    for root in roots:
        if root.children:
            root.destroy()
    roots.clear()
    gc.collect()  # what belongs to a window must not be collected in another thread


ALWAYS = {"Load image", "About", "Exit"}
LOADED = ALWAYS | {"Save mask", "Load mask"}
OBJECT = {"Finish object", "Undo click", "Reset clicks"}
OPTIONS = {"zoom_in", "fixed_crop", "skip_clicks", "target_size", "expand_ratio", "mode"}


def test_open_click_correct_undo_finish_and_save(drive, tmp_path, monkeypatch):
    user = drive(loaded=False)
    assert user.enabled() == ALWAYS | OPTIONS
    user.canvas.event_generate("<Button-1>", x=50, y=50)
    user.settle()
    assert user.warnings == ["There is no image yet: load one first."]
    monkeypatch.setattr(filedialog, "askopenfilename", lambda **_: str(tmp_path / "photo.png"))
    user.press("Load image")
    assert user.enabled() == LOADED | OPTIONS
    user.left(40, 30)
    user.right(70, 60)
    expected = Controller(BlobModel(), settings=user.controller.settings)
    expected.load_image(tmp_path / "photo.png")
    expected.click(40, 30, True)
    first = expected.mask
    expected.click(70, 60, False)
    assert [click.coords for click in user.controller.clicks] == [(30, 40), (60, 70)]
    np.testing.assert_array_equal(user.controller.probs, expected.probs)
    assert user.enabled() == LOADED | OBJECT
    user.press("Undo click")
    np.testing.assert_array_equal(user.controller.mask, first)
    user.key("space")
    assert user.controller.objects == 1 and user.enabled() == LOADED | OPTIONS
    np.testing.assert_array_equal(user.controller.labels, first)
    monkeypatch.setattr(filedialog, "asksaveasfilename", lambda **_: str(tmp_path / "out" / "mask.png"))
    user.press("Save mask")
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "mask.png"), 255 * first)
    assert len(user.warnings) == 1


def test_what_is_on_the_screen_is_the_controllers_picture(drive):
    user = drive()
    user.left(40, 30)
    shown = user.program.picture._shown
    picture, _ = user.program.picture.viewport.render(user.controller.picture())
    assert (shown.width(), shown.height()) == (picture.shape[1], picture.shape[0])
    pixels = np.array([user.program.root.tk.splitlist(shown._PhotoImage__photo.get(x, 90)) for x in range(0, 200, 10)])
    np.testing.assert_array_equal(pixels.astype(int), picture[90, 0:200:10])


def test_a_long_or_moved_press_of_the_right_button_is_no_click_and_moving_pans(drive):
    user = drive()
    user.wheel(4, 48, 36, times=6)
    viewport = user.program.picture.viewport
    user.right(40, 30, milliseconds=600)
    assert not user.controller.in_progress and user.program.picture.viewport == viewport
    user.right(40, 30, move=-30)
    assert not user.controller.in_progress
    assert user.program.picture.viewport.offset[0] == pytest.approx(viewport.offset[0] - 30)
    user.right(40, 30, move=2)
    assert [(click.is_positive, click.coords) for click in user.controller.clicks] == [(False, (30, 40))]


def test_the_wheel_zooms_around_the_cursor_and_clicks_land_where_they_are_made(drive):
    user = drive()
    fitting = user.program.picture.viewport
    user.wheel(4, 20, 50, times=5)
    assert user.program.picture.viewport.scale == pytest.approx(fitting.scale * 1.2**5)
    user.left(20, 50)
    assert user.controller.clicks[0].coords == (50, 20)
    user.wheel(5, 20, 50, times=9)
    assert user.program.picture.viewport == fitting


def test_keys_scroll_and_a_finishes_partially_while_there_is_an_object(drive):
    user = drive()
    user.wheel(4, 48, 36, times=6)
    viewport = user.program.picture.viewport
    user.key("a")
    assert user.program.picture.viewport == viewport.panned(40, 0)
    user.key("Right")
    assert user.program.picture.viewport == viewport
    user.key("s", state=0x4)  # with Ctrl
    assert user.program.picture.viewport == viewport
    user.key("s")
    assert user.program.picture.viewport == viewport.panned(0, -40)
    user.left(40, 30)
    kept, viewport = user.controller.probs, user.program.picture.viewport
    user.key("a")
    assert user.controller.clicks == () and user.program.picture.viewport == viewport
    np.testing.assert_array_equal(user.controller.probs, kept)


def test_keys_typed_into_an_entry_are_not_commands(drive):
    user = drive()
    entry, _ = user.program.entries["target_size"]
    user.left(40, 30)
    user.press("Finish object")
    entry.focus_force()
    user.key("space", entry)
    user.key("a", entry)
    assert user.controller.objects == 1 and not user.controller.in_progress
    user.canvas.focus_force()
    user.settle()
    assert user.controller.settings.target_size == 100 and len(user.warnings) == 1


def test_space_on_a_button_finishes_the_object_and_does_not_press_it(drive):
    user = drive()
    user.left(40, 30)
    button = user.program.buttons["Undo click"]
    button.focus_force()
    user.key("space", button)
    assert user.controller.objects == 1 and user.controller.labels.any()


def test_a_wrong_number_is_refused_in_a_dialog_and_the_old_one_comes_back(drive):
    user = drive()
    user.write("expand_ratio", "3")
    assert user.warnings == ["Expand ratio is 3: give a number from 1 to 2."]
    assert user.program.entries["expand_ratio"][1].get() == "1.4"
    user.write("expand_ratio", "1.75")
    user.write("skip_clicks", " 2 ")
    assert (user.controller.settings.expand_ratio, user.controller.settings.skip_clicks) == (1.75, 2)
    assert user.program.entries["skip_clicks"][1].get() == "2" and len(user.warnings) == 1


def test_options_reach_the_controller(drive):
    user = drive(TinyModel())
    for name in ("zoom_in", "fixed_crop"):
        user.program.checks[name][0].invoke()
        assert getattr(user.controller.settings, name) is False
    menu = user.program.mode_menu["menu"]
    menu.invoke(1)
    user.settle()
    assert user.controller.settings.brs_mode == "RGB-BRS" == user.program.mode.get()
    assert user.program.entries["network_clicks"][1].get() == "8"
    assert user.enabled() == LOADED | OPTIONS | {"network_clicks", "lbfgs_iterations"}
    menu.invoke(4)  # f-BRS-B, which the network lacks
    user.settle()
    assert user.program.mode.get() == "RGB-BRS" and "has no features for f-BRS-B" in user.warnings[-1]
    menu.invoke(0)
    user.settle()
    assert user.program.entries["network_clicks"][1].get() == "INF"


def test_sliders_change_the_picture_and_reset_sets_two_of_them_back(drive):
    user = drive()
    user.left(40, 30)
    for name, value in (("threshold", 0.8), ("alpha", 0.25), ("click_radius", 6)):
        user.program.sliders[name].set(value)
        user.settle()
        assert getattr(user.controller.settings, name) == value
    user.press("Reset clicks")
    assert not user.controller.in_progress
    assert [slider.get() for slider in user.program.sliders.values()] == [0.5, 0.5, 6]


def test_masks_are_loaded_and_their_faults_told(drive, tmp_path, monkeypatch):
    user = drive()
    mask = np.zeros((72, 96), np.uint8)
    mask[20:40, 30:60] = 255
    for name, pixels in (("mask.png", mask), ("small.png", mask[:50])):
        write_image(tmp_path / name, pixels)
        monkeypatch.setattr(filedialog, "askopenfilename", lambda name=name, **_: str(tmp_path / name))
        user.press("Load mask")
    np.testing.assert_array_equal(user.controller.mask, mask == 255)
    assert user.warnings == ["The mask is 96x50 pixels, the image 96x72: load a mask of its size."]
    monkeypatch.setattr(filedialog, "askopenfilename", lambda **_: ())  # what Tk gives for Cancel
    user.press("Load mask")
    user.press("Load image")
    assert user.controller.in_progress


def test_the_window_lives_while_the_network_runs_and_what_is_done_meanwhile_follows(drive):
    model = SlowModel()
    user = drive(model)
    user.left(40, 30, busy=True)
    user.left(50, 35, busy=True)
    user.program.buttons["Finish object"].invoke()
    assert user.program.busy and not user.controller.in_progress and user.canvas["cursor"] == "watch"
    assert user.enabled() == (LOADED | OBJECT) - {"Save mask"}
    user.press("Undo click", busy=True)  # of the finish
    user.press("Undo click", busy=True)  # of the second click
    user.left(60, 25, busy=True)
    model.go.set()
    user.settle()
    assert [click.coords for click in user.controller.clicks] == [(30, 40), (25, 60)]
    assert user.canvas["cursor"] != "watch" and user.controller.objects == 0


@pytest.mark.parametrize("label", ["Undo click", "Reset clicks"])
def test_an_answer_to_a_click_that_was_taken_back_is_not_used(label, drive):
    model = SlowModel()
    user = drive(model)
    user.left(40, 30, busy=True)
    user.press(label, busy=True)
    assert not user.program.busy and user.enabled() == LOADED | OPTIONS
    user.left(60, 25, busy=True)
    model.go.set()
    user.settle()
    assert [click.coords for click in user.controller.clicks] == [(25, 60)]


def test_a_network_that_fails_is_told_in_a_sentence_and_the_program_goes_on(drive):
    user = drive(FailingModel())
    user.left(40, 30)
    assert "memory is full" in user.warnings[-1].lower()
    assert not user.program.busy and not user.controller.in_progress


def test_exit_closes_the_window_while_the_network_runs(drive):
    model = SlowModel()
    user = drive(model)
    user.left(40, 30, busy=True)
    user.program.buttons["Exit"].invoke()
    model.go.set()
    with pytest.raises(tk.TclError):
        user.program.root.winfo_exists()
