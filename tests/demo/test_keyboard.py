"""Keys: on keyboards of any script, on every system, and in text fields."""

import shutil
import subprocess
from types import SimpleNamespace

import pytest

pytest.importorskip("tkinter", reason="this Python has no tkinter")

from isegm.demo.keyboard import latin_letter, shortcut

Z, Y, A, S, LETTER_O = 52, 29, 38, 39, 32  # X11's codes of keys
HELD = 0x4  # Ctrl
OUTSIDE = 200  # the code of no letter


@pytest.mark.parametrize(
    ("char", "code", "letter"),
    [
        ("я", Z, "z"),
        ("Я", Z, "z"),
        ("ы", S, "s"),
        ("і", S, "s"),
        ("ζ", Z, "z"),
        ("ο", LETTER_O, "o"),
        ("ז", Z, "z"),
        ("ם", LETTER_O, "o"),
        ("ش", A, "a"),
        ("ผ", Z, "z"),
        ("ั", Y, "y"),
        ("я", S, "s"),  # Bulgarian: the physical key counts
        ("я", OUTSIDE, "z"),  # of a server with other codes: the usual layout counts
        ("Φ", OUTSIDE, "f"),
        ("ד", OUTSIDE, "s"),
        ("ผ", OUTSIDE, ""),
        ("ä", A, ""),
        ("ł", Z, ""),
        ("§", Z, ""),
        ("", Z, ""),
    ],
)
def test_a_key_of_another_script_is_the_latin_letter_at_its_place(char, code, letter):
    assert latin_letter("name_of_a_key", char, code, "x11") == letter


@pytest.mark.parametrize(("keysym", "letter"), [("z", "z"), ("Z", "z"), ("1", ""), ("apostrophe", ""), ("Next", "")])
def test_a_latin_letter_is_itself_wherever_it_lies(keysym, letter):
    assert latin_letter(keysym, keysym[:1], Y, "x11") == letter  # a German z lies where the English y is


def test_windows_names_the_keys_of_other_scripts_by_their_codes():
    assert latin_letter("??", "", ord("Z"), "win32") == "z"
    assert latin_letter("??", "\x1a", ord("Z"), "win32") == "z"
    assert latin_letter("??", "", 0xBA, "win32") == ""
    assert latin_letter("Shift_L", "", 16, "win32") == ""


@pytest.mark.parametrize(
    ("system", "state", "named"),
    [
        ("x11", 0x0, "z"),
        ("x11", 0x4, "Ctrl+z"),
        ("x11", 0x5, "Ctrl+Shift+z"),
        ("x11", 0x2 | 0x4 | 0x10, "Ctrl+z"),  # Caps Lock and Num Lock
        ("x11", 0x8, "z"),
        ("aqua", 0x8, "Ctrl+z"),  # Command
        ("aqua", 0x9, "Ctrl+Shift+z"),
        ("win32", 0x20004, "z"),  # AltGr
    ],
)
def test_modifiers_are_named_as_on_the_system(system, state, named):
    widget = SimpleNamespace(tk=SimpleNamespace(call=lambda *_: system))
    event = SimpleNamespace(widget=widget, keysym="z", char="z", keycode=Z, state=state)
    assert shortcut(event) == named


@pytest.fixture
def layout(screen, monkeypatch):
    """Set the layout of the keyboard of the virtual screen."""
    if shutil.which("setxkbmap") is None:
        pytest.skip("setxkbmap, which changes the layout of a keyboard, is not installed")

    def choose(name):
        subprocess.run(["setxkbmap", "-display", screen, name], check=True)

    yield choose
    choose("us")


@pytest.mark.parametrize("name", ["ru", "gr", "il", "ua", "bg", "ara", "th", "us"])
def test_all_shortcuts_work_on_every_layout(name, layout, drive, answer):
    user = drive()
    layout(name)
    user.settle()
    for x, y in ((40, 30), (50, 35), (45, 20)):
        user.left(x, y)

    def clicks():
        return len(user.controller.draft.clicks)

    again = (Y, HELD, 3) if name in ("ara", "th") else (Z, HELD | 1, 3)  # with Shift, these have signs on the key
    for code, state, left in ((Z, HELD, 2), (Z, HELD, 1), (Y, HELD, 2), again, (Z, 0, 3)):
        user.key("Key", keycode=code, state=state)
        assert clicks() == left
    asked = answer(asksaveasfilename="", askopenfilename="", askyesnocancel=False)
    user.key("Key", keycode=S, state=HELD)
    user.key("Key", keycode=LETTER_O, state=HELD)
    assert asked == ["askyesnocancel", "asksaveasfilename", "askopenfilename"]
    user.key("Key", keycode=A)
    assert user.controller.draft.moves[-1] == "keep"
    user.key("space")
    user.wheel(4, 48, 36, times=6)
    viewport = user.program.image.viewport
    user.key("Key", keycode=S)
    assert user.program.image.viewport == viewport.panned(0, -40)


@pytest.mark.parametrize("name", ["us", "ru", "gr"])
def test_fields_are_selected_copied_and_pasted_by_the_usual_keys(name, layout, drive):
    user = drive()
    layout(name)
    user.show_options()
    fields = (user.program.controls.entries["expand_ratio"][0], user.program.objects.new_category_box)
    for field, page in zip(fields, (user.program.controls, user.program.objects), strict=True):
        user.program.pages.select(page)
        user.settle()
        field.focus_force()
        field.delete(0, "end")
        field.insert(0, "1.5")
        field.selection_clear()
        user.key("Key", field, keycode=A, state=HELD)
        assert field.selection_get() == "1.5" and field.index("insert") == 3
        user.key("Key", field, keycode=54, state=HELD)  # C
        user.key("Right", field)
        user.key("Key", field, keycode=55, state=HELD)  # V
        assert field.get() == "1.51.5" and not user.controller.in_progress
        user.key("Key", field, keycode=A, state=HELD)
        user.key("Key", field, keycode=53, state=HELD)  # X
        assert field.get() == ""
        field.insert(0, "1.5")
