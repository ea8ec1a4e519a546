"""Arguments of the wrong kind: one sentence for each, and nothing has changed then."""

import decimal
import fractions

import numpy as np
import pytest
import torch
from PIL import Image

from isegm import Click, InputError, Predictor, build_model
from isegm.click_maps import DistMaps
from isegm.inference.brs import BRSParams
from isegm.inference.cascade import Cascade
from isegm.inference.clicker import Clicker
from isegm.inference.evaluation import evaluate_sample
from isegm.inference.predictors import Progressive_Merge, get_predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.refinement import build_refinement
from isegm.inference.simulation import EvalSettings
from isegm.inference.transforms import ZoomIn
from isegm.inference.utils import compute_noc_metric, get_iou
from isegm.utils.files import write_image
from tests.analytic import EncodeOnceModel, TinyModel

IMAGE = np.random.default_rng(0).integers(0, 256, size=(60, 80, 3), dtype=np.uint8)
MASK = np.zeros((60, 80), bool)
MASK[10:30, 10:30] = True
NAN, INF = float("nan"), float("inf")
HOLES = np.where(MASK, NAN, 0)


@pytest.fixture(scope="module")
def model():
    return TinyModel()


@pytest.fixture
def predictor(model):
    predictor = Predictor(model)
    predictor.set_image(IMAGE)
    return predictor


def last_probs(predictor, points=((5, 6),), labels=(1,), prev_mask=None):
    return predictor.predict(list(points), list(labels), prev_mask)[1]


@pytest.mark.parametrize(
    "image",
    [
        3,
        b"photo.png",
        {"image": IMAGE},
        [[[1, 2, 3]], [[1, 2]]],
        IMAGE / 255.0,
        np.full((4, 5, 3), NAN),
        np.full((4, 5, 3), INF),
        IMAGE.astype(np.uint16),
        IMAGE.astype(np.int64),
        IMAGE > 0,
        IMAGE.astype(complex),
        IMAGE.astype(object),
        IMAGE.astype(str),
        IMAGE[None],
        IMAGE[:, :0],
        IMAGE[..., :2],
        np.zeros((4, 5, 3), "M8[s]"),
        np.ma.masked_array(IMAGE, IMAGE > 100),
        torch.zeros(4, 5, 3, dtype=torch.bfloat16),
        torch.zeros(4, 5, 3, dtype=torch.uint8).to_sparse(),
        torch.empty(4, 5, 3, dtype=torch.uint8, device="meta"),
        Image.fromarray(IMAGE[..., 0].astype(np.float32)),
        len,
    ],
    ids=lambda image: f"{type(image).__name__} {getattr(image, 'dtype', '')} {getattr(image, 'shape', '')}",
)
def test_what_is_no_image_is_refused_and_the_earlier_image_stays(predictor, image):
    expected = last_probs(predictor)
    with pytest.raises(InputError, match="the image must be"):
        predictor.set_image(image)
    np.testing.assert_array_equal(predictor.session.probs, expected)


@pytest.mark.parametrize("name", ["no/such.png", "", "a\0b.png", "x" * 5000])
def test_a_path_without_a_file_is_named(model, name):
    with pytest.raises(InputError, match="there is no file"):
        Predictor(model).set_image(name)


def test_an_image_may_be_a_path_a_pillow_image_or_a_tensor(predictor, tmp_path):
    write_image(tmp_path / "photo.png", IMAGE)
    expected = last_probs(predictor)
    transparent = Image.fromarray(IMAGE).convert("RGBA")
    transparent.putalpha(7)
    read_only = IMAGE.copy()
    read_only.flags.writeable = False
    path = tmp_path / "photo.png"
    for image in (
        path,
        str(path),
        Image.open(path),
        transparent,
        torch.from_numpy(IMAGE),
        read_only,
        IMAGE.astype(">u1"),
    ):
        predictor.set_image(image)
        np.testing.assert_array_equal(last_probs(predictor), expected)


def test_pillow_images_of_other_modes_become_rgb_upright(predictor):
    gray = Image.fromarray(IMAGE[..., 0])
    predictor.set_image(gray)
    expected = last_probs(predictor)
    predictor.set_image(np.stack([IMAGE[..., 0]] * 3, axis=-1))
    np.testing.assert_array_equal(last_probs(predictor), expected)
    turned = Image.fromarray(IMAGE)
    turned.getexif()[0x0112] = 6
    predictor.set_image(turned)
    assert predictor.session.image_size == (80, 60)


