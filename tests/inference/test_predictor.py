from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import build_model
from isegm.clicks import Click
from isegm.inference.merge import guarded_merge
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import InferenceSettings, settings_for
from isegm.inference.session import join_rows, take_rows
from isegm.inference.transforms import ZoomIn
from isegm.utils.boxes import Box
from isegm.utils.errors import InputError
from tests.analytic import BlobModel, EncodeOnceModel, TinyModel
from tests.networks import light_parameters

SETTINGS = {
    "ritm": settings_for("ritm"),
    "ritm fixed": settings_for("ritm", "fixed96"),
    "ritm first click twice": InferenceSettings(zoom_in=ZoomIn(64, skip_clicks=0, min_crop_size=8), flip=True),
    "clickseg": settings_for("clickseg", infer_size=96),
    "clickseg fixed": settings_for("clickseg", "fixed96", infer_size=96),
    "nothing": InferenceSettings(),
    "limits": InferenceSettings(zoom_in=ZoomIn(80, min_crop_size=20), flip=True, max_size=60, clicks_limit=2),
}
all_settings = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
all_models = pytest.mark.parametrize(
    "make_model",
    [
        BlobModel,
        TinyModel,
        EncodeOnceModel,
        lambda: TinyModel(with_prev_mask=False),
        lambda: TinyModel(with_cache=True),
    ],
    ids=["blob", "tiny", "encodes once", "no previous mask", "cache"],
)


def noise_image(height=60, width=80, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size=(height, width, 3), dtype=np.uint8)


def disk(image, row, column, radius=12):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def close(one, other, tolerance=1e-5):
    np.testing.assert_allclose(one, other, atol=tolerance, rtol=0)


@all_settings
@all_models
def test_a_batch_of_sessions_gives_the_answers_of_each_alone(make_model, settings):
    predictor = Predictor(make_model(), settings=settings)
    images = [noise_image(60, 80), noise_image(60, 80, 1), noise_image(50, 90, 2), noise_image(33, 47, 3)]
    clicks = [[(30, 20), (10, 70), (20, 30)], [(30, 40), (31, 41), (5, 5)], [(25, 80), (40, 3), (9, 9)], [(7, 9)] * 3]
    signs = [(True, True, False), (True, False, True), (False, True, True), (True, False, False)]
    init_masks = [None, disk(images[1], 20, 20) if predictor.model.with_prev_mask else None, None, None]
    sessions = [predictor.start(image, mask) for image, mask in zip(images, init_masks, strict=True)]
    alone = list(sessions)
    for k in range(3):
        made = [Click(signs[i][k], clicks[i][k]) for i in range(4)]
        sessions = predictor.step(sessions, made)
        alone = [predictor.step([session], [click])[0] for session, click in zip(alone, made, strict=True)]
        for together, single in zip(sessions, alone, strict=True):
            assert together.zoom.roi == single.zoom.roi and together.clicks == single.clicks
            close(together.probs, single.probs)
    assert [click.indx for click in sessions[0].clicks] == [0, 1, 2]


def test_equal_inputs_share_one_network_call():
    model = BlobModel()
    predictor = Predictor(model, settings=settings_for("clickseg", infer_size=32))
    sessions = [predictor.start(noise_image(*size)) for size in ((20, 30), (60, 40), (33, 33))]
    predictor.step(sessions, [Click(True, (5, 5))] * 3)
    assert model.calls == 1
    model.calls = 0
    predictor = Predictor(model, settings=InferenceSettings())
    predictor.step(sessions, [Click(True, (5, 5))] * 3)
    assert model.calls == 3


def test_sessions_in_different_states_may_share_a_batch():
    predictor = Predictor(TinyModel(with_cache=True), settings=InferenceSettings(flip=True))
    fresh = predictor.start(noise_image())
    (clicked,) = predictor.step([fresh], [Click(True, (5, 5))])
    both = predictor.step([clicked, fresh], [Click(True, (9, 9))] * 2)
    close(both[0].probs, predictor.step([clicked], [Click(True, (9, 9))])[0].probs)
    close(both[1].probs, predictor.step([fresh], [Click(True, (9, 9))])[0].probs)


