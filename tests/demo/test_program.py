"""The interactive program in its window, driven by Tk events on a virtual screen."""

import threading

import numpy as np
import pytest
import torch

from isegm.demo.settings import NUMERIC
from isegm.utils.files import read_mask, write_image
from tests.analytic import BlobModel, CDNetBlobModel, TinyModel
from tests.demo.conftest import SIZE

tk = pytest.importorskip("tkinter", reason="this Python has no tkinter")


class SlowModel(BlobModel):
    """Answers when it is let go."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def decode(self, *args, **kwargs):
        assert self.go.wait(20)
        return super().decode(*args, **kwargs)


class FailingModel(BlobModel):
    def __init__(self, fail):
        super().__init__()
        self.fail = fail

    def decode(self, *args, **kwargs):
        self.fail()


def full_memory():
    raise MemoryError


def full_gpu():
    raise torch.OutOfMemoryError("CUDA out of memory")


ALWAYS = {"Load image", "Load folder", "Load classes", "About", "Exit"}
LOADED = ALWAYS | {"Save mask", "Load mask", "Load objects"}
CASCADE = {"cascade_steps", "adaptive_cascade"}
DRAFT = {"Finish object", "Undo", "Reset clicks"} | CASCADE
OPTIONS = {"zoom_in", "fixed_crop", "skip_clicks", "target_size", "expand_ratio"} | CASCADE  # BlobModel takes no BRS


def test_open_click_correct_undo_finish_a_second_object_save_quit_and_reopen(drive, answer, photo, tmp_path):
    user = drive(path=None)
    assert user.enabled() == ALWAYS | OPTIONS
    user.canvas.event_generate("<Button-1>", x=50, y=50)
    user.settle()
    assert user.warnings == ["There is no image yet: load one first."]
    answer(askopenfilename=str(photo))
    user.press("Load image")
    assert user.enabled() == LOADED | OPTIONS
    user.left(40, 30)
    first = user.controller.draft.region.mask()
    user.right(70, 60)
    assert [click.coords for click in user.controller.draft.clicks] == [(30, 40), (60, 70)]
    assert [click.is_positive for click in user.controller.draft.clicks] == [True, False]
    assert user.enabled() == LOADED | DRAFT
    user.press("Undo")
    np.testing.assert_array_equal(user.controller.draft.region.mask(), first)
    assert user.enabled() == LOADED | DRAFT | {"Redo"}
    user.key("space")
    assert user.enabled() == LOADED | OPTIONS | {"Undo"}
    assert user.rows() == [("1", "", "object", "")]
    user.left(20, 60)
    assert user.rows()[1] == ("2", "in progress", "object", "")
    user.key("space")
    answer(asksaveasfilename=str(tmp_path / "out" / "ids.png"))
    user.save_as("Object numbers (grey PNG)")
    labels = user.controller.annotations().labels()
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "ids.png"), labels)
    assert labels[30, 40] == 1 and labels[60, 20] == 2
    assert "ids.png" in user.program.status.left["text"]
    user.left(60, 30)
    user.press("Exit")

    again = drive()
    assert "2 finished objects and the one in progress" in again.program.status.left["text"]
    np.testing.assert_array_equal(again.controller.annotations().labels(), labels)
    assert [click.coords for click in again.controller.draft.clicks] == [(30, 60)]
    for _ in range(20):
        again.key("Control-z")
    assert again.rows() == [] and again.enabled() == LOADED | OPTIONS | {"Redo"}
    for _ in range(20):
        again.key("Control-y")
    np.testing.assert_array_equal(again.controller.annotations().labels(), labels)
    assert len(user.warnings) == 1


def test_objects_are_named_classed_coloured_protected_opened_again_and_deleted(drive, answer):
    user = drive()
    objects = user.program.objects
    for x, y in ((40, 30), (20, 60)):
        user.left(x, y)
        user.key("space")
    assert objects.selected is None and str(objects.buttons["Delete"]["state"]) == tk.DISABLED
    objects.select(1)
    user.settle()
    entry = next(widget for widget in objects._fields if isinstance(widget, tk.Entry))
    user.write(entry, "Käfer")
    user.write(objects.category_box, "insect")
    answer(askcolor=((10, 200, 30), "#0ac81e"))
    objects.color.invoke()
    user.settle()
    assert user.rows()[0] == ("1", "Käfer", "insect", "")
    item = user.controller.document.get(1)
    assert (item.name, item.category, item.color) == ("Käfer", "insect", (10, 200, 30))
    objects.protected.set(True)
    next(widget for widget in objects._fields if isinstance(widget, tk.Checkbutton)).invoke()
    user.settle()
    assert not user.controller.document.get(1).protected  # it was set, and pressing takes it away
    user.press("Open again")
    assert user.rows()[0][1] == "Käfer (open)" and user.controller.draft.number == 1
    user.right(45, 35)
    user.key("space")
    assert [row[0] for row in user.rows()] == ["1", "2"]
    assert user.controller.document.get(1).name == "Käfer"
    user.press("Delete")
    assert [row[0] for row in user.rows()] == ["2"]
    user.key("Control-z")
    assert [row[0] for row in user.rows()] == ["1", "2"]


def test_what_is_written_belongs_to_the_object_that_it_was_written_for(drive):
    user = drive()
    objects = user.program.objects
    for x, y in ((40, 30), (20, 60)):
        user.left(x, y)
        user.key("space")
    objects.select(2)
    user.settle()
    objects.category_box.focus_force()
    user.root.update()
    objects.category_box.delete(0, tk.END)
    objects.category_box.insert(0, "leaf")
    objects.select(1)  # the list is clicked, and the box has still the focus
    user.settle()
    assert [row[2] for row in user.rows()] == ["object", "leaf"]
    assert objects.category.get() == "object" and objects.selected == 1


def test_an_empty_class_is_refused_and_the_old_one_is_there_again(drive):
    user = drive()
    user.left(40, 30)
    user.key("space")
    user.program.objects.select(1)
    user.settle()
    user.write(user.program.objects.category_box, "  ")
    assert user.warnings == ["Object 1 has a class without a name: write one, such as object."]
    assert user.program.objects.category.get() == "object"


def test_new_objects_get_class_and_protection_and_protected_ones_keep_their_pixels(drive):
    user = drive()
    user.write(user.program.objects.new_category_box, "leaf")
    user.program.objects.new_protected.set(True)
    user.program.objects._protect()
    user.left(40, 30)
    user.key("space")
    user.left(44, 30)
    user.key("space")
    first, second = user.controller.document.objects
    assert (first.category, first.protected) == ("leaf", True) and not first.region.overlap(second.region)
    assert user.rows()[0] == ("1", "", "leaf", "yes")


def test_a_warning_asks_what_becomes_of_an_unfinished_object(drive, answer, tmp_path):
    user = drive()
    user.left(40, 30)
    path = tmp_path / "mask.png"
    for choice, expected in ((None, None), (False, 0), (True, 255)):
        asked = answer(askyesnocancel=choice, asksaveasfilename=str(path))
        user.press("Save mask")
        assert "askyesnocancel" in asked
        assert (read_mask(path).max() if path.exists() else None) == expected
    np.testing.assert_array_equal(read_mask(path) > 0, user.controller.draft.region.mask())
    user.key("space")
    asked.clear()
    user.press("Save mask")
    assert asked == ["asksaveasfilename"]


def test_a_folder_is_walked_through_and_saved_as_one_file(drive, answer, photo, tmp_path):
    for name in ("photo 10.png", "photo 2.png"):
        (photo.parent / name).write_bytes(photo.read_bytes())
    user = drive(path=None)
    answer(askdirectory=str(photo.parent), asksaveasfilename=str(tmp_path / "all.json"))
    user.press("Load folder")
    seen = []
    for _ in range(3):
        seen.append(user.controller.image.name)
        user.left(40, 30)
        user.key("space")
        user.key("Next")
    assert seen == ["photo.png", "photo 2.png", "photo 10.png"]
    assert "3 of 3" in user.program.status.right["text"] and "Next" not in user.enabled()
    user.key("Prior")
    assert user.controller.image.name == "photo 2.png" and len(user.controller.document.objects) == 1
    user.save_as("COCO JSON, masks (RLE), all images of the folder")
    answer(askopenfilename=str(tmp_path / "all.json"))
    (first,) = user.controller.document.objects
    user.program.act(lambda: user.controller.remove(1))
    user.settle()
    user.press("Load objects")
    user.press("Load objects")  # the second time there is nothing new
    (second,) = user.controller.document.objects
    assert first.region.same(second.region) and [row[0] for row in user.rows()] == ["1"]
    assert user.program.status.left["text"] == "1 object was there already and was left out"


def test_what_a_network_lacks_is_greyed_out_and_the_hint_says_why(drive):
    user = drive(CDNetBlobModel())
    user.show_options()
    controls = user.program.controls
    for name in ("adaptive_cascade", "cascade_steps"):
        assert name not in user.enabled()
    reason = _sentence(user.controller.unavailable["cascade_steps"])
    assert user.hint(controls.entries["cascade_steps"][0]).endswith(f"0: none.\n\n{reason}")
    assert user.hint(controls.entries["skip_clicks"][0]).endswith("from the first click on.")
    user.left(40, 30)
    hint = user.hint(controls.entries["skip_clicks"][0])
    assert hint.endswith("first click on.\n\nAn object is in progress: finish or reset it first.")
    assert "takes no BRS mode" in user.hint(controls.mode_menu)
    assert str(controls.mode_menu["menu"].entrycget(4, "foreground")) == "gray55"


def test_every_option_button_and_field_has_a_hint(drive, monkeypatch):
    monkeypatch.setattr("isegm.demo.widgets.HINT_MS", 1)
    user = drive(TinyModel())
    for page in (user.program.objects, user.program.images, user.program.controls):
        user.program.pages.select(page)
        user.settle()
        for widget in with_parts(page):
            if isinstance(widget, (tk.Entry, tk.Button, tk.Checkbutton, tk.Menubutton, tk.Scale)):
                assert len(user.hint(widget) or "") > 10, widget
    for button in user.program.buttons.values():
        assert user.hint(button), button["text"]
    assert set(user.program.controls.hints) == {*NUMERIC, "zoom_in", "fixed_crop", "brs_mode", "adaptive_cascade"} - {
        "max_size"
    }


def with_parts(widget):
    return [widget, *(below for child in widget.winfo_children() for below in with_parts(child))]


def _sentence(text):
    return text[0].upper() + text[1:]


def test_a_long_or_moved_press_of_the_right_button_is_no_click_and_moving_pans(drive):
    user = drive()
    user.wheel(4, 48, 36, times=6)
    viewport = user.program.image.viewport
    user.right(40, 30, milliseconds=600)
    assert not user.controller.in_progress and user.program.image.viewport == viewport
    user.right(40, 30, move=-30)
    assert not user.controller.in_progress
    assert user.program.image.viewport.offset[0] == pytest.approx(viewport.offset[0] - 30)
    user.right(40, 30, move=2)
    assert [(click.is_positive, click.coords) for click in user.controller.draft.clicks] == [(False, (30, 40))]


def test_the_wheel_zooms_around_the_cursor_and_clicks_land_where_they_are_made(drive):
    user = drive()
    fitting = user.program.image.viewport
    user.wheel(4, 20, 50, times=5)
    assert user.program.image.viewport.scale == pytest.approx(fitting.scale * 1.2**5)
    user.left(20, 50)
    assert user.controller.draft.clicks[0].coords == (50, 20)
    user.wheel(5, 20, 50, times=9)
    assert user.program.image.viewport == fitting


def test_keys_scroll_and_a_finishes_partially_while_there_is_an_object(drive):
    user = drive()
    user.wheel(4, 48, 36, times=6)
    viewport = user.program.image.viewport
    user.key("a")
    assert user.program.image.viewport == viewport.panned(40, 0)
    user.key("Right")
    assert user.program.image.viewport == viewport
    user.key("d", state=0x4)  # with Ctrl
    assert user.program.image.viewport == viewport
    user.key("s")
    assert user.program.image.viewport == viewport.panned(0, -40)
    user.left(40, 30)
    kept, viewport = user.controller.draft.region, user.program.image.viewport
    user.key("a")
    assert user.controller.draft.clicks == () and user.program.image.viewport == viewport
    assert user.controller.draft.region.same(kept)


def test_keys_typed_into_an_entry_are_not_commands_and_what_is_written_stays_while_the_network_answers(drive):
    model = SlowModel()
    user = drive(model)
    user.show_options()
    entry, text = user.program.controls.entries["target_size"]
    entry.focus_force()
    entry.insert(tk.END, "5")
    for key in ("space", "a", "Control-z"):
        entry.event_generate(f"<{key}>")
    user.program.pages.select(user.program.objects)
    user.root.update()
    name = user.program.objects.new_category_box
    model.go.set()
    user.program.act(lambda: user.controller.click(40, 30, True))
    name.focus_force()
    name.delete(0, tk.END)
    name.insert(0, "half a wo")
    user.settle()
    assert user.controller.in_progress and not user.controller.document.objects
    assert name.get() == "half a wo" and text.get() == "100"  # 1005 is above the limit: refused when it was left
    assert len(user.warnings) == 1


def test_space_on_a_button_finishes_the_object_and_does_not_press_it(drive):
    user = drive()
    user.left(40, 30)
    button = user.program.buttons["Undo"]
    button.focus_force()
    user.key("space", button)
    assert len(user.controller.document.objects) == 1


def test_a_wrong_number_is_refused_in_a_dialog_and_the_old_one_comes_back(drive):
    user = drive()
    user.option("expand_ratio", "3")
    assert user.warnings == ["Expand ratio is 3: give a number from 1 to 2."]
    assert user.program.controls.entries["expand_ratio"][1].get() == "1.4"
    user.option("expand_ratio", "1.75")
    user.option("skip_clicks", " 2 ")
    assert (user.controller.settings.expand_ratio, user.controller.settings.skip_clicks) == (1.75, 2)
    assert user.program.controls.entries["skip_clicks"][1].get() == "2" and len(user.warnings) == 1


def test_options_reach_the_controller(drive):
    user = drive(TinyModel())
    user.show_options()
    controls = user.program.controls
    for name, value in (("zoom_in", False), ("fixed_crop", False), ("adaptive_cascade", True)):
        controls.checks[name][0].invoke()
        user.settle()
        assert getattr(user.controller.settings, name) is value
    menu = controls.mode_menu["menu"]
    menu.invoke(1)
    user.settle()
    assert user.controller.settings.brs_mode == "RGB-BRS" == controls.mode.get()
    assert controls.entries["network_clicks"][1].get() == "8"
    assert {"network_clicks", "lbfgs_iterations"} <= user.enabled()
    menu.invoke(4)  # f-BRS-B, which the network lacks
    user.settle()
    assert controls.mode.get() == "RGB-BRS" and "has no features for f-BRS-B" in user.warnings[-1]
    menu.invoke(0)
    user.settle()
    assert controls.entries["network_clicks"][1].get() == "INF"
    user.option("cascade_steps", "4")
    assert user.controller.settings.cascade_steps == 4


def test_sliders_change_the_image_and_reset_sets_two_of_them_back(drive):
    user = drive()
    user.left(40, 30)
    before = user.controller.draft.region
    user.show_options()
    for name, value in (("threshold", 0.8), ("alpha", 0.25), ("click_radius", 6)):
        user.program.controls.sliders[name].set(value)
        user.settle()
        assert getattr(user.controller.settings, name) == value
    assert user.controller.draft.region.area < before.area
    user.press("Reset clicks")
    assert not user.controller.in_progress
    assert [slider.get() for slider in user.program.controls.sliders.values()] == [0.5, 0.5, 6]


def test_masks_are_loaded_and_their_faults_told(drive, answer, tmp_path):
    user = drive()
    mask = np.zeros(SIZE, np.uint8)
    mask[20:40, 30:60] = 255
    for name, pixels in (("mask.png", mask), ("small.png", mask[:50])):
        write_image(tmp_path / name, pixels)
        answer(askopenfilename=str(tmp_path / name))
        user.press("Load mask")
    np.testing.assert_array_equal(user.controller.draft.region.mask(), mask == 255)
    assert user.warnings == ["The mask is 96x50 pixels, the image 96x72: give a mask of the image's size."]
    answer(askopenfilename=())  # what Tk gives for Cancel
    for label in ("Load mask", "Load image", "Load objects"):
        user.press(label)
    assert user.controller.in_progress


def test_the_window_lives_while_the_network_runs_and_what_is_done_meanwhile_follows(drive):
    model = SlowModel()
    user = drive(model)
    user.left(40, 30, busy=True)
    user.left(50, 35, busy=True)
    user.program.buttons["Finish object"].invoke()
    user.root.update()
    assert "The network is working" in user.program.status.left["text"] and user.canvas["cursor"] == "watch"
    assert user.controller.draft is None and [click.coords for click in user.controller.waiting] == [(30, 40), (35, 50)]
    user.press("Undo", busy=True)  # of the finish
    user.press("Undo", busy=True)  # of the second click
    user.left(60, 25, busy=True)
    model.go.set()
    user.settle()
    assert [click.coords for click in user.controller.draft.clicks] == [(30, 40), (25, 60)]
    assert user.canvas["cursor"] != "watch" and not user.controller.document.objects
    assert "The network is working" not in user.program.status.left["text"]


@pytest.mark.parametrize("label", ["Undo", "Reset clicks"])
def test_an_answer_to_a_click_that_was_taken_back_is_not_used(label, drive):
    model = SlowModel()
    user = drive(model)
    user.left(40, 30, busy=True)
    user.press(label, busy=True)
    assert not user.controller.busy and "Finish object" not in user.enabled()
    user.left(60, 25, busy=True)
    model.go.set()
    user.settle()
    assert [click.coords for click in user.controller.draft.clicks] == [(25, 60)]


@pytest.mark.parametrize("fail", [lambda: torch.empty(2**60), full_gpu, full_memory], ids=["CPU", "GPU", "Python"])
def test_full_memory_is_told_in_a_sentence_and_the_program_goes_on(fail, drive):
    user = drive(FailingModel(fail))
    user.left(40, 30)
    assert user.warnings[-1].startswith("Memory is full: ")
    assert not user.controller.busy and not user.controller.in_progress


def test_exit_while_the_network_runs_loses_no_click(drive):
    model = SlowModel()
    user = drive(model)
    user.left(40, 30, busy=True)
    threading.Timer(0.2, model.go.set).start()
    user.program.buttons["Exit"].invoke()
    with pytest.raises(tk.TclError):
        user.root.winfo_exists()
    again = drive()
    assert [click.coords for click in again.controller.draft.clicks] == [(30, 40)]


def test_without_autosave_leaving_an_image_asks(drive, answer, photo):
    user = drive(autosave=False)
    assert "not autosaved" in user.program.status.right["text"]
    user.left(40, 30)
    asked = answer(askokcancel=False, askopenfilename=str(photo))
    user.press("Load image")
    user.press("Exit")
    assert asked == ["askopenfilename", "askokcancel", "askokcancel"] and user.controller.in_progress


def test_a_second_window_on_the_same_image_says_that_it_does_not_autosave(drive):
    drive()
    user = drive()
    assert user.warnings == []  # nothing is written yet
    user.left(40, 30)
    third = drive()
    assert "another window" in third.warnings[-1] and not third.controller.autosaves
