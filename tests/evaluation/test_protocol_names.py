"""Protocols have names wherever their numbers stand: tables, reports, records, comparisons and plots."""

import json
import pickle
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from isegm import InputError, build_model
from isegm.evaluation.comparison import compare, read_runs
from isegm.evaluation.comparison_table import OTHER_PROTOCOLS, comparison_table
from isegm.evaluation.iou_curves import read_curve, told_apart
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.protocol_names import deviation, protocol_of
from isegm.evaluation.records import EACH_OBJECT, RecordWriter, read_records
from isegm.evaluation.run import run_evaluation
from isegm.inference.cascade import Cascade
from isegm.inference.protocols import settings_for
from isegm.model.checkpoint import save_checkpoint
from tests.evaluation.fakes import record, write_folder
from tests.vit import small_vit


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two images with three objects, and a network of SimpleClick and of RITM."""
    home = tmp_path_factory.mktemp("home")
    write_folder(home / "drawn", 2)
    (home / "config.yml").write_text(f"EXPS_PATH: {home}/experiments\n")
    save_checkpoint(small_vit(), home / "vit.pth")
    torch.manual_seed(0)
    save_checkpoint(build_model("ritm_hrnet18s", width=4, ocr_width=8), home / "hrnet.pth")
    return home


@pytest.fixture
def evaluate(home, tmp_path, undrawn):
    def run(checkpoint="vit", **options):
        names = ",".join(f"{home}/{name}.pth" for name in checkpoint.split(","))
        given = {"n_clicks": 2, "overlays": False, "config_path": f"{home}/config.yml"}
        given |= {"datasets": f"folder:{home}/drawn", "logs_path": str(tmp_path / "logs"), "checkpoint": names}
        run_evaluation(EvalOptions(**{**given, **options}))
        return tmp_path / "logs" / "others" / checkpoint.replace(",", "+")

    return run


def rows(folder):
    return [row.rpartition("| ")[2] for row in (folder / "cvpr_NoBRS_2.txt").read_text().splitlines()[4:]]


def test_eval_ritm_is_a_protocol_that_table_report_and_records_name(evaluate, caplog):
    evaluate()
    folder = evaluate(eval_ritm=True)
    assert rows(folder) == [
        "protocol=simpleclick objects=3-on-2-images thresh=0.49",
        "protocol=ritm objects=3-on-2-images thresh=0.49 eval-ritm=yes",
    ]
    (said,) = (message for message in caplog.messages if message.startswith("--eval-ritm"))
    assert "simpleclick_vit_xtiny is evaluated by RITM's protocol instead of its own, simpleclick;" in said
    own, ritm = (folder / name for name in ("cvpr_NoBRS_2", "cvpr_NoBRS_2_eval-ritm-yes"))
    assert (
        "Protocol: simpleclick cvpr, mode NoBRS; objects: 3 on 2 images, each clicked on its own;"
        in (own / "report_drawn.txt").read_text()
    )
    line = (ritm / "report_drawn.txt").read_text()
    assert "Protocol: ritm cvpr (the network's own is simpleclick), mode NoBRS;" in line
    assert "zoom-in from click 2 (box x 1.4, longest side 400," in line
    identities = [read_records(one / "records_drawn.jsonl").identity for one in (own, ritm)]
    assert [one["protocol"] for one in identities] == ["simpleclick", "ritm"]
    assert [one.get("own_protocol") for one in identities] == [None, "simpleclick"]
    assert {one["objects"] for one in identities} == {EACH_OBJECT}
    (entry,) = json.loads((ritm / "summary.json").read_text())["evaluations"]
    assert (entry["own_protocol"], entry["objects"], entry["images"]) == ("simpleclick", 3, 2)


def test_networks_of_two_protocols_in_one_table_say_so(evaluate):
    assert [row.split()[0] for row in rows(evaluate("vit,hrnet"))] == ["protocol=simpleclick", "protocol=ritm"]
    assert [row.split()[0] for row in rows(evaluate("vit,hrnet", eval_ritm=True))[2:]] == ["protocol=ritm"] * 2


def test_eval_ritm_changes_nothing_for_ritms_networks_and_says_so(evaluate, home, caplog):
    write_folder(home / "single", 1)
    folder = evaluate("hrnet", datasets=f"folder:{home}/single", eval_ritm=True)
    (said,) = caplog.messages
    assert said.startswith(
        "--eval-ritm changes nothing for ritm_hrnet18s, whose protocol is RITM's: with one object in"
    )
    assert rows(folder) == ["protocol=ritm thresh=0.49"] and (folder / "cvpr_NoBRS_2").is_dir()
    assert "objects: one in each image" in (folder / "cvpr_NoBRS_2" / "report_single.txt").read_text()


@pytest.mark.parametrize("mode", ["Baseline", "FocalClick", "CDNet"])
def test_eval_ritm_and_a_mode_with_a_protocol_of_its_own_are_refused(mode):
    with pytest.raises(InputError, match=f"^--eval-ritm evaluates by RITM's protocol, and mode {mode} by its own:"):
        EvalOptions(mode=mode, eval_ritm=True)


# --- names


def identity(protocol="simpleclick", **changes):
    settings = replace(settings_for(protocol), **changes)
    return {"protocol": protocol, "inference": json.loads(json.dumps(asdict(settings)))}


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({}, ""),
        (identity(), "simpleclick"),
        (identity("ritm"), "ritm"),
        ({**identity("ritm"), "own_protocol": "simpleclick"}, "ritm (--eval-ritm)"),
        (identity(cascade=Cascade(4, adaptive=True)), "simpleclick, cf-n 4 adaptive on 1 clicks"),
        ({**identity("ritm", clicks_limit=8), "refinement": {"mode": "f-BRS-B"}}, "ritm, f-BRS-B"),
        (identity(zoom_in=settings_for("ritm").zoom_in), "simpleclick, other crops or sizes"),
        (identity("ritm", widen=3, second_look=True), "ritm, further looks"),
        (identity(precision="bf16", compiled=True), "simpleclick"),  # the name of its folder says so
        ({**identity("ritm"), "clicker": "random"}, "ritm, random clicks"),
        ({"protocol": "of a plugin", "inference": {"flip": True}}, "of a plugin, other crops or sizes"),
        ({"protocol": "ritm"}, "ritm"),
    ],
)
def test_a_name_tells_what_was_changed_in_a_protocol(said, name):
    assert protocol_of(said, "GrabCut") == name


def write(folder, said):
    with RecordWriter(folder / "records_GrabCut.jsonl", {"target_iou": 0.9, "max_clicks": 20, **said}) as writer:
        writer.write(record([0.5, 0.95], dataset="GrabCut"))
    return folder


def test_a_comparison_names_protocols_and_warns_where_they_differ(tmp_path):
    folders = [write(tmp_path / name, said) for name, said in (("a", identity()), ("b", identity("ritm")), ("c", {}))]
    table = comparison_table(compare(read_runs(folders), 10, 0)["GrabCut"])
    assert table[1].split() == ["protocol", "simpleclick", "ritm", "not", "said"]
    assert table.count(f"  {OTHER_PROTOCOLS}") == 1
    same = comparison_table(compare(read_runs([folders[0], write(tmp_path / "d", identity())]), 10, 0)["GrabCut"])
    assert same[1].split() == ["protocol", "simpleclick", "simpleclick"] and f"  {OTHER_PROTOCOLS}" not in same


def test_published_values_do_not_stand_beside_another_protocol(tmp_path):
    folder = write(tmp_path, {**identity("ritm"), "own_protocol": "simpleclick", "checkpoint": "ab", "threshold": 0.49})
    entry = {"checkpoint": "coco_lvis_h18_itermask.pth", "sha256": "ab"}
    (folder / "summary.json").write_text(json.dumps({"evaluations": [entry]}))
    (run,) = read_runs([folder])
    assert run.weights is not None and run.published == []
    assert run.deviation == "it ran RITM's protocol (--eval-ritm) instead of simpleclick"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"clicker": "random"}, "clicked at random"),
        ({"min_clicks": 5}, "at least 5 clicks"),
        ({"clicker": "centre"}, ""),
        ({"threshold": 0.5}, "masks begin at 0.5"),
    ],
)
def test_another_simulated_user_is_no_published_one(said, words):
    found = deviation({**identity("ritm"), "threshold": 0.49, "min_clicks": 1, **said}, "GrabCut", 20)
    assert words in found and bool(words) == bool(found)


@pytest.mark.parametrize(
    ("protocol", "mode"), [("clickseg", "cvpr"), ("focalclick", "cvpr"), ("emcclick", "emc-click")]
)
def test_published_masks_of_clickseg_and_emc_click_begin_at_a_half(protocol, mode):
    said = {"protocol": protocol, "inference": json.loads(json.dumps(asdict(settings_for(protocol, mode))))}
    assert deviation({**said, "threshold": 0.5}, "GrabCut", 20) == ""
    assert deviation({**said, "threshold": 0.49}, "GrabCut", 20) == "its masks begin at 0.49"


@pytest.mark.parametrize("protocol", ["ritm", "simpleclick", "emcclick"])
def test_initial_masks_leave_the_protocol_of_davis_as_it_is(protocol):
    mode = "emc-click" if protocol == "emcclick" else "cvpr"
    settings = EvalOptions(init_masks="masks", eval_mode=mode).inference_settings(protocol, "DAVIS_init")
    said = {"protocol": protocol, "inference": json.loads(json.dumps(asdict(settings))), "init_masks": "abc"}
    assert protocol_of(said, "DAVIS_init") == protocol


def test_published_values_of_simpleclick_stand_beside_its_file(tmp_path):
    folder = write(tmp_path, {**identity(), "checkpoint": "ab", "threshold": 0.49})
    entry = {"checkpoint": "weights/simpleclick_models/cocolvis_vit_base.pth", "sha256": "ab"}
    (folder / "summary.json").write_text(json.dumps({"evaluations": [entry]}))
    table = comparison_table(compare(read_runs([folder]), 10, 0)["GrabCut"])
    (line,) = (line for line in table if "published 1.48" in line)
    assert line.endswith(
        "NoC@90 measured 2.00, published 1.48 (cocolvis_vit_base, Liu et al. 2023, comparison with "
        "other methods on natural images)"
    )


def test_curves_of_several_protocols_are_told_apart(tmp_path, evaluate):
    folder = evaluate(iou_analysis=True, n_clicks=1)
    ours = folder / "plots" / "drawn_cvpr_NoBRS_1.pickle"
    records = folder / "cvpr_NoBRS_1_target-iou-none" / "records_drawn.jsonl"
    published = tmp_path / "old.pickle"
    content = {"dataset_name": "drawn", "model_name": "old", "all_ious": [np.array([0.5], np.float32)]}
    published.write_bytes(pickle.dumps(content))
    curves = [read_curve(path) for path in (ours, records, published)]
    assert [curve.protocol for curve in curves] == ["simpleclick", "simpleclick", ""]
    names = [curve.model for curve in told_apart(curves, [ours, records, published])]
    assert [name.partition(" (")[2] for name in names] == ["protocol simpleclick)"] * 2 + ["protocol not said)"]
    assert all("protocol" not in curve.model for curve in told_apart(curves[:2], [ours, records]))
