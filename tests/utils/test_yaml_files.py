"""YAML files: small, plain, and whatever else they are is one sentence."""

import os

import pytest

from isegm import InputError
from isegm.utils.yaml_files import read_yaml


def written(tmp_path, content):
    path = tmp_path / "config.yml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", None),
        ("# nothing\n", None),
        ("A: 2024-05-17\n", {"A": "2024-05-17"}),
        ("A: 1\nB: [x, {c: 2.5}]\n", {"A": 1, "B": ["x", {"c": 2.5}]}),
        (b"\xef\xbb\xbfA: \xed\x95\x9c\n", {"A": "한"}),
        (
            "A: &a {x: 1, y: 2}\nB: {<<: *a, y: 3}\nC: *a\n",
            {"A": {"x": 1, "y": 2}, "B": {"x": 1, "y": 3}, "C": {"x": 1, "y": 2}},
        ),
    ],
)
def test_plain_yaml_is_read(tmp_path, content, expected):
    assert read_yaml(written(tmp_path, content)) == expected


def laughs(template):
    """Ten anchors, each nine aliases of the one before: a billion values."""
    return "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i} " + template.format(", ".join([f"*a{i - 1}"] * 9)) + "\n" for i in range(1, 11)
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (laughs("[{}]"), "holds more than"),
        (laughs("{{<<: [{}]}}"), "holds more than"),
        ("a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 1000)), "more than 32 lists"),
        ("a: &a [1, *a]\n", "refers to what it is in"),
        ("a: &a {<<: *a}\n", "refers to what it is in"),
        ("a: " + "[" * 100_000, "more than 32 lists"),
        ("a: " + "{b: " * 60_000, "more than 32 lists"),
        ("- " * 100_000, "more than 32 lists"),
        ("? " * 100_000, "more than 32 lists"),
        ("".join(" " * i + f"k{i}:\n" for i in range(200)), "more than 32 lists"),
        ("A: 1\nB: 2\nA: 3\n", "line 3: it has the key A twice"),
        ("x: {b: 1, b: 2}\n", "it has the key b twice"),
        (b"A: \xff\xfe\n", "not in UTF-8"),
        ("A: 1\n".encode("utf-16"), "not in UTF-8"),
        (b"A: \x00\n", "special characters"),
        ("A: [1\n", "line 2"),
        ("A: 1\n---\nB: 2\n", "another document"),
        ("A: !!python/object/apply:os.system [true]\n", "could not determine a constructor"),
        ("A: !!timestamp 2020-13-45\n", "means nothing"),
        ("A: !!int x\n", "means nothing"),
        ("A: !!bool x\n", "means nothing"),
        ("A: !!timestamp x\n", "means nothing"),
        ("A: " + "9" * 5000 + "\n", "means nothing"),
        ("? [1, 2]\n: 3\n", "unhashable"),
        ("A: *" + "x" * 100_000 + "\n", "undefined alias"),
        ("A: [" + "1," * 100_000 + "]\n", "holds more than"),
        ("A" * 300_000, "more than 256 KiB"),
    ],
    ids=range(27),
)
def test_what_is_no_small_plain_yaml_is_one_sentence(tmp_path, content, words):
    with pytest.raises(InputError) as error:
        read_yaml(written(tmp_path, content))
    message = str(error.value)
    assert words in message and "config.yml" in message
    assert message.isprintable() and len(message) < 400 + len(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yml")
    for path in (tmp_path, tmp_path / "pipe.yml"):
        with pytest.raises(InputError, match="is not a file"):
            read_yaml(path)
    with pytest.raises(InputError, match="there is no configuration file"):
        read_yaml(tmp_path / "absent.yml")
