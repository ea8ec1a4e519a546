"""Whole runs of clicks against runs of the published code."""

from dataclasses import replace

import numpy as np
import pytest

from isegm.inference.cascade import Cascade
from isegm.inference.postprocess import PixelDiffusion
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.transforms import ZoomIn
from tests.analytic import BlobModel, CDNetBlobModel, EMCBlobModel, FocalBlobModel
from tests.golden import apply_pipeline_weights, filled, golden, golden_json
from tests.inference.replay import assert_follows, photo

ANALYTIC = {
    "ritm_cvpr400": settings_for("ritm"),
    "ritm_fixed384": settings_for("ritm", "fixed384"),
    "ritm_noflip400": InferenceSettings(zoom_in=ZoomIn()),
    "ritm_nozoom_noflip": InferenceSettings(),
    "ritm_skip0": InferenceSettings(zoom_in=ZoomIn(skip_clicks=0), flip=True),
    "simpleclick_fixed448": settings_for("simpleclick"),
    "cfr_cf0": settings_for("simpleclick", "fixed448"),
    "cfr_cf4_clk1": replace(settings_for("simpleclick"), cascade=Cascade(4)),
    "cfr_cf4_clk3_cvpr400": replace(settings_for("ritm"), cascade=Cascade(4, clicks=3)),
    "clickseg_baseline384": settings_for("clickseg"),
    "clickseg_focal256": settings_for("focalclick"),
    "clickseg_focal256_flip": replace(settings_for("focalclick"), flip=True),
    "clickseg_focal256_initmask": settings_for("focalclick"),
    "clickseg_cdnet384": settings_for("cdnet"),
    "emc_emc384": settings_for("emcclick", "emc-click"),
}
MODELS = {"clickseg_focal": FocalBlobModel, "clickseg_cdnet": CDNetBlobModel, "emc": EMCBlobModel}
THRESHOLDS = {"emc": 0.5}  # of masks; 0.49 elsewhere
CASES = ("astronaut_ellipse", "coffee_holes", "chelsea_ignore", "coffee_small")


def ellipse(image, center=(0.45, 0.5), radii=(0.30, 0.22)):
    """Squared distance from the centre in units of the radii, (H, W)."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    return ((y - center[0] * height) / (radii[0] * height)) ** 2 + ((x - center[1] * width) / (radii[1] * width)) ** 2


# Clicks that are followed without --all, of networks that take seconds for each.
FIRST = {
    "simpleclick_vit_xtiny": 2,
    "simpleclick_vitb": 1,
    "cdnet_resnet34": 1,
    "ritm_hrnet18s": 3,
    "emcclick_hrnet18s": 2,
}


def analytic_case(name):
    """Photograph and ground truth of golden/README section 5."""
    image = photo(name.split("_")[0])
    height, width = image.shape[:2]
    value = ellipse(image, (0.25, 0.7), (0.05, 0.04)) if name == "coffee_small" else ellipse(image)
    gt = (value <= 1).astype(np.int32)
    if name == "chelsea_ignore":
        gt[(value > 1) & (value <= 1.3)] = -1
    if name == "coffee_holes":
        y, x = np.mgrid[:height, :width]
        gt[(y - 0.45 * height) ** 2 + (x - 0.5 * width) ** 2 <= (0.06 * height) ** 2] = 0
        gt[int(0.80 * height) : int(0.92 * height), int(0.12 * width) : int(0.40 * width)] = 1
    return image, gt


def initial_mask(image):
    """The mask to start from of golden/README section 4."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), dtype=bool)
    mask[int(0.2 * height) : int(0.55 * height), int(0.35 * width) : int(0.75 * width)] = True
    return mask


def assert_follows_analytic(variant, case, tolerance, device="cpu", binary=False):
    """Click a case of golden/README section 5 as the published predictor did; see ``assert_follows``."""
    log = golden_json(f"pipelines_analytic/{variant}.json")["sequences"][case]
    image, gt = analytic_case(case)
    model = next((kind for start, kind in MODELS.items() if variant.startswith(start)), BlobModel)()
    init_mask = initial_mask(image) if variant.endswith("initmask") else None
    with np.load(golden(f"pipelines_analytic/{variant}.npz")) as arrays:
        predictor = Predictor(model, device, settings=ANALYTIC[variant])
        threshold = THRESHOLDS.get(variant.split("_")[0], 0.49)
        start = f"{case}/"
        assert_follows(
            log, arrays, predictor, image, gt, start, tolerance, threshold, init_mask=init_mask, binary=binary
        )
    assert model.calls == log[-1]["net_calls_so_far"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("variant", ANALYTIC)
def test_clicks_crops_and_probabilities_follow_the_published_predictor(variant, case):
    assert_follows_analytic(variant, case, tolerance=2e-5)


@pytest.mark.parametrize(
    ("file", "network", "settings"),
    [
        ("ritm_hrnet18s_NoBRS_astronaut", "ritm_hrnet18s", settings_for("ritm")),
        pytest.param("ritm_hrnet18s_NoBRS_noflip_nozoom", "ritm_hrnet18s", InferenceSettings(), marks=pytest.mark.long),
        ("baseline_mobilenetv2", "clickseg_mobilenetv2", settings_for("clickseg")),
        ("cdnet_res34", "cdnet_resnet34", settings_for("cdnet")),
        ("focalclick_segformerB0_S2_astronaut", "focalclick_segformerb0_s2", settings_for("focalclick")),
        ("focalclick_segformerB0_S2_initmask", "focalclick_segformerb0_s2", settings_for("focalclick")),
        ("simpleclick_vit_xtiny_672_coffee", "simpleclick_vit_xtiny", settings_for("simpleclick", "fixed672")),
        ("emc_hrnet18s_astronaut", "emcclick_hrnet18s", settings_for("emcclick", "emc-click")),
        pytest.param(
            "simpleclick_vit_base448_astronaut",
            "simpleclick_vitb",
            settings_for("simpleclick"),
            marks=pytest.mark.long,
        ),
        pytest.param(
            "cfr_vit_base448_cf4_astronaut",
            "simpleclick_vitb",
            replace(settings_for("simpleclick"), cascade=Cascade(4)),
            marks=pytest.mark.long,
        ),
        pytest.param(
            "segnext_vit_base1024_sax2_coffee", "segnext_vitb_sax2", settings_for("segnext"), marks=pytest.mark.long
        ),
    ],
)
def test_real_networks_repeat_the_published_runs(file, network, settings, every_click):
    spec = golden_json(f"pipelines/{file}.json")
    log = spec["log"][: None if every_click else FIRST.get(network)]
    model = apply_pipeline_weights(filled(network), spec)
    image = photo(spec["photo"].split(".")[-1])
    gt = (ellipse(image) <= 1).astype(np.int32)
    init_mask = initial_mask(image) if spec["init_mask"] else None
    with np.load(golden(f"pipelines/{file}.npz")) as arrays:
        predictor = Predictor(model, settings=settings)
        binary = isinstance(settings.postprocess, PixelDiffusion)
        assert_follows(
            log, arrays, predictor, image, gt, threshold=spec["pred_thr"], init_mask=init_mask, binary=binary
        )
