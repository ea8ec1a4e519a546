"""Lines of autosaved work that hold something else than the program writes are damage, whatever they hold."""

import base64
import json
import zlib

import pytest

from isegm.demo.actions import CHANGES, OUTCOMES, VALUES
from isegm.demo.journal import read_journal
from tests.demo.autosaved import CLICKS, begun, journal_of
from tests.demo.scripted import as_data, prepare

HUGE = "1" + 400 * "0"
CLICK = '{"id": 9, "do": "click", "values": {"x": %s, "y": %s, "positive": %s, "threshold": %s}}'
BOMB = base64.b64encode(zlib.compress(bytes(1 << 26))).decode()
REGION = '{"of": 1, "region": {"box": %s, "bits": "%s"}, "threshold": 0.5}'
ODD_LINES = {
    "a huge x": CLICK % (HUGE, 1, "true", 0.5),
    "an infinite x": CLICK % ("1e999", 1, "true", 0.5),
    "a y that is not a number": CLICK % (1, "NaN", "true", 0.5),
    "a click outside": CLICK % (1e6, 1, "true", 0.5),
    "a click as text": CLICK % ('"1"', 1, "true", 0.5),
    "a polarity that is a number": CLICK % (1, 1, 7, 0.5),
    "a threshold that is infinite": CLICK % (1, 1, "true", "Infinity"),
    "a threshold that is text": CLICK % (1, 1, "true", '"0.5"'),
    "a huge id": f'{{{{"id": {HUGE}, "do": "undo", "values": {{{{}}}}}}}}',
    "an infinite id": '{"id": 1e999, "do": "undo", "values": {}}',
    "an id that is a list": '{"id": [1], "do": "undo", "values": {}}',
    "values that are a list": '{"id": 9, "do": "undo", "values": [1]}',
    "values that are null": '{"id": 9, "do": "click", "values": null}',
    "a kind that is a list": '{"id": 9, "do": ["click"], "values": {}}',
    "unknown values": '{"id": 9, "do": "finish", "values": {"weight": 3}}',
    "a number that is none": '{"id": 9, "do": "remove", "values": {"number": "one"}}',
    "a colour of floats": '{"id": 9, "do": "edit", "values": {"number": 1, "color": [1e999, 0, 0]}}',
    "a class that is a number": '{"id": 9, "do": "finish", "values": {"category": 3}}',
    "a path that is a number": '{"id": 9, "do": "import", "values": {"path": 0}}',
    "a redo of nothing": '{"id": 9, "do": "click", "values": {"x": 1, "y": 1, "positive": true}, "again": true}',
    "an outcome of a list": '{"of": [1]}',
    "an outcome of a mapping": '{"of": {}}',
    "a huge outcome": f'{{{{"of": {HUGE}}}}}',
    "an outcome without a mask": '{"of": 1}',
    "objects for a click": '{"of": 1, "objects": []}',
    "a box of infinities": REGION % ("[1e999, 0, 1, 1]", ""),
    "a box of huge numbers": REGION % (f"[{HUGE}, 0, 1, 1]", ""),
    "a box of fractions": REGION % ("[0.5, 0, 1, 1]", ""),
    "a box that is too large": REGION % ("[0, 0, 100000, 100000]", BOMB),
    "a mask of too many bits": REGION % ("[0, 0, 2, 2]", BOMB),
    "a withdrawal of a list": '{"undone": []}',
    "a dropped mapping": '{"dropped": {"a": 1}}',
    "nothing that is known": '{"hello": 1}',
    "a number": "7",
    "null": "null",
    "text": '"do"',
    "a list": '["do"]',
    "deep nesting": 100_000 * "[",
    "no UTF-8": '{"do": "\udcff"}',
}


@pytest.fixture
def path(tmp_path):
    """A journal whose first action, a click, has no outcome yet."""
    begun(prepare(tmp_path), CLICKS[0]).close()
    path = journal_of(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    return path


@pytest.mark.parametrize("line", ODD_LINES.values(), ids=ODD_LINES)
def test_a_line_of_another_kind_is_damage_and_what_is_before_comes_back(line, path, tmp_path):
    path.write_bytes(path.read_bytes() + line.encode("utf-8", "surrogateescape") + b"\n")
    controller = begun(tmp_path)
    (warning,) = controller.warnings
    assert "is damaged in line 3 (" in warning and len(warning) < 1000
    assert len(controller.draft.clicks) == 1 and controller.autosaves
    controller.close()


@pytest.mark.parametrize("size", ["[1e999, 40]", f"[{HUGE}, 1]", '["40", 56]', "[40]", "null", "[0, 56]", "[40.5, 56]"])
def test_a_first_line_of_another_kind_is_put_aside(size, path, tmp_path):
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first.replace(b"[40, 56]", size.encode()) + b"".join(rest))
    controller = begun(tmp_path, CLICKS[0])
    assert "is damaged in its first line: it was put aside" in controller.warnings[0]
    assert controller.autosaves and len(controller.draft.clicks) == 1
    controller.close()


def test_every_kind_of_action_has_a_declared_form():
    assert set(VALUES) == {*CHANGES, "undo", "redo", "threshold"} and set(OUTCOMES) < set(VALUES)


def test_a_mask_takes_no_more_memory_than_its_box(path):
    import tracemalloc

    path.write_bytes(path.read_bytes() + (REGION % ("[0, 0, 2, 2]", BOMB)).encode() + b"\n")
    tracemalloc.start()
    _, kept = read_journal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept.damage and peak < 1 << 25


def test_a_click_that_waits_without_a_threshold_is_answered_at_the_present_one(path, tmp_path):
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    del lines[1]["values"]["threshold"]
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    controller = begun(tmp_path)
    assert controller.draft.threshold == 0.5 and not controller.warnings
    document = as_data(controller.document)
    controller.close()
    again = begun(tmp_path)
    assert as_data(again.document) == document
    again.close()