def test_a_pillow_image_that_is_closed_or_cut_off_is_refused(model, tmp_path):
    path = tmp_path / "photo.png"
    write_image(path, IMAGE)
    closed = Image.open(path)
    closed.close()
    cut = tmp_path / "cut.png"
    cut.write_bytes(path.read_bytes()[:2000])
    for image in (closed, Image.open(cut)):
        with pytest.raises(InputError, match="the image must be an open Pillow image"):
            Predictor(model).set_image(image)


def test_a_changed_array_changes_nothing_that_was_set(predictor):
    expected = last_probs(predictor)
    image, mask = IMAGE.copy(), MASK.copy()
    predictor.set_image(image)
    image[:] = 0
    np.testing.assert_array_equal(last_probs(predictor), expected)
    merged, probs = predictor.predict([(7, 6)], [0], mask)
    expected = merged.copy()
    mask[:], merged[:], probs[:] = True, True, 1
    np.testing.assert_array_equal(predictor.session.mask(0.49), expected)


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        (None, None),
        ([("1", "2")], [1]),
        ([(b"5", b"6")], [1]),
        ([(10**400, 1)], [1]),
        ([(1e308, 1)], [1]),
        ([(5 + 0j, 6)], [1]),
        ([(True, False)], [1]),
        (np.array([[1, 2]], "M8[s]"), [1]),
        (np.array([[1, 2]], "m8[s]"), [1]),
        (np.zeros((1, 2), [("a", "f4")]), [1]),
        (np.ma.masked_array([[5, 6]], [[True, False]]), [1]),
        (torch.empty(1, 2, device="meta"), [1]),
        ({(5, 6)}, [1]),
        ({5: 6}, [1]),
        (((5, 6) for _ in range(1)), [1]),
        ("5,6", [1]),
        ([Click(True, (5, 6))], [1]),
        ([(5, 6)], None),
        ([(5, 6)], ["1"]),
        ([(5, 6)], "1"),
        ([(5, 6)], [NAN]),
        ([(5, 6)], [0.5]),
        ([(5, 6)], [1 + 0j]),
        ([(5, 6)], np.array([1], "m8[s]")),
        ([(5, 6)], [[1]]),
    ],
)
def test_what_are_no_clicks_is_refused_and_changes_nothing(predictor, points, labels):
    expected = last_probs(predictor, ((40, 30),))
    with pytest.raises(InputError, match=r"points must be|labels must be|outside|at least one click"):
        predictor.predict(points, labels)
    assert len(predictor.session.clicks) == 1
    np.testing.assert_array_equal(predictor.session.probs, expected)
    predictor.undo()
    np.testing.assert_array_equal(last_probs(predictor, ((40, 30),)), expected)


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        (np.array([[5, 6]], np.uint8), np.array([True])),
        (torch.tensor([[5.0, 6.0]], requires_grad=True), torch.tensor([1])),
        (torch.tensor([[5, 6]], dtype=torch.bfloat16), [True]),
        ([(decimal.Decimal(5), fractions.Fraction(6))], [1.0]),
        (np.broadcast_to(np.array([5, 6], ">f8"), (1, 2)), (np.int64(1),)),
        ([range(5, 7)], [1]),
    ],
)
def test_clicks_may_be_any_real_numbers(predictor, points, labels):
    expected = last_probs(predictor)
    predictor.reset()
    np.testing.assert_array_equal(predictor.predict(points, labels)[1], expected)


