"""JSON files that are written in pieces."""

import json

import numpy as np
import pytest

from isegm.annotations import json_files
from isegm.utils.errors import InputError

LONG = 3 * json_files.CHUNK + 1
CONTENTS = {
    "nothing": {},
    "one of each": {"a": [], "b": {}, "c": [{}, {"d": [None, True, 1.5, "ä猫\n"]}], "e": [[[1, 2], []]], "f": ""},
    "long lists": {"flat": list(range(LONG)), "deep": [list(range(LONG)), [1], []], "pairs": [[1.0, 2.0]] * LONG},
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_written_in_pieces_is_the_usual_json(name, tmp_path):
    json_files.write_json(tmp_path / "file.json", CONTENTS[name])
    expected = json.dumps(CONTENTS[name], ensure_ascii=False)
    assert (tmp_path / "file.json").read_text(encoding="utf-8") == expected


def test_arrays_are_written_as_lists(tmp_path):
    arrays = {"flat": np.arange(LONG), "pairs": np.arange(2.0 * LONG).reshape(-1, 2), "none": np.zeros((0, 2))}
    json_files.write_json(tmp_path / "file.json", {**arrays, "several": [np.arange(LONG), np.arange(8)]})
    found = json.loads((tmp_path / "file.json").read_text())
    assert found.pop("several") == [list(range(LONG)), list(range(8))]
    assert found == {name: array.tolist() for name, array in arrays.items()}


def test_no_piece_is_long_whatever_the_content():
    deep = {"shapes": [{"points": np.zeros((LONG, 2))}, {"segmentation": [[0.0] * LONG, np.zeros(LONG)]}]}
    for content in (deep, CONTENTS["long lists"]):
        assert max(len(piece) for piece in json_files._encoded(content)) < 20 * json_files.CHUNK


def test_a_text_that_cannot_be_written_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match="not valid Unicode: rename the image, object or class"):
        json_files.write_json(tmp_path / "file.json", {"first": [1], "then": "\udcff"})
    assert list(tmp_path.iterdir()) == []
