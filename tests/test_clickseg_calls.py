"""Programs written against ClickSEG's Python calls."""

import numpy as np
import pytest

from isegm.inference.clicker import Click, Clicker
from isegm.inference.evaluation import evaluate_dataset, evaluate_sample
from isegm.inference.predictors import FocalPredictor, Progressive_Merge, get_predictor
from isegm.inference.transforms import ZoomIn
from isegm.utils.errors import InputError
from tests.analytic import BlobModel, CDNetBlobModel, FocalBlobModel
from tests.evaluation.fakes import DrawnDataset
from tests.golden import golden_json
from tests.inference.test_golden_pipelines import analytic_case, initial_mask

CLICKS = (Click(True, (30, 20)), Click(False, (10, 50)), Click(True, (20.5, 30.25)))
MODES = {"clickseg_baseline384": "Baseline", "clickseg_focal256": "FocalClick", "clickseg_cdnet384": "CDNet"}
MODELS = {"Baseline": BlobModel, "FocalClick": FocalBlobModel, "CDNet": CDNetBlobModel}


@pytest.mark.parametrize("variant", [*MODES, "clickseg_focal256_initmask"])
def test_a_program_repeats_the_recorded_evaluations(variant):
    log = golden_json(f"pipelines_analytic/{variant}.json")["sequences"]["chelsea_ignore"]
    image, gt = analytic_case("chelsea_ignore")
    mode = MODES[variant.removesuffix("_initmask")]
    predictor = get_predictor(MODELS[mode](), mode, "cpu", zoom_in_params={"target_size": 400, "expansion_ratio": 1.4})
    start = initial_mask(image) if variant.endswith("initmask") else None
    clicks, ious, _ = evaluate_sample(image, gt, predictor, 1.01, max_clicks=len(log), init_mask=start)
    expected = [(entry["y"], entry["x"], entry["positive"]) for entry in log]
    assert [(*click.coords, click.is_positive) for click in clicks] == expected
    np.testing.assert_allclose(ious, [entry["iou"] for entry in log], atol=1e-4)


def test_focal_predictors_are_those_of_the_mode():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    by_mode = get_predictor(
        FocalBlobModel(), "FocalClick", "cpu", zoom_in_params={"expansion_ratio": 1.7}, infer_size=64, focus_crop_r=2.0
    )
    by_class = FocalPredictor(
        FocalBlobModel(), "cpu", zoom_in=ZoomIn(expansion_ratio=1.7), infer_size=64, focus_crop_r=2.0
    )
    others = [
        FocalPredictor(FocalBlobModel(), "cpu", zoom_in=ZoomIn(expansion_ratio=1.7), infer_size=64),
        FocalPredictor(FocalBlobModel(), "cpu", zoom_in=None, infer_size=64, focus_crop_r=2.0),
    ]
    answers = []
    for predictor in (by_mode, by_class, *others):
        predictor.set_input_image(image)
        clicker = Clicker()
        for click in CLICKS:
            clicker.add_click(click)
            probs = predictor.get_prediction(clicker)
        answers.append(probs)
    np.testing.assert_array_equal(answers[0], answers[1])
    assert all((answers[0] != other).any() for other in answers[2:])


def test_a_mask_to_start_from_is_merged_into():
    dataset = DrawnDataset(2, init_mask=np.pad(np.ones((10, 10), np.float32), ((10, 28), (20, 34))))
    predictor = get_predictor(FocalBlobModel(), "FocalClick", "cpu", infer_size=64)
    started, _ = evaluate_dataset(dataset, predictor, max_iou_thr=1.01, max_clicks=3)
    from_zero, _ = evaluate_dataset(DrawnDataset(2), predictor, max_iou_thr=1.01, max_clicks=3)
    assert len(started) == len(from_zero) == 3
    assert any((one != other).any() for one, other in zip(started, from_zero, strict=True))


def test_progressive_merge_takes_masks_of_any_kind():
    previous, prediction = np.zeros((2, 20, 30), dtype=np.uint8)
    previous[2:8, 2:8] = 1
    prediction[12:18, 12:18] = 1
    merged = Progressive_Merge(prediction, previous, 15, 15)
    assert merged.dtype == bool and merged.sum() == 72


@pytest.mark.parametrize("mode", ["FocalClick", "CDNet"])
def test_a_network_of_another_method_is_refused(mode):
    with pytest.raises(InputError, match=f"BlobModel has no .* which mode {mode} needs"):
        get_predictor(BlobModel(), mode, "cpu")
