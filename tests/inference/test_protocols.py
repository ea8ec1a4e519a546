import pytest

from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.transforms import ZoomIn
from isegm.utils.errors import InputError
from tests.analytic import TinyModel


@pytest.mark.parametrize(
    ("arguments", "zoom_in", "resize", "flip"),
    [
        (("ritm",), ZoomIn(), None, True),
        (("ritm", "cvpr", "DAVIS"), ZoomIn(target_size=600), None, True),
        (("ritm", "cvpr", "DAVIS_585"), ZoomIn(), None, True),
        (("ritm", "fixed400", "DAVIS"), ZoomIn(target_size=(400, 400), skip_clicks=-1), None, True),
        (("ritm", "fixed400,600"), ZoomIn(target_size=(400, 600), skip_clicks=-1), None, True),
        (("clickseg",), ZoomIn(None, 1, 1.4, 10, 0.5, 0.49, True), (384, 384), False),
        (("clickseg", "cvpr", "DAVIS", 256, 1.2), ZoomIn(None, 1, 1.2, 10, 0.5, 0.49, True), (256, 256), False),
        (("clickseg", "fixed448", None, 256, 1.2), ZoomIn(None, -1, 1.4, 10, 0.5, 0.49, True), (256, 256), False),
    ],
)
def test_published_settings(arguments, zoom_in, resize, flip):
    assert settings_for(*arguments) == InferenceSettings(zoom_in=zoom_in, resize=resize, flip=flip)


def test_a_predictor_takes_the_protocol_of_its_network():
    model = TinyModel()
    assert Predictor(model).settings == settings_for("ritm")
    model.protocol = "clickseg"
    assert Predictor(model).settings == settings_for("clickseg")


@pytest.mark.parametrize("mode", ["fixed", "fixed0", "fixed-1", "fixed4x4", "fixed1,2,3", "cvpr400", "", "Fixed400"])
@pytest.mark.parametrize("protocol", ["ritm", "clickseg"])
def test_unknown_modes_are_refused(protocol, mode):
    with pytest.raises(InputError, match="evaluation mode"):
        settings_for(protocol, mode)


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
        {"max_size": 0},
        {"clicks_limit": 0},
    ],
)
def test_settings_that_contradict_themselves_are_refused(arguments):
    with pytest.raises(InputError):
        InferenceSettings(**arguments)
