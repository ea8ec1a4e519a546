"""YOLO's label files: exact both ways, with numbers of classes that stay, and read from other programs."""

import json
from concurrent.futures import ThreadPoolExecutor
from unicodedata import normalize

import numpy as np
import pytest

from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.classes import read_classes
from isegm.annotations.formats import FORMATS, read_annotations
from isegm.utils.errors import InputError
from tests.annotations.drawn import SIZE, hard_masks, overlapping

IMAGE = np.zeros((*SIZE, 3), np.uint8)


def write(path, annotations):
    FORMATS["yolo"].write(path, annotations, IMAGE)
    return path


def labels(path, text, size=(80, 100)):
    path.write_text(text)
    return read_annotations(path, "a.png", size)


def of_classes(*classes):
    mask = np.zeros((8, 8), bool)
    mask[2:5, 1:6] = True
    objects = tuple(AnnotatedObject(n, Region.of(mask), category=name) for n, name in enumerate(classes, 1))
    return Annotations("a.png", (8, 8), objects)


@pytest.mark.parametrize("name", hard_masks())
def test_masks_come_back_identical_with_pieces_and_holes(name, tmp_path):
    mask = hard_masks()[name]
    annotations = Annotations("a.png", mask.shape, (AnnotatedObject(1, Region.of(mask)),))
    (item,) = read_annotations(write(tmp_path / "a.txt", annotations), "a.png", mask.shape).objects
    np.testing.assert_array_equal(item.region.mask(), mask)


def test_objects_under_others_come_back_whole_with_their_classes(tmp_path):
    annotations = overlapping()
    found = read_annotations(write(tmp_path / "a.txt", annotations), annotations.image_name, annotations.size)
    assert [item.category for item in found.objects] == [item.category for item in annotations.objects]
    assert all(one.region.same(other.region) for one, other in zip(found.objects, annotations.objects, strict=True))


@pytest.mark.parametrize("side", [1, 3, 4097, 30_000])
def test_corners_of_images_of_any_size_are_exact(side, tmp_path):
    size = (3, side)
    region = Region.within(size, 1, side - 1, np.ones((1, 1), bool))
    path = write(tmp_path / "a.txt", Annotations("a.png", size, (AnnotatedObject(1, region),)))
    assert read_annotations(path, "a.png", size).objects[0].region.same(region)


def test_lines_are_those_that_training_reads(tmp_path):
    path = write(tmp_path / "a.txt", of_classes("cat"))
    assert path.read_text() == "0 0.125 0.25 0.75 0.25 0.75 0.625 0.125 0.625\n"
    assert (tmp_path / "classes.txt").read_text() == "cat\n"


def test_numbers_of_classes_stay_from_file_to_file(tmp_path):
    write(tmp_path / "a.txt", of_classes("dog", "cat"))
    before = (tmp_path / "a.txt").read_text()
    path = write(tmp_path / "b.txt", of_classes("cat", "猫 Käse"))
    assert (tmp_path / "classes.txt").read_text(encoding="utf-8") == "dog\ncat\n猫 Käse\n"
    assert [line[0] for line in path.read_text().splitlines()] == ["1", "2"]
    assert [line[0] for line in before.splitlines()] == ["0", "1"]
    found = read_annotations(path, "b.png", (8, 8)).objects
    assert [item.category for item in found] == ["cat", "猫 Käse"]


def test_the_list_of_classes_gives_the_numbers(tmp_path):
    listed = Annotations("a.png", (8, 8), of_classes("cat").objects, classes=("ant", "bee", "cat"))
    assert write(tmp_path / "a.txt", listed).read_text()[0] == "2"
    FORMATS["coco_rle"].write(tmp_path / "a.json", listed, IMAGE)
    content = json.loads((tmp_path / "a.json").read_text())
    assert [each["name"] for each in content["categories"]] == ["ant", "bee", "cat"]
    assert content["annotations"][0]["category_id"] == 3


