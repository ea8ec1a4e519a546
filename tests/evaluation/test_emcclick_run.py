"""Evaluations, and single images, with EMC-Click."""

import json

import pytest
import torch

from isegm.cli import predict
from isegm.evaluation.comparison import read_runs
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.records import read_records
from isegm.evaluation.run import run_evaluation
from isegm.model import build_model
from isegm.model.checkpoint import save_checkpoint
from isegm.utils.errors import InputError
from isegm.utils.files import read_mask
from tests.evaluation.fakes import HEIGHT, WIDTH, write_folder

MODE = {"eval_mode": "fixed64", "n_clicks": 3}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data set of three objects, and a checkpoint of EMC-Click and one of FocalClick."""
    home = tmp_path_factory.mktemp("home")
    write_folder(home / "drawn", 2)
    (home / "config.yml").write_text(f"INTERACTIVE_MODELS_PATH: {home}\nEXPS_PATH: {home}/experiments\n")
    torch.manual_seed(0)
    for name, network in (("segb0", "emcclick_segformerb0"), ("focal", "focalclick_segformerb0_s2")):
        save_checkpoint(build_model(network), home / f"{name}.pth")
    return home


@pytest.fixture
def evaluate(home, tmp_path, undrawn):
    def run(mode, checkpoint="segb0", **options):
        given = {
            "checkpoint": checkpoint,
            "datasets": f"folder:{home}/drawn",
            "config_path": str(home / "config.yml"),
            "logs_path": str(tmp_path / "logs"),
            "overlays": False,
            **options,
        }
        run_evaluation(EvalOptions(mode, **given))

    return run


def records(tmp_path, folder):
    (path,) = (tmp_path / "logs").glob(f"others/segb0/{folder}/records_drawn.jsonl")
    return path


def test_the_published_command_clicks_on_whole_images(evaluate, tmp_path, capsys):
    evaluate("EMC-Click", eval_mode="emc-click", thresh=0.5, n_clicks=2, max_objects=1)
    printed = capsys.readouterr().out
    assert "|  Pipeline   |" in printed and "|  EMC-Click  |   drawn   |" in printed
    assert "no zoom-in, shorter side 384, sides multiples of 4, flip average, backbone at the first click" in printed
    folder = "emc-click_EMC-Click_2_thresh-0.5_max-objects-1"
    summary = json.loads((records(tmp_path, folder).parent / "summary.json").read_text())["evaluations"][0]
    assert (summary["protocol"], summary["mode"]) == ("emcclick", "EMC-Click")


def test_the_mode_is_that_of_the_network_and_records_do_not_depend_on_what_is_clicked_side_by_side(evaluate, tmp_path):
    evaluate(None, **MODE)
    alone = [record.ious for record in read_records(records(tmp_path, "fixed64_EMC-Click_3")).records]
    records(tmp_path, "fixed64_EMC-Click_3").unlink()
    evaluate("EMC-Click", batch_size=3, **MODE)
    found = read_records(records(tmp_path, "fixed64_EMC-Click_3")).records
    assert [record.ious for record in found] == [pytest.approx(ious, abs=1e-3) for ious in alone]
    assert read_runs([str(records(tmp_path, "fixed64_EMC-Click_3").parent)])


@pytest.mark.parametrize(
    ("mode", "checkpoint", "message"),
    [
        (
            "EMC-Click",
            "focal",
            "FocalClickSegFormer has no network that corrects masks, which the mode EMC-Click needs",
        ),
        ("EMC-Click", "segb0,focal", "FocalClickSegFormer has no network that corrects masks"),
        ("Baseline", "segb0", "EMCClickSegFormer corrects the mask of the click before on the same view"),
        ("FocalClick", "segb0", "EMCClickSegFormer has no refiner"),
        ("CDNet", "segb0", "EMCClickSegFormer has no pixel diffusion"),
        (
            "f-BRS-B",
            "segb0",
            "EMCClickSegFormer runs its backbone at the first click only, so that f-BRS-B has nothing",
        ),
    ],
)
def test_networks_and_modes_that_do_not_fit_end_in_a_sentence(evaluate, tmp_path, mode, checkpoint, message):
    with pytest.raises(InputError, match=message) as caught:
        evaluate(mode, checkpoint, n_clicks=2)
    assert "\n" not in str(caught.value) and not list(tmp_path.rglob("records*"))


def test_the_evaluation_mode_of_emc_click_is_refused_for_others(evaluate):
    with pytest.raises(InputError, match="emc-click is for networks of EMC-Click, not focalclick: write cvpr"):
        evaluate("FocalClick", "focal", eval_mode="emc-click")


def test_predict_takes_these_networks(home, tmp_path):
    (image,) = sorted((home / "drawn").rglob("image0*.*"))[:1]
    words = ["--image", str(image), "--checkpoint", str(home / "segb0.pth"), "--out", str(tmp_path / "mask.png")]
    predict.main([*words, "--point", "20,20,1", "--point", "40,10,0", "--cpu"])
    assert read_mask(tmp_path / "mask.png").shape[:2] == (HEIGHT, WIDTH)
