import csv
import json
import os
import pickle
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.cli.evaluate import parse_args
from isegm.data import FolderDataset
from isegm.evaluation.effective_options import named_settings, without_effect
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.records import RecordWriter, read_records
from isegm.evaluation.run import run_evaluation
from isegm.inference.protocols import with_further_looks
from isegm.model import build_model
from isegm.model.checkpoint import save_checkpoint
from isegm.utils import cli
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, read_mask, write_image
from tests.evaluation.fakes import write_folder
from tests.golden import fill_weights

ROOT = Path(__file__).resolve().parents[2]
SAMPLES, OBJECTS = 6, 12
RUN = "cvpr_Baseline_3_infer-size-64"  # folder of an evaluation with the options of ``evaluate``
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The same float sums here and in the processes that tests start."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a configuration, a data set and two checkpoints, one of them inside an experiment."""
    home = tmp_path_factory.mktemp("home")
    write_folder(home / "drawn", SAMPLES)
    (home / "config.yml").write_text(
        f"INTERACTIVE_MODELS_PATH: {home}/weights\nEXPS_PATH: {home}/experiments\nGRABCUT_PATH: {home}/absent\n"
    )
    model = fill_weights(build_model("clickseg_mobilenetv2"))
    with torch.no_grad():  # so that masks are neither empty nor full
        model.feature_extractor.head.weight.mul_(30)
        model.feature_extractor.head.bias.zero_()
    save_checkpoint(model, home / "weights" / "tiny.pth")
    for name in ("010", "last_checkpoint"):
        save_checkpoint(model, home / "experiments" / "light" / "000_try" / "checkpoints" / f"{name}.pth")
    return home


@pytest.fixture
def evaluate(home, tmp_path, request):
    """Run an evaluation; figures are drawn in tests that ask for pictures."""

    def run(**options):
        if not options.get("overlays") and "sheet" not in options:
            request.getfixturevalue("undrawn")
        given = {
            "checkpoint": "tiny",
            "datasets": f"folder:{home}/drawn",
            "config_path": str(home / "config.yml"),
            "logs_path": str(tmp_path / "logs"),
            "infer_size": 64,
            "n_clicks": 3,
            "overlays": False,
        }
        if "exp_path" in options:
            del given["checkpoint"]
        run_evaluation(EvalOptions(**{**given, **options}))
        return tmp_path / "logs"

    return run


def command(home, logs, *arguments):
    return [
        sys.executable,
        str(ROOT / "scripts" / "evaluate_model.py"),
        "Baseline",
        "--cpu",
        "--checkpoint=tiny",
        f"--datasets=folder:{home}/drawn",
        f"--config-path={home}/config.yml",
        f"--logs-path={logs}",
        "--infer-size=64",
        *arguments,
    ]


def timeless(path):
    """Records without their times."""
    return [(one.key, one.name, one.clicks, one.ious) for one in read_records(path).records]


def test_a_run_ends_with_a_full_bar_and_names_its_folders(evaluate, capsys):
    folder = evaluate(max_objects=3) / "others" / "tiny" / f"{RUN}_max-objects-3"
    printed, bars = capsys.readouterr()
    assert printed.endswith(f"\nRecords, report and pictures: {folder}\nLogs: {folder.parent}\n")
    assert "| 2/2 [" in bars


def test_a_run_writes_table_records_summary_and_images(evaluate, capsys):
    logs = evaluate(overlays=True, batch_size=2) / "others" / "tiny"
    printed, bars = capsys.readouterr()
    assert "pictures of drawn" in bars  # which are drawn after the last click, for minutes where networks are slow
    table = (logs / "cvpr_Baseline_3.txt").read_text()
    assert printed.startswith(table)
    assert table.splitlines()[0] == "Eval results for model: tiny"
    assert table.splitlines()[2].startswith("|  Pipeline   |  Dataset  |")
    assert table.splitlines()[4].startswith("|  Baseline   |   drawn   |")
    assert len(table.splitlines()) == 5
    folder = logs / RUN
    assert {path.name for path in folder.iterdir()} == {
        "records_drawn.jsonl",
        "summary.json",
        "summary.csv",
        "report_drawn.txt",
        "miou_drawn.png",
        "best_drawn.png",
        "worst_drawn.png",
    }
    assert (folder / "report_drawn.txt").read_text().startswith(table)
    assert "Protocol: clickseg cvpr" in printed
    (summary,) = json.loads((folder / "summary.json").read_text())["evaluations"]
    assert (summary["mode"], summary["network"]) == ("Baseline", "clickseg_mobilenetv2")
    assert summary["objects"] == OBJECTS
    with (folder / "summary.csv").open() as file:
        assert next(csv.DictReader(file))["objects"] == str(OBJECTS)
    records = read_records(folder / "records_drawn.jsonl").records
    assert len({iou for record in records for iou in record.ious}) > OBJECTS  # the masks are no accident