@all_models
def test_a_click_leaves_the_session_it_is_made_on_alone(make_model):
    predictor = Predictor(make_model())
    before = predictor.start(noise_image())
    (first,) = predictor.step([before], [Click(True, (30, 40))])
    kept = first.probs.copy()
    once = predictor.step([first], [Click(False, (10, 10))])[0].probs
    predictor.step([first], [Click(True, (50, 70))])
    assert before.clicks == () and not before.probs.any() and len(first.clicks) == 1
    np.testing.assert_array_equal(first.probs, kept)
    np.testing.assert_array_equal(predictor.step([first], [Click(False, (10, 10))])[0].probs, once)


def test_two_users_of_one_predictor_do_not_disturb_each_other():
    predictor = Predictor(TinyModel())
    one, other = predictor.start(noise_image(seed=1)), predictor.start(noise_image(seed=2))
    for k in range(3):
        (one,) = predictor.step([one], [Click(k != 1, (20 + k, 30))])
        (other,) = predictor.step([other], [Click(True, (40 - k, 10))])
    again = predictor.start(noise_image(seed=1))
    for k in range(3):
        (again,) = predictor.step([again], [Click(k != 1, (20 + k, 30))])
    np.testing.assert_array_equal(one.probs, again.probs)


@pytest.mark.parametrize("flip", [False, True])
def test_a_network_that_encodes_once_sees_each_image_once(flip):
    model = EncodeOnceModel()
    predictor = Predictor(model, settings=InferenceSettings(flip=flip))
    first = session = predictor.start(noise_image())
    for k in range(3):
        (session,) = predictor.step([session], [Click(True, (20 + k, 30))])
    (second_object,) = predictor.step([first], [Click(True, (50, 60))])
    assert model.encoded == 1 + flip
    close(session.probs, step_by_step(TinyModel(), flip, 3).probs)
    assert len(second_object.clicks) == 1


def step_by_step(model, flip, clicks):
    predictor = Predictor(model, settings=InferenceSettings(flip=flip))
    session = predictor.start(noise_image())
    for k in range(clicks):
        (session,) = predictor.step([session], [Click(True, (20 + k, 30))])
    return session


def test_features_and_cache_are_dropped_when_the_crop_changes():
    settings = InferenceSettings(zoom_in=ZoomIn(64, min_crop_size=10), flip=True)
    cached, plain = EncodeOnceModel(with_cache=True), TinyModel()
    sessions = [Predictor(model, settings=settings).start(noise_image()) for model in (cached, plain)]
    for model, i in ((cached, 0), (plain, 1)):
        sessions[i] = sessions[i].with_prev_mask(disk(noise_image(), 20, 20))
        (sessions[i],) = Predictor(model, settings=settings).step([sessions[i]], [Click(True, (20, 20))])
        # an answer of the test's making: the next crop is a small one
        sessions[i] = sessions[i].with_prev_mask(disk(noise_image(), 20, 20))
        (sessions[i],) = Predictor(model, settings=settings).step([sessions[i]], [Click(True, (21, 20))])
    assert sessions[0].zoom.roi == sessions[1].zoom.roi is not None
    assert sessions[0].cache["passes"] == 1
    close(sessions[0].probs, sessions[1].probs)


def test_logits_not_probabilities_are_averaged_with_the_mirror_image():
    model, image = TinyModel(), noise_image()
    predictor = Predictor(model, settings=InferenceSettings(flip=True))
    (session,) = predictor.step([predictor.start(image)], [Click(True, (20, 30))])
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    empty = torch.zeros(1, 1, 60, 80)
    with torch.no_grad():
        logits = [
            model(torch.cat((t, empty), 1), torch.tensor([[[20.0, x, 0], [-1, -1, -1]]]))["instances"]
            for t, x in ((tensor, 30), (tensor.flip(3), 49))
        ]
    close(session.probs, torch.sigmoid((logits[0] + logits[1].flip(3)) / 2)[0, 0].numpy(), 1e-6)


