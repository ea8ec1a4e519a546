"""Settings of the interactive program: published defaults and bounds, and what a network cannot do."""

from dataclasses import fields, replace

import numpy as np
import pytest

from isegm.demo.controller import Controller
from isegm.demo.settings import BRS_MODES, Settings, unavailable
from isegm.inference.cascade import Cascade
from isegm.inference.predictor import Predictor
from isegm.model.registry import build_model
from isegm.utils.errors import InputError
from isegm.utils.files import write_image
from tests.analytic import BlobModel, CDNetBlobModel, EMCBlobModel, FocalBlobModel, TinyModel
from tests.demo.clicked import probs_of
from tests.inference.test_predictor import noise_image
from tests.vit import small_vit


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("skip_clicks", ("-2", "1.5", "", "one"), ("-1", "40")),
        ("target_size", ("99", "801", "1e2"), ("100", "800")),
        ("expand_ratio", ("0.99", "2.01", "nan", "inf"), ("1", "2.0")),
        ("network_clicks", ("0", "-1", "all"), ("1", "INF", "inf")),
        ("lbfgs_iterations", ("0", "1001"), ("1", "1000")),
        ("threshold", ("-0.01", "1.01"), ("0", "1")),
        ("alpha", ("-0.01", "1.01"), ("0", "1")),
        ("click_radius", ("-1", "8"), ("0", "7")),
        ("cascade_steps", ("-1", "1001", "2.0"), ("0", "1000")),
    ],
)
def test_numbers_have_the_published_bounds(name, bad, good):
    settings = Settings().with_mode("f-BRS-B")
    for text in good:
        assert settings.with_text(name, text).with_text(name, settings.text(name)) == settings
    for text in bad:
        with pytest.raises(InputError, match=r"(?i) is .*: give a (whole )?number (from|of at least) ") as error:
            settings.with_text(name, text)
        assert (text or "empty") in str(error.value)


def test_published_defaults():
    settings = Settings.for_model(TinyModel())
    assert settings == Settings(800, True, True, -1, 400, 1.4, "NoBRS", None, 20, 0.5, 0.5, 3)
    assert settings.inference.zoom_in.target_size == (400, 400) and settings.inference.flip
    assert Settings.for_model(TinyModel(), 300).target_size == 300
    assert Settings.for_model(small_vit()).target_size == 448
    assert Settings.for_model(small_vit(), protocol="ritm").target_size == 400
    with pytest.raises(InputError, match="--limit-longest-size is 99"):
        Settings.for_model(TinyModel(), 99)


def test_switching_refinement_on_limits_the_clicks_and_off_lifts_the_limit():
    settings = Settings().with_mode("f-BRS-B")
    assert settings.network_clicks == 8 and settings.refinement.clicks_limit == 8
    unlimited = settings.with_text("network_clicks", "INF").with_mode("RGB-BRS")
    assert unlimited.network_clicks is None and unlimited.refinement.clicks_limit is None
    assert settings.with_mode("NoBRS") == Settings()
    with pytest.raises(InputError, match="there is no BRS mode G-BRS"):
        Settings().with_mode("G-BRS")


def test_the_first_click_of_an_object_is_answered_as_often_as_the_settings_say(tmp_path):
    assert Settings().inference.cascade is None and Settings(adaptive_cascade=True).inference.cascade is None
    settings = Settings(zoom_in=False, cascade_steps=4, adaptive_cascade=True)
    assert settings.inference.cascade == Cascade(4, adaptive=True, clicks=1)
    model, passes = BlobModel(), []
    controller = Controller(model, settings=replace(settings, adaptive_cascade=False))
    write_image(tmp_path / "noise.png", noise_image())
    controller.open(tmp_path / "noise.png")
    controller.click(40, 30, True)
    probs = probs_of(controller)
    passes.append(model.calls)
    controller.click(20, 15, True)
    passes.append(model.calls)
    assert passes == [5, 6]
    single = Predictor(BlobModel(), settings=replace(settings, cascade_steps=0).inference)
    single.set_image(noise_image())
    assert np.abs(single.predict([(40, 30)], [1])[1] - probs).max() > 1e-3


def test_a_network_that_corrects_masks_sees_the_whole_image_and_is_run_whole_once_for_an_object(tmp_path):
    model = EMCBlobModel()
    settings = Settings.for_model(model)
    assert (settings.inference.short_side, settings.inference.zoom_in, settings.corrects_masks) == (384, None, True)
    controller = Controller(model, settings=replace(settings, target_size=100))
    write_image(tmp_path / "noise.png", noise_image())
    controller.open(tmp_path / "noise.png")
    found = []
    for x, y, sign in ((40, 30, True), (20, 15, False), (60, 20, True)):
        controller.click(x, y, sign)
        found.append(probs_of(controller))
    controller.undo()
    controller.undo()
    controller.redo()
    np.testing.assert_array_equal(probs_of(controller), found[1])
    controller.click(60, 20, True)
    np.testing.assert_array_equal(probs_of(controller), found[2])
    assert model.first_passes == 1 and model.calls == 4


@pytest.mark.parametrize(
    ("make", "lacks"),
    [
        (TinyModel, {"f-BRS-A", "f-BRS-B", "f-BRS-C"}),
        (FocalBlobModel, {*BRS_MODES[1:], "brs_mode", "network_clicks", "lbfgs_iterations"}),
        (
            CDNetBlobModel,
            {*BRS_MODES[1:], "brs_mode", "network_clicks", "lbfgs_iterations", "cascade_steps", "adaptive_cascade"},
        ),
        (
            EMCBlobModel,
            {*BRS_MODES[1:], "brs_mode", "network_clicks", "lbfgs_iterations", "cascade_steps", "adaptive_cascade"}
            | {"zoom_in", "fixed_crop", "skip_clicks", "expand_ratio"},
        ),
        (lambda: build_model("clickseg_mobilenetv2"), {"f-BRS-A", "f-BRS-B"}),
        (lambda: build_model("ritm_resnet34", with_prev_mask=False), {"cascade_steps", "adaptive_cascade"}),
    ],
    ids=["early fusion", "a formula", "no previous mask either", "corrects masks", "light baseline", "DeepLab"],
)
def test_what_a_network_cannot_do_is_known_with_its_reason(make, lacks):
    model = make()
    reasons = unavailable(model)
    assert set(reasons) == lacks <= {field.name for field in fields(Settings)} | set(BRS_MODES)
    for name, reason in reasons.items():
        assert type(model).__name__ in reason and reason.endswith(".") and "\n" not in reason, name


@pytest.mark.parametrize("make", [BlobModel, CDNetBlobModel])
def test_what_is_refused_is_what_is_unavailable(make):
    reasons, attempts = unavailable(make()), {mode: Settings().with_mode(mode) for mode in BRS_MODES}
    for name, settings in (attempts | {"cascade_steps": Settings(cascade_steps=1)}).items():
        try:
            Predictor(make(), settings=settings.inference, refinement=settings.refinement)
            said = None
        except InputError as error:
            said = str(error)
        assert said == reasons.get(name)


def test_large_numbers_keep_all_their_digits():
    settings = Settings(lbfgs_iterations=1000, max_size=12_345_678, target_size=1_234_567)
    assert settings.text("target_size") == "1234567" and settings.with_text("target_size", "1234567") == settings
