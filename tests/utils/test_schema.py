"""Values from files are checked against declared kinds, and what differs is one short sentence."""

import math

import numpy as np
import pytest

from isegm.utils.errors import InputError
from isegm.utils.schema import (
    DEPTH,
    Anything,
    Fields,
    Flag,
    Instance,
    Items,
    Nothing,
    Number,
    Plain,
    Row,
    Table,
    Text,
    Whole,
    check,
    mismatch,
)

POINT = Row(Whole(0), Whole(0))
SETTINGS = Fields(
    {"epochs": Whole(1), "lr": Number(above=0)},
    optional={
        "amp": Text(choices=("bf16", "fp16")) | Nothing(),
        "frozen": Flag(),
        "clicks": Items(POINT, most=2),
        "crop": Whole(1) | Table(POINT, keys=Whole(0)),
        "array": Instance(np.ndarray, "an array"),
    },
)
GOOD = {"epochs": 3, "lr": 1e-3}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"lr": 1, "epochs": np.int32(4), "amp": None, "frozen": False},
        {"amp": "bf16", "clicks": [(1, 2), [3, 4]], "crop": {0: [1, 2]}, "array": np.zeros(2)},
        {"crop": 5, "lr": np.float32(0.5)},
    ],
)
def test_what_fits_is_returned_as_it_is(more):
    content = {**GOOD, **more}
    assert check(content, SETTINGS, "run.yml") is content


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"epochs": "x"}, "val.epochs must be a whole number of at least 1, not 'x'"),
        ({"epochs": 0}, "val.epochs must be a whole number of at least 1, not 0"),
        ({"epochs": 2.0}, "val.epochs must be a whole number of at least 1, not 2.0"),
        ({"epochs": True}, "val.epochs must be a whole number of at least 1, not True"),
        ({"epochs": 2**63}, "val.epochs must be a whole number of at least 1, not a number of more than 64 bits"),
        ({"epochs": 10**5000}, "val.epochs must be a whole number of at least 1, not a number of more than 64 bits"),
        ({"lr": 10**400}, "val.lr must be a finite number above 0, not a number of more than 64 bits"),
        ({"lr": math.nan}, "val.lr must be a finite number above 0, not nan"),
        ({"lr": math.inf}, "val.lr must be a finite number above 0, not inf"),
        ({"lr": -1}, "val.lr must be a finite number above 0, not -1"),
        ({"lr": None}, "val.lr must be a finite number above 0, not None"),
        ({"lr": [1]}, "val.lr must be a finite number above 0, not list of 1"),
        ({"amp": "int4"}, "val.amp must be bf16 or fp16 or empty, not 'int4'"),
        ({"frozen": 1}, "val.frozen must be true or false, not 1"),
        ({"clicks": [(1, 2), (3, "4")]}, "val.clicks[1][1] must be a whole number of at least 0, not '4'"),
        ({"clicks": [(1, 2, 3)]}, "val.clicks[0] must be a list of 2, not tuple of 3"),
        ({"clicks": [(1, 2)] * 3}, "val.clicks must be a list of at most 2, not list of 3"),
        ({"clicks": {}}, "val.clicks must be a list of at most 2, not a mapping of 0 keys"),
        ({"crop": "x"}, "val.crop must be a whole number of at least 1 or a mapping, not 'x'"),
        ({"crop": {0: (1, "b")}}, "val.crop[0][1] must be a whole number of at least 0, not 'b'"),
        ({"crop": {"a": (1, 2)}}, "val.crop.a has a key that is not a whole number of at least 0"),
        ({"array": [1]}, "val.array must be an array, not list of 1"),
        ({"colour": 1}, "val.colour is not known: known are amp, frozen, clicks, crop, array, epochs, lr"),
    ],
    ids=lambda part: part if isinstance(part, str) else None,
)
def test_what_differs_is_named_with_its_key(more, words):
    assert mismatch({**GOOD, **more}, SETTINGS, "val") == words
    with pytest.raises(InputError) as error:
        check({**GOOD, **more}, SETTINGS, "run.yml", "val")
    key, _, rest = words.partition(" ")
    assert str(error.value) == f"{key} in run.yml {rest}."


def test_missing_keys_and_other_content_are_named():
    assert mismatch({"lr": 1.0}, SETTINGS) == "the content must have the key epochs"
    assert mismatch(None, SETTINGS) == "the content must be a mapping, not None"
    with pytest.raises(InputError, match=r"^the content of run\.yml must be a mapping, not None\.$"):
        check(None, SETTINGS, "run.yml")


HOSTILE = {
    "escapes": "\x1b[2J\r\n" * 9,
    "long": "a" * 1_000_000,
    "right to left": "\u202eabc",
    "half a surrogate": "\ud800",
    "object": object(),
    "huge": 10**5000,
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_messages_are_short_and_printable_whatever_the_value(hostile):
    for content in ({**GOOD, "lr": hostile}, {**GOOD, hostile: 1}, hostile):
        words = mismatch(content, SETTINGS)
        assert len(words) < 250 and words.isprintable()
        words.encode("utf-8")
    words = mismatch({hostile: {hostile: "x"}}, Table(Table(Whole(), keys=Anything()), keys=Anything()))
    assert len(words) < 350 and words.isprintable()


def doubled(times):
    """A list that would have 2 ** times items if it were written out."""
    content = [1]
    for _ in range(times):
        content = [content, content]
    return content


def nested(times):
    content = 1
    for _ in range(times):
        content = {"a": content}
    return content


def cyclic():
    content = [1]
    content.append(content)
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: doubled(30), "must hold at most 1000 values"),
        (lambda: doubled(100_000), f"must not hold more than {DEPTH}"),
        (lambda: nested(DEPTH + 1), f"a.a.a must not hold more than {DEPTH} lists or mappings within each other"),
        (lambda: nested(100_000), f"must not hold more than {DEPTH}"),
        (cyclic, f"must not hold more than {DEPTH}"),
        (lambda: [0] * 1000, "must hold at most 1000 values"),
        (lambda: {"a": [1, {"b": object()}]}, "a[1].b must be plain data, not of the type object"),
        (lambda: [2**64], "[0] must be a number of at most 64 bits"),
    ],
)
def test_plain_data_of_no_declared_form_are_bounded(content, words):
    assert words in mismatch(content(), Plain(most=1000))


def test_plain_data_within_the_bounds_fit():
    content = {"a": [1, 2.5, None, True, b"x", ("y",)], "b": nested(DEPTH - 1), "c": [0] * 900}
    assert check(content, Plain(most=1000), "file") is content


def test_a_single_number_is_named_as_it_is():
    assert mismatch(0, Whole(1) | Whole(-1, -1), "epochs") == "epochs must be a whole number of at least 1 or -1, not 0"