def test_the_network_is_given_the_first_clicks_only():
    limited = Predictor(TinyModel(), settings=InferenceSettings(clicks_limit=1))
    free = Predictor(TinyModel(), settings=InferenceSettings())
    (once,) = free.step([free.start(noise_image())], [Click(True, (30, 40))])
    session = limited.start(noise_image()).with_click(Click(True, (30, 40)), Click(False, (10, 10)))
    close(limited.run([session])[0].probs, once.probs)


@pytest.mark.parametrize(("skip_clicks", "roi"), [(1, None), (-1, Box.of_image((60, 80)))])
def test_the_initial_mask_reaches_the_network_and_not_the_first_crop(skip_clicks, roi):
    settings = InferenceSettings(zoom_in=ZoomIn(64, skip_clicks=skip_clicks, min_crop_size=10))
    predictor = Predictor(TinyModel(), settings=settings)
    image = noise_image()
    (plain,) = predictor.step([predictor.start(image)], [Click(True, (20, 20))])
    (begun,) = predictor.step([predictor.start(image, disk(image, 20, 20))], [Click(True, (20, 20))])
    assert begun.zoom.roi == roi and np.abs(begun.probs - plain.probs).max() > 1e-3


def test_a_repeated_first_click_reads_the_mask_from_before_it():
    settings = InferenceSettings(zoom_in=ZoomIn((60, 80), skip_clicks=0, min_crop_size=10))
    model = BlobModel()
    predictor = Predictor(model, settings=settings)
    image = np.full((60, 80, 3), 100, dtype=np.uint8)
    (session,) = predictor.step([predictor.start(image)], [Click(True, (20, 20))])
    assert model.calls == 2 and session.zoom.roi is not None
    crop = session.view.crop(session.image)
    points = torch.tensor([[[*session.view.clicks(session.clicks)[0].coords, 0], [-1, -1, -1]]])
    expected = session.view.paste(torch.sigmoid(model.logits(crop, torch.zeros(1, 1, 60, 80), points)))
    close(session.probs, expected[0, 0].numpy())


# --- what people call


@pytest.fixture
def predictor():
    predictor = Predictor(TinyModel())
    predictor.set_image(noise_image())
    return predictor


def test_predict_returns_a_mask_and_probabilities_of_the_image(predictor):
    mask, probs = predictor.predict([(40, 30)], [1])
    assert mask.shape == probs.shape == (60, 80) and mask.dtype == bool and probs.dtype == np.float32
    np.testing.assert_array_equal(mask, probs > 0.49)
    probs[:] = 0  # belongs to the caller
    assert predictor.session.probs.any()


def test_predict_takes_x_before_y():
    predictor = Predictor(BlobModel())
    predictor.set_image(np.full((60, 80, 3), 100, dtype=np.uint8))
    _, probs = predictor.predict([(70, 10)], [1])
    assert np.unravel_index(probs.argmax(), probs.shape) == (10, 70)


def test_several_points_are_one_pass_in_the_order_given():
    model = BlobModel()
    predictor = Predictor(model)
    predictor.set_image(noise_image())
    predictor.predict([(40, 30), (5, 6.5)], [1, 0])
    assert model.calls == 1
    predictor.predict(np.array([[7, 8]]), np.array([1]))
    clicks = predictor.session.clicks
    assert [(c.coords, c.is_positive, c.indx) for c in clicks] == [
        ((30, 40), True, 0),
        ((6.5, 5), False, 1),
        ((8, 7), True, 2),
    ]


def test_predict_equals_step(predictor):
    session = predictor.start(noise_image())
    for x, y, label in ((40, 30, 1), (10, 10, 0), (41, 31, 1)):
        _, probs = predictor.predict([(x, y)], [label])
        (session,) = predictor.step([session], [Click(bool(label), (y, x))])
        np.testing.assert_array_equal(probs, session.probs)