@pytest.mark.parametrize(
    "mask",
    [
        "mask.png",
        [[1, 0], [1]],
        MASK.T,
        MASK[None],
        MASK * 255,
        MASK * -1.0,
        HOLES,
        np.where(MASK, INF, 0),
        MASK.astype(complex),
        MASK.astype(object),
        MASK.astype(str),
        np.ma.masked_array(MASK, MASK),
        torch.zeros(60, 80).to_sparse(),
        torch.zeros(60, 80, device="meta"),
        torch.full((60, 80), NAN),
        Image.fromarray(MASK.astype(np.uint8) * 255),
    ],
    ids=lambda mask: f"{type(mask).__name__} {getattr(mask, 'dtype', '')} {getattr(mask, 'shape', '')}",
)
def test_what_is_no_mask_is_refused_and_changes_nothing(predictor, mask):
    expected = last_probs(predictor, ((40, 30),))
    with pytest.raises(InputError, match="the mask"):
        predictor.predict([(5, 6)], [1], mask)
    with pytest.raises(InputError, match="the mask"):
        predictor.start(IMAGE, mask)
    assert len(predictor.session.clicks) == 1
    np.testing.assert_array_equal(predictor.session.probs, expected)


@pytest.mark.parametrize(
    "mask",
    [
        MASK.tolist(),
        MASK.astype(np.float16),
        np.asfortranarray(MASK),
        np.broadcast_to(MASK, (60, 80)),
        torch.from_numpy(MASK).bfloat16(),
        torch.from_numpy(MASK).float().requires_grad_(),
        Image.fromarray(MASK),
    ],
    ids=lambda mask: f"{type(mask).__name__} {getattr(mask, 'dtype', '')}",
)
def test_a_mask_may_be_anything_that_holds_zeros_and_ones(predictor, mask):
    expected = predictor.predict([(5, 6)], [1], MASK)
    predictor.reset()
    for given, wanted in zip(predictor.predict([(5, 6)], [1], mask), expected, strict=True):
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": None},
        {"model": "mobilenetv2_default"},
        {"model": TinyModel},
        {"model": torch.nn.Conv2d(3, 1, 1)},
        {"threshold": None},
        {"threshold": "0.5"},
        {"threshold": [0.5]},
        {"threshold": np.array([0.5, 0.6])},
        {"threshold": NAN},
        {"threshold": 1},
        {"device": "gpu"},
        {"device": "meta"},
        {"device": "hpu"},
        {"device": "xpu:77"},
        {"device": "cuda:99"},
        {"device": ["cpu"]},
        {"device": b"cpu"},
        {"device": 1.5},
        {"settings": "ritm"},
        {"settings": ZoomIn()},
        {"settings": InferenceSettings},
        {"refinement": "f-BRS-B"},
        {"refinement": BRSParams()},
        {"refinement": build_refinement},
    ],
)
def test_arguments_of_a_predictor_are_checked(model, arguments):
    with pytest.raises(InputError):
        Predictor(**{"model": model, **arguments})


SETTINGS = [
    *(
        (InferenceSettings, "resize", value)
        for value in (400, "400", (5.5, 6), (None, 4), (True, 5), (NAN, 4), (1 << 40, 5))
    ),
    *((InferenceSettings, "max_size", value) for value in ("4", 1.5, True, NAN)),
    *((InferenceSettings, "clicks_limit", value) for value in ("3", 2.5, True, 0)),
    *((InferenceSettings, "flip", value) for value in ("no", None, 2)),
    *((InferenceSettings, name, "x") for name in ("zoom_in", "cascade", "postprocess")),
    (InferenceSettings, "zoom_in", ZoomIn),
    *((ZoomIn, "target_size", value) for value in ("4", (1,), 1.5, True, NAN, 1 << 40)),
    *((ZoomIn, "skip_clicks", value) for value in ("1", None, 1.5, NAN, True)),
    *((ZoomIn, "expansion_ratio", value) for value in (0, -1, NAN, INF, "1.4", None)),
    *((ZoomIn, "min_crop_size", value) for value in (-5, "3", NAN, [1])),
    *((ZoomIn, "recompute_thresh_iou", value) for value in (NAN, "0.5", None)),
    *((ZoomIn, "prob_thresh", value) for value in (NAN, "x", None, -1, 2)),
    *((ZoomIn, "always_recompute", value) for value in ("no", None)),
    *((Cascade, "steps", value) for value in (True, NAN, "3")),
    *((Cascade, "adaptive", value) for value in ("x", None)),
    *((BRSParams, "optimize_after", value) for value in ("x", None, 1.5)),
    *((BRSParams, "max_evaluations", value) for value in (INF, 1.5, "x")),
    *((BRSParams, "reg_weight", value) for value in ("x", None, NAN)),
    *((EvalSettings, "target_iou", value) for value in ("x", None, NAN, True, 90)),
    *((EvalSettings, "max_clicks", value) for value in ("x", 1.5, INF, True)),
    *((EvalSettings, "threshold", value) for value in ("x", None, NAN)),
]


