"""The window of the interactive program: leaving it, its dialogs, its keys and its size."""

import threading
from dataclasses import replace

import pytest

from isegm.annotations.formats import FORMATS
from isegm.demo.controller import Controller
from isegm.utils.files import read_mask

LEFT_HELD, RIGHT_HELD = 0x100, 0x400  # in the state of a Tk event

tk = pytest.importorskip("tkinter", reason="this Python has no tkinter")


@pytest.fixture
def slow_mask(monkeypatch):
    """Masks are not written before this event is set."""
    go, write = threading.Event(), FORMATS["mask"].write

    def wait(*what):
        assert go.wait(20)
        write(*what)

    monkeypatch.setitem(FORMATS, "mask", replace(FORMATS["mask"], write=wait))
    yield go
    go.set()


def with_object(user, *places):
    for x, y in places or ((40, 30),):
        user.left(x, y)
        user.key("space")
    return user


def test_the_window_stays_until_all_is_saved(drive, answer, slow_mask, tmp_path):
    user = with_object(drive())
    answer(asksaveasfilename=str(tmp_path / "mask.png"))
    user.press("Save mask", busy=True)
    for _ in range(2):
        user.press("Exit", busy=True)
        assert user.program.status.left["text"] == "Closing when all is saved ..."
    slow_mask.set()
    with pytest.raises(tk.TclError):
        user.settle()
        user.root.winfo_exists()
    assert read_mask(tmp_path / "mask.png").any()


def test_the_window_stays_where_saving_fails(drive, answer, slow_mask, tmp_path):
    user = with_object(drive())
    answer(asksaveasfilename=str(tmp_path / "photos" / "photo.png" / "mask.png"))  # no folder
    user.press("Save mask", busy=True)
    user.press("Exit", busy=True)
    slow_mask.set()
    user.settle()
    assert "cannot be written" in user.warnings[-1] and user.root.winfo_exists()
    assert "Closing" not in user.program.status.left["text"]
    user.left(20, 60)
    assert user.controller.in_progress


def test_saving_a_folder_asks_what_becomes_of_an_unfinished_object(drive, answer, tmp_path):
    user = with_object(drive())
    user.left(20, 60)
    path = tmp_path / "all.json"
    for choice, expected in ((None, None), (False, 1), (True, 2)):
        asked = answer(askyesnocancel=choice, asksaveasfilename=str(path))
        user.save_as("COCO JSON, masks (RLE), all images of the folder")
        assert asked.pop(0) == "askyesnocancel"
        assert (path.read_text().count('"segmentation"') if path.exists() else None) == expected
        asked.clear()


def test_masks_of_a_folder_are_replaced_only_with_consent(drive, answer, tmp_path):
    user = with_object(drive())
    for choice, kept in ((True, False), (False, True), (True, False)):
        asked = answer(askdirectory=str(tmp_path), askokcancel=choice)
        user.save_as("Object numbers (grey PNG), all images of the folder")
        found = list((tmp_path / "masks").iterdir())
        assert len(found) == 1 and (found[0].read_bytes() == b"mine") is kept, asked
        found[0].write_bytes(b"mine")


def test_nothing_is_saved_while_another_image_is_opened(drive, answer, monkeypatch, tmp_path):
    user = with_object(drive())
    asked = answer(asksaveasfilename=str(tmp_path / "saved"))
    monkeypatch.setattr(Controller, "opening", property(lambda _: True))
    user.program.commands.save_folder("coco_rle")
    user.key("Control-s")
    assert asked == []
    monkeypatch.undo()


def test_dialogs_begin_beside_the_image(drive, monkeypatch, photo):
    from tkinter import filedialog

    begun = []
    for name in ("askopenfilename", "askdirectory", "asksaveasfilename"):
        monkeypatch.setattr(filedialog, name, lambda **options: begun.append(options["initialdir"]) or "")
    user = drive(path=None)
    user.press("Load image")
    user.open(photo)
    for label in ("Load image", "Load folder", "Load mask", "Load objects", "Save mask"):
        user.press(label)
    assert begun == [None] + 5 * [str(photo.parent)]
    images = photo.parent.rename(photo.parent.with_name("images"))
    begun.clear()
    user.open(images / photo.name)
    user.press("Save mask")
    assert begun == [str(images.parent)]  # in it, the mask would be an image without a mask to train on


@pytest.mark.parametrize(
    ("said", "shown"),
    [("the mask is empty: click.", "The mask is empty: click."), ("ann/a.png is damaged.", "ann/a.png is damaged.")],
)
def test_warnings_begin_with_a_capital_but_for_paths(said, shown, drive):
    user = drive()
    user.program._warn(said)
    assert user.warnings == [shown]


def test_page_keys_scroll_the_list_that_has_the_focus_and_keep_the_image(drive, photo):
    for place in range(2):
        (photo.parent / f"photo {place}.png").write_bytes(photo.read_bytes())
    user = drive()
    table, name = user.program.objects.table, user.controller.image.name
    table.focus_force()
    for key in ("Next", "Prior"):
        user.key(key, table)
        assert user.controller.image.name == name == "photo.png"
    user.canvas.focus_force()
    user.key("Next")
    assert user.controller.image.name == "photo 0.png"


