"""Evaluations with ClickSEG's modes, from masks and with its images."""

import json

import numpy as np
import pytest
import torch

from isegm.data import get_dataset
from isegm.data.initial_masks import list_objects
from isegm.evaluation.comparison import by_dataset, read_runs
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.records import read_records
from isegm.evaluation.run import run_evaluation
from isegm.model import build_model
from isegm.model.checkpoint import save_checkpoint
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, write_image
from tests.evaluation.fakes import HEIGHT, WIDTH, write_folder
from tests.golden import fill_weights

OBJECTS = 3


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data set of three objects and a checkpoint of FocalClick and one of CDNet."""
    home = tmp_path_factory.mktemp("home")
    torch.manual_seed(0)
    write_folder(home / "drawn", 2)
    (home / "config.yml").write_text(f"INTERACTIVE_MODELS_PATH: {home}\nEXPS_PATH: {home}/experiments\n")
    focal, cdnet = fill_weights(build_model("focalclick_segformerb0_s1")), fill_weights(build_model("cdnet_resnet34"))
    with torch.no_grad():  # so that masks are neither empty nor full
        image = torch.cat((torch.rand(1, 3, 128, 128), torch.zeros(1, 1, 128, 128)), dim=1)
        logits = focal(image, torch.tensor([[[64.0, 64.0, 0.0], [-1.0, -1.0, -1.0]]]))["instances"]
        last = focal.feature_extractor.decode_head.linear_pred
        last.weight.mul_(3 / logits.std())
        last.bias.sub_(logits.mean() + logits.std()).mul_(3 / logits.std())
    for name, model in (("focal", focal), ("cdnet", cdnet)):
        save_checkpoint(model, home / f"{name}.pth")
    return home


@pytest.fixture
def evaluate(home, tmp_path, undrawn):
    def run(mode, **options):
        given = {
            "checkpoint": "focal",
            "datasets": f"folder:{home}/drawn",
            "config_path": str(home / "config.yml"),
            "logs_path": str(tmp_path / "logs"),
            "infer_size": 128,
            "n_clicks": 3,
            "overlays": False,
            **options,
        }
        run_evaluation(EvalOptions(mode, **given))
        logs = tmp_path / "logs" / "others" / given["checkpoint"]
        folders = [path for path in logs.glob(f"cvpr_{mode}_{given['n_clicks']}*") if path.is_dir()]
        return max(folders, key=lambda path: path.stat().st_mtime_ns)

    return run


def ious(folder, dataset="drawn"):
    return [record.ious for record in read_records(folder / f"records_{dataset}.jsonl").records]


def test_focalclick_is_evaluated_with_its_refiner_and_baseline_without(evaluate, tmp_path, capsys):
    folder = evaluate("FocalClick", vis=True, vis_path=str(tmp_path / "vis"))
    printed = capsys.readouterr().out
    assert "|  Pipeline   |" in printed and "| FocalClick  |   drawn   |" in printed
    assert "network input 128x128, no flipping, refined in a focus crop (box x 1.4)" in printed
    (summary,) = json.loads((folder / "summary.json").read_text())["evaluations"]
    assert summary["protocol"] == "focalclick" and summary["inference"]["postprocess"] == {"crop_ratio": 1.4}
    assert folder.name == "cvpr_FocalClick_3_infer-size-128"
    vis = tmp_path / "vis" / "others" / "focal" / folder.name / "drawn"
    names = {"image0_0", *(f"image1_1_{k}" for k in (0, 1))}
    assert {path.name for path in vis.iterdir()} == {f"{name}{end}.png" for name in names for end in ("", "_focus")}
    assert read_image(vis / "image0_0.png").shape == (40 + HEIGHT, 5 * WIDTH, 3)
    assert ious(folder) != ious(evaluate("Baseline"))
    other = evaluate("FocalClick", focus_crop_r=3.0)
    assert other.name == "cvpr_FocalClick_3_infer-size-128_focus-crop-r-3.0"
    assert "refined in a focus crop (box x 3)" in capsys.readouterr().out


def test_cdnet_is_evaluated_at_its_own_size_whatever_is_asked_for(evaluate, capsys):
    folder = evaluate("CDNet", checkpoint="cdnet", max_objects=1, n_clicks=1)
    assert "network input 384x384, flip average, pixel diffusion" in capsys.readouterr().out
    assert len(ious(folder)) == 1 and folder.name == "cvpr_CDNet_1_max-objects-1"


def test_a_mode_that_the_network_is_not_made_for_is_one_sentence(evaluate):
    with pytest.raises(InputError, match="has no pixel diffusion, which mode CDNet needs"):
        evaluate("CDNet")


def test_objects_start_from_the_masks_of_a_folder(evaluate, home, tmp_path, capsys):
    masks = tmp_path / "masks"
    dataset = get_dataset(f"folder:{home}/drawn", {})
    item_names = [item.name for item in list_objects(dataset)]
    for item in list_objects(dataset):
        truth = dataset.get_sample(item.index).get_object_mask(item.object_id) == 1
        worse = truth.copy()
        worse[:, : int(np.flatnonzero(truth.any(axis=0)).mean())] = False
        write_image(masks / f"{item.name}.png", worse.astype(np.uint8) * 255)
    folder = evaluate("FocalClick", init_masks=str(masks), vis_path=str(tmp_path / "vis"))
    assert "drawn_init" in capsys.readouterr().out
    started, from_zero = ious(folder, "drawn_init"), ious(evaluate("FocalClick"))
    assert len(started) == OBJECTS and started != from_zero
    plain = ious(evaluate("FocalClick", init_masks=str(masks), merge="none"), "drawn_init")
    assert "merging into initial masks: none" in capsys.readouterr().out
    assert plain != started
    panels = read_image(tmp_path / "vis/others/focal" / folder.name / "drawn_init" / f"{item_names[0]}_0.png")
    assert (panels[40:, WIDTH : 2 * WIDTH] == 255).any()  # the initial mask
    (summary,) = json.loads((folder / "summary.json").read_text())["evaluations"]
    assert (
        folder.name == "cvpr_FocalClick_3_init-masks-masks_infer-size-128"
        and summary["init_masks"].split()[0] == "masks"
    )
    with pytest.raises(InputError, match="--init-masks belongs to one data set, --datasets names 2"):
        evaluate("FocalClick", init_masks=str(masks), datasets=f"folder:{home}/drawn,Samples")


def test_runs_from_different_masks_are_kept_apart(evaluate, home, tmp_path, capsys):
    dataset, folders = get_dataset(f"folder:{home}/drawn", {}), {}
    for seed, name in enumerate(("good", "bad")):
        for item in list_objects(dataset):
            noise = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.1 + 0.4 * seed
            truth = dataset.get_sample(item.index).get_object_mask(item.object_id) == 1
            write_image(tmp_path / name / f"{item.name}.png", (truth ^ noise).astype(np.uint8))
        folder = evaluate("FocalClick", init_masks=str(tmp_path / name), logs_path=str(tmp_path / "logs"))
        folders[name] = tmp_path / f"records_{name}.jsonl"
        folders[name].write_bytes((folder / "records_drawn_init.jsonl").read_bytes())
        assert f"; initial masks: {name} " in capsys.readouterr().out
    assert "_init-masks-bad_" in folder.name
    with pytest.raises(InputError, match="start from other masks on drawn_init"):
        by_dataset(read_runs(folders.values()))


def test_only_the_first_objects_need_masks_where_only_they_are_evaluated(evaluate, home, tmp_path):
    item = list_objects(get_dataset(f"folder:{home}/drawn", {}))[0]
    write_image(tmp_path / "one" / f"{item.name}.png", np.ones((HEIGHT, WIDTH), np.uint8))
    folder = evaluate("FocalClick", init_masks=str(tmp_path / "one"), max_objects=1)
    assert len(ious(folder, "drawn_init")) == 1


def test_a_resumed_run_keeps_the_images_of_what_was_done(evaluate, tmp_path):
    folder = evaluate("FocalClick", vis_path=str(tmp_path / "images"))  # which is reason enough to draw
    images = tmp_path / "images/others/focal" / folder.name / "drawn"
    there = {path.name for path in images.iterdir()}
    records = folder / "records_drawn.jsonl"
    records.write_text("".join(records.read_text().splitlines(keepends=True)[:3]))
    evaluate("FocalClick", vis_path=str(tmp_path / "images"), resume=True)
    assert {path.name for path in images.iterdir()} == there