def test_rows_are_appended_and_records_of_other_settings_kept(evaluate):
    evaluate()
    evaluate(thresh=0.6)
    evaluate(target_iou=0.85)
    logs = evaluate(max_objects=2) / "others" / "tiny"
    rows = (logs / "cvpr_Baseline_3.txt").read_text().splitlines()[4:]
    assert [row.rpartition("| ")[2] for row in rows] == [
        "protocol=clickseg objects=12-on-6-images thresh=0.49 infer-size=64",
        "protocol=clickseg objects=12-on-6-images thresh=0.6 infer-size=64",
        "protocol=clickseg objects=12-on-6-images thresh=0.49 infer-size=64 target-iou=0.85",
        "protocol=clickseg thresh=0.49 infer-size=64 only the first 2 objects",
    ]
    counts = {
        folder.name: len(read_records(folder / "records_drawn.jsonl").records)
        for folder in logs.iterdir()
        if folder.is_dir()
    }
    assert counts == {
        RUN: OBJECTS,
        RUN.replace("_infer", "_thresh-0.6_infer"): OBJECTS,
        f"{RUN}_target-iou-0.85": OBJECTS,
        f"{RUN}_max-objects-2": 2,
    }
    assert not list(logs.rglob("*.bak"))


def test_an_evaluation_again_puts_its_former_records_aside_and_says_so(evaluate, caplog):
    evaluate(max_objects=2)
    caplog.clear()
    with caplog.at_level("INFO", "isegm"):
        folder = evaluate(max_objects=2) / "others" / "tiny" / f"{RUN}_max-objects-2"
    assert "are put aside as" in caplog.text
    assert sorted(path.name for path in folder.glob("records*")) == ["records_drawn.jsonl", "records_drawn.jsonl.bak"]


def test_options_that_name_what_is_usual_are_no_other_settings():
    named = named_settings(EvalOptions(thresh=0.49, infer_size=256, target_crop_r=1.4, clicks_limit=-1), "focalclick")
    assert named == {"clicks-limit": "-1"}
    assert named_settings(EvalOptions(infer_size=96, focus_crop_r=2), "ritm") == {}
    assert named_settings(EvalOptions(infer_size=96, focus_crop_r=2), "focalclick") == {
        "infer-size": "96",
        "focus-crop-r": "2",
    }
    assert named_settings(EvalOptions(print_ious=True, merge="none"), "ritm") == {"merge": "none", "target-iou": "none"}


def test_a_target_that_is_raised_is_said(evaluate, caplog):
    folder = evaluate(target_iou=0.7, max_objects=1) / "others/tiny" / f"{RUN}_max-objects-1_target-iou-0.8"
    assert "--target-iou 0.7 is below 0.8, the lowest of published evaluations: clicking stops at 0.8" in caplog.text
    assert read_records(folder / "records_drawn.jsonl").identity["target_iou"] == 0.8


def test_a_second_run_keeps_what_the_first_found_on_other_data_sets(evaluate, home, tmp_path):
    write_folder(tmp_path / "more", 1)
    evaluate(max_objects=3)
    folder = evaluate(max_objects=3, datasets=f"folder:{tmp_path}/more") / "others/tiny" / f"{RUN}_max-objects-3"
    summary = json.loads((folder / "summary.json").read_text())["evaluations"]
    assert [(one["dataset"], one["objects"]) for one in summary] == [("drawn", 3), ("more", 1)]
    with (folder / "summary.csv").open() as file:
        assert [row["max_objects"] for row in csv.DictReader(file)] == ["3", "3"]
    assert "Baseline on drawn" in (folder / "report_drawn.txt").read_text()


def test_resuming_a_finished_run_changes_nothing(evaluate):
    logs = evaluate()
    text, records = "others/tiny/cvpr_Baseline_3.txt", f"others/tiny/{RUN}/records_drawn.jsonl"
    before = (logs / text).read_bytes(), (logs / records).read_bytes()
    evaluate(resume=True)
    assert ((logs / text).read_bytes(), (logs / records).read_bytes()) == before


