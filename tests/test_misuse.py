"""Junk given to public calls is one sentence that names the argument."""

import numpy as np
import pytest

from isegm import Click, InputError
from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.formats import FORMATS, holds_objects, read_annotations
from isegm.cli import main
from isegm.clicks import clicks_from_xy, points_tensor
from isegm.data import ComposeDataset, DSample, FolderDataset, SamplesDataset, get_dataset, get_training_set
from isegm.data.catalogue import EVALUATION_SETS, TRAINING_SETS
from isegm.evaluation.records import read_records
from isegm.evaluation.scores import score
from isegm.model.checkpoint import read_checkpoint
from isegm.utils.exp import load_config_file
from isegm.utils.images import read_image
from isegm.utils.masks import read_labels, read_mask
from isegm.utils.safe_pickle import load_plain
from tests.drawn import draw_folder

IMAGE = np.zeros((6, 8, 3), np.uint8)
MASK = np.zeros((6, 8), np.int32)
MASK[2:4, 2:5] = 1
NO_PATHS = {"none": None, "number": 3, "fraction": 0.5, "bytes": b"x", "list": [], "empty": "", "zero byte": "a\0b"}
SETS = {name: entry for name, entry in {**EVALUATION_SETS, **TRAINING_SETS}.items() if entry.key is not None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return FolderDataset(draw_folder(tmp_path_factory.mktemp("misuse") / "photos", 3))


@pytest.mark.parametrize("path", NO_PATHS.values(), ids=NO_PATHS)
@pytest.mark.parametrize("name", SETS)
def test_a_data_set_says_that_its_folder_is_no_path(name, path):
    with pytest.raises(
        InputError, match=r"^the folder of a data set (must be a path, not .*|is '.*', which cannot be read.*)\.$"
    ):
        SETS[name].reader(path, **SETS[name].options)


@pytest.mark.parametrize("path", NO_PATHS.values(), ids=NO_PATHS)
@pytest.mark.parametrize(
    "call",
    [
        read_image,
        read_mask,
        read_labels,
        load_plain,
        read_checkpoint,
        read_records,
        load_config_file,
        holds_objects,
        lambda path: read_annotations(path, "a.png", (6, 8)),
        lambda path: FORMATS["mask"].write(path, annotations(), IMAGE),
        lambda path: FORMATS["overlay"].write(path, annotations(), IMAGE),
        lambda path: FORMATS["coco_rle"].write(path, annotations(), IMAGE),
        lambda path: FORMATS["labelme"].write(path, annotations(), IMAGE),
        lambda path: FORMATS["yolo"].write(path, annotations(), IMAGE),
    ],
)
def test_a_file_says_that_its_path_is_none(call, path):
    with pytest.raises(InputError, match=r"must be a path, not|cannot be read|cannot be written|there is no|must end"):
        call(path)


@pytest.mark.parametrize("index", [3, -1, "0", None, 0.5, float("nan"), True, [0], 10**30], ids=str)
def test_an_index_that_no_sample_has_is_named(folder, index):
    for dataset in (folder, ComposeDataset([folder])):
        with pytest.raises(InputError, match=r"has 3 samples, and none of index .*: give 0 to 2\.$"):
            dataset.get_sample(index)


def test_the_samples_refuse_an_index_of_another_set():
    with pytest.raises(InputError, match="none of index 500"):
        SamplesDataset().get_sample(500)


def annotations():
    return Annotations("a.png", (6, 8), (AnnotatedObject(1, Region.of(MASK > 0)),))


REGION = Region.of(MASK > 0)
SAMPLE = DSample.flat(IMAGE, MASK, [1])
CALLS = {
    "name of a data set": (lambda: get_dataset(None, {}), "the name of a data set must be text, not None"),
    "list of names": (lambda: get_dataset([], {}), "the name of a data set must be text, not list"),
    "no configuration": (lambda: get_dataset("GrabCut", None), "the configuration must be a mapping"),
    "training set": (lambda: get_training_set([], {}), "the name of a data set must be text"),
    "training configuration": (lambda: get_training_set("COCO", 3), "the configuration must be a mapping"),
    "text for readers": (lambda: ComposeDataset("ab"), "the data sets to join must be a list"),
    "numbers for readers": (lambda: ComposeDataset([1]), r"the data sets to join\[0\] must be a reader"),
    "ratio text": (lambda: ComposeDataset([SamplesDataset()], "1"), "the ratios of data sets must be"),
    "no ids": (lambda: DSample.flat(IMAGE, MASK, None), "the ids of a sample must be a list of ids"),
    "no ignored ids": (lambda: DSample.flat(IMAGE, MASK, [1], None), "the ids of a sample must be"),
    "layer": (lambda: DSample.flat(IMAGE, MASK, [(5, 1)]), "have 1 layers, and none of index 5"),
    "float image": (lambda: DSample.flat(IMAGE / 255.0, MASK, [1]), "the image of a sample must be an array"),
    "grey image": (lambda: DSample.flat(IMAGE[..., 0], MASK, [1]), "the image of a sample must be an array"),
    "init mask NaN": (lambda: DSample.flat(IMAGE, MASK, [1], init_mask=MASK * np.nan), "init_mask holds NaN"),
    "object": (lambda: SAMPLE.get_object_mask(99), "has no object 99"),
    "object text": (lambda: SAMPLE.pixels("x"), "has no object 'x'"),
    "object list": (lambda: SAMPLE.pixels([0]), "has no object list of 1"),
    "huge size": (lambda: Annotations("a", (10**9, 10**9)).labels(), "size of Annotations"),
    "large area": (lambda: Annotations("a", (10**6, 10**6)).labels(), "too large"),
    "empty region text": (lambda: Region.empty("x"), "must be (H, W) in whole pixels"),
    "empty region none": (lambda: Region.empty(None), "must be (H, W) in whole pixels"),
    "overlap none": (lambda: REGION.overlap(None), "the other region must be a Region, not None"),
    "overlap sizes": (lambda: REGION.overlap(Region.empty((3, 3))), "have nothing in common"),
    "without text": (lambda: REGION.without("x"), "the other region must be a Region"),
    "same none": (lambda: REGION.same(None), "the other region must be a Region"),
    "paint none": (lambda: REGION.paint(None, 1), "cannot be painted on None"),
    "paint size": (lambda: REGION.paint(MASK[:2], 1), "cannot be painted on an array"),
    "overlay float": (lambda: FORMATS["overlay"].write("v.png", annotations(), IMAGE / 2.0), "the image must be"),
    "overlay none": (lambda: FORMATS["overlay"].write("v.png", annotations(), None), "the image must be an array"),
    "several": (lambda: FORMATS["coco_rle"].write_all("c.json", [1]), "the annotations of several images[0] must"),
    "one for several": (lambda: FORMATS["yolo"].write_all("c.yaml", annotations()), "of several images must be a list"),
    "text for several": (lambda: FORMATS["id"].write_all("set", "ab"), "of several images must be a list"),
    "size of the image": (lambda: read_annotations("a.json", "a", None), "the size of the image must be (H, W)"),
    "name of the image": (lambda: read_annotations("a.json", None, (6, 8)), "the name of the image must be text"),
    "size of clicks": (lambda: clicks_from_xy([(1, 1)], [1], None), "image_size must be (H, W)"),
    "no clicks": (lambda: points_tensor([[1]]), "a click must be an isegm.Click"),
    "no records": (lambda: score([1], "set", 0.9, 20), "the records[0] must be an ObjectRecord"),
    "text records": (lambda: score("ab", "set", 0.9, 20), "the records must be a list"),
}


@pytest.mark.parametrize("name", CALLS)
def test_junk_in_a_public_call_is_one_sentence(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, words = CALLS[name]
    with pytest.raises(InputError) as error:
        call()
    assert words.replace("\\[", "[").replace("\\]", "]") in str(error.value)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "overlay"])
def test_formats_refuse_what_are_no_annotations(kind, tmp_path):
    with pytest.raises(InputError, match=r"^the annotations .*must be Annotations, not None\.$|^annotations must be"):
        FORMATS[kind].write(tmp_path / f"a{FORMATS[kind].ending}", None, IMAGE)
    assert list(tmp_path.iterdir()) == []


def test_clicks_that_are_meant_are_taken():
    assert points_tensor([[Click(True, (1, 2), 0)]]).shape == (1, 2, 3)


@pytest.mark.parametrize("option", ["--resume-exp", "--backbone", "--temp-model-path", "--weights"])
@pytest.mark.parametrize("text", ["", " "])
def test_a_training_does_not_take_an_empty_name_for_none(option, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["train", "script.py", f"{option}={text}"])
    assert end.value.code == 2 and f"argument {option}: it is empty" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
