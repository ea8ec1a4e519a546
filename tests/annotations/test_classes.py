"""Lists of classes from a file."""

import pytest

from isegm.annotations.classes import read_classes
from isegm.utils.errors import InputError


def listed(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_classes(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("classes.txt", "cat\ndog\nKäse 猫\n"),
        ("classes.txt", "\ufeffcat\r\n  dog  \r\n\r\nKäse 猫\r\ncat"),
        ("labels.txt", "__ignore__\n_background_\ncat\ndog\nKäse 猫"),
        ("names", "cat\ndog\nKäse 猫"),
        ("data.yaml", "train: a\nnames: [cat, dog, Käse 猫]\n"),
        ("data.yml", "names:\n  2: Käse 猫\n  0: cat\n  1: dog\n"),
        ("coco.json", '{"categories": [{"id": 1, "name": "cat"}, {"name": "dog"}, {"name": "Käse 猫"}], "images": []}'),
    ],
)
def test_classes_are_read_in_the_order_of_the_file(name, content, tmp_path):
    assert listed(tmp_path / name, content) == ("cat", "dog", "Käse 猫")


def test_lines_that_stand_for_no_class_are_labelmes_alone(tmp_path):
    assert listed(tmp_path / "data.yaml", "names: [_background_, cat]") == ("_background_", "cat")


@pytest.mark.parametrize("first", ["[unknown]", "{0}", "[1]"])
def test_lines_may_begin_as_json_does(first, tmp_path):
    assert listed(tmp_path / "classes.txt", f"{first}\ncat\n") == (first, "cat")
    assert listed(tmp_path / "classes.txt", first) == (first,)


def test_numbers_may_be_names(tmp_path):
    assert listed(tmp_path / "data.yaml", "names: [7, 8]") == ("7", "8")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("classes.txt", "", "lists no classes: write one in each line"),
        ("classes.txt", "\n  \n", "lists no classes"),
        ("classes.txt", b"\xff\xfe\x01", "is not a text file in UTF-8"),
        ("classes.txt", "a" * 1000, "which is no class"),
        ("classes.txt", "a\x00b", "which is no class"),
        ("data.yaml", "names:", "lists no classes"),
        ("classes.txt", '{"shapes": []}', "must have the key categories"),
        ("data.yaml", "nc: 3", "must have the key names"),
        ("data.yaml", "names: 3", "names in .* must be"),
        ("data.yaml", "names: [[1]]", r"names\[0\] in .* must be"),
        ("data.yaml", "names: {one: cat}", "whole numbers as their keys"),
        ("data.yaml", "- cat", "must be a mapping"),
        ("coco.json", '{"categories": [{"id": 1}]}', r"categories\[0\] in .* must have the key name"),
        ("coco.json", '{"shapes": []}', "must have the key categories"),
        ("coco.json", '{"categories": [', "is not a JSON file, or is cut off"),
    ],
)
def test_what_is_no_list_of_classes_is_told_in_a_sentence(name, content, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence) as error:
        listed(tmp_path / name, content)
    assert name in str(error.value) and str(error.value).endswith(".") and len(str(error.value)) < 500


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"missing\.txt"):
        read_classes(tmp_path / "missing.txt")