def test_a_folder_is_a_data_set_that_is_read_back_image_by_image(tmp_path):
    one, two = of_classes("cat", "dog"), of_classes("dog")
    two = Annotations("b.jpg", two.size, two.objects)
    path = tmp_path / "out" / "data.yaml"
    FORMATS["yolo"].write_all(path, [one, two])
    assert FORMATS["yolo"].ending_all == ".yaml" and read_classes(path) == ("cat", "dog")
    assert sorted(each.name for each in (tmp_path / "out" / "labels").iterdir()) == ["a.txt", "b.txt"]
    for source in (path, tmp_path / "out" / "labels" / "b.txt"):
        found = read_annotations(source, "b.jpg", (8, 8)).objects
        assert [item.category for item in found] == ["dog"] and found[0].region.same(two.objects[0].region)
    with pytest.raises(InputError, match=r"labels has no file c\.txt for this image"):
        read_annotations(path, "c.jpg", (8, 8))
    FORMATS["yolo"].write_all(path, [Annotations("c.png", one.size, of_classes("ant", "dog").objects)])
    assert read_classes(path) == ("cat", "dog", "ant")


@pytest.mark.parametrize(
    ("name", "content", "first", "second", "new"),
    [
        ("classes.txt", "_background_\ncat\ndog\n", "cat", "dog", 3),
        ("classes.txt", "cat\ncat\ndog\nbird\n", "cat", "dog", 4),
        ("classes.txt", "cat\n\n\ndog\n", None, None, 4),
        ("data.yaml", "names: {1: cat, 2: dog}", "cat", "dog", 3),
        ("data.yaml", "names: {0: cat, 2: dog, 5: bird}", None, "dog", 6),
        ("data.yaml", "names: [cat, cat, dog]", "cat", "dog", 3),
    ],
)
def test_classes_keep_their_numbers_in_any_list(name, content, first, second, new, tmp_path):
    (tmp_path / name).write_text(content)
    (tmp_path / "labels").mkdir()
    inside = tmp_path if name == "classes.txt" else tmp_path / "labels"
    lines = "1 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n0 0.2 0.2 0.1 0.1\n"
    wanted = [each for each in (first, second) if each]
    assert [item.category for item in labels(inside / "a.txt", lines).objects if item.region.area > 100] == wanted
    more = of_classes("novel", *wanted)
    more = Annotations("b.png", more.size, more.objects[: 1 + len(wanted)])
    if name == "classes.txt":
        write(tmp_path / "b.txt", more)
    else:
        FORMATS["yolo"].write_all(tmp_path / name, [more])
    numbers = [line.split()[0] for line in (inside / "b.txt").read_text().splitlines()]
    assert numbers[0] == str(new) and len(numbers) == 1 + len(wanted)
    assert [item.category for item in labels(inside / "a.txt", lines).objects if item.region.area > 100] == wanted


def test_what_the_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    empty = Annotations("a.png", (8, 8), (AnnotatedObject(3, Region.empty((8, 8))),))
    twins = [of_classes("cat"), Annotations("a.jpg", (8, 8))]
    for sentence, call in (
        ("cannot hold object 3, which has no pixels", lambda: write(tmp_path / "a.txt", empty)),
        ("cannot hold the class 'two", lambda: write(tmp_path / "a.txt", of_classes("two\nlines"))),
        ("of 201 characters: shorten it to 200", lambda: write(tmp_path / "a.txt", of_classes("x" * 201))),
        (r"end it in \.txt", lambda: write(tmp_path / "a.json", of_classes("cat"))),
        (r"other than classes\.txt", lambda: write(tmp_path / "classes.txt", of_classes("cat"))),
        (r"end it in \.yaml", lambda: FORMATS["yolo"].write_all(tmp_path / "a.json", twins[:1])),
        ("two images named a", lambda: FORMATS["yolo"].write_all(tmp_path / "a.yaml", twins)),
    ):
        with pytest.raises(InputError, match=sentence):
            call()
    assert list(tmp_path.iterdir()) == []


def test_boxes_of_other_programs_are_rectangles(tmp_path):
    found = labels(tmp_path / "a.txt", "0 0.5 0.5 0.2 0.5\n\n3 0.1 0.1 0.2 0.2 0.93\n").objects
    assert [item.category for item in found] == ["class 0", "class 3"]
    expected = np.zeros((80, 100), bool)
    expected[20:60, 40:60] = True
    np.testing.assert_array_equal(found[0].region.mask(), expected)
    assert found[1].region.area == 16 * 20


