"""The files that gather the scores of evaluations."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from isegm.evaluation import summary
from isegm.inference.protocols import settings_for
from isegm.inference.simulation import EvalSettings
from tests.evaluation.fakes import INFO, SCORES

HEADER, ROW = "a table\n-------", "| a row |"


@pytest.fixture
def scores():
    return SCORES


def entry(scores, settings=None, parts=(), **info):
    settings = settings or EvalSettings()
    return summary.summary_entry(replace(INFO, **info), settings, settings_for("clickseg"), scores, dict(parts))


def evaluations(folder):
    """What summary.json holds, and the rows of summary.csv."""
    with (folder / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    return json.loads((folder / "summary.json").read_text())["evaluations"], rows


def test_summary_goes_to_json_and_csv(tmp_path, scores):
    all_clicks = replace(scores, dataset="Berkeley", thresholds=(0.8, 0.85, 0.9, 0.95, 1.01), noc=(1, 2, 3, 4, 20))
    all_clicks = replace(all_clicks, noc_std=(0.0,) * 5, nof=(0,) * 5, nof_published=(0,) * 5)
    for one in (scores, all_clicks):
        summary.add_to_summary(tmp_path, entry(one))
    read, (first, second) = evaluations(tmp_path)
    assert [one["dataset"] for one in read] == ["GrabCut", "Berkeley"]
    assert read[0]["sha256"] == INFO.sha256
    assert set(read[0]["versions"]) == {"isegm", "python", "torch", "numpy", "opencv", "scipy"}
    assert read[0]["settings"]["threshold"] == 0.49
    assert read[0]["noc"] == {"80": 1.5, "85": 2.25, "90": 3.0}
    assert read[0]["inference"]["resize"] == [384, 384]

    assert (first["noc@90"], first["noc@95"], second["noc@95"]) == ("3.0", "", "4")
    assert (first["nof@90"], first["nof_published@90"]) == ("1", "2")
    assert first["sha256"] == INFO.sha256
    assert not any("101" in name for name in first)


def test_a_summary_keeps_the_scores_of_parts(tmp_path, scores):
    whole, parts = replace(scores, dataset="HQSeg44K"), {"DIS": scores, "COIFT": replace(scores, objects=2)}
    for number in (1, 2):  # the second one reads what the first has written
        summary.add_to_summary(tmp_path, entry(whole, max_objects=number, parts=parts))
    read, rows = evaluations(tmp_path)
    assert len(read) == len(rows) == 2
    for one in read:
        assert {name: part["objects"] for name, part in one["parts"].items()} == {"DIS": 4, "COIFT": 2}
        assert one["parts"]["DIS"]["noc"] == one["noc"] and one["parts"]["DIS"]["miou"] == [0.5]


def test_a_summary_keeps_every_evaluation_and_the_last_of_equal_ones(tmp_path, scores):
    summary.add_to_summary(tmp_path, entry(scores, started="1"))
    others = [
        entry(replace(scores, dataset="Berkeley")),
        entry(scores, max_objects=2),
        entry(scores, sha256="cd" * 32),
        entry(scores, device="cuda"),
        entry(scores, settings=EvalSettings(threshold=0.5)),
    ]
    for one in others:
        summary.add_to_summary(tmp_path, one)
    read, rows = evaluations(tmp_path)
    assert len(read) == len(rows) == 6
    summary.add_to_summary(tmp_path, entry(scores, started="2", command="again"))
    read, rows = evaluations(tmp_path)
    assert sorted(one["started"] for one in read) == sorted([INFO.started] * 5 + ["2"])
    assert [row["command"] for row in rows].count("again") == 1


@pytest.mark.parametrize(
    "there",
    [
        "",
        "no JSON",
        "[]",
        '{"evaluations": 3}',
        '{"evaluations": [{"dataset": "GrabCut"}]}',
        "[" * 100_000,
        '{"evaluations": [[]]}',
    ],
)
def test_a_summary_of_another_form_is_renamed_with_a_warning(tmp_path, scores, caplog, there):
    (tmp_path / "summary.json").write_text(there)
    summary.add_to_summary(tmp_path, entry(scores))
    assert len(evaluations(tmp_path)[0]) == 1
    assert (tmp_path / "summary.json.bak").read_text() == there
    assert "put aside as summary.json.bak" in caplog.text


@pytest.mark.parametrize(
    ("key", "value"),
    [("noc", []), ("settings", {}), ("seconds", "1"), ("miou", [2.0]), ("versions", None), ("clicks", 10**30)],
)
def test_a_summary_whose_entries_have_values_of_other_kinds_is_renamed(tmp_path, scores, caplog, key, value):
    summary.add_to_summary(tmp_path, entry(scores))
    content = evaluations(tmp_path)[0]
    content[0][key] = value
    (tmp_path / "summary.json").write_text(json.dumps({"evaluations": content}))
    summary.add_to_summary(tmp_path, entry(scores, max_objects=2))
    assert len(evaluations(tmp_path)[0]) == 1
    assert f"evaluations[0].{key}" in caplog.text and "put aside as summary.json.bak" in caplog.text


def test_evaluations_that_end_at_once_lose_no_row_and_no_entry(tmp_path, scores):
    def add(number):
        summary.append_row(tmp_path / "table.txt", f"{ROW} {number}", HEADER)
        summary.add_to_summary(tmp_path, entry(replace(scores, dataset=f"set{number}")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(16)))
    lines = (tmp_path / "table.txt").read_text().splitlines()
    assert lines[:2] == HEADER.splitlines() and set(lines[2:]) == {f"{ROW} {number}" for number in range(16)}
    read, rows = evaluations(tmp_path)
    assert {one["dataset"] for one in read} == {f"set{number}" for number in range(16)} and len(rows) == 16
    assert {path.name for path in tmp_path.iterdir()} == {"table.txt", "summary.json", "summary.csv"}


def test_a_table_that_is_no_text_gets_its_row(tmp_path):
    (tmp_path / "table.txt").write_bytes(b"\xff\xfe\n")
    summary.append_row(tmp_path / "table.txt", ROW, HEADER, repeat=False)
    assert (tmp_path / "table.txt").read_bytes() == b"\xff\xfe\n" + ROW.encode() + b"\n"


def test_rows_are_appended_below_one_header(tmp_path):
    path = tmp_path / "new" / "log.txt"
    summary.append_row(path, ROW, HEADER)
    summary.append_row(path, ROW, HEADER)
    assert path.read_text() == f"{HEADER}\n{ROW}\n{ROW}\n"
    summary.append_row(path, ROW, HEADER, repeat=False)
    summary.append_row(path, "another", HEADER, repeat=False)
    assert path.read_text() == f"{HEADER}\n{ROW}\n{ROW}\nanother\n"
