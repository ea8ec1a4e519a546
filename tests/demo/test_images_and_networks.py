"""The list of images with marks, the list of classes, and the choice of a network, in the window."""

import time

import numpy as np
import pytest

from isegm import build_model
from isegm.demo.controller import Controller
from isegm.demo.journal import journal_path
from isegm.demo.progress import FolderProgress, Progress
from isegm.demo.settings import Settings
from isegm.model.checkpoint import DEFAULT_CHECKPOINT, save_checkpoint
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, write_image
from tests.analytic import BlobModel, FocalBlobModel
from tests.demo.clicked import started
from tests.demo.conftest import SIZE


def marks(user):
    """The list of images as it is seen: mark, name, number of objects."""
    wait(user)
    table = user.program.images.table
    return [(table.item(row, "text"), *map(str, table.item(row, "values"))) for row in table.get_children()]


def wait(user):
    """Wait until all images were looked at, and the list says so."""
    user.settle()
    end = time.monotonic() + 120
    while user.program.images._timer is not None:
        assert time.monotonic() < end, "the images are still looked at"
        time.sleep(0.01)
        user.root.update()


@pytest.fixture
def photos(photo):
    """Four images, of which the second one has two objects, and the third one an object in progress."""
    for number in (2, 3, 4):
        write_image(photo.parent / f"photo {number}.png", read_image(photo) + np.uint8(number))
    auto = photo.parent.parent / "autosave"
    controller = Controller(BlobModel(), settings=Settings(target_size=100), autosave=auto)
    controller.open(photo.parent / "photo 2.png")
    for x, y in ((40, 30), (20, 60)):
        controller.click(x, y, True)
        controller.finish()
    controller.open(photo.parent / "photo 3.png")
    controller.click(40, 30, True)
    controller.close()
    return photo.parent


def test_images_that_are_done_and_in_progress_have_marks(photos, drive):
    user = drive()
    expected = [("", "photo.png", ""), ("✓", "photo 2.png", "2"), ("…", "photo 3.png", ""), ("", "photo 4.png", "")]
    assert marks(user) == expected
    assert user.program.images.summary["text"] == "1 of 4 images done"
    user.left(40, 30)
    assert marks(user)[0] == ("…", "photo.png", "")
    user.key("space")
    assert marks(user)[0] == ("✓", "photo.png", "1")
    assert user.program.images.summary["text"] == "2 of 4 images done"
    user.key("Control-z")
    user.key("Control-z")
    assert marks(user)[0] == ("", "photo.png", "")


def test_a_selected_row_opens_its_image_and_walking_selects_rows(photos, drive):
    user = drive()
    table = user.program.images.table
    table.selection_set("2")
    user.settle()
    assert user.controller.image.name == "photo 3.png" and user.controller.in_progress
    user.key("Prior")
    assert user.controller.image.name == "photo 2.png" and table.selection() == ("1",)


def test_an_image_that_may_not_be_left_keeps_its_row(photos, drive, answer):
    user = drive(autosave=False)
    user.left(40, 30)
    answer(askokcancel=False)
    user.program.images.table.selection_set("2")
    user.settle()
    assert user.controller.image.name == "photo.png" and user.program.images.table.selection() == ("0",)


def test_marks_follow_images_that_were_renamed_with_their_folder(photos, drive):
    photos.rename(photos.parent / "moved")
    user = drive(path=None)
    user.open(photos.parent / "moved" / "photo 4.png")
    assert [row[0] for row in marks(user)] == ["", "✓", "…", ""]


def test_a_folder_whose_first_image_is_broken_is_listed_and_walked_through(photos, drive):
    (photos / "a.png").write_bytes(b"no image")
    user = drive(path=None)
    user.open(photos)
    assert len(user.warnings) == 1 and "a.png" in user.warnings[0] and user.controller.image is None
    assert [row[:2] for row in marks(user)][:3] == [("", "a.png"), ("", "photo.png"), ("✓", "photo 2.png")]
    user.press("Next")
    assert user.controller.image.name == "photo.png" and user.program.images.table.selection() == ("1",)


def looked_at(looking, photo, auto):
    """The progress of an image, when it was looked at."""
    looking.look([photo], auto)
    end = time.monotonic() + 120
    while not looking.complete:
        assert time.monotonic() < end
        time.sleep(0.001)
    return looking.found[photo]


