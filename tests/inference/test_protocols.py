from dataclasses import replace

import pytest

from isegm import Click
from isegm.inference.postprocess import FocusRefine, PixelDiffusion
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.transforms import ZoomIn, ZoomState
from isegm.utils.errors import InputError
from tests.analytic import EMCBlobModel, TinyModel
from tests.vit import small_vit


@pytest.mark.parametrize(
    ("arguments", "zoom_in", "resize", "flip"),
    [
        (("ritm",), ZoomIn(), None, True),
        (("ritm", "cvpr", "DAVIS"), ZoomIn(target_size=600), None, True),
        (("ritm", "cvpr", "DAVIS_585"), ZoomIn(), None, True),
        (("ritm", "fixed400", "DAVIS"), ZoomIn(target_size=(400, 400), skip_clicks=-1), None, True),
        (("ritm", "fixed400,600"), ZoomIn(target_size=(400, 600), skip_clicks=-1), None, True),
        (("simpleclick",), ZoomIn(target_size=(448, 448), skip_clicks=-1), None, True),
        (("simpleclick", "cvpr", "DAVIS"), ZoomIn(target_size=(672, 672), skip_clicks=-1), None, True),
        (("simpleclick", "fixed224", "DAVIS"), ZoomIn(target_size=(224, 224), skip_clicks=-1), None, True),
        (("clickseg",), ZoomIn(None, 1, 1.4, 10, 0.5, 0.49, True), (384, 384), False),
        (("clickseg", "cvpr", "DAVIS", 256, 1.2), ZoomIn(None, 1, 1.2, 10, 0.5, 0.49, True), (256, 256), False),
        (("clickseg", "fixed448", None, 256, 1.2), ZoomIn(None, -1, 1.4, 10, 0.5, 0.49, True), (256, 256), False),
        (("focalclick",), ZoomIn(None, 1, 1.4, 10, 0.5, 0.49, True), (256, 256), False),
        (("focalclick", "cvpr", None, 320), ZoomIn(None, 1, 1.4, 10, 0.5, 0.49, True), (320, 320), False),
        (("cdnet", "cvpr", None, 256), ZoomIn(None, 1, 1.4, 10, 0.5, 0.49, True), (384, 384), True),
    ],
)
def test_published_settings(arguments, zoom_in, resize, flip):
    expected = InferenceSettings(zoom_in=zoom_in, resize=resize, flip=flip, merge="published")
    assert replace(settings_for(*arguments), postprocess=None) == expected


@pytest.mark.parametrize(
    ("arguments", "sizes"),
    [
        (("emc-click",), dict(short_side=384)),
        (("emc-click", "DAVIS", None, 1.2), dict(short_side=576)),
        (("cvpr",), dict(short_side=400)),
        (("cvpr", "DAVIS"), dict(short_side=600)),
        (("fixed384",), dict(resize=(384, 384))),
        (("fixed320,480", "DAVIS"), dict(resize=(320, 480))),
    ],
)
def test_emc_click_sees_whole_images(arguments, sizes):
    expected = InferenceSettings(**sizes, flip=True, merge="published", corrects_masks=True)
    assert settings_for("emcclick", *arguments) == expected


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ((480, 854), (384, 680)),  # 683.2
        ((854, 480), (680, 384)),
        ((375, 500), (384, 512)),
        ((384, 386), (384, 384)),
        ((8, 1000), (64, 8192)),
        ((1, 9000), (4, 8192)),
    ],
)
def test_the_shorter_side_is_reached_with_sides_that_are_multiples_of_4(image, size):
    view = settings_for("emcclick", "emc-click").view(ZoomState(), (), image)
    assert view.size == size and view.source.size == image


def test_a_limit_of_the_longest_side_keeps_the_proportions():
    settings = replace(settings_for("emcclick", "emc-click"), max_size=400)
    assert settings.view(ZoomState(), (), (480, 960)).size == (200, 400)


def test_the_mode_of_emc_click_is_for_its_networks_alone():
    for protocol in ("ritm", "simpleclick", "clickseg", "focalclick", "cdnet"):
        with pytest.raises(InputError, match=f"emc-click is for networks of EMC-Click, not {protocol}: write cvpr"):
            settings_for(protocol, "emc-click")
    with pytest.raises(InputError, match="fixed402 does not fit EMC-Click: give sides that are multiples of 4"):
        settings_for("emcclick", "fixed402")


def test_networks_that_correct_masks_and_their_settings_belong_together():
    with pytest.raises(InputError, match="TinyModel has no network that corrects masks, which the mode EMC-Click"):
        Predictor(TinyModel(), settings=settings_for("emcclick"))
    for other in (settings_for("ritm"), settings_for("clickseg"), InferenceSettings(zoom_in=ZoomIn())):
        with pytest.raises(InputError, match="EMCBlobModel corrects the mask of the click before on the same view"):
            Predictor(EMCBlobModel(), settings=other)
    assert Predictor(EMCBlobModel(), settings=InferenceSettings(flip=True)).settings.short_side is None


