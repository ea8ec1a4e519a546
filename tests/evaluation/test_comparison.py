"""Runs side by side: which objects are matched, what differs and how surely, and what was published."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from isegm.evaluation import comparison as comparing
from isegm.evaluation.comparison_table import comparison_table
from isegm.evaluation.published_values import PublishedValue
from isegm.evaluation.records import RecordWriter
from isegm.evaluation.scores import noc, nof
from isegm.inference.cascade import Cascade
from isegm.inference.protocols import settings_for
from isegm.utils.errors import InputError
from tests.cli.loading import load, run_main
from tests.evaluation.fakes import record

FIRST = [[0.5, 0.86, 0.95], [0.92, 0.93, 0.94], [0.1, 0.2, 0.3], [0.3, 0.9, 0.9]]
SECOND = [[0.9, 0.9, 0.95], [0.7, 0.95, 0.97], [0.1, 0.2, 0.91], [0.3, 0.8, 0.9]]


def write(folder, lists, dataset="GrabCut", checkpoint=None, order=None, **identity):
    """A folder as an evaluation leaves it."""
    said = {"target_iou": 1.01, "max_clicks": 3, "checkpoint": "abc", **identity}
    if said.get("max_clicks") == 20:
        lists = [[*ious, *[ious[-1]] * 17] for ious in lists]
    with RecordWriter(folder / f"records_{dataset}.jsonl", said) as writer:
        for index in order or range(len(lists)):
            writer.write(record(lists[index], index, dataset=dataset, seconds=0.3))
    if checkpoint:
        entry = {"checkpoint": checkpoint, "sha256": "abc", "dataset": dataset}
        (folder / "summary.json").write_text(json.dumps({"evaluations": [entry]}))
    return folder


@pytest.fixture
def runs(tmp_path):
    first, second = write(tmp_path / "a" / "run", FIRST), write(tmp_path / "b" / "run", SECOND, order=[2, 0, 3, 1])
    return comparing.read_runs([first, second / "records_GrabCut.jsonl"])


def test_scores_are_those_of_the_records(runs):
    scores = comparing.run_scores(runs[1])
    records = runs[1].records
    assert [run.name for run in runs] == ["a", "b"]
    assert scores["NoC@85"] == noc(records, 0.85, 3) == 2.25
    assert scores["NoF@90"] == nof(records, 0.9, 3) == 0
    assert scores["mIoU@3"] == pytest.approx(0.9325)
    assert scores["SPC"] == pytest.approx(0.1)
    assert "mIoU@5" not in scores


@pytest.mark.parametrize(
    "folders, names",
    [
        (["logs/h18/cvpr_20", "logs/h32/cvpr_20"], ["h18", "h32"]),
        (["logs/h18/cvpr_20", "logs/h18/fixed_20"], ["cvpr_20", "fixed_20"]),
        (["logs/run", "logs/run/h18"], ["run", "run/h18"]),
        (["logs/run/run", "logs/run"], ["run/run", "run"]),
        (["logs/h18/cvpr_20"], ["h18/cvpr_20"]),
        (["before/others/h18/cvpr_20", "after/others/h18/cvpr_30"], ["before/cvpr_20", "after/cvpr_30"]),
    ],
)
def test_runs_are_named_by_what_sets_their_folders_apart(tmp_path, folders, names):
    files = [write(tmp_path / folder, FIRST) / "records_GrabCut.jsonl" for folder in folders]
    assert [run.name for run in comparing.read_runs(files)] == names


def test_runs_of_one_folder_are_named_by_their_files(tmp_path):
    for lists in (FIRST, SECOND):
        folder = write(tmp_path / "run", lists)
    write(folder, FIRST, dataset="DAVIS")
    name = f"{tmp_path.name}/run"
    runs = comparing.read_runs(sorted(folder.glob("records_*.jsonl*")))
    assert [(run.dataset, run.name) for run in runs] == [
        ("DAVIS", name),
        ("GrabCut", f"{name}/records_GrabCut.jsonl"),
        ("GrabCut", f"{name}/records_GrabCut.jsonl.bak"),
    ]


def test_runs_are_found_behind_links_and_each_once(tmp_path):
    for name in ("first", "second"):
        write(tmp_path / "store" / name, FIRST)
        (tmp_path / "logs" / f"my_{name}").mkdir(parents=True)
        (tmp_path / "logs" / f"my_{name}" / "run").symlink_to(tmp_path / "store" / name)
    (tmp_path / "logs" / "my_second" / "again").symlink_to(tmp_path / "logs")
    assert [run.name for run in comparing.read_runs([tmp_path / "logs"])] == ["my_first", "my_second"]


@pytest.mark.parametrize("last", ["/h", "h"], ids=["folders", "names"])
def test_long_names_keep_their_beginnings_and_ends_above_the_columns(tmp_path, last):
    folders = [tmp_path / name / f"{'x' * 60}{last}{end}" for name, end in (("before", 18), ("after", 32))]
    runs = comparing.read_runs([write(folder, FIRST) for folder in folders])
    first, second = comparison_table(comparing.compare(runs, 10, 0)["GrabCut"])[0].split()
    assert first.startswith("before/") and first.endswith("h18") and len(first) <= 42
    assert second.startswith("after/") and second.endswith("h32") and len(second) <= 42


def test_differences_are_paired_whatever_the_order_of_the_records(runs):
    found = comparing.differences(*runs, resamples=500, seed=1)
    # NoC@90 of the objects: 3, 1, 3, 2 against 1, 2, 3, 3
    assert found["NoC@90"].value == 0
    assert found["NoC@90"].low < 0 < found["NoC@90"].high
    assert found["NoF@90"].value == -1
    assert found["mIoU@1"].value == pytest.approx((0.4 - 0.22) / 4)
    same = comparing.differences(runs[0], runs[0], resamples=10, seed=1)
    assert {(one.value, one.low, one.high) for one in same.values()} == {(0, 0, 0)}
    assert found == comparing.differences(*runs, resamples=500, seed=1)


def test_the_interval_is_that_of_the_normal_distribution_for_many_objects():
    values = np.random.default_rng(0).normal(0.3, 2.0, (400, 2))
    low, high = comparing.mean_interval(values, 2000, seed=3)
    assert not np.array_equal(low, comparing.mean_interval(values, 2000, seed=4)[0])
    np.testing.assert_allclose((low + high) / 2, values.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(high - low, 2 * 1.96 * values.std(axis=0) / 20, rtol=0.06)


def test_the_interval_does_not_depend_on_how_many_samples_are_held_at_a_time(monkeypatch):
    values = np.random.default_rng(0).normal(0.3, 2.0, (40, 2))
    expected = comparing.mean_interval(values, 100, seed=3)
    monkeypatch.setattr(comparing, "BATCH_VALUES", 7 * values.size)
    np.testing.assert_allclose(comparing.mean_interval(values, 100, seed=3), expected)


def test_the_interval_of_one_object_is_its_value():
    assert [end.tolist() for end in comparing.mean_interval(np.array([[0.5, -1.0]]), 10, seed=0)] == [[0.5, -1.0]] * 2


def test_a_run_that_stopped_at_its_target_has_no_scores_beyond(tmp_path):
    (run,) = comparing.read_runs([write(tmp_path / "run", [[0.5, 0.86], [0.9]], target_iou=0.85)])
    scores = comparing.run_scores(run)
    assert "NoC@85" in scores and "NoC@90" not in scores
    assert "mIoU@1" in scores and "mIoU@3" not in scores


AS_PUBLISHED = {
    "max_clicks": 20,
    "threshold": 0.49,
    "protocol": "ritm",
    "inference": json.loads(json.dumps(asdict(settings_for("ritm")))),
}


def test_published_values_stand_beside_a_published_file(tmp_path):
    file = "weights/coco_lvis_h18_itermask.pth"
    (run,) = comparing.read_runs([write(tmp_path / "run", FIRST, checkpoint=file, **AS_PUBLISHED)])
    assert comparing.published_and_measured(run) == {"NoC@85": (1.42, 6.25), "NoC@90": (1.54, 6.5)}
    assert run.deviation == ""
    file = "weights/mobilenetv2_default.pth"
    (other,) = comparing.read_runs([write(tmp_path / "own", FIRST, checkpoint=file, **AS_PUBLISHED)])
    assert other.weights is None and other.published == []


@pytest.mark.parametrize(
    "change, why",
    [
        ({"max_clicks": 3}, "it had 3 clicks instead of 20"),
        ({"refinement": {"mode": "f-BRS-B"}}, "it ran f-BRS-B"),
        ({"max_objects": 5}, "it took only 5 objects"),
        ({"threshold": 0.7}, "its masks begin at 0.7"),
        ({"inference": asdict(replace(settings_for("ritm"), cascade=Cascade(4)))}, "it ran Cascade-Forward Refinement"),
        ({"inference": asdict(replace(settings_for("ritm"), precision="bf16"))}, "it computed in bf16"),
        ({"inference": {"flip": False}}, "it showed the network other crops or sizes"),
    ],
)
def test_published_values_never_stand_beside_another_way_of_evaluating(tmp_path, change, why):
    folder = write(tmp_path, FIRST, checkpoint="coco_lvis_h18_itermask.pth", **{**AS_PUBLISHED, **change})
    (entry,) = comparing.compare(comparing.read_runs([folder]), 10, 0)["GrabCut"]
    assert entry["unlike published"] == why and "published" not in entry


def test_a_published_name_with_another_checksum_is_another_file(tmp_path):
    folder = write(tmp_path / "run", FIRST, checkpoint="coco_lvis_h18_itermask.pth")
    (folder / "summary.json").write_text(
        json.dumps({"evaluations": [{"checkpoint": "coco_lvis_h18_itermask.pth", "sha256": "another"}]})
    )
    assert comparing.read_runs([folder])[0].weights is None


def test_mean_iou_in_percent_and_failures_as_published(monkeypatch, runs):
    values = {"mIoU@3": 91.0, "NoF@90": 7, "NoC@95": 3.0, "mIoU@5": 99.0}
    published = [PublishedValue("", "", "", "GrabCut", metric, value, "") for metric, value in values.items()]
    monkeypatch.setattr(comparing.Run, "published", published)
    beside = comparing.published_and_measured(runs[1])
    assert beside["mIoU@3"] == (91.0, pytest.approx(93.25))
    assert beside["NoF@90"] == (7, 2)  # two objects reach 0.90 at the last click
    assert beside["mIoU@5"] == (99.0, None)


@pytest.fixture
def call(monkeypatch):
    script = load("compare")
    return lambda *arguments: run_main(monkeypatch, script, *arguments)


def test_the_table_on_screen_and_in_a_file(call, tmp_path, capsys):
    write(tmp_path / "a" / "run", FIRST, checkpoint="coco_lvis_h18_itermask.pth", **AS_PUBLISHED)
    write(tmp_path / "b" / "run", SECOND, max_clicks=20)
    write(tmp_path / "b" / "run", SECOND[:2], dataset="DAVIS")
    path = tmp_path / "out.json"
    assert call(tmp_path / "a", tmp_path / "b", "--resamples", "200", "--json", path) == 0
    shown = capsys.readouterr().out
    assert "GrabCut, 4 objects" in shown and "DAVIS, 2 objects" in shown
    assert "a: NoC@90 measured 6.50, published 1.54 (coco_lvis_h18_itermask, README of RITM, NoBRS)" in shown
    first, second = json.loads(path.read_text())["GrabCut"]
    assert "differences" not in first and first["published"]["NoC@85"] == {"published": 1.42, "measured": 6.25}
    assert second["moved"]["NoC@90"] == 4 and "b: another NoC@90 than a on 4 of 4 objects" in shown
    by = second["differences"]["NoF@90"]
    assert f"0  -1 [{by['low']:+.0f}, {by['high']:+.0f}]" in shown


def test_data_sets_together_count_every_object_alike(call, tmp_path, capsys):
    for name, lists in (("a", FIRST), ("b", SECOND)):
        write(tmp_path / name / "run", lists)
        write(tmp_path / name / "run", lists[:2], dataset="DAVIS")
    path = tmp_path / "out.json"
    assert call(tmp_path / "a", tmp_path / "b", "--together", "--json", path) == 0
    assert "all 2 data sets together, 6 objects" in capsys.readouterr().out
    entries = json.loads(path.read_text())
    assert list(entries) == ["DAVIS", "GrabCut", "all 2 data sets together"]
    for number in range(2):
        apart = [entries[name][number]["scores"]["NoC@85"] for name in ("DAVIS", "GrabCut")]
        joined = entries["all 2 data sets together"][number]
        assert joined["run"] == "ab"[number] and joined["objects"] == 6
        assert joined["scores"]["NoC@85"] == pytest.approx((2 * apart[0] + 4 * apart[1]) / 6)
    assert "NoC@85" in joined["differences"]


def test_what_cannot_be_joined_is_one_sentence(call, tmp_path, capsys):
    for name in "ab":
        write(tmp_path / name / "run", FIRST)
    assert call(tmp_path / "a", tmp_path / "b", "--together") == 2
    assert "--together joins data sets, and the runs have one: leave it out." in capsys.readouterr().err
    write(tmp_path / "a" / "run", FIRST, dataset="DAVIS")
    assert call(tmp_path / "a", tmp_path / "b", "--together") == 2
    assert "and b has not each of DAVIS, GrabCut once" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"lists": SECOND[:3]}, r"hold different objects of GrabCut \(0 only in the former, 1 only in the latter\)"),
        ({"lists": SECOND, "max_clicks": 20}, "has 20 clicks for each object of GrabCut and a has 3"),
        ({"lists": SECOND, "target_iou": None}, "does not say its target_iou and max_clicks"),
        ({"lists": []}, "holds no objects yet"),
    ],
)
def test_runs_that_cannot_be_compared_are_one_sentence(tmp_path, change, sentence):
    first, second = write(tmp_path / "a" / "run", FIRST), write(tmp_path / "b" / "run", **change)
    with pytest.raises(InputError, match=sentence):
        comparing.compare(comparing.read_runs([first, second]), 10, 0)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["absent.jsonl"], "there is no records file absent.jsonl"),
        (["."], "there are no records_<dataset>.jsonl below ."),
        (["absent.jsonl", "--resamples", "0"], "--resamples: '0' is not a whole number from 1 to 1000000"),
        (["absent.jsonl", "--seed", "-1"], "--seed: '-1' is not a whole number from 0 to"),
    ],
)
def test_bad_options_are_one_sentence(call, capsys, monkeypatch, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    assert sentence in capsys.readouterr().err


def test_folders_without_records_are_left_out_with_a_warning(tmp_path, caplog):
    for name in ("first", "second"):
        write(tmp_path / "logs" / name, FIRST)
    for name in ("ious", "plots"):
        (tmp_path / "logs" / name).mkdir()
        (tmp_path / "logs" / name / "GrabCut_cvpr_NoBRS_20.pkl").touch()
    (tmp_path / "logs" / "cvpr_NoBRS_20.txt").write_text("a table")
    runs = comparing.read_runs(sorted((tmp_path / "logs").iterdir()))
    assert [run.name for run in runs] == ["first", "second"]
    (said,) = caplog.messages
    assert "cvpr_NoBRS_20.txt, " in said and "ious, " in said and "plots: left out" in said
    write(tmp_path / "logs" / "stopped", [])
    assert [run.name for run in comparing.read_runs([tmp_path / "logs"])] == ["first", "second"]
    assert "records_GrabCut.jsonl: left out" in caplog.messages[-1]


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "",
        '{"evaluations": 3}',
        '{"evaluations": [3]}',
        '{"evaluations": [{"checkpoint": 1, "sha256": "abc"}]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_summary_is_one_sentence(tmp_path, content):
    folder = write(tmp_path / "run", FIRST)
    (folder / "summary.json").write_text(content)
    with pytest.raises(InputError, match=r"summary\.json is damaged"):
        comparing.read_runs([folder])