@pytest.mark.parametrize("place", ["classes.txt", "data.yaml", "../data.yaml", "../../data.yaml"])
def test_classes_are_named_by_the_files_that_training_uses(place, tmp_path):
    folder = tmp_path / "labels" / "train"
    folder.mkdir(parents=True)
    listed = "cat\r\ndog\r\n" if place.endswith("txt") else "nc: 2\nnames: [cat, dog]\n"
    (folder / place).write_text(listed)
    assert labels(folder / "a.txt", "1 0.5 0.5 0.2 0.5\n").objects[0].category == "dog"
    found = labels(folder / "b.txt", "1 0.5 0.5 0.2 0.5\n2 0.5 0.5 0.2 0.5\n")
    assert len(found.objects) == 1 and found.left_out == ("line 2 (there is no class 2 among the 2 that are listed)",)


def test_an_empty_file_has_no_objects(tmp_path):
    assert labels(tmp_path / "a.txt", "").objects == () == labels(tmp_path / "a.txt", "\n \n").objects


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 0.2",
        "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4",
        "cat 0.5 0.5 0.2 0.2",
        "0.5 0.5 0.5 0.2 0.2",
        "-1 0.5 0.5 0.2 0.2",
        "0 nan 0.5 0.2 0.2",
        "0 1e999 0.5 0.2 0.2",
        "0 50 50 20 20",
        "0 half 0.5 0.2 0.2",
        "99999999999 0.5 0.5 0.2 0.2",
        "0",
        "0x1 0.5 0.5 0.2 0.2",
    ],
)
def test_a_strange_line_does_not_make_the_others_unreadable(line, tmp_path):
    found = labels(tmp_path / "a.txt", f"0 0.5 0.5 0.2 0.5\n{line}\n1 0.5 0.5 0.2 0.5\n")
    assert len(found.objects) == 2 and found.left_out[0].startswith("line 2 (") and len(found.left_out) == 1
    with pytest.raises(InputError, match=r"a\.txt: line 1 \("):
        labels(tmp_path / "a.txt", line)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="is no text, as YOLO's labels are"):
        read_annotations(tmp_path / "a.txt", "a.png", (8, 8))


# Data sets of other programs keep what is in them

COCO = """\
# COCO, of which a part is labelled here
path: ../datasets/coco  # of Ultralytics
train: images/train2017
val: images/val2017
test: test-dev2017.txt

nc: 3
# Classes
names:
  0: person
  1: bicycle  # no motorcycles
  2: cat

download: |
  echo https://example.org
"""
BOX = "2 0.5 0.5 0.5 0.5\n"


def data_set(folder, data=COCO, **labels):
    (folder / "labels").mkdir(parents=True)
    (folder / "data.yaml").write_text(data)
    for name, text in labels.items():
        (folder / "labels" / f"{name}.txt").write_text(text)
    return folder / "data.yaml"


def test_labels_saved_into_a_data_set_keep_its_numbers(tmp_path):
    data = data_set(tmp_path, a=BOX, b=BOX)
    path = tmp_path / "labels" / "a.txt"
    write(path, read_annotations(path, "a.png", (40, 60)))
    assert path.read_text().startswith("2 ") and data.read_text() == COCO
    assert not (tmp_path / "labels" / "classes.txt").exists()
    write(path, of_classes("dog", "cat"))
    assert [line[0] for line in path.read_text().splitlines()] == ["3", "2"]
    assert read_annotations(tmp_path / "labels" / "b.txt", "b.png", (40, 60)).objects[0].category == "cat"


def test_a_data_set_gets_further_classes_and_keeps_all_else(tmp_path):
    data = data_set(tmp_path, a=BOX)
    FORMATS["yolo"].write_all(data, [of_classes("cat", "it's: a dog", "猫")])
    grown = COCO.replace("nc: 3", "nc: 5").replace("2: cat\n", '2: cat\n  3: "it\'s: a dog"\n  4: "猫"\n')
    assert data.read_text(encoding="utf-8") == grown
    assert [line[0] for line in (tmp_path / "labels" / "a.txt").read_text().splitlines()] == ["2", "3", "4"]
    FORMATS["yolo"].write_all(data, [of_classes("cat", "猫")])
    assert data.read_text(encoding="utf-8") == grown