def test_a_predictor_takes_the_protocol_of_its_network():
    model = TinyModel()
    assert Predictor(model).settings == replace(settings_for("ritm"), merge="guarded", widen=3, second_look=True)
    model.protocol = "clickseg"
    assert Predictor(model).settings == replace(settings_for("clickseg"), merge="guarded", widen=3, second_look=True)


def test_what_follows_the_answer_belongs_to_the_protocol():
    finishes = {name: settings_for(name).postprocess for name in ("ritm", "clickseg", "focalclick", "cdnet")}
    assert finishes == {"ritm": None, "clickseg": None, "focalclick": FocusRefine(1.4), "cdnet": PixelDiffusion()}
    assert settings_for("focalclick", focus_crop_r=2.0).postprocess == FocusRefine(2.0)


@pytest.mark.parametrize("mode", ["fixed", "fixed0", "fixed-1", "fixed4x4", "fixed1,2,3", "cvpr400", "", "Fixed400"])
@pytest.mark.parametrize("protocol", ["ritm", "simpleclick", "clickseg"])
def test_unknown_modes_are_refused(protocol, mode):
    with pytest.raises(InputError, match="evaluation mode"):
        settings_for(protocol, mode)


@pytest.mark.parametrize("mode", ["fixed20000", "fixed32,20000", "fixed20000,32", f"fixed{'9' * 5000}"])
@pytest.mark.parametrize("protocol", ["ritm", "clickseg", "cdnet"])
def test_inputs_that_fit_no_memory_are_refused(protocol, mode):
    with pytest.raises(
        InputError, match=r"^the evaluation mode \S+ is too large: give sides of at most 2048 pixels\.$"
    ):
        settings_for(protocol, mode)
    assert settings_for("ritm", "fixed2048").input_size == (2048, 2048)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ritm",), False),  # sides of at most 400
        (("ritm", "fixed160"), True),
        (("simpleclick",), True),
        (("clickseg",), True),
        (("emcclick",), False),
        (("segnext",), False),  # whose networks resize images themselves
    ],
)
def test_inputs_of_one_size_are_told_from_those_of_any(arguments, expected):
    settings = settings_for(*arguments)
    assert settings.one_size == expected
    shapes = set()
    for size in ((90, 160), (160, 90), (64, 64), (400, 300)):
        clicks = [Click(True, (20, 30))]
        whole = settings.view(ZoomState(), (), size)
        shapes |= {whole.size, settings.view(ZoomState(roi=whole.roi), clicks, size).size}
    assert (len(shapes) == 1) == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: settings_for("clickseg", infer_size=20_000),
        lambda: InferenceSettings(resize=(32, 20_000)),
        lambda: InferenceSettings(zoom_in=ZoomIn(target_size=20_000)),
        lambda: InferenceSettings(zoom_in=ZoomIn(target_size=(20_000, 32))),
    ],
)
def test_settings_whose_input_fits_no_memory_are_refused(make):
    with pytest.raises(
        InputError, match=r"the network's input would have \d+ x \d+ pixels: give sides of at most 2048"
    ):
        make()


def test_unknown_protocols_are_refused():
    with pytest.raises(InputError, match="protocol"):
        settings_for("rtim")


@pytest.mark.parametrize(
    "arguments",
    [
        {"resize": (0, 5)},
        {"resize": (5,)},
        {"resize": (64, 64), "max_size": 50},
        {"resize": (64, 64), "zoom_in": ZoomIn()},
        {"short_side": 64, "resize": (64, 64)},
        {"short_side": 64, "zoom_in": ZoomIn()},
        {"short_side": 2, "flip": True},
        {"max_size": 0},
        {"clicks_limit": 0},
        {"merge": "some"},
    ],
)
def test_settings_that_contradict_themselves_are_refused(arguments):
    with pytest.raises(InputError):
        InferenceSettings(**arguments)


@pytest.mark.parametrize(
    "settings",
    [
        InferenceSettings(zoom_in=ZoomIn((450, 448), skip_clicks=-1)),
        InferenceSettings(zoom_in=ZoomIn((450, 448)), max_size=450),
        InferenceSettings(resize=(450, 448)),
        settings_for("simpleclick", "fixed450,448"),
    ],
)
def test_an_exact_size_that_the_network_cannot_read_is_told_before_the_first_image(settings):
    with pytest.raises(InputError, match="the ViT cannot read 450 x 448 pixels, as its patches have 16 x 16: give"):
        Predictor(small_vit(), settings=settings)
    assert Predictor(TinyModel(), settings=settings).settings == settings


@pytest.mark.parametrize(
    "settings",
    [
        InferenceSettings(zoom_in=ZoomIn(450)),
        InferenceSettings(zoom_in=ZoomIn((450, 448)), max_size=400),  # which decides about the size
        InferenceSettings(max_size=450),
    ],
)
def test_other_sizes_are_rounded_to_what_the_network_reads(settings):
    assert Predictor(small_vit(), settings=settings).settings == settings
