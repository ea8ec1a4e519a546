"""What is drawn of an image: image, objects and clicks at the scale of the window."""

import gc
import tracemalloc
import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest

from isegm.annotations import AnnotatedObject, Region
from isegm.clicks import Click
from isegm.demo.pyramid import Layer, Patch, Pyramid
from isegm.demo.scene import Renderer, Scene
from isegm.demo.viewport import Viewport
from isegm.prompts import Prompt
from isegm.utils.vis import draw_clicks

WIDTH, HEIGHT = SIZE = (301, 203)
COLOR = (10, 200, 90)


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def blob(seed, width=WIDTH, height=HEIGHT):
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(height, width)), (0, 0), 9)
    return noise > np.quantile(noise, 0.6)


def objects(*masks):
    return tuple(AnnotatedObject(number, Region.of(mask)) for number, mask in enumerate(masks, 1))


def blended(image, mask, color, alpha):
    """The published blend, rounded."""
    mixed = np.rint(image * (1 - alpha) + np.array(color) * alpha).astype(np.uint8)
    return np.where(mask[..., None], mixed, image)


def render(photo, viewport, scene):
    return Renderer().render(Pyramid(photo), viewport, scene)


@pytest.mark.parametrize("window", [SIZE, (350, 203), (640, 203)])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.75, 1.0])
def test_at_scale_1_it_is_the_published_image(photo, window, alpha):
    first, second, selection, kept = blob(1), blob(2), blob(3), blob(3) & blob(4)
    items, clicks = objects(first, second), [Click(True, (50, 60)), Click(False, (120, 9)), Click(True, (202, 300))]
    scene = Scene(items, Region.of(selection), COLOR, Region.of(kept), clicks, alpha=alpha, outlines=False)
    viewport = Viewport(SIZE, window)
    pixels, place = render(photo, viewport, scene)
    expected = photo
    for mask, color in ((first, items[0].color), (second, items[1].color), (selection, COLOR)):
        expected = np.where(mask[..., None], blended(photo, mask, color, alpha), expected)
    expected = draw_clicks(blended(expected, kept, COLOR, alpha), clicks, radius=3)
    assert viewport.scale == 1
    np.testing.assert_array_equal(pixels, expected)
    assert viewport.pixel(*place) == (0, 0)


@pytest.mark.parametrize("scale", [2.01, 3.7, 8.0, 20.0])
def test_enlarged_pixels_are_squares_that_lie_where_clicks_are_looked_up(photo, scale):
    mask, other = blob(1), blob(2)[:, ::-1]
    scene = Scene(objects(other), Region.of(mask), COLOR, alpha=1.0, outlines=False)
    at_once = blended(blended(photo, other, objects(other)[0].color, 1.0), mask, COLOR, 1.0)
    for offset in ((-31.4, -77.7), (0.0, 0.0), (-1e9, -1e9)):
        viewport = Viewport(SIZE, (97, 83), scale=scale, offset=offset)
        pixels, (x, y) = render(photo, viewport, scene)
        assert (x, y) == (0, 0) and pixels.shape == (83, 97, 3)
        columns = [viewport.pixel(column, 0)[0] for column in range(97)]
        rows = [viewport.pixel(0, row)[1] for row in range(83)]
        np.testing.assert_array_equal(pixels, at_once[np.ix_(rows, columns)])


