"""Programs written against the published code's Python calls, and nothing else, get what they got there."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from isegm.inference.clicker import Click, Clicker
from isegm.inference.evaluation import evaluate_dataset, evaluate_sample
from isegm.inference.predictors import ClickerPredictor, get_predictor
from isegm.inference.utils import compute_noc_metric, find_checkpoint, get_dataset, get_iou, load_is_model
from isegm.utils.errors import InputError
from isegm.utils.exp import load_config_file
from isegm.utils.vis import draw_probmap, draw_with_blend_and_clicks
from tests.analytic import BlobModel, EncodeOnceModel, TinyModel
from tests.evaluation.fakes import DrawnDataset, write_folder
from tests.golden import apply_pipeline_weights, golden, golden_json, rule_state_dict
from tests.inference.replay import photo, samples
from tests.inference.test_brs import LevelsModel, noise_image, one_thread  # noqa: F401 (a fixture of every test here)
from tests.inference.test_golden_pipelines import CASES, analytic_case, ellipse
from tests.vit import save_published

CLICKS = (Click(True, (30, 20)), Click(False, (10, 70)), Click(True, (20.5, 30.25)), Click(False, (50, 40)))
CROPS = {"target_size": 48, "min_crop_size": 20}
SQUARES = {"skip_clicks": -1, "target_size": (448, 448)}
MODES = ("NoBRS", "f-BRS-B", "RGB-BRS")


def published_run(file, folder):
    """The recorded run, its image and ground truth; the network lies in ``folder`` as a published checkpoint."""
    spec, network = golden_json(f"pipelines/{file}.json"), golden_json("ritm/hrnet18s_itermask.json")
    content = {"state_dict": rule_state_dict(network["state_dict"]), "config": network["config"]}
    content["state_dict"] = apply_pipeline_weights(load_is_model(content, "cpu"), spec).state_dict()
    torch.save(content, folder / "coco_lvis_h18s_itermask.pth")
    image = photo(spec["photo"].split(".")[-1])
    return spec["log"], image, (ellipse(image) <= 1).astype(np.int32)


def as_logged(clicks):
    return [(*click.coords, click.is_positive) for click in clicks]


def test_a_program_repeats_the_recorded_evaluation(tmp_path, every_click):
    log, image, gt = published_run("ritm_hrnet18s_NoBRS_noflip_nozoom", tmp_path)
    log = log if every_click else log[:4]
    model = load_is_model(find_checkpoint(tmp_path, "coco_lvis_h18s"), torch.device("cpu"), cpu_dist_maps=True)
    predictor = get_predictor(model, "NoBRS", "cpu", prob_thresh=0.49, with_flip=False, zoom_in_params=None)
    clicks, ious, probs = evaluate_sample(image, gt, predictor, max_iou_thr=1.01, max_clicks=len(log))
    assert as_logged(clicks) == [(entry["y"], entry["x"], entry["positive"]) for entry in log]
    assert ious.dtype == probs.dtype == np.float32
    np.testing.assert_allclose(ious, [entry["iou"] for entry in log], atol=1e-3)
    with np.load(golden("pipelines/ritm_hrnet18s_NoBRS_noflip_nozoom.npz")) as arrays:
        for name, values in samples(probs, arrays, "prob_", len(log) - 1):
            np.testing.assert_allclose(values, arrays[name], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("file", "mode", "count", "tolerance"),
    [
        ("ritm_hrnet18s_NoBRS_astronaut", "NoBRS", 3, 1e-4),
        pytest.param("ritm_hrnet18s_fBRSB", "f-BRS-B", 4, 1e-3, marks=pytest.mark.long),
    ],
)
def test_a_program_that_clicks_and_undoes_repeats_the_recorded_runs(file, mode, count, tolerance, tmp_path):
    log, image, gt = published_run(file, tmp_path)
    model = load_is_model(tmp_path / "coco_lvis_h18s_itermask.pth", "cpu")
    predictor = get_predictor(model, mode, torch.device("cpu"))  # target size 400 and flip are the defaults
    predictor.set_input_image(image)
    clicker, states, ious = Clicker(gt_mask=gt), [], []
    mask = np.zeros(gt.shape, dtype=bool)
    with np.load(golden(f"pipelines/{file}.npz")) as arrays:
        for i in range(count):
            states.append((clicker.get_state(), predictor.get_states(), mask))
            clicker.make_next_click(mask)
            probs = predictor.get_prediction(clicker)
            for name, values in samples(probs, arrays, "prob_", i):
                np.testing.assert_allclose(values, arrays[name], atol=tolerance, rtol=0, err_msg=name)
            mask = probs > 0.49
            ious.append(get_iou(gt, mask))
    assert as_logged(clicker.get_clicks()) == [(entry["y"], entry["x"], entry["positive"]) for entry in log[:count]]
    np.testing.assert_allclose(ious, [entry["iou"] for entry in log[:count]], atol=5e-3 if mode != "NoBRS" else 1e-3)

    clicks, state, mask = states[-1]
    clicker.set_state(clicks)
    predictor.set_states(state)
    clicker.make_next_click(mask)
    np.testing.assert_array_equal(predictor.get_prediction(clicker), probs)


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("ritm_cvpr400", {"zoom_in_params": {"target_size": 400}}),
        ("ritm_fixed384", {"zoom_in_params": {"skip_clicks": -1, "target_size": (384, 384)}}),
        ("ritm_skip0", {"zoom_in_params": {"skip_clicks": 0}}),
        ("ritm_noflip400", {"with_flip": False}),
        ("simpleclick_fixed448", {"zoom_in_params": SQUARES}),
        ("cfr_cf0", {"zoom_in_params": SQUARES, "predictor_params": {"cascade_step": 1}}),
        (
            "cfr_cf4_clk1",
            {
                "zoom_in_params": SQUARES,
                "predictor_params": {"cascade_step": 5, "cascade_adaptive": False, "cascade_clicks": 1},
            },
        ),
        ("cfr_cf4_clk3_cvpr400", {"predictor_params": {"cascade_step": 5, "cascade_clicks": 3}}),
    ],
)
def test_parameters_mean_what_they_meant(variant, options):
    log = golden_json(f"pipelines_analytic/{variant}.json")["sequences"][CASES[0]]
    image, gt = analytic_case(CASES[0])
    model = BlobModel()
    seen = []
    clicks, ious, _ = evaluate_sample(
        image,
        gt,
        get_predictor(model, "NoBRS", "cpu", **options),
        max_iou_thr=1.01,
        max_clicks=len(log),
        sample_id="photo",
        callback=lambda *event: seen.append((event[3], event[4], len(event[5]))),
    )
    assert as_logged(clicks) == [(entry["y"], entry["x"], entry["positive"]) for entry in log]
    np.testing.assert_allclose(ious, [entry["iou"] for entry in log], atol=1e-4)
    assert seen == [("photo", i, i + 1) for i in range(len(log))]
    assert model.calls == log[-1]["net_calls_so_far"]


@pytest.mark.parametrize("zoom_in", [SQUARES, {"skip_clicks": -1, "target_size": [64, 32]}, {}, None], ids=str)
@pytest.mark.parametrize("arguments", [(), (False,), (True,)], ids=str)
def test_a_program_for_simpleclick_needs_no_positions_of_another_size(zoom_in, arguments, tmp_path):
    model = load_is_model(save_published(tmp_path / "vit.pth"), "cpu", *arguments, cpu_dist_maps=True)
    params = {"cascade_step": 3, "cascade_adaptive": True, "cascade_clicks": 2}
    predictor = get_predictor(model, "NoBRS", "cpu", zoom_in_params=zoom_in, predictor_params=params)
    gt_mask = np.zeros((60, 80), np.int32)
    gt_mask[20:40, 30:60] = 1
    clicks, ious, probs = evaluate_sample(noise_image(), gt_mask, predictor, 0.9, pred_thr=0.49, max_clicks=3)
    assert len(clicks) == len(ious) == 3 and probs.shape == (60, 80)


def test_eval_ritm_of_load_is_model_is_yes_or_no(tmp_path):
    with pytest.raises(InputError, match="eval_ritm of load_is_model must be"):
        load_is_model(save_published(tmp_path / "vit.pth"), "cpu", "cvpr")


def tiny_predictor(mode="NoBRS", model=None, **options):
    return get_predictor(model or LevelsModel(), mode, "cpu", **{"zoom_in_params": CROPS, **options})


def answers(predictor, clicks=CLICKS, image=None, clicker=None):
    """Probabilities after each click on an image that is set first."""
    predictor.set_input_image(noise_image() if image is None else image)
    clicker = clicker or Clicker()
    given = []
    for click in clicks:
        clicker.add_click(click)
        given.append(predictor.get_prediction(clicker))
    return given


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("copied", [False, True])
def test_states_are_restored_in_any_order(mode, copied):
    predictor, clicker, states, given = tiny_predictor(mode), Clicker(), [], []
    predictor.set_input_image(noise_image())
    for click in CLICKS:
        states.append((clicker.get_state(), predictor.get_states()))
        clicker.add_click(click)
        given.append(predictor.get_prediction(clicker))
    states = copy.deepcopy(states) if copied else states
    for i in (2, 0, 3, 1, 1):
        clicks, state = states[i]
        clicker.set_state(clicks)
        predictor.set_states(state)
        clicker.add_click(CLICKS[i])
        np.testing.assert_array_equal(predictor.get_prediction(clicker), given[i])


@pytest.mark.parametrize("mode", MODES)
def test_a_second_image_starts_afresh(mode):
    expected = answers(tiny_predictor(mode), image=noise_image(50, 90, 1))
    predictor = tiny_predictor(mode)
    answers(predictor)
    for found, wanted in zip(answers(predictor, image=noise_image(50, 90, 1)), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_new_clicker_goes_on_from_the_last_answer():
    predictor = tiny_predictor(zoom_in_params=None, with_flip=False)
    before = answers(predictor)[-1]
    clicker = Clicker()
    clicker.add_click(CLICKS[0])
    found = predictor.get_prediction(clicker)
    other = tiny_predictor(zoom_in_params=None, with_flip=False)
    other.set_input_image(noise_image())
    np.testing.assert_array_equal(found, other.get_prediction(clicker, prev_mask=before))
    assert np.abs(found - answers(other, CLICKS[:1])[0]).max() > 1e-3


def test_states_of_another_frame_carry_the_mask_over():
    first, second = noise_image(), noise_image(seed=1)
    predictor = tiny_predictor(model=EncodeOnceModel(), zoom_in_params=None)
    last = answers(predictor, image=first)[-1]
    states = predictor.get_states()
    predictor.set_input_image(second)
    predictor.set_states(states)
    clicker = Clicker(init_clicks=CLICKS[:2])
    found = predictor.get_prediction(clicker)
    other = tiny_predictor(model=EncodeOnceModel(), zoom_in_params=None)
    other.set_input_image(second)
    np.testing.assert_allclose(found, other.get_prediction(clicker, prev_mask=last), atol=1e-6)
    predictor.set_input_image(noise_image(50, 90))
    with pytest.raises(InputError, match=r"an image of \(60, 80\) pixels, but the present one has \(50, 90\)"):
        predictor.set_states(states)


@pytest.mark.parametrize(
    "as_given",
    [np.asarray, torch.from_numpy, lambda mask: torch.from_numpy(mask)[None, None]],
    ids=("array", "2d", "4d"),
)
def test_a_mask_is_the_previous_mask_of_the_call_that_it_is_given_to(as_given):
    mask = np.zeros((60, 80), np.float32)
    mask[10:40, 20:60] = 1
    predictor = tiny_predictor()
    predictor.set_input_image(noise_image())
    clicker = Clicker(click_indx_offset=1)
    clicker.add_click(CLICKS[0])
    assert clicker.get_clicks()[0].indx == 1
    start = predictor.get_states()
    first = predictor.get_prediction(clicker, prev_mask=as_given(mask))
    second = predictor.get_prediction(clicker)
    assert np.abs(first - answers(tiny_predictor(), CLICKS[:1])[0]).max() > 1e-3
    predictor.set_states({**start, "prev_prediction": torch.from_numpy(mask)[None, None]})
    np.testing.assert_array_equal(predictor.get_prediction(clicker), first)
    np.testing.assert_array_equal(predictor.get_prediction(clicker), second)
    with pytest.raises(InputError, match="the mask is"):
        predictor.get_prediction(clicker, prev_mask=as_given(mask[:-1].copy()))
    blind = tiny_predictor(model=TinyModel(with_prev_mask=False))
    plain = answers(blind, CLICKS[:1])[0]
    blind.set_input_image(noise_image())
    np.testing.assert_array_equal(blind.get_prediction(clicker, prev_mask=as_given(mask)), plain)


def test_images_of_all_kinds_are_the_same_image():
    pixels = noise_image()
    chw = torch.from_numpy(pixels).permute(2, 0, 1)
    expected = answers(tiny_predictor())[-1]
    for image in (pixels / 255, (pixels / 255).astype(np.float32), chw, chw.float()[None] / 255):
        np.testing.assert_allclose(answers(tiny_predictor(), image=image)[-1], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((60, 80, 3), np.float32) + 200, "divide levels up to 255 by 255"),
        (np.zeros((60, 80), np.float32), r"must be \(H, W, 3\) RGB"),
        (np.zeros((60, 80, 4), np.float32), "three channels"),
        (torch.zeros(60, 80), "three channels"),
        (torch.zeros(2, 3, 60, 80), "three channels"),
        (torch.zeros(3, 60, 80, dtype=torch.int32), "uint8 or float"),
        (np.zeros((60, 80, 3), np.int32), "must be uint8"),
    ],
)
def test_what_is_no_image_is_refused(image, words):
    with pytest.raises(InputError, match=words):
        tiny_predictor().set_input_image(image)


def test_without_an_image_there_is_no_prediction():
    with pytest.raises(RuntimeError, match="set_input_image"):
        tiny_predictor().get_prediction(Clicker())


def test_what_is_returned_may_be_written_to():
    predictor = tiny_predictor()
    expected = answers(predictor)[-1]
    answers(predictor, CLICKS[:3])[-1][:] = 0.5
    predictor.get_states()["prev_prediction"][:] = 0.5
    np.testing.assert_array_equal(predictor.get_prediction(Clicker(init_clicks=CLICKS)), expected)


def test_parameters_of_the_fit_and_of_the_network_are_handed_on():
    def ran(**options):
        return answers(tiny_predictor("f-BRS-B", **options))[-1]

    plain = ran()
    np.testing.assert_array_equal(
        plain,
        ran(
            predictor_params={"net_clicks_limit": 8, "max_size": None, "optimize_after_n_clicks": 1},
            brs_opt_func_params={"min_iou_diff": 0.01, "reg_weight": 1e-3},
            lbfgs_params={"m": 20, "factr": 0, "pgtol": 1e-8, "maxfun": 20, "maxiter": 7},
        ),
    )
    for options in (
        {"predictor_params": {"net_clicks_limit": 1}},
        {"predictor_params": {"max_size": 30}},
        {"predictor_params": {"optimize_after_n_clicks": 9}},
        {"brs_opt_func_params": {"reg_weight": 1.0}},
        {"lbfgs_params": {"maxfun": 1}},
        {"with_flip": False},
        {"zoom_in_params": None},
    ):
        assert np.abs(plain - ran(**options)).max() > 1e-4, options


def test_a_limit_of_none_shows_the_network_every_click():
    seen = []

    class Spied(LevelsModel):
        def coord_features(self, points, prev_mask, size):
            seen.append(int((points[0, :, :2] >= 0).all(1).sum()))
            return super().coord_features(points, prev_mask, size)

    for limit, most in (({}, 8), ({"net_clicks_limit": None}, 10), ({"net_clicks_limit": 3}, 3)):
        seen.clear()
        predictor = tiny_predictor("f-BRS-B", Spied(), zoom_in_params=None, predictor_params=limit)
        predictor.set_input_image(noise_image())
        predictor.get_prediction(Clicker(init_clicks=[Click(i % 2 == 0, (5 * i, 7 * i)) for i in range(10)]))
        assert max(seen) == most


@pytest.mark.parametrize(
    ("step", "passes"),
    [({}, 1), ({"cascade_step": 1}, 1), ({"cascade_step": 4, "cascade_clicks": 0}, 1), ({"cascade_step": 4}, 4)],
)
def test_a_cascade_has_as_many_passes_as_it_is_asked_for(step, passes):
    counted = []

    class Counting(TinyModel):
        def decode(self, *arguments, **named):
            counted.append(1)
            return super().decode(*arguments, **named)

    predictor = get_predictor(Counting(), "NoBRS", "cpu", zoom_in_params=None, predictor_params=step)
    predictor.set_input_image(noise_image())
    predictor.get_prediction(Clicker(init_clicks=[CLICKS[0]]))
    assert len(counted) == passes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"brs_mode": "g-BRS"},
            "there is no mode g-BRS: known are NoBRS, Baseline, FocalClick, CDNet, EMC-Click, DistMap",
        ),
        ({"net": [TinyModel()]}, "several networks"),
        ({"zoom_in_params": {"size": 3}}, "zoom_in_params of get_predictor holds size: known are target_size"),
        ({"brs_opt_func_params": {"prob": 3}}, "brs_opt_func_params of get_predictor holds prob"),
        ({"lbfgs_params": {"iterations": 3}}, "lbfgs_params of get_predictor holds iterations"),
    ],
)
def test_wrong_parameters_are_named(change, words):
    with pytest.raises(InputError, match=words):
        get_predictor(**{"net": TinyModel(), "brs_mode": "NoBRS", "device": "cpu", **change})


@pytest.mark.parametrize(
    ("mode", "params", "ignored"),
    [
        ("NoBRS", {"beam_width": 3, "max_size": 30}, "beam_width"),
        ("Baseline", {"max_size": 30}, "max_size"),
        ("Baseline", {"max_size": None, "beam_width": 3}, "beam_width"),
    ],
)
def test_what_a_predictor_does_not_read_is_passed_over_with_a_warning(mode, params, ignored, caplog):
    predictor = get_predictor(TinyModel(), mode, "cpu", predictor_params=params)
    assert isinstance(predictor, ClickerPredictor)
    assert f"predictor_params of get_predictor holds {ignored}: passed over" in caplog.text


def test_a_ground_truth_without_the_object_or_of_another_image_is_an_error():
    predictor = tiny_predictor()
    for gt_mask, words in (
        (np.full((60, 80), 255, np.uint8), r"gt_mask holds no object, .* it holds \[255\]\. Divide"),
        (np.zeros((60, 80), np.int32), "gt_mask holds no object"),
        (np.ones((30, 80), np.int32), r"gt_mask is \(30, 80\) pixels, the image \(60, 80\)"),
    ):
        with pytest.raises(InputError, match=words):
            evaluate_sample(noise_image(), gt_mask, predictor, 0.9)


def test_samples_of_a_foreign_data_set_need_an_image_and_a_mask():
    class Foreign(DrawnDataset):
        def get_sample(self, index):
            sample = super().get_sample(index)
            return SimpleNamespace(image=sample.image, gt_mask=sample.get_object_mask(sample.objects_ids[0]))

    ious, _ = evaluate_dataset(Foreign(2), tiny_predictor(), max_iou_thr=0.99, max_clicks=2)
    assert len(ious) == 2


def test_samples_of_simpleclicks_users_give_the_mask_of_each_object():
    class Foreign(DrawnDataset):
        def get_sample(self, index):
            sample = super().get_sample(index)
            masks = [sample.get_object_mask(one) for one in sample.objects_ids]
            return SimpleNamespace(image=sample.image, objects_ids=sample.objects_ids, gt_mask=masks.__getitem__)

    options = {"max_iou_thr": 0.9, "max_clicks": 2}
    ours, _ = evaluate_dataset(DrawnDataset(3), tiny_predictor(), **options)
    theirs, _ = evaluate_dataset(Foreign(3), tiny_predictor(), **options)
    assert len(ours) == 6 and all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_repeated_click_starts_from_the_last_answer_and_not_from_the_given_mask():
    seen = []

    class Spied(BlobModel):
        def logits(self, image, prev_mask, points):
            seen.append(prev_mask)
            return super().logits(image, prev_mask, points)

    predictor = tiny_predictor(model=Spied(), zoom_in_params={"skip_clicks": 0, "min_crop_size": 20})
    predictor.set_input_image(np.zeros((60, 80, 3), np.uint8))
    clicker = Clicker()
    clicker.add_click(CLICKS[0])
    predictor.get_prediction(clicker, prev_mask=np.ones((60, 80), np.float32))
    first, second = seen
    assert first.max() == 1 and not second.any()


def test_a_data_set_is_evaluated_object_by_object(tmp_path):
    (tmp_path / "config.yml").write_text(f"FOLDER_DATASETS: {{mine: {write_folder(tmp_path / 'mine', 3)}}}\n")
    cfg = load_config_file(tmp_path / "config.yml", return_edict=True)
    dataset = get_dataset("mine", cfg)
    predictor = tiny_predictor(model=BlobModel())
    all_ious, elapsed = evaluate_dataset(dataset, predictor, pred_thr=0.49, max_iou_thr=0.7, max_clicks=5)
    drawn, _ = evaluate_dataset(DrawnDataset(3), predictor, max_iou_thr=0.7, max_clicks=5)
    assert [ious.tolist() for ious in all_ious] == [ious.tolist() for ious in drawn]
    assert len(all_ious) == 6 and elapsed > 0
    noc, over_max = compute_noc_metric(all_ious, iou_thrs=[0.5, 0.7], max_clicks=5)
    first = [next((i + 1 for i, iou in enumerate(ious) if iou >= 0.7), 5) for ious in all_ious]
    assert noc[1] == np.mean(first) and over_max[1] == first.count(5)
    assert noc[0] <= noc[1] and over_max[0] <= over_max[1]


def test_numbers_of_clicks_are_the_recorded_ones():
    for case in golden_json("protocol/noc.json"):
        noc, over_max = compute_noc_metric([np.float32(ious) for ious in case["ious"]], case["thr"], 20)
        assert noc == pytest.approx(case["noc"]) and over_max == case["nof_at_20"]


def test_a_click_behind_the_most_has_its_own_number():
    ious = [[0.5] * 14 + [0.96] * 6, [0.5] * 20, [0.5] * 9 + [0.97] * 11]
    assert compute_noc_metric(ious, [0.95], max_clicks=10) == ([(15 + 10 + 10) / 3], [2])


def test_arguments_given_to_load_win_over_the_stored_ones(tmp_path):
    network = golden_json("ritm/hrnet18s_itermask.json")
    content = {"state_dict": rule_state_dict(network["state_dict"]), "config": network["config"]}
    model = load_is_model(content, "cpu", norm_radius=9, eval_ritm=False)
    assert model.dist_maps.norm_radius == 9 and content["config"]["params"]["norm_radius"]["value"] == 5
    with pytest.raises(InputError, match="takes no argument named radius"):
        load_is_model(content, "cpu", radius=9)
    with pytest.raises(InputError, match=r"the loaded checkpoint .* not a click model"):
        load_is_model({"state_dict": {}}, "cpu")


def test_images_take_a_mask_and_a_clickers_clicks():
    image, mask = noise_image(), np.zeros((60, 80), bool)
    mask[20:40, 20:60] = True
    picture = draw_with_blend_and_clicks(image, mask=mask, alpha=0.0, clicks_list=CLICKS, radius=2)
    assert picture[30, 20].tolist() == [0, 255, 0] and picture[10, 70].tolist() == [255, 0, 0]
    assert (picture[50:, :30] == image[50:, :30]).all()
    blue = draw_with_blend_and_clicks(image, clicks_list=CLICKS, neg_color=(0, 0, 255), radius=2)
    assert blue[10, 70].tolist() == [0, 0, 255]
    labels = mask.astype(np.int32) + (np.arange(80) > 40) * mask
    both = draw_with_blend_and_clicks(np.zeros_like(image), labels, alpha=1.0)
    assert both[30, 25].tolist() == [128, 0, 0] and both[30, 50].tolist() == [0, 128, 0]  # Pascal VOC's colours
    with pytest.raises(InputError, match="give the mask of this image"):
        draw_with_blend_and_clicks(image, mask[:50])
    heat = draw_probmap(np.array([[0.0, 0.5, 1.0]]))
    assert heat.dtype == np.uint8 and heat.sum(axis=2).tolist()[0] == sorted(heat.sum(axis=2).tolist()[0])