@pytest.mark.parametrize("change", [{"thresh": 0.5}, {"infer_size": 96}, {"target_iou": 0.95}, {"max_objects": 1}])
def test_resuming_with_other_settings_begins_a_new_evaluation_and_says_so(evaluate, change, caplog):
    logs = evaluate(max_objects=2) / "others" / "tiny"
    before = (logs / f"{RUN}_max-objects-2" / "records_drawn.jsonl").read_bytes()
    with caplog.at_level("INFO", "isegm"):
        evaluate(**{"max_objects": 2, **change}, resume=True)
    assert "records_drawn.jsonl to resume: a new evaluation begins" in caplog.text
    assert (logs / f"{RUN}_max-objects-2" / "records_drawn.jsonl").read_bytes() == before


def test_resuming_with_other_weights_of_one_name_is_refused(evaluate, home, tmp_path):
    (tmp_path / "weights").mkdir()
    logs = evaluate(max_objects=2)
    model = fill_weights(build_model("clickseg_mobilenetv2"))
    save_checkpoint(model, tmp_path / "weights" / "tiny.pth")
    with pytest.raises(InputError, match=r'of another run \(checkpoint was "'):
        evaluate(max_objects=2, checkpoint=str(tmp_path / "weights" / "tiny.pth"), resume=True)
    assert not list(logs.rglob("*.lock"))


@pytest.mark.parametrize(
    ("found", "wrong", "said"),
    [
        ('"index": 1, "object_id": 0', '"index": 1, "object_id": 5', "object 5 of index 1, but that sample has the"),
        ('"name": "image0"', '"name": "image7"', "index 0, but that sample is 'image0', not 'image7'"),
        ('"clicks": [[', '"clicks": [[640', "a click lies outside its 64x48 pixels"),
    ],
)
def test_resuming_records_that_are_not_of_the_data_set_is_refused(evaluate, found, wrong, said):
    records = evaluate(max_objects=2) / "others/tiny" / f"{RUN}_max-objects-2" / "records_drawn.jsonl"
    content = records.read_text()
    assert found in content
    records.write_text(content.replace(found, wrong, 1))
    with pytest.raises(InputError, match=f"records_drawn.jsonl holds a record of object . of .*{said}|{said}"):
        evaluate(max_objects=2, resume=True)
    assert records.read_text() == content.replace(found, wrong, 1)


def test_resuming_reads_a_sample_that_is_done_only_once(evaluate, monkeypatch):
    evaluate(max_objects=3)
    read, get_sample = [], FolderDataset.get_sample
    monkeypatch.setattr(FolderDataset, "check", lambda self, samples: None)  # which reads them too
    monkeypatch.setattr(FolderDataset, "get_sample", lambda self, i: read.append(i) or get_sample(self, i))
    evaluate(max_objects=3, resume=True)
    assert read == [0, 1, 2]  # the last one ahead of its turn, which does not come


def test_an_evaluation_of_what_another_evaluates_is_refused(evaluate, home):
    logs = evaluate(max_objects=1)
    records = logs / "others/tiny" / f"{RUN}_max-objects-1" / "records_drawn.jsonl"
    content = records.read_bytes()
    with RecordWriter(records, read_records(records).identity, resume=True):
        for resume in (False, True):
            with pytest.raises(InputError, match="is in use by another program"):
                evaluate(max_objects=1, resume=resume)
    assert records.read_bytes() == content
    evaluate(max_objects=1, resume=True)


def test_without_data_sets_what_is_there_is_evaluated(home, tmp_path, capsys, caplog):
    options = {"checkpoint": "tiny", "logs_path": str(tmp_path / "logs"), "infer_size": 32, "n_clicks": 1}
    options |= {"max_objects": 1, "overlays": False, "config_path": str(home / "config.yml")}
    run_evaluation(EvalOptions(**options))
    assert "| Samples" in capsys.readouterr().out.replace("  Samples", " Samples")
    assert "GrabCut, Berkeley, DAVIS, SBD, PascalVOC are not there, so that Samples is evaluated" in caplog.text
    assert "isegm datasets says how to get the others" in caplog.text


def test_all_ious_are_printed_and_stored(evaluate):
    logs = evaluate(iou_analysis=True, print_ious=True, save_ious=True, model_name="mine") / "others" / "tiny"
    row = (logs / "cvpr_Baseline_3.txt").read_text().splitlines()[-1]
    assert "; mIoU@1=" in row
    assert row.split(" ")[-1].startswith("mIoU@3=")
    with (logs / "ious" / "drawn_cvpr_Baseline_3_infer-size-64_target-iou-none.pkl").open("rb") as file:
        ious = pickle.load(file)
    with (logs / "plots" / "drawn_cvpr_Baseline_3_infer-size-64.pickle").open("rb") as file:
        plotted = pickle.load(file)
    assert [(one.shape, one.dtype) for one in ious] == [((3,), np.float32)] * OBJECTS
    assert (plotted["dataset_name"], plotted["model_name"]) == ("drawn", "mine_Baseline")
    np.testing.assert_array_equal(plotted["all_ious"], ious)


