import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm.clicks import Click
from isegm.inference.brs import BRSParams, BRSState, ClickObjective, click_loss, click_masks
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.refinement import NetworkInput, build_refinement, list_refinements
from isegm.inference.transforms import ZoomIn, flipped_clicks, with_flipped
from isegm.model import build_model
from isegm.utils.errors import InputError
from tests.analytic import BlobModel, TinyModel
from tests.golden import apply_pipeline_weights, fill_by_sine, filled, golden, golden_json
from tests.inference.replay import photo, play, samples
from tests.inference.test_golden_pipelines import ellipse

CPU = torch.device("cpu")
MODES = ("RGB-BRS", "DistMap-BRS", "f-BRS-A", "f-BRS-B", "f-BRS-C")
CROPPED = InferenceSettings(zoom_in=ZoomIn(48, min_crop_size=20), flip=True)
CLICKS = (Click(True, (30, 20)), Click(False, (10, 70)), Click(True, (20, 30)), Click(False, (50, 40)))
all_modes = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(autouse=True)
def one_thread():
    """Where L-BFGS-B ends depends on the last bit of every sum."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class LevelsModel(TinyModel):
    """TinyModel with its features behind the first convolution at every level."""

    @property
    def feature_levels(self):
        return dict.fromkeys("ABC", 8)

    def features_at(self, level, image, coord_features):
        return torch.relu(self.first(torch.cat((image, coord_features), dim=1))), None

    def logits_from(self, level, features, rest):
        return self.last(features)


def noise_image(height=60, width=80, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size=(height, width, 3), dtype=np.uint8)


def brs_predictor(mode, settings=CROPPED, model=None, **options):
    return Predictor(model or LevelsModel(), settings=settings, refinement=build_refinement(mode, **options))


def clicked(predictor, clicks, image=None):
    """Sessions after each of the clicks."""
    session, sessions = predictor.start(noise_image() if image is None else image), []
    for click in clicks:
        (session,) = predictor.step([session], [click])
        sessions.append(session)
    return sessions


@pytest.mark.parametrize(
    ("file", "network", "mode", "clicks", "strict"),
    [
        # Five clicks are recorded of each run. After ``strict`` of them the published code does not repeat its own
        # probabilities to 1e-3, and after ``clicks`` of them not its own IoU to 5e-3.
        ("ritm_hrnet18s_fBRSB", "ritm_hrnet18s", "f-BRS-B", 5, 4),
        ("ritm_hrnet18s_RGBBRS", "ritm_hrnet18s", "RGB-BRS", 2, 2),
        pytest.param("ritm_hrnet18s_DistMapBRS", "ritm_hrnet18s", "DistMap-BRS", 3, 2, marks=pytest.mark.long),
        pytest.param("ritm_r34_fBRSB", "ritm_resnet34", "f-BRS-B", 5, 5, marks=pytest.mark.long),
        pytest.param("ritm_r34_fBRSC", "ritm_resnet34", "f-BRS-C", 5, 5, marks=pytest.mark.long),
        pytest.param("ritm_r34_DistMapBRS", "ritm_resnet34", "DistMap-BRS", 5, 5, marks=pytest.mark.long),
    ],
)
def test_published_runs_are_repeated_click_for_click(file, network, mode, clicks, strict, every_click):
    clicks = clicks if every_click else min(clicks, 3)
    spec = golden_json(f"pipelines/{file}.json")
    model = apply_pipeline_weights(filled(network), spec)
    image = photo(spec["photo"].split(".")[-1])
    gt = (ellipse(image) <= 1).astype(np.int32)
    predictor = brs_predictor(mode, settings_for("ritm"), model)
    with np.load(golden(f"pipelines/{file}.npz")) as arrays:
        for i, (click, session, iou) in enumerate(play(predictor, image, gt, clicks)):
            expected = spec["log"][i]
            assert [*click.coords, click.is_positive] == [expected["y"], expected["x"], expected["positive"]]
            roi = session.zoom.roi
            assert (None if roi is None else list(roi.inclusive)) == expected["roi"]
            assert abs(iou - expected["iou"]) < 5e-3, i
            if i < strict:
                for name, values in samples(session.probs, arrays, "prob_", i):
                    np.testing.assert_allclose(values, arrays[name], atol=1e-3, rtol=0, err_msg=name)


# network -> mode -> numbers, loss and sum of absolute gradients at zero, mean probabilities after three clicks
APPENDIX = {
    "ritm_hrnet18s": {
        "f-BRS-A": (540, 0.897894, 3.967825, (0.85531, 0.46994, 0.56616)),
        "f-BRS-B": (540, 0.897894, 3.967825, (0.85531, 0.46994, 0.56616)),
        "f-BRS-C": (192, 0.897894, 3.010935, (0.85531, 0.41417, 0.59997)),
        "RGB-BRS": (36864, 0.897894, 3.311775, (0.85531, 0.85234, 0.85287)),
        "DistMap-BRS": (24576, 0.897894, 0.105278, (0.85531, 0.85489, 0.85493)),
    },
    "ritm_resnet34": {
        "f-BRS-A": (1024, 0.497236, 0.821936, (0.46211, 0.49135, 0.49061)),
        "f-BRS-B": (320, 0.497236, 0.600633, (0.46211, 0.48149, 0.49643)),
        "f-BRS-C": (256, 0.497236, 0.743933, (0.46211, 0.48828, 0.48827)),
        "RGB-BRS": (36864, 0.497236, 1.800355, (0.46211, 0.46211, 0.46208)),
        "DistMap-BRS": (24576, 0.497236, 0.058858, (0.46211, 0.46211, 0.46210)),
    },
}


@functools.cache
def sine_network(name):
    return fill_by_sine(build_model(name))


INPUTS = ("RGB-BRS", "DistMap-BRS")  # modes that change what the network is shown, not what it computes inside


@pytest.mark.parametrize(
    ("network", "mode"),
    [
        pytest.param(network, mode, marks=pytest.mark.long if network == "ritm_resnet34" and mode in INPUTS else ())
        for network in APPENDIX
        for mode in MODES
    ],
)
def test_loss_gradient_and_answers_are_those_of_the_appendix(mode, network, monkeypatch):
    count, loss, gradient_sum, means = APPENDIX[network][mode]
    y, x = np.mgrid[:96, :128]
    image = np.stack((5 * x + 3 * y, x**2 // 7 + y, 2 * y), axis=-1).astype(np.uint8)
    clicks = (Click(True, (40, 50)), Click(False, (70, 100)), Click(True, (20, 30)))
    evaluations = []

    def recorded(objective, at):
        value, gradient = evaluate(objective, at)
        evaluations.append((at.copy(), value, gradient))
        return value, gradient

    evaluate = ClickObjective.__call__
    monkeypatch.setattr(ClickObjective, "__call__", recorded)
    predictor = brs_predictor(mode, InferenceSettings(flip=True), sine_network(network))
    sessions = clicked(predictor, clicks, image)
    at, value, gradient = evaluations[0]
    assert at.shape == (count,) and not at.any()
    assert value == pytest.approx(loss, rel=1e-4)
    assert np.abs(gradient).sum() == pytest.approx(gradient_sum, rel=1e-3)
    assert [session.probs.mean() for session in sessions] == pytest.approx(means, abs=1e-2)


def test_click_masks_are_squares_that_the_border_swallows():
    clicks = [
        [Click(True, (2.4, 3.6)), Click(False, (5, 5))],
        [Click(True, (0, 4)), Click(True, (4, 0)), Click(False, (7, 8)), Click(False, (20, 20))],
    ]
    masks = click_masks(clicks, (8, 9), CPU)
    assert masks.shape == (2, 2, 1, 8, 9)
    expected = torch.zeros(2, 2, 1, 8, 9)
    expected[0, 0, 0, 1:4, 3:6] = 1
    expected[1, 0, 0, 4:7, 4:7] = 1
    expected[1, 1, 0, 6:8, 7:9] = 1  # the last row and column do bind, the first ones do not
    assert torch.equal(masks, expected)


def test_loss_is_the_mean_over_bound_pixels_of_the_whole_batch():
    masks = click_masks([[Click(True, (2, 2))], [Click(True, (5, 5)), Click(False, (2, 6))]], (9, 9), CPU)
    probs = torch.full((2, 1, 9, 9), 0.25)
    probs[1] = 0.5
    expected = (9 * 0.75**2 + 9 * 0.5**2) / 18 + 0.5**2
    assert click_loss(probs, masks).item() == pytest.approx(expected, rel=1e-5)
    assert click_loss(probs, torch.zeros_like(masks)).item() == 0


def objective(levels, min_iou_diff=0.01, threshold=0.49):
    """An objective whose single number is added to logits: ``levels`` (h, w) with a positive click in the middle."""
    logits = torch.tensor(levels)[None, None]
    size = logits.shape[2:]
    masks = click_masks([[Click(True, (size[0] // 2, size[1] // 2))]], size, CPU)
    return ClickObjective(lambda number: (logits + number, 0 * number.sum()), masks, threshold, min_iou_diff)


def test_gradient_is_zero_once_every_bound_pixel_is_on_its_side():
    assert not objective(np.full((5, 5), 0.1, np.float32))(np.zeros(1))[1].any()  # p = 0.52
    assert objective(np.full((5, 5), -0.1, np.float32))(np.zeros(1))[1].any()  # p = 0.475
    assert objective(np.full((5, 5), 0.1, np.float32), threshold=0.6)(np.zeros(1))[1].any()


def test_gradient_is_zero_when_the_mask_has_stopped_changing():
    levels = np.full((9, 9), -1, np.float32)
    levels[:3] = 1  # a mask that does not hold the click
    unchanged = objective(levels)
    assert unchanged(np.zeros(1))[1].any()
    assert not unchanged(np.full(1, 0.1))[1].any()
    never = objective(levels, min_iou_diff=0)
    assert never(np.zeros(1))[1].any() and never(np.full(1, 0.1))[1].any()
    empty = objective(np.full((9, 9), -3, np.float32))  # two empty masks are no reason to stop
    assert empty(np.zeros(1))[1].any() and empty(np.full(1, 0.1))[1].any()


def test_the_best_logits_are_kept_not_the_last():
    fit = objective(np.full((5, 5), -3, np.float32))
    for number in (0.0, 1.0, 0.5):
        fit(np.full(1, number))
    assert fit.best_logits.unique().item() == pytest.approx(-2)


@all_modes
def test_fitting_brings_clicked_pixels_to_their_side(mode):
    plain = clicked(Predictor(LevelsModel(), settings=InferenceSettings(flip=True)), CLICKS[:2])[-1]
    refined = clicked(brs_predictor(mode, InferenceSettings(flip=True)), CLICKS[:2])[-1]

    def badness(session):
        positive, negative = click_masks([CLICKS[:2]], session.image_size, CPU)
        return float(((1 - session.prev_probs) * positive + session.prev_probs * negative).sum())

    assert badness(refined) < badness(plain)


@all_modes
def test_answers_in_lower_precision_are_probabilities_in_float32(mode):
    settings = replace(CROPPED, precision="bf16")
    for session in clicked(brs_predictor(mode, settings), CLICKS[:2]):
        assert session.prev_probs.dtype == torch.float32
        assert 0 <= session.probs.min() <= session.probs.max() <= 1


@all_modes
def test_the_first_click_is_answered_by_the_network_alone(mode):
    plain = clicked(Predictor(LevelsModel(), settings=CROPPED), CLICKS[:1])[0]
    refined = clicked(brs_predictor(mode), CLICKS[:1])[0]
    np.testing.assert_allclose(refined.probs, plain.probs, atol=1e-6)
    assert not refined.refinement.parameters.any()


@all_modes
def test_a_batch_gives_the_answers_of_each_session_alone(mode):
    images = [noise_image(60, 80), noise_image(60, 80, 1), noise_image(50, 90, 2)]
    alone = [clicked(brs_predictor(mode), CLICKS[:3], image)[-1] for image in images]
    predictor = brs_predictor(mode)
    together = [predictor.start(image) for image in images]
    for click in CLICKS[:3]:
        together = predictor.step(together, [click] * 3)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.probs, other.probs)


@all_modes
def test_undo_and_the_same_click_again_give_the_same_answer(mode):
    predictor = brs_predictor(mode)
    predictor.set_image(noise_image())
    predictor.predict([(20, 30)], [1])
    predictor.predict([(70, 10)], [0])
    before = predictor.session.refinement.parameters.copy()
    _, first = predictor.predict([(30, 20)], [1])
    predictor.undo()
    np.testing.assert_array_equal(predictor.session.refinement.parameters, before)
    _, again = predictor.predict([(30, 20)], [1])
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(("mode", "survives"), [("f-BRS-B", True), ("RGB-BRS", False), ("DistMap-BRS", False)])
def test_what_a_change_of_crop_leaves(mode, survives):
    strategy = build_refinement(mode)
    left = strategy.in_new_view(BRSState(mode, np.ones(4), features=("features", None)))
    if survives:
        assert left.parameters.sum() == 4 and left.features is None
    else:
        assert left is None
    assert strategy.in_new_view(None) is None


@pytest.mark.parametrize("mode", ["f-BRS-B", "RGB-BRS"])
def test_parameters_start_from_where_the_last_click_left_them(mode, monkeypatch):
    starts = []
    minimised = type(build_refinement(mode))._minimised

    def spied(self, fit, start):
        starts.append(start.copy())
        return minimised(self, fit, start)

    monkeypatch.setattr(type(build_refinement(mode)), "_minimised", spied)
    sessions = clicked(brs_predictor(mode, InferenceSettings(flip=True)), CLICKS[:3])
    assert not starts[0].any()
    np.testing.assert_array_equal(starts[1], sessions[1].refinement.parameters)
    assert starts[1].any()


def test_a_click_on_the_last_row_of_a_whole_image_goes_on(monkeypatch):
    starts = []
    minimised = type(build_refinement("RGB-BRS"))._minimised

    def spied(self, fit, start):
        starts.append(start.copy())
        return minimised(self, fit, start)

    monkeypatch.setattr(type(build_refinement("RGB-BRS")), "_minimised", spied)
    whole = InferenceSettings(zoom_in=ZoomIn(48, skip_clicks=-1, min_crop_size=200), flip=True)
    sessions = clicked(brs_predictor("RGB-BRS", whole), (*CLICKS[:2], Click(True, (59, 40))))
    assert [session.zoom.roi.size for session in sessions] == [(60, 80)] * 3
    assert len(starts) == 2 and starts[1].any()


def test_features_are_used_again_beyond_the_limit_until_the_crop_changes():
    counted = []

    class Counting(LevelsModel):
        def features_at(self, level, image, coord_features):
            counted.append(level)
            return super().features_at(level, image, coord_features)

    predictor = brs_predictor("f-BRS-C", InferenceSettings(flip=True, clicks_limit=2), Counting())
    sessions = clicked(predictor, CLICKS)
    assert len(counted) == 2
    assert sessions[3].refinement.features is sessions[1].refinement.features
    predictor.run([replace(sessions[3], view=None)])
    assert len(counted) == 3


@pytest.mark.parametrize(("mode", "limit"), [("RGB-BRS", 5), ("DistMap-BRS", 5), ("f-BRS-A", 8), ("f-BRS-C", 8)])
def test_each_mode_has_a_limit_of_clicks_that_settings_override(mode, limit):
    assert brs_predictor(mode).settings.clicks_limit == limit
    assert brs_predictor(mode, replace(CROPPED, clicks_limit=3)).settings.clicks_limit == 3


@all_modes
def test_a_session_of_another_mode_starts_with_zeros(mode):
    other = "RGB-BRS" if mode != "RGB-BRS" else "f-BRS-B"
    session = clicked(brs_predictor(other, InferenceSettings(flip=True)), CLICKS[:2])[-1]
    predictor = brs_predictor(mode, InferenceSettings(flip=True))
    (kept,) = predictor.run([session])
    (fresh,) = predictor.run([replace(session, refinement=None)])
    np.testing.assert_array_equal(kept.probs, fresh.probs)


@pytest.mark.parametrize(("target", "channels", "weight"), [("RGB-BRS", 3, 0.5), ("DistMap-BRS", 2, 1e-3)])
def test_the_cost_of_an_input_offset_counts_the_mirror_image(target, channels, weight):
    strategy = build_refinement(target, params=BRSParams(reg_weight=weight))
    model, size = LevelsModel(), (6, 8)
    clicks = [Click(True, (3, 3))]
    given = NetworkInput(
        features={"image": with_flipped(torch.zeros(1, 3, *size))},
        points=torch.tensor([[[3.0, 3, 0], [-1, -1, -1]], [[3.0, 4, 0], [-1, -1, -1]]]),
        prev_mask=torch.zeros(2, 1, *size),
        clicks=[clicks, flipped_clicks(clicks, 8)],
        all_shown=True,
        flip=True,
        threshold=0.49,
    )
    forward, count, _ = strategy.prepared(model, given, BRSState(target))
    assert count == channels * 48
    logits, penalty = forward(torch.full((count,), 0.5))
    assert logits.shape == (2, 1, *size)
    assert penalty.item() == pytest.approx(2 * weight * 0.25 * count)


@pytest.mark.parametrize("mode", ["f-BRS-A", "f-BRS-B"])
def test_a_network_without_the_level_is_refused_in_one_sentence(mode):
    with pytest.raises(InputError, match=f"BaselineModel has no features for {mode} .*supports f-BRS-C") as error:
        brs_predictor(mode, None, build_model("clickseg_mobilenetv2"))
    assert "\n" not in str(error.value)


@all_modes
def test_a_network_without_click_maps_is_refused(mode):
    with pytest.raises(InputError, match=f"BlobModel .*{mode}"):
        brs_predictor(mode, model=BlobModel())


def test_modes_are_listed_and_unknown_ones_refused():
    assert set(MODES) <= set(list_refinements())
    with pytest.raises(InputError, match="no refinement mode f-BRS-D: known are DistMap-BRS"):
        build_refinement("f-BRS-D")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"max_evaluations": 0}, "max_evaluations of BRS is 0"),
        ({"optimize_after": -1}, "optimize_after of BRS is -1"),
        ({"reg_weight": -1.0}, "reg_weight of BRS is -1"),
        ({"pgtol": float("nan")}, "pgtol of BRS is nan"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params, said):
    with pytest.raises(InputError, match=said):
        BRSParams(**params)
