"""The tables of Appendix A of the RITM specification: clicks, IoUs and crops measured on the published code."""

from dataclasses import replace

import numpy as np
import pytest

from isegm.inference.cascade import Cascade
from isegm.inference.clicker import Clicker
from isegm.inference.mask_metrics import get_iou
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.transforms import ZoomIn
from tests.analytic import RadialModel
from tests.inference.replay import play

FULL = (0, 119, 0, 159)
CASCADED = (17, 103, 32, 127)
SMALL_CROPS = InferenceSettings(zoom_in=ZoomIn((448, 448), skip_clicks=-1, min_crop_size=60), flip=True)
# settings, slant, clicks, IoUs, crop after each click, final probabilities at (60, 80) and (10, 10) and their mean
PIPELINES = {
    "target 400": (
        settings_for("ritm"),
        0,
        "+60,80 +68,37 -50,134 +83,48 +92,62 -30,120",
        ".75707 .75973 .77395 .78571 .79260 .79072",
        [None, *[FULL] * 5],
        (0.994563, 0.234452, 0.420078),
    ),
    "target 400, smallest crop 60": (
        InferenceSettings(zoom_in=ZoomIn(min_crop_size=60), flip=True),
        0,
        "+60,80 +68,37 -50,134 +83,47 +91,60 -30,120",
        ".75707 .75870 .77269 .79073 .79914 .80292",
        [None, *[(1, 109, 16, 159)] * 5],
        (0.994546, 0, 0.368213),
    ),
    "always 448 x 448": (
        settings_for("ritm", "fixed448"),
        0,
        "+60,80 +53,118 -50,134 +68,37 +80,44 +89,55",
        ".18004 .73816 .75423 .77364 .79075 .80567",
        [FULL] * 6,
        (0.994269, 0.234474, 0.425302),
    ),
    "always 448 x 448, smallest crop 60": (
        SMALL_CROPS,
        0,
        "+60,80 +53,118 +52,37 +67,37 -50,134 +80,44",
        ".18004 .71944 .73059 .76476 .77786 .79845",
        [FULL, (30, 90, 43, 131), *[(17, 103, 18, 150)] * 4],
        (0.993791, 0, 0.313108),
    ),
    "no zoom": (
        InferenceSettings(flip=True),
        0,
        "+60,80 +68,37 -71,22 -50,134 +52,122 +91,60",
        ".75707 .71229 .80008 .79521 .82327 .77705",
        [None] * 6,
        (0.994600, 0.227487, 0.462598),
    ),
    "no zoom, not flipped": (
        InferenceSettings(),
        0,
        "+60,80 +68,37 -71,22 -50,134 +52,122 +91,60",
        ".75707 .71229 .80008 .79521 .82327 .77705",
        [None] * 6,
        (0.994600, 0.227487, 0.462598),
    ),
    "always 448 x 448, smallest crop 60, five passes on the first click": (
        replace(SMALL_CROPS, cascade=Cascade(4)),
        0,
        "+60,80 +68,37 +80,44 +88,54 -30,120 +51,36",
        ".77529 .79055 .81114 .83218 .84592 .86048",
        [CASCADED] * 6,
        (0.993390, 0, 0.254984),
    ),
    "the same until the mask settles": (
        replace(SMALL_CROPS, cascade=Cascade(4, adaptive=True)),
        0,
        "+60,80 +60,122 +68,37 +80,44 +88,54 -30,120",
        ".63318 .77529 .79009 .81114 .83218 .84592",
        [CASCADED] * 6,
        (0.993390, 0, 0.255706),
    ),
    "the same on every click": (
        replace(SMALL_CROPS, cascade=Cascade(4, adaptive=True, clicks=20)),
        0,
        "+60,80 +60,122 +68,37 +80,44 +88,54 -30,120",
        ".63318 .77529 .79496 .81626 .83574 .84726",
        [CASCADED] * 6,
        (0.993390, 0, 0.254954),
    ),
    # The slant breaks the mirror symmetry, so that these fail unless logits (not probabilities) are averaged.
    "slanted, no zoom": (
        InferenceSettings(flip=True),
        1.2,
        "+60,80 -50,134 +53,124 -38,128 -103,63 +83,47",
        ".74529 .75597 .59415 .54777 .59719 .52543",
        [None] * 6,
        None,
    ),
    "slanted, no zoom, not flipped": (
        InferenceSettings(),
        1.2,
        "+60,80 -50,134 -112,152 -30,120 +50,123 -39,129",
        ".74386 .63305 .67549 .72149 .70664 .68604",
        [None] * 6,
        None,
    ),
    "slanted, target 400": (
        settings_for("ritm"),
        1.2,
        "+60,80 -50,134 +69,37 -73,25 -28,118 -36,127",
        ".74529 .76841 .75105 .76709 .76278 .75611",
        [None, *[FULL] * 5],
        None,
    ),
}


def image_and_object():
    y, x = np.mgrid[:120, :160]
    red = np.where(((y - 55) / 38) ** 2 + ((x - 90) / 50) ** 2 <= 1, 140, 100) + (7 * x + 13 * y) % 11
    image = np.stack((red, 3 * x % 256, 5 * y % 256), axis=-1).astype(np.uint8)
    gt = (((y - 60) / 40) ** 2 + ((x - 80) / 50) ** 2 <= 1).astype(np.int32)
    gt[58:62, 20:40] = -1
    assert image.sum() == 6_790_283 and (gt == 1).sum() == 6232 and (gt == -1).sum() == 80
    return image, gt


def as_text(click) -> str:
    return f"{'+' if click.is_positive else '-'}{click.coords[0]},{click.coords[1]}"


@pytest.mark.parametrize("name", PIPELINES)
def test_six_clicks_of_appendix_a6(name):
    settings, slant, clicks, ious, rois, final = PIPELINES[name]
    image, gt = image_and_object()
    run = list(play(Predictor(RadialModel(slant), settings=settings), image, gt, 6))
    assert " ".join(as_text(click) for click, _, _ in run) == clicks
    assert [session.zoom.roi and session.zoom.roi.inclusive for _, session, _ in run] == rois
    for (_, session, iou), expected in zip(run, ious.split(), strict=True):
        near = np.count_nonzero(np.abs(session.probs - 0.49) < 1e-6)  # float noise decides on which side these fall
        assert abs(iou - float(expected)) < 6e-6 + near / 6232
    if final is not None:
        probs = run[-1][1].probs
        np.testing.assert_allclose((probs[60, 80], probs[10, 10], probs.mean()), final, atol=2e-6)


def test_clicks_and_ious_of_appendix_a3():
    gt = np.zeros((40, 60), dtype=np.int32)
    gt[8:28, 10:40] = 1
    gt[28:30, 10:40] = -1
    nothing = np.zeros(gt.shape, dtype=bool)
    partial = nothing.copy()
    partial[8:28, 10:25] = partial[2:12, 45:59] = partial[28:36, 10:40] = True
    exact = gt == 1
    spilled = exact.copy()
    spilled[:6, :5] = True
    clicker = Clicker(gt)
    masks = [nothing, partial, partial, spilled, exact, exact]
    clicks = [clicker.make_next_click(mask) for mask in masks]
    assert " ".join(map(as_text, clicks)) == "+17,19 +15,32 +16,32 -2,2 -0,0 -0,0"
    assert [click.indx for click in clicks] == [0, 1, 2, 3, 4, 5]
    ious = [get_iou(gt, mask) for mask in masks]
    np.testing.assert_allclose(ious, [0, 0.326087, 0.326087, 0.952381, 1, 1], atol=5e-7)
