"""What part of an image is seen: zooming, panning and resizing."""

import pytest

from isegm.demo.viewport import Viewport

IMAGE, WINDOW = (96, 72), (300, 200)


def test_an_image_is_first_seen_whole_and_in_the_middle():
    view = Viewport(IMAGE, WINDOW)
    assert view.scale == pytest.approx(200 / 72) and view.offset[1] == pytest.approx(0)
    assert view.offset[0] == pytest.approx((300 - 96 * 200 / 72) / 2)
    assert view.pixel(*view.offset) == (0, 0) and view.pixel(0, 100) is None
    assert view.pixel(299 - view.offset[0], 199) == (95, 71)


def test_zooming_keeps_what_is_under_the_cursor_and_has_bounds():
    view = Viewport(IMAGE, WINDOW)
    assert view.zoomed(1.2, 0, 100) is view  # outside the image
    for _ in range(30):
        before, view = view.pixel(150, 90), view.zoomed(1.2, 150, 90)
        assert view.pixel(150, 90) == before
    assert view.scale == 20
    for _ in range(30):
        view = view.zoomed(1 / 1.2, 150, 90)
    assert view == Viewport(IMAGE, WINDOW)


def test_panning_ends_at_the_edges():
    view = Viewport(IMAGE, WINDOW, scale=10)
    assert view.panned(-50, -20).offset == (-50, -20)
    assert view.panned(50, 20).offset == (0, 0)
    assert view.panned(-5000, -5000).offset == (300 - 960, 200 - 720)
    assert view.at_share(0, 0.5).share(0) == (0.5, 0.5 + 300 / 960)


def test_a_window_that_grows_is_filled_and_an_image_seen_whole_stays_so():
    whole = Viewport(IMAGE, WINDOW).resized((150, 100))
    assert whole == Viewport(IMAGE, (150, 100)) and whole.share(0) == whole.share(1) == (0, 1)
    part = Viewport(IMAGE, WINDOW, scale=4)
    assert part.resized((150, 100)).scale == 4
    assert part.resized((960, 720)).scale == 10


@pytest.mark.parametrize("scale", [0.0, 0.4, 1.0, 1.5, 7.3, 20.0])
@pytest.mark.parametrize("image", [IMAGE, (3, 900), (1000, 800), (1, 1)])
def test_what_is_seen_fills_the_window_or_shows_the_whole_image(image, scale):
    view = Viewport(image, WINDOW, scale=scale).panned(-41, -33)
    for axis, (length, outer) in enumerate(zip(image, WINDOW, strict=True)):
        seen = view.seen(axis)
        assert 0 <= seen.start < seen.stop <= outer
        assert seen.start <= max(0, view.offset[axis] + 1)
        assert seen.stop >= min(outer, view.offset[axis] + length * view.scale - 1)
        assert view.corner(axis) <= seen.start


@pytest.mark.parametrize("scale", [0.3, 1.0, 1.7])
def test_where_an_image_is_drawn_from_is_whole_and_moves_with_the_hand(scale):
    view = Viewport((2000, 1600), WINDOW, scale=scale, offset=(-150.3, -20.9))
    moved = view.panned(-7, 5)
    assert [moved.corner(0) - view.corner(0), moved.corner(1) - view.corner(1)] == [-7, 5]
    for x in view.seen(0):
        first, last = ((place - view.corner(0)) / scale for place in (x, x + 1))
        assert int(first) <= view.pixel(x, 50)[0] <= last


@pytest.mark.parametrize("image", [(5000, 3), (20000, 1), (3, 5000), (1, 20000)])
def test_an_image_thinner_than_a_pixel_of_the_window_is_where_it_is_drawn(image):
    view = Viewport(image, (301, 201))
    places = [(x, y) for x in view.seen(0) for y in view.seen(1)]
    found = [view.pixel(*place) for place in places]
    assert all(0 <= x < image[0] and 0 <= y < image[1] for x, y in found)
    assert len(set(found)) == len(places) and view.pixel(0, 0) is None
    middle = places[len(places) // 2]
    assert view.zoomed(4.0, *middle).scale == pytest.approx(4 * view.scale)
