"""What part of an image is seen: zooming, panning and resizing."""

import numpy as np
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


@pytest.mark.parametrize("scale", [0.0, 1.5, 7.3, 20.0])
@pytest.mark.parametrize("image", [IMAGE, (3, 900), (1000, 800), (1, 1)])
def test_what_is_drawn_covers_the_window_and_lies_where_clicks_are_looked_up(image, scale):
    view = Viewport(image, WINDOW, scale=scale).panned(-41, -33)
    rows, columns = np.mgrid[: image[1], : image[0]]
    picture = np.stack([columns % 256, rows % 256, columns // 256 + 16 * (rows // 256)], axis=-1).astype(np.uint8)
    drawn, (x, y) = view.render(picture)
    for axis, start, length in ((0, x, drawn.shape[1]), (1, y, drawn.shape[0])):
        assert start <= max(0, view.offset[axis] + 1) and start + length >= min(
            WINDOW[axis], view.offset[axis] + image[axis] * view.scale - 1
        )
    if view.scale > 2:
        at = (x + drawn.shape[1] // 2, y + drawn.shape[0] // 2)
        column, row = view.pixel(*at)
        seen = drawn[drawn.shape[0] // 2, drawn.shape[1] // 2]
        assert abs(int(seen[0]) - column % 256) <= 1 and abs(int(seen[1]) - row % 256) <= 1
