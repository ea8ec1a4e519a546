from dataclasses import replace

import pytest

from isegm.evaluation import reports
from isegm.evaluation.scores import score
from isegm.evaluation.table_form import TableForm
from isegm.inference.cascade import Cascade
from isegm.inference.protocols import settings_for
from isegm.inference.simulation import NEVER_STOP, EvalSettings
from tests.evaluation.fakes import INFO, SCORES, record

# Appendix A.7 of the RITM specification
HEADER = """\
Eval results for model: others/x
-----------------------------------------------------------------------------------------------
|  BRS Type   |  Dataset  | NoC@80% | NoC@85% | NoC@90% |>=20@85% |>=20@90% | SPC,s |  Time   |
-----------------------------------------------------------------------------------------------"""
ROW = "|    NoBRS    |  GrabCut  |  1.50   |  2.25   |  3.00   |    1    |    2    | 0.123 | 1:02:05 |"


@pytest.fixture
def scores():
    return SCORES


def test_table_of_the_specification(scores):
    assert reports.table_header("others/x", TableForm.of("ritm"), 20) == HEADER
    assert reports.table_row("NoBRS", scores) == ROW


def test_table_of_clickseg_names_its_first_column_pipeline():
    header = reports.table_header("others/x", TableForm.of("clickseg"), 20)
    assert header == HEADER.replace("|  BRS Type   |", "|  Pipeline   |")


def test_without_a_name_the_header_begins_with_the_rule():
    assert reports.table_header("", TableForm.of("ritm"), 100).splitlines()[0] == "-" * 95
    assert "|>=100@85%|" in reports.table_header("", TableForm.of("ritm"), 100)


def test_scores_that_a_low_target_leaves_open_are_question_marks(scores):
    low = replace(scores, target_iou=0.80, thresholds=(0.80,), noc=(1.5,), nof_published=(0,))
    assert reports.table_row("NoBRS", low) == (
        "|    NoBRS    |  GrabCut  |  1.50   |    ?    |    ?    |    ?    |    ?    | 0.123 | 1:02:05 |"
    )


@pytest.mark.parametrize(("target", "named"), [(0.95, "95.0%"), (0.87, "87.0%")])
def test_an_unusual_target_stands_behind_the_row(scores, target, named):
    other = replace(
        scores,
        target_iou=target,
        thresholds=(*scores.thresholds, target),
        noc=(1, 2, 3, 4.125),
        nof_published=(0, 1, 2, 3),
    )
    assert reports.table_row("NoBRS", other).endswith(f"| NoC@{named} = 4.12; >=20@{named} = 3")


@pytest.mark.parametrize(("target", "named"), [(0.905, "90.5%"), (0.8765, "87.65%"), (1.0, "100.0%")])
def test_a_target_beside_a_column_of_the_table_is_named_with_all_its_digits(scores, target, named):
    other = replace(scores, target_iou=target, thresholds=(0.8, 0.85, 0.9, target), noc=(1, 2, 3, 4.0))
    other = replace(other, nof_published=(0, 1, 2, 3))
    assert reports.table_row("NoBRS", other).endswith(f"| NoC@{named} = 4.00; >=20@{named} = 3")


def test_a_row_of_all_clicks_has_no_impossible_target():
    row = reports.table_row("NoBRS", score([record([0.1] * 19 + [0.96])], "GrabCut", NEVER_STOP, 20))
    assert row.endswith(" |") and "101" not in row


def test_the_settings_stand_behind_the_row(scores):
    shown = {"thresh": "0.5", "infer-size": "256"}
    assert reports.table_row("NoBRS", scores, settings=shown) == f"{ROW} thresh=0.5 infer-size=256"
    assert reports.table_row("NoBRS", scores, True, 5, shown) == (
        f"{ROW} thresh=0.5 infer-size=256; mIoU@1=50.00%; only the first 5 objects"
    )


def test_mean_ious_stand_behind_the_row_when_asked_for():
    records = [record([0.5] * 11, 0), record([0.25] * 12, 1)]
    row = reports.table_row("NoBRS", score(records, "GrabCut", NEVER_STOP, 20), print_ious=True)
    assert row.split("|")[-1] == "; " + " ".join(f"mIoU@{k}=37.50%;" for k in (1, 2, 3, 5, 10))


