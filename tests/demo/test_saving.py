"""Files of a whole folder: objects that were deleted leave them, and what others made stays."""

import numpy as np
import pytest

from isegm import InputError
from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.formats import FORMATS, read_annotations
from isegm.data import FolderDataset
from isegm.demo.controller import Controller
from isegm.demo.journal import journal_path
from isegm.demo.settings import Settings
from isegm.utils.files import write_image
from tests.analytic import BlobModel
from tests.demo.scripted import SIZE, drawn

FILES = {"id": ("", "masks/{}.png"), "yolo": ("data.yaml", "labels/{}.txt"), "coco_rle": ("all.json", "all.json")}
AGAIN = ["id", "yolo"]  # formats with a file for each image


@pytest.fixture
def folder(tmp_path):
    """A data set of three images without masks."""
    for index, name in enumerate("abc"):
        write_image(tmp_path / "set" / "images" / f"{name}.png", drawn() + np.uint8(index))
    return tmp_path / "set"


def at(folder, name):
    """A controller with an image open."""
    settings = Settings(zoom_in=False, target_size=100)
    controller = Controller(BlobModel(), settings=settings, autosave=folder.parent / "auto")
    controller.open(folder / "images" / f"{name}.png")
    return controller


def annotated(folder, *names):
    """A controller after an object on each image, of which the last one is open."""
    controller = at(folder, names[0])
    for name in names:
        controller.open(folder / "images" / f"{name}.png")
        controller.click(20, 15, True)
        controller.finish()
    return controller


def save(controller, folder, kind):
    controller.save_folder(folder / FILES[kind][0], kind)


def objects(folder, kind, name):
    return read_annotations(folder / FILES[kind][1].format(name), f"{name}.png", SIZE).objects


@pytest.mark.parametrize("kind", AGAIN)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_objects_that_are_deleted_leave_the_files_of_a_folder(kind, elsewhere, folder):
    controller = annotated(folder, "a", "b")
    save(controller, folder, kind)
    assert len(objects(folder, kind, "a")) == len(objects(folder, kind, "b")) == 1
    controller.remove(1)
    if elsewhere:
        controller.open(folder / "images" / "c.png")
    save(controller, folder, kind)
    assert not controller.warnings and objects(folder, kind, "b") == ()
    assert len(objects(folder, kind, "a")) == 1 and not (folder / FILES[kind][1].format("c")).exists()
    controller.close()


def test_a_mask_whose_objects_were_deleted_is_background_for_training_and_named_by_evaluation(folder):
    controller = annotated(folder, "a", "b", "c")
    save(controller, folder, "id")
    controller.remove(1)
    save(controller, folder, "id")
    controller.close()
    assert not FolderDataset(folder, allow_empty=True).get_sample(2).objects_ids
    with pytest.raises(InputError, match=r"1 of 3 masks in .* hold no object: c\.png; draw one in each, or remove"):
        FolderDataset(folder).check()


def test_a_file_of_all_images_has_those_with_objects_alone(folder):
    controller = annotated(folder, "a", "b")
    controller.remove(1)
    save(controller, folder, "coco_rle")
    controller.close()
    assert len(objects(folder, "coco_rle", "a")) == 1
    with pytest.raises(InputError, match=r"no image named b\.png"):
        objects(folder, "coco_rle", "b")


@pytest.mark.parametrize("kind", AGAIN)
def test_files_of_images_that_were_only_looked_at_stay(kind, folder):
    square = np.zeros(SIZE, bool)
    square[3:9, 4:20] = True
    made = Annotations("b.png", SIZE, (AnnotatedObject(1, Region.of(square)),))
    FORMATS[kind].write_all(folder / FILES[kind][0], [made])
    controller = at(folder, "b")
    save(controller, folder, kind)
    controller.open(folder / "images" / "a.png")
    save(controller, folder, kind)
    assert len(objects(folder, kind, "b")) == 1
    controller.close()


@pytest.mark.parametrize("kind", AGAIN)
@pytest.mark.parametrize("change", ["another image", "a damaged journal"])
def test_files_stay_where_it_is_not_sure_that_the_objects_were_deleted(kind, change, folder):
    controller = annotated(folder, "a", "b")
    save(controller, folder, kind)
    controller.remove(1)
    controller.open(folder / "images" / "c.png")
    image = folder / "images" / "b.png"
    if change == "another image":
        write_image(image, drawn() + np.uint8(9))
    else:
        with open(journal_path(folder.parent / "auto", image), "ab") as file:
            file.write(b"[]\n")
    save(controller, folder, kind)
    assert len(objects(folder, kind, "b")) == 1
    assert len(controller.warnings) == (change == "a damaged journal")
    controller.close()