def test_progress_is_that_of_the_document_at_every_step(tmp_path, photo):
    auto = tmp_path / "autosave"
    controller = Controller(BlobModel(), settings=Settings(target_size=100), autosave=auto)
    controller.open(photo)
    looking = FolderProgress()
    steps = [
        lambda: controller.click(40, 30, True),
        controller.finish,
        lambda: controller.edit(1, protected=True),
        lambda: controller.click(20, 60, True),
        controller.partially_finish,
        controller.finish,
        lambda: controller.reopen(1),
        controller.reset,
        controller.undo,
        controller.undo,
        lambda: controller.remove(2),
        controller.undo,
        controller.redo,
    ]
    for step in steps:
        step()
        assert looked_at(looking, photo, auto) == Progress.of(controller.document, controller.in_progress)
    controller.close()
    journal_path(auto, photo).write_bytes(b"[]\n")
    assert looked_at(looking, photo, auto) == Progress()
    looking.close()


def test_classes_of_a_file_are_offered_in_its_order_and_the_first_one_is_taken(drive, answer, tmp_path):
    (tmp_path / "classes.txt").write_text("zebra\nant\n")
    user = drive()
    answer(askopenfilename=str(tmp_path / "classes.txt"))
    user.press("Load classes")
    objects = user.program.objects
    assert objects.new_category_box["values"] == ("zebra", "ant") == objects.category_box["values"]
    assert objects.new_category.get() == "zebra" == user.controller.category
    user.left(40, 30)
    user.key("space")
    user.write(objects.new_category_box, "beetle")
    user.left(20, 60)
    user.key("space")
    assert [row[2] for row in user.rows()] == ["zebra", "beetle"]
    assert objects.new_category_box["values"] == ("zebra", "ant", "beetle")
    answer(asksaveasfilename=str(tmp_path / "labels.txt"))
    user.save_as("YOLO polygons (txt)")
    assert [line[0] for line in (tmp_path / "labels.txt").read_text().splitlines()] == ["0", "2"]
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe")
    answer(askopenfilename=str(tmp_path / "classes.txt"))
    user.press("Load classes")
    assert "is not a text file in UTF-8" in user.warnings[-1] and user.controller.classes == ("zebra", "ant")


@pytest.fixture
def weights(tmp_path):
    """A folder of weights with one network, and a file that is none."""
    (tmp_path / "weights" / "below").mkdir(parents=True)
    save_checkpoint(build_model("clickseg_mobilenetv2"), tmp_path / "weights" / "below" / "other.pth")
    (tmp_path / "weights" / "broken.pth").write_bytes(b"no checkpoint")
    return tmp_path / "weights"


def choose(user, name):
    menu = user.program.network.menu
    user.program.network.fill()
    menu.invoke(name)
    user.settle()


def test_a_network_is_chosen_in_the_window_and_answers_from_then_on(drive, weights):
    user = drive(FocalBlobModel())
    user.program.network.weights = weights
    user.program.network.fill()
    menu = user.program.network.menu
    labels = [menu.entrycget(index, "label") for index in range(menu.index("end") + 1)]
    assert labels == [DEFAULT_CHECKPOINT.stem, "other", "broken", "Another file ..."]
    user.left(40, 30)
    choose(user, "other")
    assert user.warnings == ["The network cannot change within an object: finish or reset it first."]
    user.key("space")
    choose(user, "other")
    assert user.controller.network == "other" and user.program.network["text"] == "Network: other"
    assert type(user.controller._predictor.model).__name__ != "FocalBlobModel"
    assert user.program.status.left["text"] == "the network is other from now on"
    user.left(20, 60)
    assert len(user.controller.draft.clicks) == 1
    user.press("Undo")
    choose(user, "broken")
    assert "broken.pth" in user.warnings[-1] and user.controller.network == "other"
    user.left(60, 20)
    assert len(user.controller.draft.clicks) == 1


def test_options_are_those_of_the_new_network_and_the_rest_stays(tmp_path, place):
    save_checkpoint(build_model("clickseg_mobilenetv2"), tmp_path / "other.pth")
    controller = started(place, (40, 30, True), threshold=0.6, alpha=0.25, click_radius=5, target_size=100)
    with pytest.raises(InputError, match="within an object"):
        controller.use_network(tmp_path / "other.pth")
    controller.finish()
    before = controller.document
    controller.use_network(tmp_path / "other.pth")
    settings = controller.settings
    assert (settings.threshold, settings.alpha, settings.click_radius) == (0.6, 0.25, 5)
    assert settings.target_size == Settings.for_model(controller._predictor.model).target_size != 100
    assert controller.document is before
    controller.reopen(1)
    controller.click(70, 50, False)
    assert controller.draft.clicks and controller.document.selection.size == SIZE
    np.testing.assert_array_equal(controller.document.get(1).region.mask(), before.get(1).region.mask())