@pytest.mark.parametrize(
    ("names", "grown"),
    [
        ("names: [ant, 'bee']  # two", "names: [ant, 'bee', \"cat\"]  # two"),
        ("names: [\n  ant,\n  bee,\n]", 'names: [\n  ant,\n  bee, "cat",\n]'),
        ("names:\n- ant\n- bee # last", 'names:\n- ant\n- bee # last\n- "cat"'),
        ("names:\r\n    - ant\r\n    - bee\r\n", 'names:\r\n    - ant\r\n    - bee\r\n    - "cat"\r\n'),
        ("names: {0: ant, 1: bee}", 'names: {0: ant, 1: bee, 2: "cat"}'),
        ("'names':\n    '0': ant\n    '1': bee", "'names':\n    '0': ant\n    '1': bee\n    2: \"cat\""),
        ("{names: [ant, bee], nc: 2}", '{names: [ant, bee, "cat"], nc: 3}'),
        ("names:  # none yet", 'names:\n  0: "cat"  # none yet'),
        ("names: []\nnc: 0", 'names:\n  0: "cat"\nnc: 1'),
        ("{nc: 0, names: {}}", '{nc: 1, names: {0: "cat"}}'),
    ],
)
def test_names_in_any_notation_get_further_ones(names, grown, tmp_path):
    data = data_set(tmp_path, f"train: images\n{names}" if names[0] != "{" else names)
    FORMATS["yolo"].write_all(data, [of_classes("cat")])
    with open(data, newline="", encoding="utf-8") as file:
        assert file.read().replace("\r", "").removeprefix("train: images\n") == grown.replace("\r", "")
    assert read_classes(data)[-1] == "cat"
    assert read_annotations(tmp_path / "labels" / "a.txt", "a.png", (8, 8)).objects[0].category == "cat"


@pytest.mark.parametrize("names", ["of: &n [ant]\nnames: *n", "names: [ant, '']", "names: {0: ant, 1: ''}"])
def test_names_that_cannot_be_added_to_are_told_and_stay(names, tmp_path):
    data = data_set(tmp_path, names, a=BOX)
    with pytest.raises(InputError, match=r"data\.yaml cannot be given the classes cat: write them into its names"):
        FORMATS["yolo"].write_all(data, [of_classes("cat")])
    assert data.read_text() == names and (tmp_path / "labels" / "a.txt").read_text() == BOX


def test_labels_are_replaced_where_they_lie(tmp_path):
    data = data_set(tmp_path)
    nested = tmp_path / "labels" / "train" / normalize("NFD", "café.txt")
    nested.parent.mkdir()
    nested.write_text(BOX)
    cats = Annotations(normalize("NFC", "café.png"), (8, 8), of_classes("cat").objects)
    assert read_annotations(data, cats.image_name, (8, 8)).objects[0].category == "cat"
    FORMATS["yolo"].write_all(data, [cats])
    assert list((tmp_path / "labels").rglob("*.txt")) == [nested] and nested.read_text() != BOX
    (tmp_path / "labels" / "café.txt").write_text(BOX)
    with pytest.raises(InputError, match=r"has 2 label files of café\.png"):
        FORMATS["yolo"].write_all(data, [cats, of_classes("dog")])
    with pytest.raises(InputError, match=r"has 2 files café\.txt for this image"):
        read_annotations(data, cats.image_name, (8, 8))
    assert data.read_text() == COCO


def test_two_images_of_one_name_in_two_unicode_forms_are_refused(tmp_path):
    both = [Annotations(normalize(form, "café.png"), (8, 8)) for form in ("NFC", "NFD")]
    with pytest.raises(InputError, match="two images named café"):
        FORMATS["yolo"].write_all(tmp_path / "data.yaml", both)


def test_the_list_is_written_before_the_labels(tmp_path):
    (tmp_path / "labels").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        FORMATS["yolo"].write_all(tmp_path / "data.yaml", [of_classes("cat")])
    assert read_classes(tmp_path / "data.yaml") == ("cat",)