def test_caps_lock_makes_no_difference_to_keys(drive):
    user = drive()
    user.left(40, 30)
    user.left(50, 35)
    for key, left in (
        ("Control-Lock-z", 1),
        ("Control-Lock-y", 2),
        ("Control-Lock-z", 1),
        ("Control-Shift-Z", 2),
        ("Control-z", 1),
        ("Control-Lock-Shift-z", 2),
    ):
        user.key(key)
        assert len(user.controller.draft.clicks) == left, key
    user.key("Lock-a")
    assert user.controller.draft.clicks == () and user.controller.draft.moves[-1] == "keep"


def test_looking_at_an_object_does_not_change_it(drive):
    user = with_object(drive(), (40, 30), (20, 60))
    user.program.act(lambda: user.controller.edit(1, name="  two  words ", category=" leaf"))
    before = user.controller.document
    for number in (1, 2, 1):
        user.program.objects.select(number)
        user.settle()
    user.left(60, 20)
    user.press("Undo")
    assert user.controller.document.get(1) is before.get(1) and user.controller.document.objects == before.objects
    user.program.objects.name.set(" other ")
    user.program.objects.apply_texts()
    item = user.controller.document.get(1)
    assert (item.name, item.category) == ("other", " leaf")


def test_what_is_complete_gives_the_focus_back_to_the_image(drive):
    user = with_object(drive())
    objects = user.program.objects
    objects.select(1)
    user.settle()
    name = next(widget for widget in objects._fields if isinstance(widget, tk.Entry))
    for field, key, read in (
        (name, "Return", lambda: user.controller.document.get(1).name),
        (objects.category_box, "<ComboboxSelected>", lambda: user.controller.document.get(1).category),
        (objects.new_category_box, "<ComboboxSelected>", lambda: user.controller.category),
        (objects.new_category_box, "Return", lambda: user.controller.category),
    ):
        field.focus_force()
        field.delete(0, tk.END)
        field.insert(0, f"written {key}")
        user.root.update()
        user.key(key, field)
        assert read() == f"written {key}" and user.root.focus_get() is user.canvas


def test_all_can_be_reached_in_the_smallest_window_which_is_the_published_one(drive):
    user = with_object(drive())
    user.root.geometry("960x480")
    user.settle()
    assert user.root.minsize() == (960, 480) == (user.root.winfo_width(), user.root.winfo_height())
    for page in (user.program.objects, user.program.controls):
        user.program.pages.select(page)
        user.settle()
        for part in page.winfo_children():
            assert part.winfo_height() >= part.winfo_reqheight() > 1
            assert part.winfo_width() >= part.winfo_reqwidth()
            assert part.winfo_rooty() + part.winfo_height() <= user.program.status.winfo_rooty()


def test_sliders_say_their_numbers(drive):
    user = drive()
    user.show_options()
    slider = user.program.controls.sliders["threshold"]
    slider.set(0.3)
    user.settle()
    texts = [str(part["text"]) for part in slider.master.winfo_children() if isinstance(part, tk.Label)]
    assert texts == ["Predictions threshold", "0.30"]


def test_a_box_is_drawn_in_the_window_after_its_key_and_then_it_clicks_again(drive):
    driver = drive()
    program = driver.program
    driver.canvas.focus_force()
    driver.key("Key", keysym="b")
    assert program.image.tool == program.tools.chosen.get() == "box"
    for name, place in (("<ButtonPress-1>", (5, 5)), ("<Motion>", (30, 25)), ("<ButtonRelease-1>", (30, 25))):
        x, y = driver.place(*place)
        driver.canvas.event_generate(name, x=x, y=y, **({"state": LEFT_HELD} if name == "<Motion>" else {}))
    driver.settle()
    (box,) = driver.controller.draft.prompts
    assert box.kind == "box" and box.path == ((5, 5), (26, 31))
    assert program.image.tool == program.tools.chosen.get() == "click"
    driver.left(20, 15)
    assert len(driver.controller.draft.clicks) == 1 and not driver.warnings


def test_scribbles_are_drawn_until_escape(drive):
    driver = drive()
    driver.canvas.focus_force()
    driver.key("Key", keysym="p")
    for button, held, row in ((1, LEFT_HELD, 5), (3, RIGHT_HELD, 25)):
        for name, column in ((f"<ButtonPress-{button}>", 5), ("<Motion>", 30), (f"<ButtonRelease-{button}>", 30)):
            x, y = driver.place(column, row)
            driver.canvas.event_generate(name, x=x, y=y, **({"state": held} if name == "<Motion>" else {}))
        driver.settle()
    lines = driver.controller.draft.prompts
    assert [(line.path, line.is_positive) for line in lines] == [
        (((5, 5), (5, 30)), True),
        (((25, 5), (25, 30)), False),
    ]
    driver.key("Key", keysym="Escape")
    assert driver.program.image.tool == driver.program.tools.chosen.get() == "click" and not driver.warnings