def test_undo_goes_back_one_call_and_reset_all_of_them(predictor):
    first = predictor.predict([(40, 30)], [1])
    second = predictor.predict([(10, 10), (70, 50)], [0, 1])
    undone = predictor.undo()
    np.testing.assert_array_equal(undone[1], first[1])
    np.testing.assert_array_equal(predictor.predict([(10, 10), (70, 50)], [0, 1])[1], second[1])
    predictor.undo()
    mask, probs = predictor.undo()
    assert not mask.any() and not probs.any()
    with pytest.raises(RuntimeError, match="nothing to undo"):
        predictor.undo()
    predictor.predict([(10, 10)], [1])
    predictor.reset()
    np.testing.assert_array_equal(predictor.predict([(40, 30)], [1])[1], first[1])


def test_a_new_image_starts_from_nothing(predictor):
    predictor.predict([(40, 30)], [1])
    predictor.set_image(noise_image(30, 40))
    assert predictor.session.clicks == () and predictor.predict([(4, 3)], [1])[0].shape == (30, 40)


def test_a_mask_of_the_caller_replaces_the_last_answer(predictor):
    mask = disk(noise_image(), 20, 20)
    plain = predictor.predict([(40, 30)], [1])[1]
    predictor.reset()
    begun = predictor.predict([(40, 30)], [1], prev_mask=mask)[1]
    assert np.abs(begun - plain).max() > 1e-3
    predictor.predict([(20, 20)], [1], prev_mask=mask.astype(float))
    assert predictor.session.zoom.roi is not None
    predictor.undo()
    np.testing.assert_array_equal(predictor.session.probs, begun)


def test_prev_mask_in_the_middle_moves_the_crop_to_it():
    predictor = Predictor(TinyModel(), settings=InferenceSettings(zoom_in=ZoomIn(64, min_crop_size=10)))
    image = noise_image()
    predictor.set_image(image)
    predictor.predict([(20, 20)], [1])
    predictor.predict([(21, 20)], [0], prev_mask=disk(image, 20, 20, 6))
    assert predictor.session.zoom.roi.inclusive == (11, 29, 11, 29)


def test_a_network_that_reads_no_previous_mask_starts_from_one_by_merging():
    predictor, image = Predictor(TinyModel(with_prev_mask=False)), noise_image()
    start = disk(image, 20, 20)
    predictor.set_image(image)
    predictor.predict([(40, 30)], [1])
    probs = predictor.predict([(20, 20)], [0])[1]
    predictor.undo()
    mask, merged_probs = predictor.predict([(20, 20)], [0], prev_mask=start)
    np.testing.assert_array_equal(merged_probs, probs)  # the network does not see the mask
    np.testing.assert_array_equal(mask, guarded_merge(start, probs > 0.49, Click(False, (20, 20))))


def test_calls_before_an_image_is_set_say_so():
    predictor = Predictor(TinyModel())
    for call in (lambda: predictor.predict([(1, 1)], [1]), predictor.undo, predictor.reset):
        with pytest.raises(RuntimeError, match="An image must be set with set_image before predict"):
            call()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((3, 4, 5), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((4, 5, 3), bool),
        "photo.png",
        None,
    ],
    ids=["gray", "alpha", "channels first", "empty", "float", "bool", "a path", "nothing"],
)
def test_images_of_another_kind_are_refused_with_advice(image):
    with pytest.raises(InputError, match=r"the image must be"):
        Predictor(TinyModel()).set_image(image)


@pytest.mark.parametrize(
    ("points", "labels", "prev_mask", "message"),
    [
        ([], [], None, "at least one click"),
        ([], [], np.zeros((60, 80)), "at least one click"),
        ([(80, 1)], [1], None, "outside"),
        ([(1, 60)], [1], None, "outside"),
        ([(-1, 5)], [1], None, "outside"),
        ([(1, 1)], [2], None, "labels"),
        ([(1, 1)], [1, 0], None, "labels"),
        ([(1, 1)], [1], np.zeros((80, 60)), "mask"),
        ([(1, 1)], [1], np.full((60, 80), 255), "mask"),
        ([(1, 1)], [1], np.full((60, 80), -0.1), "mask"),
        ([(1, 1)], [1], np.full((60, 80), np.nan), "mask"),
        ([(1, 1)], [1], np.full((60, 80), "1"), "mask"),
    ],
)
def test_bad_clicks_and_masks_are_refused_and_change_nothing(predictor, points, labels, prev_mask, message):
    before = predictor.predict([(40, 30)], [1])[1]
    with pytest.raises(InputError, match=message):
        predictor.predict(points, labels, prev_mask)
    np.testing.assert_array_equal(predictor.session.probs, before)
    assert len(predictor.session.clicks) == 1