@pytest.mark.parametrize("up", ["", "../"])
def test_folders_of_images_that_a_data_set_names_have_labels_beside_them(up, tmp_path):
    data = data_set(tmp_path, f"train: {up}train/images\nval: [{up}valid/images, /images]\nnames: [ant, bee, cat]\n")
    for part in ("train", "valid"):
        (tmp_path / part / "images").mkdir(parents=True)
        (tmp_path / part / "labels").mkdir()
        (tmp_path / part / "labels" / f"{part}.txt").write_text(BOX)
        assert read_annotations(data, f"{part}.jpg", (8, 8)).objects[0].category == "cat"
    (tmp_path / "valid" / "images" / "new.jpg").touch()
    names = ["train.jpg", "new.jpg", "elsewhere.jpg"]
    FORMATS["yolo"].write_all(data, [Annotations(name, (8, 8)) for name in names])
    assert (tmp_path / "train" / "labels" / "train.txt").read_text() == ""
    assert (tmp_path / "valid" / "labels" / "new.txt").read_text() == ""
    assert [file.name for file in (tmp_path / "labels").iterdir()] == ["elsewhere.txt"]


def test_poses_are_no_polygons(tmp_path):
    data = data_set(tmp_path, "kpt_shape: [3, 2]\nnames: [person]\n", a="0 0.5 0.5 0.4 0.4 0.4 0.4 0.5 0.5 0.6 0.6\n")
    path = tmp_path / "labels" / "a.txt"
    for call in (
        lambda: read_annotations(data, "a.png", (8, 8)),
        lambda: read_annotations(path, "a.png", (8, 8)),
        lambda: write(path, of_classes("cat")),
        lambda: FORMATS["yolo"].write_all(data, [of_classes("cat")]),
    ):
        with pytest.raises(InputError, match=r"data\.yaml is of poses \(kpt_shape\)"):
            call()


# No list of classes locks anybody out


def test_a_list_without_classes_is_filled_later(tmp_path):
    data = tmp_path / "data.yaml"
    FORMATS["yolo"].write_all(data, [])
    FORMATS["yolo"].write_all(data, [Annotations("a.png", (8, 8))])
    assert read_annotations(data, "a.png", (8, 8)).objects == ()
    FORMATS["yolo"].write_all(data, [of_classes("cat")])
    assert read_annotations(data, "a.png", (8, 8)).objects[0].category == "cat"


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_list_of_lines_is_filled_unless_another_has_classes(content, tmp_path):
    (tmp_path / "classes.txt").write_text(content)
    path = write(tmp_path / "a.txt", of_classes("cat"))
    assert (tmp_path / "classes.txt").read_text() == "cat\n" and path.read_text()[0] == "0"
    data_set(tmp_path / "set", a=BOX)
    path = tmp_path / "set" / "labels" / "a.txt"
    (tmp_path / "set" / "labels" / "classes.txt").write_text(content)
    assert write(path, read_annotations(path, "a.png", (8, 8))).read_text()[0] == "2"


@pytest.mark.parametrize("name", ["[unknown]", "{", "{}", "[1]", "x" * 200])
def test_any_class_that_is_written_is_read_again(name, tmp_path):
    path = write(tmp_path / "a.txt", of_classes(name))
    assert read_annotations(path, "a.png", (8, 8)).objects[0].category == name
    FORMATS["yolo"].write_all(tmp_path / "set" / "data.yaml", [of_classes(name)])
    for _ in range(2):
        write(path, of_classes(name, "cat"))
        FORMATS["yolo"].write_all(tmp_path / "set" / "data.yaml", [of_classes(name, "cat")])
    found = read_annotations(tmp_path / "set" / "data.yaml", "a.png", (8, 8)).objects
    assert [item.category for item in found] == [name, "cat"]


def test_two_programs_write_to_one_list_in_turns(tmp_path):
    names = [f"class {number}" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: write(tmp_path / f"{name}.txt", of_classes(name)), names))
    assert sorted((tmp_path / "classes.txt").read_text().splitlines()) == sorted(names)
    for name in names:
        assert read_annotations(tmp_path / f"{name}.txt", "a.png", (8, 8)).objects[0].category == name
    assert not list(tmp_path.glob(".*"))