@pytest.mark.parametrize(("kind", "name", "value"), SETTINGS, ids=str)
def test_settings_of_another_kind_are_refused_where_they_are_made(kind, name, value):
    required = {"steps": 2} if kind is Cascade else {}
    with pytest.raises(InputError, match=name.split("_")[0]):
        kind(**{**required, name: value})


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_refinement("f-BRS-B", clicks_limit=0),
        lambda: build_refinement("f-BRS-B", params={}),
        lambda: build_refinement("f-BRS-B", unknown=1),
        lambda: build_refinement("f-BRS-B", level="Z"),
        lambda: build_refinement(["f-BRS-B"]),
        lambda: settings_for(["ritm"]),
        lambda: settings_for("ritm", None),
        lambda: settings_for("clickseg", infer_size="x"),
        lambda: settings_for("clickseg", infer_size=1.5),
        lambda: settings_for("clickseg", target_crop_r=NAN),
        lambda: settings_for("focalclick", focus_crop_r=-1),
        lambda: DistMaps(INF, use_disks=True),
        lambda: DistMaps(10**9, use_disks=True),
        lambda: build_model(["ritm_hrnet18s"]),
        lambda: build_model("clickseg_mobilenetv2", norm_mean_std=((0, 0, 0), (0, 0, 0))),
        lambda: build_model("clickseg_mobilenetv2", norm_mean_std="x"),
        lambda: build_model("clickseg_mobilenetv2", with_aux_output="no"),
        lambda: build_model("ritm_hrnet18s", width=-1),
        lambda: build_model("ritm_hrnet18s", width="x"),
        lambda: get_predictor(None, "NoBRS", "cpu"),
        lambda: get_predictor(TinyModel(), ["NoBRS"], "cpu"),
        lambda: get_predictor(TinyModel(), "NoBRS", "cpu", with_flip="x"),
        lambda: get_predictor(TinyModel(), "NoBRS", "cpu", zoom_in_params=3),
        lambda: get_predictor(TinyModel(), "NoBRS", "cpu", predictor_params=3),
        lambda: get_predictor(TinyModel(), "RGB-BRS", "cpu", lbfgs_params={"m": "x"}),
        lambda: Progressive_Merge(MASK, MASK.T, 5, 6),
        lambda: Progressive_Merge(MASK, MASK, 500, 6),
        lambda: Progressive_Merge(HOLES, MASK, 5, 6),
        lambda: compute_noc_metric([], [0.9]),
        lambda: compute_noc_metric([[NAN]], [0.9]),
        lambda: compute_noc_metric([[0.9]], [90]),
        lambda: compute_noc_metric([[0.9]], [0.9], 0),
        lambda: get_iou(MASK.astype(int), MASK.T),
        lambda: get_iou(MASK.astype(int), HOLES),
        lambda: get_iou(MASK.astype(int), np.full(MASK.shape, 0.3)),
        lambda: get_iou(MASK.astype(int), np.where(MASK, 5.0, -5.0)),
        lambda: get_iou(HOLES, MASK),
        lambda: Clicker(HOLES),
        lambda: Clicker(np.zeros((4, 5, 3), int)),
        lambda: Clicker(MASK.astype(complex)),
        lambda: Clicker(MASK).make_next_click(HOLES),
        lambda: Clicker(MASK).make_next_click(np.where(MASK, 5.0, -5.0)),
        lambda: Clicker(MASK).make_next_click(MASK.astype(str)),
        lambda: Clicker(init_clicks=[(5, 6)]),
        lambda: Clicker().get_clicks(-1),
        lambda: evaluate_sample(IMAGE, HOLES, get_predictor(TinyModel(), "NoBRS", "cpu"), 0.9),
        lambda: evaluate_sample(IMAGE, MASK, Predictor(TinyModel()), 0.9),
    ],
)
def test_other_calls_refuse_what_they_cannot_use(build):
    with pytest.raises(InputError):
        build()


