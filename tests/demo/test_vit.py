"""The interactive program with plain ViTs, whose input must be a multiple of the patch, at every setting."""

import numpy as np
import pytest

from isegm.demo.controller import Controller
from isegm.demo.settings import Settings
from isegm.utils.files import write_image
from tests.demo.clicked import CLICKS, SIZE, mask_of, prepared, probs_of
from tests.demo.scripted import drawn
from tests.vit import small_vit


@pytest.fixture
def place(tmp_path):
    return prepared(tmp_path)


def started(place, patch=16, max_size=800, image="photo.png", **changes):
    """A controller with the settings that the program starts with, and those changed; and the sizes that are read."""
    network, sizes = small_vit(patch_size=patch, img_size=(4 * patch, 4 * patch)), []
    network.backbone.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    settings = Settings.for_model(network, max_size)
    controller = Controller(network, settings=settings)
    for name, text in changes.items():
        settings = (
            settings.with_text(name, text) if isinstance(text, str) else Settings(**vars(settings) | {name: text})
        )
    controller.change(settings)
    controller.open(place / image)
    return controller, sizes


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, (448, 448)),
        ({"target_size": "672"}, (672, 672)),
        ({"target_size": "450"}, (448, 448)),
        ({"max_size": 400}, (400, 400)),
        ({"max_size": 300}, (288, 288)),
        ({"patch": 14}, (448, 448)),
        ({"patch": 14, "max_size": 400}, (392, 392)),
        ({"fixed_crop": False}, (336, 448)),
        ({"fixed_crop": False, "target_size": "250"}, (192, 256)),
        ({"zoom_in": False}, (64, 96)),
        ({"skip_clicks": "1"}, (64, 96)),
    ],
    ids=str,
)
def test_every_size_is_read_with_positions_of_that_size(changes, size, place):
    controller, sizes = started(place, **changes)
    for x, y, is_positive in CLICKS:
        controller.click(x, y, is_positive)
        assert probs_of(controller).shape == mask_of(controller).shape == SIZE
    controller.undo()
    controller.finish()
    assert sizes[0] == size and all(side % changes.get("patch", 16) == 0 for one in sizes for side in one)


def test_an_image_above_the_limit_is_made_smaller(place):
    write_image(place / "large.png", drawn((500, 700)))
    controller, sizes = started(place, zoom_in=False, max_size=300, image="large.png")
    controller.click(300, 200, True)
    assert sizes == [(208, 288)] and mask_of(controller).shape == (500, 700)


@pytest.mark.parametrize("size", [(20, 700), (9, 11)])
def test_thin_and_small_images_are_read(size, place):
    write_image(place / "thin.png", drawn(size))
    controller, sizes = started(place, fixed_crop=False, skip_clicks="1", image="thin.png")
    for x in (size[1] // 2, size[1] // 3):
        controller.click(x, size[0] // 2, True)
    assert mask_of(controller).shape == size and min(min(one) for one in sizes) == 32


@pytest.mark.parametrize("adaptive", [False, True])
def test_refinement_passes_begin_from_a_mask_that_was_loaded(adaptive, place):
    answers, starts = {}, {}
    for loaded in (True, False):
        controller, _ = started(place, cascade_steps="2", adaptive_cascade=adaptive)
        network = controller._predictor.model
        decode, seen = network.decode, []

        def watched(features, points, prev_mask=None, cache=None, decode=decode, seen=seen):
            seen.append(float(prev_mask[0].mean()))
            return decode(features, points, prev_mask, cache)

        network.decode = watched
        if loaded:
            controller.load_mask(place / "middle.png")
        controller.click(50, 40, True)
        answers[loaded], starts[loaded] = probs_of(controller), seen
    assert starts[True][0] > 0.05 and starts[False][0] == 0
    assert adaptive or (len(starts[True]), len(starts[False])) == (
        6,
        3,
    )  # as published, a mask's first click runs twice
    assert np.abs(answers[True] - answers[False]).max() > 0


def test_as_many_refinement_passes_as_the_published_program_takes_are_taken(place):
    controller, _ = started(place)
    controller.change(controller.settings.with_text("cascade_steps", "1000"))
    assert controller.settings.inference.cascade.steps == 1000