def test_simpleclick_prints_mean_ious_of_every_click_and_its_cascade_a_column_more():
    scores = score([record([0.5] * 19 + [0.96])], "GrabCut", 0.95, 20)
    plain, cascaded = (TableForm.of("simpleclick", cascade) for cascade in (False, True))
    assert reports.table_header("others/x", plain, 20) == HEADER
    columns = [name.strip() for name in reports.table_header("", cascaded, 20).splitlines()[1].split("|")]
    assert columns[3:10] == [*(f"NoC@{level}%" for level in (80, 85, 90, 95)), *(f">=20@{n}%" for n in (85, 90, 95))]
    row = reports.table_row("NoBRS", scores, print_ious=True, form=cascaded)
    assert [cell.strip() for cell in row.split("|")][3:10] == ["20.00"] * 4 + ["1"] * 3
    assert [word.partition("=")[0] for word in row.split("|")[-1].split()[1:]] == [f"mIoU@{k}" for k in range(1, 21)]
    assert TableForm.of("ritm", True) == TableForm.of("ritm")


def test_failures_are_counted_with_and_without_objects_that_succeed_at_the_last_click():
    lists = [[0.5, 0.8, 0.85, 0.9], [0.1] * 20, [0.1] * 19 + [0.91], [0.95]]
    records = [record(ious, index, seconds=2.0) for index, ious in enumerate(lists)]
    text = reports.all_scores("NoBRS", score(records, "GrabCut", 0.9, 20))
    lines = {line[2:35].strip(): line[35:] for line in text.splitlines()[1:]}
    assert text.startswith("NoBRS on GrabCut: 4 objects, 45 clicks, 0.178 s per click, 2.000 s per object")
    assert lines["NoF, not reached in 20 clicks"] == "@80% 1   @85% 1   @90% 1"
    assert lines["NoF as published, NoC = 20"] == "@80% 2   @85% 2   @90% 2"
    assert lines["NoC (std)"].startswith("@80% 10.75 (")
    assert lines["mIoU"].startswith("@1 41.25%   (later clicks: ")


def test_scores_of_all_clicks_have_noc95_and_later_ious_but_no_impossible_target():
    text = reports.all_scores("NoBRS", score([record([0.1] * 19 + [0.96])], "GrabCut", NEVER_STOP, 20))
    assert "@95% 20.00" in text
    assert "101" not in text
    assert "@10 10.00%   @20 96.00%" in text
    assert "later clicks" not in text


@pytest.mark.parametrize(
    ("protocol", "options", "said"),
    [
        (
            "ritm",
            {},
            "zoom-in from click 2 (box x 1.4, longest side 400, at least 200 pixels, kept while it fits), flip",
        ),
        ("ritm", {"dataset_name": "DAVIS"}, "longest side 600"),
        ("ritm", {"eval_mode": "fixed448,320"}, "zoom-in from click 1 (box x 1.4 to 448x320"),
        ("clickseg", {"infer_size": 256}, "follows every prediction), network input 256x256, no flipping"),
        ("ritm", {"clicks_limit": 5}, "the network sees the first 5"),
    ],
)
def test_the_protocol_line_says_what_decides_about_comparisons(protocol, options, said):
    line = reports.protocol_line(INFO, EvalSettings(), settings_for(protocol, **options))
    assert said in line
    for fact in (
        "ritm cvpr",
        "mode NoBRS",
        "probability > 0.49",
        "1 to 20 clicks, stop at IoU 0.9",
        "negative",
        "device cpu",
    ):
        assert fact in line


@pytest.mark.parametrize(
    ("cascade", "said"),
    [
        (Cascade(4), "flip average, cascade of 4 more passes on the first click; "),
        (Cascade(1), "cascade of 1 more pass on the first click; "),
        (Cascade(2, adaptive=True, clicks=3), "cascade of up to 2 more passes on the first 3 clicks; "),
    ],
)
def test_the_protocol_line_describes_the_cascade(cascade, said):
    assert said in reports.protocol_line(INFO, EvalSettings(), replace(settings_for("ritm"), cascade=cascade))


def test_the_protocol_line_says_when_objects_were_left_out():
    line = reports.protocol_line(replace(INFO, max_objects=10), EvalSettings(), settings_for("ritm"))
    assert line.endswith("only the first 10 objects")


def test_a_row_says_when_objects_were_left_out(scores):
    assert reports.table_row("NoBRS", scores, max_objects=10) == f"{ROW} only the first 10 objects"


def test_parts_of_a_data_set_have_a_line_each(scores):
    low = replace(scores, dataset="COIFT", objects=280, miou=(0.5, 0.6, 0.7, 0.75, 0.8))
    assert reports.parts_scores({"DIS": scores, "COIFT": low}).splitlines()[1:] == [
        "  DIS   4 objects: NoC @80% 1.50   @85% 2.25   @90% 3.00; NoF @80% 0   @85% 0   @90% 1; mIoU @1 50.00%",
        "  COIFT 280 objects: NoC @80% 1.50   @85% 2.25   @90% 3.00; NoF @80% 0   @85% 0   @90% 1; mIoU @1 50.00%   "
        "@5 80.00%",
    ]
    assert reports.parts_scores({}) == ""
