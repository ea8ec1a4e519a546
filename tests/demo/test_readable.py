"""The mask that is being clicked can be read on any image: bright colours, a contrasting outline, a key to hide it."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from isegm.annotations import AnnotatedObject, Region
from isegm.demo.pyramid import Pyramid
from isegm.demo.scene import Renderer, Scene
from isegm.demo.viewport import Viewport
from isegm.utils.vis import object_color
from tests.demo.autosaved import begun
from tests.demo.scripted import as_data, prepare

FAR = 25  # distance in CIELAB that nobody overlooks
SIDE = 60


def lab(colors):
    return rgb2lab(np.array(colors, np.float64)[None] / 255)[0]


def test_colours_of_objects_are_bright_and_those_of_neighbouring_numbers_distinct():
    colors = [object_color(number) for number in range(1, 301)]
    assert all(type(part) is int and 0 <= part <= 255 for color in colors for part in color)
    found = lab(colors)
    assert (found[:, 0] > 50).all() and max(map(max, colors)) == 255
    assert (np.hypot(found[:, 1], found[:, 2]) > 30).all()  # no greys
    first = np.linalg.norm(found[:12, None] - found[None, :12], axis=-1) + 1000 * np.eye(12)
    assert first.min() > FAR
    assert (np.linalg.norm(np.diff(found, axis=0), axis=1) > FAR).all()
    assert object_color(7) == object_color(7) and object_color(65535) is not None


def test_new_objects_and_those_of_files_without_colours_have_them(tmp_path):
    assert AnnotatedObject(3, Region.empty((4, 4))).color == object_color(3)


@pytest.mark.parametrize("background", [(128, 0, 0), (0, 160, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128)])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.7])
def test_the_outline_while_clicking_is_black_beside_white_on_any_background(background, scale):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[20:40, 15:45] = True
    image = np.full((SIDE, SIDE, 3), background, np.uint8)
    viewport = Viewport((SIDE, SIDE), (round(SIDE * scale),) * 2, scale=scale)
    scene = Scene(selection=Region.of(mask), color=background, contrast=True)
    pixels, _ = Renderer().render(Pyramid(image), viewport, scene)
    row = pixels[round(30 * scale)].astype(int)
    edge = round(15 * scale)
    near = row[edge - 2 : edge + 3]
    black, white = [(near == level).all(axis=1) for level in (0, 255)]
    assert (black[:-1] & white[1:]).any()  # black outside, white inside
    assert (pixels[round(30 * scale), round(30 * scale)] == background).all()  # nothing else is covered


def test_a_mask_at_the_border_and_of_single_pixels_is_outlined():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[0, 0] = mask[30, 30] = mask[59, 40:] = True
    image = np.full((SIDE, SIDE, 3), 128, np.uint8)
    scene = Scene(selection=Region.of(mask), color=(128, 128, 128), contrast=True)
    pixels, _ = Renderer().render(Pyramid(image), Viewport((SIDE, SIDE), (SIDE, SIDE)), scene)
    assert (pixels[mask] == 255).all() and (pixels[29:32, 29:32].sum(axis=2) == 0).sum() >= 4
    assert (pixels[0, 1] == 0).all() and (pixels[58, 45] == 0).all()


def test_the_colour_of_the_object_in_progress_is_chosen_at_once_and_kept(tmp_path):
    controller = begun(prepare(tmp_path), (20, 15, True))
    assert controller.document.draft_color == object_color(1)
    controller.color((1, 2, 3))
    controller.click(25, 10, True)
    assert controller.document.draft_color == (1, 2, 3)
    controller.close()
    again = begun(tmp_path)
    assert again.document.draft_color == (1, 2, 3)
    again.undo()
    again.undo()
    assert again.document.draft_color == object_color(1)
    again.redo()
    again.finish()
    assert again.document.objects[0].color == (1, 2, 3) and again.document.draft_color == object_color(2)
    again.reopen(1)
    assert again.document.draft_color == (1, 2, 3)
    again.color((9, 9, 9))
    again.finish()
    assert again.document.objects[0].color == (9, 9, 9)
    again.close()


def test_without_an_object_in_progress_there_is_nothing_to_colour(tmp_path):
    controller = begun(prepare(tmp_path))
    with pytest.raises(ValueError, match="no object is in progress: click on one first"):
        controller.color((1, 2, 3))
    controller.click(20, 15, True)
    before = as_data(controller.document)
    with pytest.raises(ValueError, match="give red, green, blue"):
        controller.color((1, 2, 300))
    assert as_data(controller.document) == before
    controller.close()


def shown(user):
    """What is on the canvas, as an array."""
    image = user.program.image._shown
    rows = image.tk.call(image.name, "data")
    return [image.tk.splitlist(row) for row in image.tk.splitlist(rows)]


def test_a_key_hides_all_masks_until_it_is_pressed_again_or_something_changes(drive):
    user = drive()
    plain = shown(user)
    user.left(40, 30)
    user.key("space")
    user.left(20, 60)
    masked = shown(user)
    user.key("h")
    hidden = shown(user)
    assert hidden != masked and user.program.hint["text"] == "Masks are hidden: H shows them."
    user.key("H")
    assert shown(user) == masked
    user.key("h")
    user.key("Control-z")
    assert user.program.hint["text"] != "Masks are hidden: H shows them."
    user.key("Control-y")
    assert shown(user) == masked
    user.key("space")
    user.key("h")
    assert shown(user) == plain


def test_the_colour_button_shows_and_changes_the_colour_while_clicking(drive, answer):
    user = drive()
    objects = user.program.objects
    assert str(objects.new_color["state"]) == "disabled"
    user.left(40, 30)
    answer(askcolor=((10, 200, 30), "#0ac81e"))
    objects.new_color.invoke()
    user.settle()
    assert user.controller.document.draft_color == (10, 200, 30)
    assert user.program.scene.color == (10, 200, 30)
    answer(askcolor=(None, None))
    objects.new_color.invoke()
    user.key("space")
    assert user.controller.document.objects[0].color == (10, 200, 30)
