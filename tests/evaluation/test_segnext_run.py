"""Evaluations of SegNext: its command, its table, its stopping rule, and one encoding for each image."""

import json

import pytest
import torch

from isegm import InputError, build_model
from isegm.cli import evaluate as command
from isegm.evaluation.comparison import compare, read_runs, run_scores
from isegm.evaluation.comparison_table import comparison_table
from isegm.evaluation.effective_options import named_settings
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.records import read_records
from isegm.evaluation.run import run_evaluation
from isegm.model.checkpoint import save_checkpoint
from isegm.model.segnext import SegNextModel
from tests.evaluation.fakes import write_folder
from tests.segnext import save_published, small_segnext

HEADER = "|  Predictor  |  Dataset  | NoC@85% | NoC@90% | NoC@95% |>=20@90% |>=20@95% | SPC,s |  Time   |"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two images with three objects; a network of SegNext in its published form and as ours, and one of RITM."""
    home = tmp_path_factory.mktemp("home")
    write_folder(home / "drawn", 2)
    (home / "config.yml").write_text(f"INTERACTIVE_MODELS_PATH: {home}\nEXPS_PATH: {home}/experiments\n")
    save_published(home / "vitb_sa2_cocolvis_hq44k_epoch_0.pth")
    save_checkpoint(small_segnext(), home / "ours.pth")
    torch.manual_seed(0)
    save_checkpoint(build_model("ritm_hrnet18s", width=4, ocr_width=8), home / "hrnet.pth")
    return home


@pytest.fixture
def evaluate(home, tmp_path):
    def run(checkpoint="ours", **options):
        given = {"checkpoint": checkpoint, "datasets": f"folder:{home}/drawn", "config_path": f"{home}/config.yml"}
        given |= {"logs_path": str(tmp_path / "logs"), "overlays": False, "n_clicks": 3}
        run_evaluation(EvalOptions(**{**given, **options}))
        return tmp_path / "logs" / "others" / checkpoint.replace(",", "+")

    return run


@pytest.fixture
def encoded(monkeypatch):
    """Numbers of images in each call of the encoder."""
    seen, encode = [], SegNextModel.encode

    def counting(self, image):
        seen.append(len(image))
        return encode(self, image)

    monkeypatch.setattr(SegNextModel, "encode", counting)
    return seen


def test_the_published_command_prints_its_table_with_all_mean_ious(home, tmp_path, capsys, encoded):
    words = f"--cpu --checkpoint={home}/vitb_sa2_cocolvis_hq44k_epoch_0.pth --datasets=folder:{home}/drawn --print-ious"
    command.main([*words.split(), f"--config-path={home}/config.yml", f"--logs-path={tmp_path}", "--no-overlays"])
    lines = capsys.readouterr().out.splitlines()
    start = lines.index(HEADER)
    row = lines[start + 2]
    assert row.startswith("|    base     |   drawn   |") and " protocol=segnext " in row
    assert [f"mIoU@{k}" for k in range(1, 21)] == [part.split("=")[0] for part in row.split("; ", 1)[1].split()]
    (text,) = (line for line in lines if "Protocol: segnext cvpr, mode NoBRS" in line)
    assert "mask where probability > 0.49; no zoom-in, no flipping; 1 to 20 clicks, never stop early" in text
    assert encoded == [1, 1]
    folder = tmp_path / "others" / "vitb_sa2_cocolvis_hq44k_epoch_0" / "cvpr_NoBRS_20_target-iou-none"
    records = read_records(folder / "records_drawn.jsonl").records
    assert [len(record.ious) for record in records] == [20] * 3
    (entry,) = json.loads((folder / "summary.json").read_text())["evaluations"]
    assert (entry["protocol"], entry["settings"]["threshold"]) == ("segnext", 0.49) and "95" in entry["noc"]


def test_clicking_stops_at_an_iou_of_095_unless_another_is_given(evaluate):
    folder = evaluate() / "cvpr_NoBRS_3"
    assert read_records(folder / "records_drawn.jsonl").identity["target_iou"] == 0.95
    row = (folder / "report_drawn.txt").read_text().splitlines()[4]
    assert "target-iou" not in row and "NoC@" not in row.rpartition("|")[2]
    evaluate(target_iou=0.9)
    evaluate(target_iou=0.9, checkpoint="hrnet")
    assert named_settings(EvalOptions(target_iou=0.9), "segnext") == {"target-iou": "0.9"}
    assert named_settings(EvalOptions(), "segnext") == {}


def test_scores_count_other_clicks_than_are_made(evaluate):
    folder = evaluate(n_clicks=2, max_n_clicks=4, thresh=0.99) / "cvpr_NoBRS_2_max-n-clicks-4_thresh-0.99"
    assert all(len(record.ious) == 4 for record in read_records(folder / "records_drawn.jsonl").records)
    header, row = (folder / "report_drawn.txt").read_text().splitlines()[2:5:2]
    assert "|>=2@90%" in header.replace(" ", "") and "max-n-clicks=4" in row
    assert row.split("|")[3].strip() == "2.00"  # nothing is reached
    (entry,) = json.loads((folder / "summary.json").read_text())["evaluations"]
    assert (entry["n_clicks"], entry["settings"]["max_clicks"], entry["noc"]["90"]) == (2, 4, 2.0)
    (run,) = read_runs([folder])
    assert run_scores(run)["NoC@90"] == 2.0
    named = named_settings(EvalOptions(n_clicks=3, max_n_clicks=10, min_n_clicks=5), "ritm")
    assert named == {"max-n-clicks": "10", "min-n-clicks": "5"}
    with pytest.raises(InputError, match="--min-n-clicks 5 is more than --max-n-clicks 4: lower it"):
        evaluate(max_n_clicks=4, min_n_clicks=5)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_each_image_is_encoded_once_for_all_its_objects(evaluate, encoded, batch_size):
    evaluate(batch_size=batch_size)
    assert encoded == [1, 1]


def test_rows_of_one_table_have_its_columns_whatever_their_protocol(evaluate, capsys):
    evaluate("ours,hrnet", target_iou=0.95)
    lines = capsys.readouterr().out.splitlines()
    header = next(line for line in lines if line.startswith("|  Predictor"))
    rows = [line for line in lines if line.startswith("|") and "drawn" in line]
    assert "NoC@95%" in header and "NoC@80%" not in header
    assert len(rows) == 2 and all("?" not in row for row in rows)
    assert ["protocol=segnext" in row for row in rows] == [True, False]
    evaluate("hrnet,ours")
    assert "|  BRS Type   |" in capsys.readouterr().out


def test_published_values_stand_beside_its_file(evaluate, home):
    folder = evaluate("vitb_sa2_cocolvis_hq44k_epoch_0", n_clicks=20, print_ious=True, max_objects=1)
    folder /= "cvpr_NoBRS_20_max-objects-1_target-iou-none"
    for name in ("summary.json", "records_drawn.jsonl"):
        path = folder / name
        path.write_text(
            path.read_text().replace('"drawn"', '"DAVIS"').replace('"max_objects": 1', '"max_objects": null')
        )
    (folder / "records_drawn.jsonl").rename(folder / "records_DAVIS.jsonl")
    table = "\n".join(comparison_table(compare(read_runs([str(folder)]), resamples=10, seed=0)["DAVIS"]))
    for metric, value in {"mIoU@5": 91.87, "NoC@90": 4.43, "NoC@95": 10.73, "NoF@95": 123}.items():
        assert f"{metric} measured" in table
        assert f"published {value:g} (vitb_sa2_cocolvis_hq44k_epoch_0, README of SegNext)" in table


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eval_mode": "fixed400"}, "fixed400 does not fit SegNext, whose networks resize whole images themselves"),
        ({"eval_mode": "emc-click"}, "emc-click is for networks of EMC-Click, not segnext: write cvpr"),
        ({"mode": "f-BRS-B"}, "SegNextModel"),
        ({"mode": "RGB-BRS"}, "SegNextModel"),
        ({"mode": "FocalClick"}, "SegNextModel has no refiner"),
        ({"mode": "CDNet"}, "SegNextModel has no pixel diffusion"),
        ({"mode": "EMC-Click"}, "SegNextModel has no network that corrects masks"),
    ],
)
def test_modes_that_do_not_fit_end_in_a_sentence(evaluate, tmp_path, options, message):
    with pytest.raises(InputError, match=message) as caught:
        evaluate(**options)
    assert "\n" not in str(caught.value) and not list(tmp_path.rglob("records*"))