def test_images_of_each_click(evaluate):
    logs = evaluate(vis_preds=True, max_objects=2) / "others" / "tiny" / "predictions_vis"
    names = {path.name for path in (logs / f"{RUN}_max-objects-2" / "drawn").iterdir()}
    assert "image0_0_0.jpg" in names  # an image with one object
    assert "image1_1_0_0.jpg" in names  # and one with two


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_sheet_of_objects_click_by_click_is_drawn_now_or_from_the_records(evaluate, capsys):
    folder = evaluate(sheet=2, max_objects=4) / "others" / "tiny" / f"{RUN}_max-objects-4"
    sheet, records = folder / "sheet_drawn.png", folder / "records_drawn.jsonl"
    assert not (folder / "best_drawn.png").exists()
    assert "sheet of drawn" in capsys.readouterr().err
    before, drawn = records.read_bytes(), read_image(sheet)
    sheet.unlink()
    evaluate(sheet=2, max_objects=4, resume=True)
    np.testing.assert_array_equal(read_image(sheet), drawn)
    evaluate(sheet=100, max_objects=4, resume=True)  # more than there are
    assert read_image(sheet).size > drawn.size
    assert records.read_bytes() == before


@pytest.mark.parametrize("options", [{"mode": "f-BRS-C"}, {"cf_n": 2}, {"iou_analysis": True}])
def test_a_sheet_is_drawn_in_any_mode(evaluate, options):
    (sheet,) = evaluate(sheet=1, max_objects=2, **options).rglob("sheet_drawn.png")
    assert read_image(sheet).shape == (211, 656, 3)


def test_names_that_are_no_utf_8_are_evaluated_and_drawn(evaluate, home, tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9")
    root = write_folder(tmp_path / name, 1)
    for kind in ("images", "masks"):
        (root / kind / "image0.png").rename(root / kind / f"{name}.png")
    checkpoint = shutil.copy(home / "weights" / "tiny.pth", tmp_path / f"{name}.pth")
    options = {"datasets": f"folder:{root}", "checkpoint": str(checkpoint), "vis_path": str(tmp_path / "vis")}
    logs = evaluate(**options, overlays=True, sheet=1, iou_analysis=True, max_objects=1)
    assert "caf\\udce9" in capsys.readouterr().out
    (records,) = logs.rglob("records_*.jsonl")
    assert read_records(records).records[0].name == name
    assert "caf\\udce9" in (records.parent / "summary.csv").read_text(encoding="utf-8")
    assert len(list((tmp_path / "vis").rglob("*.png"))) == 1


def test_a_name_of_a_data_set_stays_in_the_folder_of_logs(evaluate, home, tmp_path):
    (tmp_path / "config.yml").write_text(
        f"INTERACTIVE_MODELS_PATH: {home}/weights\nFOLDER_DATASETS:\n  ../../a/b: {home}/drawn\n"
    )
    logs = evaluate(datasets="../../a/b", config_path=str(tmp_path / "config.yml"), max_objects=1, iou_analysis=True)
    assert {path.name for path in tmp_path.iterdir()} == {"config.yml", "logs"}
    assert [path.name for path in logs.rglob("records_*.jsonl")] == ["records_.._.._a_b.jsonl"]


def test_images_of_other_models_and_settings_stay(evaluate, home, tmp_path):
    shutil.copy(home / "weights" / "tiny.pth", tmp_path / "second.pth")
    options = {"vis_path": str(tmp_path / "vis"), "vis_preds": True, "max_objects": 1, "n_clicks": 1}
    logs = evaluate(**options)
    evaluate(**options, checkpoint=str(tmp_path / "second.pth"))
    evaluate(**options, thresh=0.6)
    drawn = sorted((tmp_path / "vis").rglob("*.png"))
    assert [path.name for path in drawn] == ["image0_0.png"] * 3
    assert {path.relative_to(tmp_path / "vis").parts[1] for path in drawn} == {"tiny", "second"}
    assert len(list(logs.rglob("predictions_vis/**/image0_0_0.jpg"))) == 3


def test_all_checkpoints_of_an_experiment(evaluate, capsys):
    logs = evaluate(exp_path="light/000", max_objects=2) / "light" / "000_try"
    lines = (logs / "all_checkpoints_drawn_cvpr_Baseline_3.txt").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines if "drawn" in line] == ["last", "010"]
    assert capsys.readouterr().out.count("Eval results") == 1
    folder = logs / f"all_checkpoints_{RUN}_max-objects-2"
    assert timeless(folder / "010/records_drawn.jsonl") == timeless(folder / "last_checkpoint/records_drawn.jsonl")
    report = (folder / "010" / "report_drawn.txt").read_text()
    assert ("010 on drawn" in report, "last on drawn" in report) == (True, False)