@pytest.mark.parametrize("scale", [0.06, 0.11, 0.25, 0.3, 0.49, 0.51, 0.7, 0.99, 1.4, 2.0])
def test_each_part_of_the_image_and_of_a_mask_is_drawn_at_its_place(scale):
    width, height = 2003, 1517
    rows, columns = np.mgrid[:height, :width]
    photo = np.stack([columns // 8, rows // 8, 0 * rows], axis=-1).astype(np.uint8)
    disk = (columns - 901) ** 2 + (rows - 707) ** 2 < 400**2
    viewport = Viewport((width, height), (100, 80), scale=scale, offset=(-901 * scale + 50, -307 * scale + 40))
    pixels, (x, y) = render(photo, viewport, Scene())
    down, across = (np.arange(size) for size in pixels.shape[:2])
    at_x = (across + x + 0.5 - viewport.corner(0)) / viewport.scale
    at_y = (down + y + 0.5 - viewport.corner(1)) / viewport.scale
    inner = np.s_[1:-1, 1:-1]
    assert np.abs(pixels[..., 0] - (at_x[None] - 4) / 8)[inner].max() <= 1
    assert np.abs(pixels[..., 1] - (at_y[:, None] - 4) / 8)[inner].max() <= 1
    over = Scene(selection=Region.of(disk), color=(0, 0, 255), alpha=1.0, outlines=False)
    share = render(photo, viewport, over)[0][..., 2] / 255
    distance = np.hypot(at_x[None] - 901.5, at_y[:, None] - 707.5) * viewport.scale
    far = np.abs(distance - 400 * viewport.scale)
    assert np.array_equal(share[far > 2], (distance < 400 * viewport.scale)[far > 2])
    np.testing.assert_allclose(share.sum(), (distance < 400 * viewport.scale).sum(), rtol=0.02, atol=4)


def test_an_image_that_is_shrunk_is_smooth(photo):
    pixels, _ = render(photo, Viewport(SIZE, (75, 60)), Scene())
    expected = cv2.resize(photo, (75, 51), interpolation=cv2.INTER_AREA)
    assert pixels.shape == expected.shape and pixels.std() < 1.2 * expected.std() < 0.4 * photo.std()


@pytest.mark.parametrize("scale", [0.37, 1.0, 1.6, 4.0])
def test_what_is_panned_by_whole_pixels_looks_the_same(photo, scale):
    big = np.tile(photo, (3, 3, 1))
    scene = Scene(objects(blob(1, 903, 609)), Region.of(blob(2, 903, 609)), clicks=[Click(True, (250.3, 190.9))])
    viewport = Viewport((903, 609), (140, 90), scale=scale, offset=(-100.3 * scale, -215.7 * scale))
    before, _ = render(big, viewport, scene)
    after, _ = render(big, viewport.panned(-13, 9), scene)
    edge = 3  # outlines depend on what is beyond it
    first, second = before[edge : -9 - edge, 13 + edge : -edge], after[9 + edge : -edge, edge : -13 - edge]
    np.testing.assert_allclose(first.astype(int), second, rtol=0, atol=1)


def test_what_is_kept_of_earlier_drawings_changes_nothing(photo):
    rng = np.random.default_rng(5)
    pyramids, renderer = [Pyramid(photo), Pyramid(photo[::-1])], Renderer()
    items, selections = objects(blob(1), blob(2), blob(3)), [None, *(Region.of(blob(seed)) for seed in (4, 5))]
    viewport, pyramid, scene = Viewport(SIZE, (120, 90)), pyramids[0], Scene()
    for step in range(60):
        changed = step % 6
        if changed == 0:
            pyramid = pyramids[rng.integers(2)]
        elif changed == 1:
            viewport = viewport.zoomed(rng.choice([0.5, 1.3, 2.5]), 60, 45).panned(*rng.integers(-30, 30, 2))
        elif changed == 2:
            scene = replace(scene, objects=tuple(item for item in items if rng.random() < 0.6))
        elif changed == 3:
            scene = replace(scene, selection=selections[rng.integers(3)], kept=selections[rng.integers(3)])
        elif changed == 4:
            scene = replace(scene, alpha=rng.random(), outlines=bool(rng.integers(2)), selected=rng.integers(4))
        else:
            scene = replace(scene, color=tuple(rng.integers(0, 256, 3).tolist()))
        pixels, place = renderer.render(pyramid, viewport, scene)
        expected, expected_place = Renderer().render(pyramid, viewport, scene)
        np.testing.assert_array_equal(pixels, expected)
        assert place == expected_place


def test_an_answer_to_a_click_draws_neither_the_image_nor_other_objects_anew(photo):
    drawn = []

    class Watched(Pyramid):
        def sampled(self, patch: Patch) -> np.ndarray:
            drawn.append(patch)
            return super().sampled(patch)

    class WatchedRegion(Region):
        @property
        def pixels(self) -> np.ndarray:
            drawn.append(self)
            return super().pixels

    pyramid, renderer, viewport = Watched(photo), Renderer(), Viewport(SIZE, SIZE)
    items = (AnnotatedObject(1, WatchedRegion.of(blob(1))),)
    renderer.render(pyramid, viewport, Scene(items))
    assert drawn
    drawn.clear()
    renderer.render(pyramid, viewport, Scene(list(items), Region.of(blob(2)), clicks=[Click(True, (3, 4))]))
    assert not drawn


def test_no_memory_is_kept_for_regions_that_are_no_longer_drawn(photo):
    region, renderer, pyramid, viewport = Region.of(blob(1)), Renderer(), Pyramid(photo), Viewport(SIZE, (60, 50))
    renderer.render(pyramid, viewport, Scene(selection=region, kept=region))
    renderer.render(pyramid, viewport, Scene())
    gone = weakref.ref(region)
    del region
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("scale", [0.07, 0.2, 0.6, 1.0, 1.5, 3.0])
def test_outlines_show_what_is_thinner_than_a_pixel_of_the_screen(scale):
    line = np.zeros((1000, 1400), bool)
    line[501, 300:1100] = True
    viewport = Viewport((1400, 1000), (100, 90), scale=scale, offset=(-700 * scale + 50, -501 * scale + 45))
    pixels, _ = render(np.zeros((1000, 1400, 3), np.uint8), viewport, Scene(selection=Region.of(line), color=COLOR))
    colored = (pixels == COLOR).all(axis=2)
    inside = [viewport.pixel(x, 45) is not None and 310 < viewport.pixel(x, 45)[0] < 1090 for x in range(100)]
    assert colored[:, -pixels.shape[1] :].any(axis=0)[np.array(inside[: pixels.shape[1]])].all()
    assert colored.any(axis=1).sum() <= max(2, scale + 1)


@pytest.mark.parametrize("scale", [1.0, 6.0])
def test_an_outline_is_one_pixel_wide_inside_the_object_and_not_at_the_edge_of_the_window(scale):
    mask = np.zeros((90, 120), bool)
    mask[20:40, 30:120] = True
    viewport = Viewport((120, 90), (120, 90), scale=scale, offset=(-20 * scale, -10 * scale) if scale > 1 else (0, 0))
    pixels, _ = render(np.zeros((90, 120, 3), np.uint8), viewport, Scene(objects(mask)))
    item = objects(mask)[0]
    ring = (pixels == item.color).all(axis=2)
    inside = (pixels == np.rint(np.array(item.color) / 2)).all(axis=2)
    x, y = (round(viewport.offset[0] + 30 * scale), round(viewport.offset[1] + 20 * scale))
    assert ring[y, x:].all() and ring[y : y + 15, x].all() and inside[y + 1 : y + 15, x + 1 : -1].all()
    assert not (ring | inside)[:y].any() and not (ring | inside)[:, :x].any()
    assert inside[y + 1 : y + 15, -1].all()


def test_the_selected_object_has_a_white_outline_above_those_that_hide_it(photo):
    hidden = np.zeros((HEIGHT, WIDTH), bool)
    hidden[50:100, 60:160] = True
    items = objects(hidden, np.ones((HEIGHT, WIDTH), bool))
    scene, viewport = Scene(items, alpha=1.0, outlines=False, selected=1), Viewport(SIZE, SIZE)
    pixels, _ = render(photo, viewport, scene)
    white = (pixels == 255).all(axis=2)
    assert white[49, 60:160].all() and white[50:100, 160].all() and not white[50:100, 60:160].any()
    assert white.sum() < 700
    assert not (render(photo, viewport, replace(scene, selected=7))[0] == 255).all(axis=2).any()


def test_clicks_can_be_seen_from_far_away_and_are_hidden_by_radius_0(photo):
    dark = np.zeros((900, 1200, 3), np.uint8)
    clicks = [Click(True, (300, 300)), Click(False, (600, 900))]
    viewport = Viewport((1200, 900), (120, 90))
    pixels, _ = render(dark, viewport, Scene(clicks=clicks))
    assert tuple(pixels[30, 30]) == (0, 255, 0) and tuple(pixels[60, 90]) == (255, 0, 0)
    assert 30 < (pixels[20:40, 20:40] > 0).any(axis=2).sum() < 110
    assert not render(dark, viewport, Scene(clicks=clicks, click_radius=0))[0].any()
    near, _ = render(dark, Viewport((1200, 900), (120, 90), scale=8, offset=(-2350, -2350)), Scene(clicks=clicks))
    assert tuple(near[54, 32]) == (0, 255, 0) and tuple(near[54, 85]) == (0, 0, 0)  # 3 pixels of the image are 24


def test_clicks_that_wait_are_hollow():
    scene = Scene(waiting=[Click(True, (50, 50)), Click(False, (50, 80))], click_radius=6)
    pixels, _ = render(np.zeros((100, 130, 3), np.uint8), Viewport((130, 100), (130, 100)), scene)
    assert not pixels[50, 50].any() and not pixels[50, 80].any()
    assert pixels[50, 56, 1] > 200 > pixels[50, 56, 0] and pixels[50, 86, 0] > 200 > pixels[50, 86, 1]


def test_prompts_that_wait_have_no_white_seam():
    line = Prompt("scribble", ((50.0, 20.0), (50.0, 90.0)), is_positive=False)
    view = Viewport((130, 100), (130, 100))
    for scene, seamed in ((Scene(prompts=[line]), True), (Scene(waiting=[line]), False)):
        pixels, _ = render(np.zeros((100, 130, 3), np.uint8), view, scene)
        red, green, _ = pixels[50, 60]
        assert red > 200 and green < 50 and not pixels[46, 60].any()
        assert (pixels[49, 60, 1] > 150) == seamed


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3, 2), (257, 513)])
@pytest.mark.parametrize("window", [(1, 1), (40, 30), (900, 800)])
def test_any_image_is_drawn_in_any_window(size, window):
    width, height = size
    photo, everything = np.full((height, width, 3), 100, np.uint8), np.ones((height, width), bool)
    viewport = Viewport(size, window)
    scene = Scene(objects(everything), Region.of(everything), COLOR, Region.empty((height, width)), selected=1)
    for look in (viewport, viewport.zoomed(3.0, window[0] / 2, window[1] / 2)):
        pixels, (x, y) = render(photo, look, scene)
        assert pixels.shape == (len(look.seen(1)), len(look.seen(0)), 3)
        assert 0 <= x < window[0] and 0 <= y < window[1]
    assert window == (1, 1) or (pixels[pixels.shape[0] // 2, pixels.shape[1] // 2] != 100).any()


@pytest.mark.parametrize("place", [(0, 0), (1, 0), (0, 1), (7, 5)])
@pytest.mark.parametrize("shape", [(1, 1), (255, 64), (256, 31), (257, 2), (601, 403)])
def test_a_mask_is_halved_to_the_means_of_four_pixels(shape, place):
    mask = np.random.default_rng(3).random(shape) < 0.6
    layer = Layer(mask, *place).halved()
    (height, width), (top, left) = shape, (place[0] % 2, place[1] % 2)
    around = np.pad(mask, ((top, (top + height) % 2), (left, (left + width) % 2)))
    blocks = around.reshape(around.shape[0] // 2, 2, -1, 2)
    np.testing.assert_allclose(layer.pixels, 255 * blocks.mean(axis=(1, 3)), rtol=0, atol=0.5)
    assert (layer.top, layer.left, layer.level) == (place[0] // 2, place[1] // 2, 1)


def test_halving_a_large_mask_copies_it_nowhere():
    layer = Layer(np.ones((2001, 3001), bool), 1, 1)
    tracemalloc.start()
    layer.halved()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert layer.pixels.nbytes / 4 < peak < layer.pixels.nbytes / 2