def test_the_image_may_be_anything_that_numpy_reads(predictor):
    image = noise_image()
    expected = predictor.predict([(40, 30)], [1])[1]
    read_only = image.copy()
    read_only.flags.writeable = False
    for same in (read_only, np.asfortranarray(image), image[:, ::-1][:, ::-1], torch.from_numpy(image)):
        predictor.set_image(same)
        np.testing.assert_array_equal(predictor.predict([(40, 30)], [1])[1], expected)


@all_settings
@pytest.mark.parametrize("model", [BlobModel(), TinyModel(), TinyModel(with_prev_mask=False)])
@pytest.mark.parametrize(
    "clicks",
    [
        [(40, 30, 1), (40, 30, 1), (40, 30, 0)],
        [(0, 0, 1), (79, 59, 1), (79, 0, 0), (0, 59, 0)],
        [(40, 30, 0), (10, 10, 0), (40, 30, 1)],
        [(40, 30, 1), (42, 31, 1), (40.5, 30.25, 1)],
    ],
    ids=["same pixel twice", "corners", "negative first", "inside the mask"],
)
def test_clicks_that_no_simulator_makes_give_finite_answers(settings, model, clicks):
    predictor = Predictor(model, settings=settings)
    predictor.set_image(noise_image())
    for x, y, label in clicks:
        mask, probs = predictor.predict([(x, y)], [label])
        assert mask.shape == (60, 80) and np.isfinite(probs).all() and probs.min() >= 0 and probs.max() <= 1


@all_settings
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (600, 1)])
def test_tiny_images_work(settings, size):
    for model in (BlobModel(), TinyModel()):
        predictor = Predictor(model, settings=settings)
        predictor.set_image(noise_image(*size))
        for label in (1, 0, 1):
            mask, _ = predictor.predict([(0, 0)], [label])
            assert mask.shape == size


@pytest.mark.parametrize("name", light_parameters())
def test_every_network_segments_by_the_protocol_that_it_names(name):
    torch.manual_seed(0)
    network = build_model(name).eval()
    small = replace(settings_for(network.protocol), zoom_in=None, short_side=None, resize=(96, 96))
    predictor = Predictor(network, settings=small)
    predictor.set_image(noise_image(61, 83))
    for point, label in [((20.0, 30.0), 1), ((70.0, 8.0), 0)]:
        mask, probs = predictor.predict(points=[point], labels=[label])
    assert mask.shape == probs.shape == (61, 83)
    assert np.isfinite(probs).all() and 0 <= probs.min() <= probs.max() <= 1


def test_probs_of_a_session_cannot_be_written_to(predictor):
    with pytest.raises(ValueError):
        predictor.session.probs[0, 0] = 1


def test_joining_and_taking_rows_are_inverse_for_nested_values():
    trees = [{"a": torch.full((2, 3), k), "b": [(torch.full((2, 1), k), None)], "n": 5} for k in (1.0, 2.0)]
    joined = join_rows(trees)
    assert joined["a"].shape == (4, 3) and joined["b"][0][0].shape == (4, 1) and joined["n"] == 5
    taken = take_rows(joined, (2, 3))
    assert torch.equal(taken["a"], trees[1]["a"]) and torch.equal(taken["b"][0][0], trees[1]["b"][0][0])
    assert torch.equal(take_rows(joined, (3, 0))["a"], torch.tensor([[2.0] * 3, [1.0] * 3]))
