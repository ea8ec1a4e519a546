"""Published pickles are read, hostile ones are refused."""

import pickle
import pickletools

import numpy as np
import pytest

from isegm import InputError
from isegm.data.pickles import load_plain_pickle


class Call:
    """Pickled, it asks the reader to call something."""

    def __init__(self, function, *arguments):
        self.parts = function, arguments

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_content_comes_back(tmp_path, protocol):
    content = (
        [np.arange(6, dtype=np.uint8), np.asfortranarray(np.arange(6.0).reshape(2, 3))],
        {"a": (0, None, 2**40), "b": {"c": {1, 2}}, 5: "näme", "d": np.float32(0.5), "e": b"\xff\x00"},
    )
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, protocol))
    (first, second), rest = load_plain_pickle(tmp_path / "x.pkl")
    assert first.tolist() == list(range(6)) and first.dtype == np.uint8
    assert second.tolist() == [[0, 1, 2], [3, 4, 5]] and rest == content[1]


@pytest.mark.parametrize(
    "content",
    [
        Call(eval, "open('/tmp/never', 'w')"),
        Call(getattr, "text", "upper"),
        np.array([Call(print, "hello")], dtype=object),
        np.array(["text"]),
        Call(np.load, "x.npy"),
    ],
    ids=["eval", "getattr", "objects in an array", "text in an array", "numpy function"],
)
def test_a_pickle_that_asks_for_more_is_refused(tmp_path, content):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": [content]}))
    with pytest.raises(InputError, match=r"x\.pkl is not a pickle of plain numbers, texts and arrays \((asks|holds)"):
        load_plain_pickle(tmp_path / "x.pkl")


def test_arrays_of_impossible_sizes_are_refused(tmp_path):
    honest = pickle.dumps(np.zeros(200, np.uint8), protocol=3)
    length = next(at for code, value, at in pickletools.genops(honest) if code.name == "BININT1" and value == 200)
    (tmp_path / "x.pkl").write_bytes(honest[: length + 1] + b"\xc9" + honest[length + 2 :])
    with pytest.raises(InputError, match="cut off"):
        load_plain_pickle(tmp_path / "x.pkl")


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1, 2, 3])[:-3], b"\x89PNG\r\n"])
def test_what_is_no_pickle_is_refused(tmp_path, content):
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.pkl is not a pickle"):
        load_plain_pickle(tmp_path / "x.pkl")
    with pytest.raises(InputError, match="there is no annotation file"):
        load_plain_pickle(tmp_path / "absent.pkl")
