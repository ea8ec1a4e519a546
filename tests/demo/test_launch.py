"""How demo.py starts, and what it says where it cannot."""

import builtins
import subprocess
import sys
import time

import pytest

from tests.commands import ROOT, exit_code


def run_demo(monkeypatch, *arguments):
    return exit_code(["demo.py", *arguments], monkeypatch)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """What is autosaved stays below the test's folder, on every system."""
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def test_without_arguments_the_shipped_network_and_a_sample_image_are_there(screen, monkeypatch):
    tk = pytest.importorskip("tkinter")
    monkeypatch.setenv("DISPLAY", screen)
    titles = []

    def mainloop(root, n=0):
        save = next(w for w in _all_widgets(root) if isinstance(w, tk.Button) and w["text"] == "Save mask")
        end = time.monotonic() + 120
        while save["state"] != tk.NORMAL:  # until the image is there
            assert time.monotonic() < end
            root.update()
        titles.append((root.title(), root.winfo_viewable(), root.winfo_width() >= 960))
        root.destroy()

    monkeypatch.setattr(tk.Tk, "mainloop", mainloop)
    assert run_demo(monkeypatch) == 0
    assert titles == [("isegm: interactive segmentation", 1, True)]


def _all_widgets(widget):
    return [widget, *(below for child in widget.winfo_children() for below in _all_widgets(child))]


@pytest.mark.parametrize("arguments", [(), ("--cpu",), ("--limit-longest-size=400", "--cpu")])
def test_without_a_display_one_sentence_says_what_to_do(arguments, no_screen, monkeypatch, capsys):
    assert run_demo(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: no window can be opened (no display name and no $DISPLAY environment variable): run this on a "
        "desktop, or over ssh -X; without a screen, use isegm predict."
    )


def test_without_tkinter_one_sentence_says_how_to_get_it(monkeypatch, capsys):
    real = builtins.__import__

    def without_tkinter(name, *args, **kwargs):
        if name == "tkinter":
            raise ModuleNotFoundError("No module named 'tkinter'", name="tkinter")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_tkinter)
    assert run_demo(monkeypatch, "--cpu") == 2
    assert "apt install python3-tk" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cpu", "--checkpoint=nothing"], "there is no checkpoint nothing"),
        (["--cpu", "--checkpoint=x", "--cfg=other.yml"], "there is no configuration file other.yml: check its path."),
        (["--cpu", "--limit-longest-size=50"], "--limit-longest-size is 50: give a whole number of at least 100."),
        (["--cpu", "--classes=missing.txt"], "there is no list of classes missing.txt: check the path."),
        (["--cpu", "--classes=docs/demo_objects.png"], "is not a text file in UTF-8: write one class in each line."),
        (["--device=abacus"], "the device abacus cannot be used"),
    ],
)
def test_wrong_arguments_are_told_before_a_window_opens(arguments, sentence, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert run_demo(monkeypatch, *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_the_controller_needs_no_toolkit():
    code = "import sys, isegm.demo.controller; sys.exit('tkinter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
