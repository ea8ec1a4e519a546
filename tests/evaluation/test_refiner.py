"""Coarse and refined predictions compared, and the measures of quality."""

import cv2
import numpy as np
import pytest
import torch

from isegm.evaluation.refiner import CoarseAndRefined, MaskQuality, compare_predictions, table
from isegm.inference.clicker import Clicker
from isegm.inference.mask_metrics import boundary_band, boundary_error, boundary_iou, get_iou
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import settings_for
from isegm.model import build_model
from isegm.model.checkpoint import save_checkpoint
from isegm.utils.errors import InputError
from tests.analytic import BlobModel, FocalBlobModel
from tests.commands import exit_code
from tests.evaluation.fakes import DrawnDataset, write_folder
from tests.golden import fill_weights


def square(side=20, top=10, left=15):
    mask = np.zeros((60, 80), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_the_band_lies_on_both_sides_of_the_border_and_not_at_the_images():
    band = boundary_band(square(), 1)
    assert band.sum() == 4 * 19 + 4 * 20  # the outermost pixels inside, and their neighbours outside
    cut = square(top=0)  # its upper side is the image's
    assert boundary_band(cut, 1)[0].sum() == 4
    for mask in (np.ones((60, 80), dtype=bool), np.zeros((60, 80), dtype=bool)):
        assert not boundary_band(mask, 3).any()


def test_wrong_pixels_near_the_border_are_counted_there_alone():
    truth, prediction = square().astype(np.int32), square()
    assert boundary_error(truth, prediction, 2) == 0
    prediction[50, 70] = True  # far away
    assert boundary_error(truth, prediction, 2) == 0
    prediction[10, 15:35] = False  # the first row of the square
    assert boundary_error(truth, prediction, 1) == pytest.approx(20 / 156)
    truth[10, 15:35] = -1
    assert boundary_error(truth, prediction, 1) == 0


def test_boundary_iou_is_the_iou_of_rims_by_erosion():
    rng = np.random.default_rng(0)
    for _ in range(10):
        masks = []
        for _ in range(2):
            mask = np.zeros((60, 80), np.uint8)
            for _ in range(4):
                cv2.circle(mask, (int(rng.integers(80)), int(rng.integers(60))), int(rng.integers(4, 15)), 1, -1)
            masks.append(mask)
        steps = round(0.02 * np.hypot(60, 80))
        rims = []
        for mask in masks:
            padded = np.pad(mask, 1)
            rims.append((mask - cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=steps)[1:-1, 1:-1]) > 0)
        expected = (rims[0] & rims[1]).sum() / (rims[0] | rims[1]).sum()
        assert boundary_iou(masks[0].astype(np.int32), masks[1] > 0) == pytest.approx(expected)


def test_boundary_iou_sees_what_the_iou_of_a_large_object_hides():
    truth = square(50, 5, 10)
    ragged = truth.copy()
    ragged[5:8, 10:60:2] = False
    gt_mask = truth.astype(np.int32)
    assert get_iou(gt_mask, ragged) > 0.96 > 0.85 > boundary_iou(gt_mask, ragged)
    assert boundary_iou(gt_mask, truth) == 1


def test_both_predictions_see_the_same_clicks():
    settings = settings_for("focalclick", infer_size=48)
    model = FocalBlobModel()
    model.refine = (
        lambda image, points, features, logits, boxes: {  # all object in the crop
            "instances_refined": torch.full((len(boxes), 1, *image.shape[2:]), 9.0)
        }
    )
    dataset = DrawnDataset(2)
    pairs = list(compare_predictions(dataset, Predictor(model, settings=settings), clicks=2))
    assert [pair.clicks for pair in pairs] == [1, 2] * 3
    plain = Predictor(BlobModel(), settings=settings_for("clickseg", infer_size=48))
    sample = dataset.get_sample(0)
    gt_mask = sample.get_object_mask(0)
    session = plain.start(sample.image)
    click = Clicker(gt_mask).make_next_click(np.zeros(gt_mask.shape, dtype=bool))
    (coarse,) = plain.step([session], [click])
    assert pairs[0].coarse == MaskQuality.of(gt_mask, coarse.mask(0.49))
    assert pairs[0].refined != pairs[0].coarse


def test_the_first_pass_of_emc_click_stays_while_clicks_correct_the_mask():
    model = fill_weights(build_model("emcclick_segformerb0"))
    predictor = Predictor(model, settings=settings_for("emcclick", "fixed64"))
    pairs = list(compare_predictions(DrawnDataset(1), predictor, clicks=3))
    assert len({pair.coarse for pair in pairs}) == 1
    assert len({pair.refined for pair in pairs}) > 1
    image, points = torch.rand(1, 3, 64, 64), torch.tensor([[(20.0, 30.0, 0.0), (-1.0, -1.0, -1.0)]])
    with torch.no_grad():
        expected = model.decode(model.encode(image), points)["instances_coarse"]
        outputs = model.coarse().decode(model.encode(image), points)
    assert outputs.keys() == {"instances"} and torch.equal(outputs["instances"], expected)
    assert not model.first_pass_alone


def test_networks_without_a_refiner_are_refused():
    with pytest.raises(InputError, match="BlobModel does not refine its prediction"):
        next(compare_predictions(DrawnDataset(1), Predictor(BlobModel()), clicks=1))


def test_the_table_says_means_and_how_many_objects_got_better():
    worse, better = MaskQuality(0.5, 0.4, (0.3, 0.2, 0.1)), MaskQuality(0.7, 0.6, (0.2, 0.1, 0.05))
    pairs = [
        CoarseAndRefined(1, worse, better),
        CoarseAndRefined(1, worse, better),
        CoarseAndRefined(1, better, worse),
        CoarseAndRefined(2, worse, worse),
    ]
    lines = table(pairs, [1, 2]).splitlines()
    assert [float(cell.rstrip("%")) for cell in lines[1].split()[2:]] == [56.67, 46.67, 26.67, 16.67, 8.33]
    assert lines[3].strip() == "2 of 3 objects have fewer wrong pixels within 5 px, 1 have more"
    assert lines[6].strip() == "0 of 1 objects have fewer wrong pixels within 5 px, 0 have more"


def test_the_command_prints_a_table_for_each_data_set(tmp_path, monkeypatch, capsys):
    save_checkpoint(build_model("focalclick_segformerb0_s1"), tmp_path / "focal.pth")
    write_folder(tmp_path / "drawn", 1)
    (tmp_path / "config.yml").write_text("INTERACTIVE_MODELS_PATH: .\n")
    monkeypatch.chdir(tmp_path)
    words = ["--checkpoint=focal", "--datasets=folder:drawn", "--clicks=1,2", "--infer-size=64", "--cpu"]
    assert exit_code(["scripts/measure_refiner.py", *words], monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "focal.pth on drawn" in printed
    assert [line.split()[:2] for line in printed.splitlines() if "%" in line] == [
        ["1", "coarse"],
        ["1", "refined"],
        ["2", "coarse"],
        ["2", "refined"],
    ]