@pytest.mark.parametrize(
    "coords", [None, 5, (5,), (5, 6, 7), ("5", "6"), (NAN, 1), (INF, 1), (None, None), (5 + 1j, 6)]
)
def test_a_click_is_two_finite_numbers(coords):
    with pytest.raises(InputError, match="coords"):
        Click(True, coords)


@pytest.mark.parametrize("is_positive", ["yes", "0", None, 2, -1, NAN, []])
def test_a_click_is_positive_or_not(is_positive):
    with pytest.raises(InputError, match="is_positive"):
        Click(is_positive, (5, 6))


def test_clicks_of_sessions_lie_in_their_image(predictor):
    session = predictor.start(IMAGE)
    for coords in ((60, 5), (5, 80), (-1, 5), (1e9, 1e9)):
        with pytest.raises(InputError, match="outside the image"):
            predictor.step([session], [Click(True, coords)])
    for sessions, clicks in ((None, None), (session, Click(True, (5, 6))), ([session], []), ([session], [(5, 6)])):
        with pytest.raises(InputError):
            predictor.step(sessions, clicks)
    with pytest.raises(InputError):
        predictor.run([session], before=[])


@pytest.mark.parametrize(
    "image",
    [
        IMAGE,
        torch.rand(3, 9, 9),
        torch.full((1, 3, 9, 9), NAN),
        torch.rand(1, 3, 9, 9) * 255 + 1,
        torch.zeros(1, 3, 9, 9, dtype=torch.uint8),
        torch.rand(2, 3, 9, 9),
        torch.rand(1, 3, 0, 9),
        torch.zeros(1, 3, 9, 9, dtype=torch.complex64),
    ],
    ids=["array", "three dimensions", "NaN", "beyond 1", "uint8", "two images", "empty", "complex"],
)
def test_an_image_tensor_holds_floats_from_0_to_1(model, image):
    with pytest.raises(InputError, match="the image must"):
        Predictor(model).start_tensor(image)


def test_a_network_whose_output_is_not_a_number_says_so():
    broken = TinyModel()
    broken.last.bias.data.fill_(NAN)
    predictor = Predictor(broken)
    predictor.set_image(IMAGE)
    with pytest.raises(InputError, match="is not a number"):
        predictor.predict([(5, 6)], [1])
    assert predictor.session.clicks == ()


def test_a_network_that_fails_leaves_the_session_as_it_was(predictor, monkeypatch):
    expected = last_probs(predictor)

    def failing(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(predictor.model, "backbone_forward", failing)
        with pytest.raises(ZeroDivisionError):
            predictor.predict([(9, 9)], [1])
    assert len(predictor.session.clicks) == 1
    predictor.undo()
    np.testing.assert_array_equal(last_probs(predictor), expected)


def test_a_session_of_another_network_is_encoded_anew():
    one, other = EncodeOnceModel(), EncodeOnceModel()
    torch.nn.init.constant_(other.first.weight, 0.01)
    session = Predictor(one).start(IMAGE)
    click = [Click(True, (5, 6))]
    (mixed,) = Predictor(other).step([session], click)
    (own,) = Predictor(other).step([Predictor(other).start(IMAGE)], click)
    np.testing.assert_array_equal(mixed.probs, own.probs)


def test_a_state_that_is_refused_leaves_the_clicker_as_it_was():
    clicker = Clicker(init_clicks=[Click(True, (5, 6)), Click(False, (7, 8))])
    with pytest.raises(InputError):
        clicker.set_state([Click(True, (1, 2)), 3])
    assert [click.coords for click in clicker.get_clicks()] == [(5, 6), (7, 8)]


def test_states_of_other_kinds_are_refused(model):
    predictor = get_predictor(model, "NoBRS", "cpu")
    predictor.set_input_image(IMAGE)
    states = predictor.get_states()
    for wrong in (
        {},
        None,
        {**states, "transform_states": [1]},
        {**states, "prev_prediction": torch.zeros(1, 1, 5, 5)},
    ):
        with pytest.raises(InputError):
            predictor.set_states(wrong)
    with pytest.raises(InputError, match="clicker"):
        predictor.get_prediction([(5, 6)])
    with pytest.raises(InputError, match="real numbers"):
        predictor.get_prediction(Clicker(init_clicks=[Click(True, (5, 6))]), torch.zeros(60, 80, dtype=torch.complex64))
