"""Options, paths and names that stand as text are read by the kinds that files are checked by."""

from argparse import ArgumentTypeError

import pytest

from isegm.utils.schema import Number, Text, Whole, mismatch
from isegm.utils.text_values import NamePart, PathText, from_text


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [(Whole(1), "12", 12), (Number(above=0), "1e-3", 1e-3), (Text(), "12", "12"), (Whole(-1, -1) | Whole(1), "-1", -1)],
)
def test_options_of_a_command_line_are_read_by_the_same_kinds(kind, text, value):
    assert from_text(kind)(text) == value


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5", "nan", "inf", "1e400", "9" * 5000, "1_0", "", "٣x"])
def test_options_that_are_not_of_their_kind_are_refused(text):
    with pytest.raises(ArgumentTypeError, match=r"^'.*' is not a whole number of at least 1$"):
        from_text(Whole(1))(text)


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 5000, "\ud800"])
def test_text_that_can_be_no_path_is_refused(text):
    assert " must be a path, not " in mismatch(text, PathText(), "weights")


@pytest.mark.parametrize("text", ["a/b", "a\\b", "..\n", "x" * 201])
def test_text_that_can_be_no_part_of_a_file_name_is_refused(text):
    assert "must be a part of a file name" in mismatch(text, NamePart(), "name")