def test_one_checkpoint_of_an_experiment(evaluate, capsys):
    logs = evaluate(exp_path="light/000:last", max_objects=1, save_ious=True) / "light" / "000_try"
    assert capsys.readouterr().out.startswith("Eval results for model: light/000_try:last_checkpoint\n")
    assert (logs / "last_checkpoint_cvpr_Baseline_3.txt").is_file()
    assert (logs / "ious" / "last_checkpoint" / "drawn_cvpr_Baseline_3_infer-size-64_max-objects-1.pkl").is_file()


def test_checkpoints_of_equal_stems_have_rows_and_folders_of_their_own(evaluate, home, capsys):
    both = ",".join(f"{home}/{folder}/last_checkpoint.pth" for folder in ("one", "two"))
    for folder in ("one", "two"):
        (home / folder).mkdir(exist_ok=True)
        shutil.copy(home / "weights" / "tiny.pth", home / folder / "last_checkpoint.pth")
    logs = evaluate(checkpoint=both, max_objects=2, vis_preds=True) / "others/one_last_checkpoint+two_last_checkpoint"
    lines = (logs / "cvpr_Baseline_3.txt").read_text().splitlines()
    assert lines[0] == "Eval results for model: one/last_checkpoint+two/last_checkpoint"
    assert [line.split("|")[1].strip() for line in lines if "drawn" in line] == ["one/last", "two/last"]
    for name in ("one_last_checkpoint", "two_last_checkpoint"):
        assert len(read_records(logs / f"{RUN}_max-objects-2" / name / "records_drawn.jsonl").records) == 2
        assert (logs / "predictions_vis" / f"{RUN}_max-objects-2" / name / "drawn" / "image0_0_0.jpg").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"datasets": "GrabCut"}, "absent"),
        ({"datasets": "Grabcut"}, "did you mean GrabCut"),
        ({"datasets": ","}, "--datasets"),
        ({"checkpoint": "other"}, "there is no checkpoint other"),
        ({"checkpoint": ","}, "--checkpoint names no file"),
        ({"exp_path": "light/000", "iou_analysis": True}, "--iou-analysis takes one checkpoint"),
        ({"exp_path": "light/000", "save_ious": True}, "--save-ious takes one checkpoint, got 2"),
        ({"eval_mode": "fixed"}, "evaluation mode"),
        ({"mode": "f-BRS"}, "no mode f-BRS: known are NoBRS, Baseline, FocalClick, CDNet, EMC-Click, DistMap-BRS"),
        ({"batch_size": 0}, "--batch-size"),
        ({"max_objects": 0}, "--max-objects"),
        ({"clicks_limit": 0}, "--clicks-limit"),
        ({"n_clicks": 0}, "--n-clicks is 0: give a number from 1 to 10000"),
        ({"min_n_clicks": 0}, "--min-n-clicks is 0"),
        ({"min_n_clicks": 4}, "--min-n-clicks 4 is more than --n-clicks 3"),
        ({"target_iou": 90}, "--target-iou is 90"),
        ({"cf_n": -1}, "--cf-n is -1: give a number from 0 to 100"),
        ({"cf_n": 2, "cf_click": -1}, "--cf-click is -1"),
        (
            {"further_looks": True, "mode": "f-BRS-C"},
            "--further-looks is for what a network answers itself: leave it out with f-BRS-C",
        ),
        ({"config_path": "nowhere.yml"}, "nowhere.yml"),
    ],
)
def test_bad_options_are_one_sentence(evaluate, options, said):
    with pytest.raises(InputError, match=said) as error:
        evaluate(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("checkpoint", ["tiny", "tiny,tiny.pth"])
def test_a_network_that_a_mode_does_not_fit_is_refused_before_the_first_click(evaluate, tmp_path, checkpoint):
    with pytest.raises(InputError, match=r"BaselineModel has no features for f-BRS-A \(it supports f-BRS-C\)"):
        evaluate(mode="f-BRS-A", checkpoint=checkpoint)
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(("mode", "given", "limit"), [("f-BRS-C", None, 8), ("RGB-BRS", None, 5), ("RGB-BRS", -1, 3)])
def test_modes_that_refine_have_logs_of_their_own_and_can_be_resumed(evaluate, mode, given, limit):
    options = {"mode": mode, "clicks_limit": given, "max_objects": 3}
    (records,) = evaluate(**options).rglob("records_drawn.jsonl")
    folder = records.parent
    assert folder.name.startswith(f"cvpr_{mode}_3")
    (entry,) = json.loads((folder / "summary.json").read_text())["evaluations"]
    assert entry["mode"] == mode and entry["inference"]["clicks_limit"] == limit
    assert f"mode {mode}; " in (folder / "report_drawn.txt").read_text()
    before = (folder / "records_drawn.jsonl").read_bytes()
    run = json.loads(before.splitlines()[0])["run"]
    assert run["refinement"]["mode"] == mode and run["refinement"]["params"]["max_evaluations"] == 20
    evaluate(**options, resume=True)
    assert (folder / "records_drawn.jsonl").read_bytes() == before


@pytest.mark.parametrize(("options", "told"), [({"acf": True}, True), ({"cf_click": 2}, True), ({}, False)])
def test_options_of_a_cascade_without_passes_are_said_to_have_no_effect(evaluate, caplog, options, told):
    evaluate(max_objects=1, **options)
    assert ("--acf and --cf-click have no effect without --cf-n" in caplog.text) == told


def test_options_that_a_protocol_does_not_read_are_said_to_have_no_effect(evaluate, caplog):
    evaluate(max_objects=1, target_crop_r=1.4, focus_crop_r=2)
    assert "the inference protocol clickseg does not read --focus-crop-r: no effect" in caplog.messages


@pytest.mark.parametrize(
    ("protocol", "eval_mode", "ignored"),
    [
        ("ritm", "cvpr", ["--infer-size", "--target-crop-r", "--focus-crop-r"]),
        ("segnext", "cvpr", ["--infer-size", "--target-crop-r", "--focus-crop-r", "--further-looks"]),
        ("cdnet", "cvpr", ["--infer-size", "--focus-crop-r"]),
        ("clickseg", "fixed96", ["--target-crop-r", "--focus-crop-r"]),
        ("focalclick", "cvpr", []),
    ],
)
def test_options_without_effect_are_known_by_protocol(protocol, eval_mode, ignored):
    options = EvalOptions(eval_mode=eval_mode, infer_size=256, target_crop_r=2, focus_crop_r=2, further_looks=True)
    assert without_effect(options, protocol) == ignored
    assert without_effect(EvalOptions(eval_mode=eval_mode), protocol) == []


def test_further_looks_are_those_of_annotation_programs_and_have_their_own_records(evaluate, capsys):
    logs = evaluate(max_objects=2, further_looks=True) / "others" / "tiny"
    assert "a second look at the first click, up to 3 looks with larger crops" in capsys.readouterr().out
    folder = logs / f"{RUN}_further-looks-True_max-objects-2"
    (entry,) = json.loads((folder / "summary.json").read_text())["evaluations"]
    asked = EvalOptions(infer_size=entry["inference"]["resize"][0]).inference_settings("clickseg", "drawn")
    usual = with_further_looks(asked)
    assert (entry["inference"]["second_look"], entry["inference"]["widen"]) == (usual.second_look, usual.widen)
    evaluate(max_objects=2)
    assert timeless(folder / "records_drawn.jsonl") != timeless(logs / f"{RUN}_max-objects-2" / "records_drawn.jsonl")


def test_cascades_have_their_own_logs_and_records(evaluate, capsys):
    options = {"max_objects": 2, "cf_n": 3, "cf_click": 2}
    logs = evaluate(**options, acf=True) / "others" / "tiny"
    printed = capsys.readouterr().out
    assert printed.startswith("Eval results for model: others/tiny:acf3_2clk\n")
    assert "cascade of up to 3 more passes on the first 2 clicks" in printed
    assert (logs / "acf3_2clk_cvpr_Baseline_3.txt").is_file()
    folder = logs / f"acf3_2clk_{RUN}_max-objects-2"
    (entry,) = json.loads((folder / "summary.json").read_text())["evaluations"]
    assert entry["inference"]["cascade"] == {"steps": 3, "adaptive": True, "clicks": 2}
    evaluate(max_objects=2)
    records = folder / "records_drawn.jsonl"
    assert timeless(records) != timeless(logs / f"{RUN}_max-objects-2" / "records_drawn.jsonl")
    name = evaluate(**options, exp_path="light/000:last") / "light/000_try/cf3_2clk_last_checkpoint_cvpr_Baseline_3.txt"
    assert name.read_text().startswith("Eval results for model: light/000_try:cf3_2clk_last_checkpoint\n")


@pytest.mark.parametrize(("now", "before"), [(', "cascade": null', ""), ('"postprocess": null', '"finish": null')])
def test_records_of_earlier_versions_can_be_resumed(evaluate, now, before):
    records = evaluate(max_objects=2) / "others/tiny" / f"{RUN}_max-objects-2" / "records_drawn.jsonl"
    header, *rest = records.read_text().splitlines(keepends=True)
    assert now in header
    records.write_text("".join((header.replace(now, before), *rest[:1])))
    evaluate(max_objects=2, resume=True)
    assert len(records.read_text().splitlines()) == 3


@pytest.mark.parametrize("checkpoint", ["blind", "tiny,blind"])
def test_a_cascade_of_a_network_that_reads_no_mask_is_refused_before_the_first_click(
    evaluate, home, tmp_path, checkpoint
):
    save_checkpoint(build_model("clickseg_mobilenetv2", with_prev_mask=False), home / "weights" / "blind.pth")
    with pytest.raises(InputError, match="BaselineModel reads no previous mask, which Cascade-Forward Refinement"):
        evaluate(cf_n=1, checkpoint=checkpoint)
    assert not (tmp_path / "logs").exists()


def test_a_missing_data_set_is_known_before_the_first_click(evaluate, home, tmp_path):
    with pytest.raises(InputError, match="absent"):
        evaluate(datasets=f"folder:{home}/drawn,GrabCut")
    assert not (tmp_path / "logs").exists()


def test_an_empty_mask_is_known_before_the_first_click(evaluate, home, tmp_path):
    write_folder(tmp_path / "more", 3)
    mask = tmp_path / "more" / "masks" / "image2.png"
    write_image(mask, np.zeros_like(read_image(mask)[..., 0]))
    with pytest.raises(InputError, match=r"1 of 3 masks in .*more.masks hold no object: image2\.png"):
        evaluate(datasets=f"folder:{home}/drawn,folder:{tmp_path}/more")
    assert not (tmp_path / "logs").exists()
    evaluate(datasets=f"folder:{tmp_path}/more", max_objects=2)


def test_resuming_after_a_mask_was_edited_is_refused(evaluate, tmp_path):
    write_folder(tmp_path / "more", 2)
    evaluate(datasets=f"folder:{tmp_path}/more", max_objects=1)
    mask = tmp_path / "more" / "masks" / "image0.png"
    pixels = read_mask(mask)
    pixels[:9] = 0
    write_image(mask, pixels.astype(np.uint8))
    with pytest.raises(InputError, match="or its images or masks have changed since"):
        evaluate(datasets=f"folder:{tmp_path}/more", max_objects=1, resume=True)


def test_data_sets_of_one_name_keep_their_records_and_commas_their_folders(evaluate, home, tmp_path, caplog):
    write_folder(tmp_path / "a,b" / "drawn", 2)
    evaluate(max_objects=2)
    for _ in range(2):
        logs = evaluate(max_objects=2, datasets=f"folder:{tmp_path}/a,b/drawn")
    folder = logs / "others" / "tiny" / f"{RUN}_max-objects-2"
    first, second = FolderDataset(home / "drawn"), FolderDataset(tmp_path / "a,b" / "drawn")
    for ending, dataset in (("", second), (".bak", first), (".bak2", second)):
        identity = read_records(folder / f"records_drawn.jsonl{ending}").identity
        assert identity["fingerprint"] == dataset.fingerprint
    assert any("they are of another data set of this name" in message for message in caplog.messages)


def test_two_data_sets_of_one_name_are_refused(evaluate, home, tmp_path):
    write_folder(tmp_path / "drawn", 1)
    with pytest.raises(InputError, match="named drawn"):
        evaluate(datasets=f"folder:{home}/drawn,folder:{tmp_path}/drawn")


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, 0.9),
        ({"target_iou": 0.5}, 0.8),
        ({"print_ious": True}, 1.01),
        ({"iou_analysis": True}, 1.01),
        ({"iou_analysis": True, "min_n_clicks": 2}, 0.9),
    ],
)
def test_target_of_options(options, target):
    assert EvalOptions(**options).eval_settings("ritm").target_iou == target


