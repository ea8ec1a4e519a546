"""Drawing of image, objects and clicks at the resolution of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.annotations import AnnotatedObject, Region
from isegm.demo.document import Document
from isegm.demo.pyramid import Layer, Patch, Pyramid
from isegm.demo.settings import Settings
from isegm.demo.viewport import Viewport
from isegm.prompts import Prompt
from isegm.utils.vis import MASK_COLOR, NEGATIVE_COLOR, POSITIVE_COLOR, DrawnClick

SMALLEST_DOT = 3.0  # smallest radius of a click, in pixels of the screen
WHITE = (255, 255, 255)
BLACK = (0, 0, 0)
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
DISK = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
FRACTION_BITS = 4  # fractional bits of the coordinates of clicks on the screen

Color = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Scene:
    """The contents that are drawn over an image. Regions have its size.

    Attributes:
        objects: later ones hide earlier ones.
        selection: the object in progress, on top of all others; None for none.
        color: RGB of the selection, each 0..255.
        kept: the part of the selection that partial finishes kept, which is blended a second time; None for none.
        clicks: drawn as dots, on top of everything.
        prompts: boxes, scribbles and lassos, drawn as lines below the clicks.
        waiting: clicks on which the network has not run yet, drawn as circles, and prompts, as thinner lines.
        alpha: share of an object's colour in its pixels, 0..1.
        click_radius: in pixels of the image, but at least ``SMALLEST_DOT`` on the screen; 0 hides all clicks.
        outlines: whether each object has an outline, one pixel of the screen wide, in its full colour.
        contrast: whether the selection's outline is white, with a black one around it, to be seen on any image.
        selected: number of an object with a white outline, drawn below only the one in progress; None for none.
    """

    objects: Sequence[AnnotatedObject] = ()
    selection: Region | None = None
    color: Color = MASK_COLOR
    kept: Region | None = None
    clicks: Sequence[DrawnClick] = ()
    prompts: Sequence[Prompt] = ()
    waiting: Sequence[DrawnClick | Prompt] = ()
    alpha: float = 0.5
    click_radius: float = 3
    outlines: bool = True
    contrast: bool = False
    selected: int | None = None


def scene_of(
    document: Document,
    settings: Settings,
    waiting: Sequence[DrawnClick | Prompt],
    selected: int | None,
    hidden: bool,
) -> Scene:
    """The scene of a document.

    Args:
        waiting: clicks and prompts on which the network has not run yet.
        selected: number of the selected object; None for none.
        hidden: leave out all masks, but not the clicks.
    """
    draft = document.draft
    clicks = () if draft is None else draft.clicks
    prompts = () if draft is None else draft.prompts
    if hidden:
        return Scene(clicks=clicks, prompts=prompts, waiting=waiting, click_radius=settings.click_radius)
    return Scene(
        objects=document.finished,
        selection=document.selection,
        color=document.draft_color,
        kept=document.kept,
        clicks=clicks,
        prompts=prompts,
        waiting=waiting,
        alpha=settings.alpha,
        click_radius=settings.click_radius,
        contrast=True,
        selected=selected,
    )


class Renderer:
    """Draws scenes and caches intermediate results for the next one.

    After a click only the object in progress is drawn anew. The time grows with the window, not with the image, except
    that a region seen from far away for the first time takes some milliseconds for 30 megapixels.
    """

    def __init__(self) -> None:
        self._view: tuple[Pyramid, Viewport] | None = None  # that ``_image`` shows
        self._image: np.ndarray | None = None
        self._looks: tuple = ()  # appearance of the objects in ``_under``
        self._under: np.ndarray | None = None  # the image with all objects but the one in progress
        self._halvings: dict[Region, list[Layer]] = {}

    def render(self, pyramid: Pyramid, viewport: Viewport, scene: Scene) -> tuple[np.ndarray, tuple[int, int]]:
        """Draw the visible part of an image and its scene.

        Up to scale 2 everything is interpolated and moves by whole pixels of the screen; above, pixels of image and
        masks are squares. A shrunk mask covers pixels of the screen partly, and the outline encloses all of them, so
        that objects thinner than a pixel of the screen stay visible.

        Args:
            pyramid: the image.
            viewport: the visible part, for an image of its size.
            scene: the contents to draw over it.

        Returns:
            (h, w, 3) uint8 RGB, an array of its own, and the position (x, y) of its top left corner in the window.
        """
        seen = Patch.seen(viewport)
        if self._image is None or self._view != (pyramid, viewport):
            self._view, self._image, self._under = (pyramid, viewport), pyramid.sampled(seen), None
        image = self._image
        looks = (scene.alpha, scene.outlines, scene.selected, *scene.objects)
        if self._under is None or self._looks != looks:
            self._looks, self._under = looks, self._with_objects(image, seen, scene)
        pixels = self._under.copy()
        if scene.selection is not None:
            outline = scene.outlines and not scene.contrast
            self._paint(pixels, image, seen, scene.selection, scene.color, scene.alpha, outline)
        if scene.kept is not None:
            self._paint(pixels, pixels, seen, scene.kept, scene.color, scene.alpha, outline=False)
        if scene.selection is not None and scene.contrast:
            self._outline(pixels, seen, scene.selection)
        _draw_lines(pixels, seen, scene)
        _draw_clicks(pixels, seen, scene)
        drawn = {scene.selection, scene.kept, *(item.region for item in scene.objects)}
        self._halvings = {region: layers for region, layers in self._halvings.items() if region in drawn}
        return pixels, seen.corner

    def _with_objects(self, image: np.ndarray, seen: Patch, scene: Scene) -> np.ndarray:
        """The visible part of the image with all objects but the one in progress."""
        pixels = image.copy()
        for item in scene.objects:
            self._paint(pixels, image, seen, item.region, item.color, scene.alpha, scene.outlines)
        for item in scene.objects:
            covered = self._cover(seen, item.region) if item.number == scene.selected else None
            if covered is not None:
                part, cover = covered
                inside = (cover > 0).view(np.uint8)
                around = cv2.subtract(cv2.dilate(inside, DISK), inside)
                height, width = around.shape
                cv2.copyTo(_plain((height, width, 3), WHITE), around, seen.cut(pixels, part))
        return pixels

    def _outline(self, pixels: np.ndarray, seen: Patch, region: Region) -> None:
        """Draw the outline of a region: white inside and black outside, one pixel of the screen each."""
        covered = self._cover(seen, region)
        if covered is None:
            return
        part, cover = covered
        inside = (cover > 0).view(np.uint8)
        height, width = inside.shape
        for border, color in (
            (cv2.subtract(inside, cv2.erode(inside, CROSS)), WHITE),
            (cv2.subtract(cv2.dilate(inside, CROSS), inside), BLACK),
        ):
            cv2.copyTo(_plain((height, width, 3), color), border, seen.cut(pixels, part))

    def _paint(
        self,
        pixels: np.ndarray,
        below: np.ndarray,
        seen: Patch,
        region: Region,
        color: Color,
        alpha: float,
        outline: bool,
    ) -> None:
        """Write ``below * (1 - alpha) + color * alpha`` and the outline into the visible part of a region."""
        covered = self._cover(seen, region)
        if covered is None:
            return
        part, cover = covered
        height, width = cover.shape
        target, plain = seen.cut(pixels, part), _plain((height, width, 3), color)
        mixed = cv2.addWeighted(seen.cut(below, part), 1 - alpha, plain, alpha, 0)
        partly = cover - np.uint8(1) < 254  # neither 0 nor 255
        if outline:
            inside = (cover > 0).view(np.uint8)
            border = cv2.subtract(inside, cv2.erode(inside, CROSS))
            partly &= border == 0
        in_part = np.flatnonzero(partly)
        in_pixels = seen.index(part, *np.divmod(in_part, width))
        share = cover.take(in_part)[:, None] / np.float32(255)
        flat = pixels.reshape(-1, 3)
        blended = flat.take(in_pixels, 0) * (1 - share) + mixed.reshape(-1, 3).take(in_part, 0) * share
        cv2.copyTo(mixed, cover, target)
        flat[in_pixels] = np.rint(blended)
        if outline:
            cv2.copyTo(plain, border, target)

    def _cover(self, seen: Patch, region: Region) -> tuple[Patch, np.ndarray] | None:
        """The visible part of a region and its coverage of each pixel there, uint8 0..255; None if invisible."""
        part = seen.around(region)
        if not region or not part.rows or not part.columns:
            return None
        if part.level == 0:
            return part, Layer(region.pixels, region.top, region.left).sampled(part)
        halvings = self._halvings.setdefault(region, [])
        if not halvings:
            halvings.append(Layer(region.pixels, region.top, region.left).halved())
        while len(halvings) < part.level:
            halvings.append(halvings[-1].halved())
        return part, halvings[part.level - 1].sampled(part)


def _plain(shape: tuple[int, int, int], color: Color) -> np.ndarray:
    """An image of one colour."""
    pixels = np.empty(shape, np.uint8)
    pixels.reshape(shape[0], -1)[:] = np.tile(np.array(color, np.uint8), shape[1])
    return pixels


def _draw_lines(pixels: np.ndarray, seen: Patch, scene: Scene) -> None:
    """Draw prompts as thin lines, with a white seam once the network has seen them; with the clicks they are hidden."""
    if scene.click_radius <= 0:
        return
    scale, view = seen.viewport.scale, seen.viewport
    shift = (view.start(1) - seen.rows.start, view.start(0) - seen.columns.start)
    waiting = [(move, False) for move in scene.waiting if isinstance(move, Prompt)]
    for prompt, seamed in (*((prompt, True) for prompt in scene.prompts), *waiting):
        places = ((prompt.outline() + 0.5) * scale - 0.5 + shift)[:, ::-1]
        corners = [np.rint(places * 2**FRACTION_BITS).astype(np.int32)]
        line = (POSITIVE_COLOR if prompt.is_positive else NEGATIVE_COLOR, 1)
        for color, width in ((WHITE, 3), line) if seamed else (line,):
            cv2.polylines(pixels, corners, False, color, width, cv2.LINE_AA, FRACTION_BITS)


def _draw_clicks(pixels: np.ndarray, seen: Patch, scene: Scene) -> None:
    """Draw the clicks, scaled with the image, with a rim of one pixel of the screen."""
    if scene.click_radius <= 0:
        return
    scale = seen.viewport.scale
    radius = max(scene.click_radius * scale, SMALLEST_DOT)
    waiting = [move for move in scene.waiting if not isinstance(move, Prompt)]
    for clicks, thickness in ((scene.clicks, cv2.FILLED), (waiting, 1)):
        for click in clicks:
            row, column = click.coords
            axes = ((0, column, seen.columns.start), (1, row, seen.rows.start))
            center = [seen.viewport.start(axis) - first + (at + 0.5) * scale - 0.5 for axis, at, first in axes]
            color = POSITIVE_COLOR if click.is_positive else NEGATIVE_COLOR
            for size, rgb in ((radius + 1, WHITE), (radius, color)):
                x, y, extent = (round(number * 2**FRACTION_BITS) for number in (*center, size))
                cv2.circle(pixels, (x, y), extent, rgb, thickness, cv2.LINE_AA, FRACTION_BITS)