def test_clicks_limit_of_minus_one_is_the_number_of_clicks():
    assert EvalOptions(clicks_limit=-1, n_clicks=7).inference_settings("ritm", "x").clicks_limit == 7
    assert EvalOptions().inference_settings("ritm", "DAVIS").zoom_in.target_size == 600
    assert EvalOptions(target_crop_r=1.7).inference_settings("clickseg", "x").zoom_in.expansion_ratio == 1.7


# The script that its first word names, killed when it has written five records.
KILLED = """
import os
import runpy
import signal
import sys

from isegm.evaluation.records import RecordWriter

write, written = RecordWriter.write, []

def dying(*arguments):
    write(*arguments)
    written.append(0)
    if len(written) == 5:
        os.kill(os.getpid(), signal.SIGKILL)

RecordWriter.write = dying
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
def test_a_killed_run_goes_on_and_gives_the_same_table(evaluate, home, tmp_path):
    inside = Path("others/tiny/cvpr_Baseline_6_infer-size-64_target-iou-none")
    records = tmp_path / "logs" / inside / "records_drawn.jsonl"
    python, *arguments = command(home, tmp_path / "logs", "--n-clicks=6", "--print-ious", "--no-overlays")
    killed = subprocess.run([python, "-c", KILLED, *arguments], env=ONE_THREAD, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    there = timeless(records)
    assert len(there) == 5 < OBJECTS
    with records.open("ab") as file:
        file.write(b'{"dataset": "dra')  # what a kill inside a write leaves

    stopped = evaluate(n_clicks=6, print_ious=True, resume=True)
    evaluate(n_clicks=6, print_ious=True, logs_path=str(tmp_path / "whole"))
    whole = tmp_path / "whole"
    assert timeless(records)[: len(there)] == there
    assert timeless(records) == timeless(whole / inside / "records_drawn.jsonl")

    tables = [(logs / "others/tiny/cvpr_Baseline_6.txt").read_text().splitlines() for logs in (stopped, whole)]
    assert tables[0][:-1] == tables[1][:-1]
    rows = [table[-1].split("|") for table in tables]
    assert rows[0][:8] == rows[1][:8]  # all but the times
    assert rows[0][10] == rows[1][10]


def test_bad_input_is_one_sentence_and_exit_code_2(home, tmp_path, capsys):
    _, script, *arguments = command(home, tmp_path, "--datasets=GrabCut")
    with pytest.raises(SystemExit) as end:
        cli.run(lambda: runpy.run_path(script)["main"](arguments))
    assert end.value.code == 2
    printed, error = capsys.readouterr()
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert printed == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("NoBRS --gpu=0 --checkpoint=h18 --eval-mode=cvpr", {"mode": "NoBRS", "gpus": "0", "checkpoint": "h18"}),
        ("--gpus=2,3 --exp-path=a/000:last --vis", {"mode": None, "gpus": "2,3", "vis": True, "vis_preds": False}),
        (
            "Baseline --model_dir=./w/ --infer-size=256 --target-crop-r=1.5 --thresh=0.50",
            {"infer_size": 256, "thresh": 0.5},
        ),
        (
            "NoBRS --cpu --iou-analysis --n-clicks=100 --clicks-limit=-1",
            {"cpu": True, "n_clicks": 100, "clicks_limit": -1},
        ),
        ("NoBRS --gpu=0 --checkpoint=huge.pth --cf-n=4 --acf", {"cf_n": 4, "cf_click": 1, "acf": True}),
        ("f-BRS-B --checkpoint=h18 --clicks-limit=3", {"mode": "f-BRS-B", "clicks_limit": 3}),
        ("", {"datasets": None, "target_iou": None, "n_clicks": 20, "thresh": 0.49}),
        (
            "--gpus=0 --checkpoint=./weights/a.pth --datasets=DAVIS,HQSeg44K --print-ious --max-n-clicks=20",
            {"mode": None, "gpus": "0", "print_ious": True, "max_n_clicks": 20, "clicks_limit": None},
        ),
    ],
)
def test_published_command_lines_are_understood(line, expected):
    arguments = vars(parse_args(line.split()))
    assert {key: arguments[key] for key in expected} == expected


@pytest.mark.parametrize("line", ["--checkpoint=a --exp-path=b", "--cpu --gpus=0", "--iou-analysis --target-iou=0.9"])
def test_options_that_exclude_each_other(line):
    with pytest.raises(SystemExit):
        parse_args(line.split())
