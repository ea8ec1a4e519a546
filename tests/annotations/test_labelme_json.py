"""labelme files: by its format, drawn as labelme draws them, and those that labelme itself wrote."""

import base64
import json
import re
import struct
import zlib
from io import BytesIO

import jsonschema
import numpy as np
import pytest
from PIL import Image, ImageDraw

from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.formats import read_annotations
from isegm.annotations.labelme_json import MAX_RADIUS, write_labelme
from isegm.utils.errors import InputError
from tests.annotations.drawn import SIZE, hard_masks, overlapping

POINT = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
SHAPE = {
    "type": "object",
    "required": ["label", "points", "group_id", "description", "shape_type", "flags", "mask"],
    "properties": {
        "label": {"type": "string", "minLength": 1},
        "group_id": {"type": ["integer", "null"]},
        "description": {"type": ["string", "null"]},
        "flags": {"type": "object", "additionalProperties": {"type": "boolean"}},
    },
    "oneOf": [
        {
            "properties": {
                "shape_type": {"const": "polygon"},
                "points": {"type": "array", "items": POINT, "minItems": 3},
                "mask": {"type": "null"},
            }
        },
        {
            "properties": {
                "shape_type": {"const": "mask"},
                "points": {"type": "array", "items": POINT, "minItems": 2, "maxItems": 2},
                "mask": {"type": "string", "pattern": "^[A-Za-z0-9+/]+=*$"},
            }
        },
    ],
}
SCHEMA = {  # what labelme 5.5 to 6.3 writes and demands
    "type": "object",
    "required": ["version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"],
    "properties": {
        "version": {"type": "string", "pattern": r"^5\.\d+\.\d+$"},
        "flags": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "shapes": {"type": "array", "items": SHAPE},
        "imagePath": {"type": "string", "minLength": 1},
        "imageData": {"type": "null"},
        "imageHeight": {"type": "integer", "minimum": 1},
        "imageWidth": {"type": "integer", "minimum": 1},
    },
}


def drawn(shape, size):
    """The pixels of a shape as labelme's documentation has them drawn: with Pillow, outline and inside."""
    canvas = Image.new("L", size[::-1])
    draw, corners = ImageDraw.Draw(canvas), [tuple(point) for point in shape["points"]]
    if shape["shape_type"] == "mask":
        (left, top), (right, bottom) = np.array(corners, int)
        pixels = np.zeros(size, bool)
        pixels[top : bottom + 1, left : right + 1] = np.array(Image.open(BytesIO(base64.b64decode(shape["mask"]))))
        return pixels
    if shape["shape_type"] == "rectangle":
        (x0, y0), (x1, y1) = corners
        draw.rectangle(((min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))), outline=1, fill=1)
    elif shape["shape_type"] == "circle":
        (x, y), edge = corners
        radius = np.hypot(x - edge[0], y - edge[1])
        draw.ellipse(((x - radius, y - radius), (x + radius, y + radius)), outline=1, fill=1)
    else:
        draw.polygon(corners, outline=1, fill=1)
    return np.asarray(canvas) > 0


def written(annotations, polygons, folder):
    write_labelme(folder / "a.json", annotations, polygons)
    return json.loads((folder / "a.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("polygons", [False, True])
@pytest.mark.parametrize("name", hard_masks())
def test_labelme_draws_the_same_mask(name, polygons, tmp_path):
    mask = hard_masks()[name]
    content = written(Annotations("a.png", mask.shape, (AnnotatedObject(5, Region.of(mask)),)), polygons, tmp_path)
    jsonschema.validate(content, SCHEMA)
    np.testing.assert_array_equal(np.any([drawn(shape, mask.shape) for shape in content["shapes"]], axis=0), mask)
    assert {shape["group_id"] for shape in content["shapes"]} == {5}
    for shape in content["shapes"]:  # labelme ends a polygon where it comes back to its first point
        assert shape["points"].count(shape["points"][0]) == 1 or shape["shape_type"] == "mask"
    kinds = {shape["shape_type"] for shape in content["shapes"]}
    assert kinds == {"mask"} if not polygons else kinds <= {"mask", "polygon"}


@pytest.mark.parametrize("polygons", [False, True])
def test_class_name_and_place_of_the_image_stand_where_labelme_looks(polygons, tmp_path):
    content = written(overlapping(), polygons, tmp_path)
    jsonschema.validate(content, SCHEMA)
    assert (content["imagePath"], content["imageHeight"], content["imageWidth"]) == ("Fähre 猫.jpg", *SIZE)
    first = content["shapes"][0]
    assert (first["label"], first["description"], first["group_id"]) == ("猫", "Fähre", 7)
    assert first["attributes"] == {"number": 7, "color": [1, 2, 3], "protected": True}


def test_polygons_are_preferred_where_there_are_any(tmp_path):
    mask = hard_masks()["ring"]
    content = written(Annotations("a.png", mask.shape, (AnnotatedObject(1, Region.of(mask)),)), True, tmp_path)
    assert [shape["shape_type"] for shape in content["shapes"]] == ["polygon", "polygon"]


def shape(kind, points, **more):
    return {"label": "cat", "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


def read_all(folder, *shapes, **more):
    content = {"version": "5.4.1", "shapes": shapes, "imagePath": "..\\a.jpg", "imageHeight": SIZE[0]}
    content |= {"imageWidth": SIZE[1], "imageData": None} | more
    (folder / "theirs.json").write_text(json.dumps(content), encoding="utf-8")
    return read_annotations(folder / "theirs.json", "a.jpg", SIZE)


def read(folder, *shapes, **more):
    return read_all(folder, *shapes, **more).objects


def test_shapes_of_labelme_are_what_it_draws(tmp_path):
    rng = np.random.default_rng(0)
    corners = {"polygon": None, "rectangle": 2, "circle": 2, "oriented_rectangle": 4}
    for kind, count in corners.items():
        for _ in range(60):
            theirs = shape(kind, rng.uniform(-15, 60, (count or rng.integers(3, 9), 2)).tolist())
            (found,) = read(tmp_path, theirs)
            np.testing.assert_array_equal(found.region.mask(), drawn(theirs, SIZE))


@pytest.mark.parametrize("angle", [0.3, 1.1, 2.5, 4.0])
def test_large_circles_are_drawn_like_small_ones_and_at_once(angle, tmp_path):
    edge, way = np.array((25, 18)), np.array((np.cos(angle), np.sin(angle)))  # the rim crosses the image
    for radius, pixels in ((MAX_RADIUS - 1, 0), (MAX_RADIUS + 1, sum(SIZE))):
        circle = shape("circle", [(edge + radius * way).tolist(), edge.tolist()])
        (found,) = read(tmp_path, circle)
        assert 0 < found.region.area < SIZE[0] * SIZE[1]
        assert (found.region.mask() ^ drawn(circle, SIZE)).sum() <= pixels
    (nearly_a_line,) = read(tmp_path, shape("circle", [(edge + 7e5 * way).tolist(), edge.tolist()]))
    assert (nearly_a_line.region.mask() ^ found.region.mask()).sum() <= sum(SIZE)
    (outside,) = read(tmp_path, shape("circle", [[-9e5, 0], [-9e5 + 8e5, 0]]))
    assert not outside.region


def test_shapes_of_a_group_and_label_are_one_object(tmp_path):
    boxes = [shape("rectangle", [[x, 2], [x + 3, 5]], group_id=group) for x, group in ((0, 8), (10, 8), (20, None))]
    other = shape("rectangle", [[30, 2], [33, 5]], group_id=8, label="dog", description="Rex")
    found = read(tmp_path, boxes[0], boxes[2], other, boxes[1], boxes[2])
    assert [(item.category, item.region.area) for item in found] == [("cat", 32), ("cat", 16), ("dog", 16), ("cat", 16)]
    assert [item.number for item in found] == [1, 2, 3, 4] and found[2].name == "Rex"


def test_older_files_without_sizes_or_types_are_read(tmp_path):
    old = {"label": "cat", "points": [[2, 2], [9, 2], [9, 9]]}
    (found,) = read(tmp_path, old, imageHeight=None, imageWidth=None)
    np.testing.assert_array_equal(found.region.mask(), drawn(old | {"shape_type": "polygon"}, SIZE))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"shape_type": "line"}, "is a line, which has no pixels"),
        ({"shape_type": "point", "points": [[1, 2]]}, "is a point, which has no pixels"),
        ({"shape_type": "circle"}, "cannot be read"),
        ({"points": [[1, 2], [3, 4]]}, "cannot be read"),
        ({"points": [[1, 2, 3]] * 3}, "cannot be read"),
        ({"points": [["a", 2], [3, 4], [5, 6]]}, "cannot be read"),
        ({"points": [[float("inf"), 2], [3, 4], [5, 6]]}, "cannot be read"),
        ({"shape_type": "mask", "points": [[1, 2], [3, 4]], "mask": "abcd"}, "no image in base64"),
        ({"shape_type": "mask", "points": [[1, 2], [3, 4]], "mask": None}, "cannot be read"),
    ],
)
def test_a_shape_that_cannot_be_read_is_named(damage, message, tmp_path, caplog):
    good = shape("polygon", [[1, 2], [30, 4], [5, 26]])
    found = read_all(tmp_path, good, good | damage, good)
    assert len(found.objects) == 2 and len(found.left_out) == 1
    assert re.fullmatch(rf"shape 2 \(cat\) .*{message}.*", found.left_out[0])
    assert re.search(rf"theirs\.json: 2 objects were read; left out: shape 2 \(cat\) .*{message}", caplog.text)
    with pytest.raises(InputError, match=rf"theirs\.json: shape 1 \(cat\) .*{message}.*and 1 more"):
        read(tmp_path, good | damage, good | damage)


@pytest.mark.parametrize("points", [[[40, 2], [48, 4]], [[-1, 2], [7, 4]], [[3, 2], [7, 4]]])
def test_a_mask_that_does_not_fit_its_place_is_refused(points, tmp_path):
    file = BytesIO()
    Image.new("L", (9, 3), 255).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    assert read(tmp_path, shape("mask", [[3, 2], [11, 4]], mask=text))[0].region.area == 27
    with pytest.raises(InputError, match=r"its mask (does not lie|has 9x3 pixels)"):
        read(tmp_path, shape("mask", points, mask=text))


def test_rectangles_of_four_corners_and_rotated_ones_of_other_programs(tmp_path):
    corners = [[5, 6], [20, 6], [20, 18], [5, 18]]
    for kind in ("rectangle", "rotation", "quadrilateral"):
        (found,) = read(tmp_path, shape(kind, corners, direction=0.0))
        np.testing.assert_array_equal(found.region.mask(), drawn(shape("polygon", corners), SIZE))


@pytest.mark.parametrize("kind", ["point", "points", "line", "linestrip", "circle", "cuboid", 5, ["point"], "mask"])
@pytest.mark.parametrize("points", [[], [[1, 1]], [[1, 1], [5, 5], [7, 3]], None, [[1, [2]]], [[10**400, 1]] * 3])
def test_one_strange_shape_is_left_out_and_the_others_are_read(kind, points, tmp_path):
    good = shape("polygon", [[1, 2], [30, 4], [5, 26]])
    found = read_all(
        tmp_path, good, shape(kind, points), 7, {"points": []}, good, shape("polygon", points[:2] if points else [])
    )
    assert len(found.objects) == 2 and [words.split()[1] for words in found.left_out] == ["2", "3", "4", "6"]


def test_a_mask_that_was_dragged_lies_at_whole_pixels(tmp_path):
    text = base64.b64encode(encoded(np.full((21, 21), 255, np.uint8))).decode()
    (found,) = read(tmp_path, shape("mask", [[10.0, 9.000000001], [29.999999999999996, 29.0]], mask=text))
    assert (found.region.left, found.region.top, found.region.area) == (10, 9, 441)


def encoded(pixels, kind="PNG"):
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def test_a_mask_that_is_an_eps_or_promises_too_many_pixels_is_no_image(tmp_path):
    header = bytearray(encoded(np.zeros((3, 9), np.uint8)))
    header[16:24] = struct.pack(">II", 30_000, 30_000)
    header[29:33] = struct.pack(">I", zlib.crc32(bytes(header[12:29])))
    good = shape("polygon", [[1, 2], [30, 4], [5, 26]])
    for content in (encoded(np.zeros((3, 9, 3), np.uint8), "EPS"), bytes(header), b"", b"\x89PNG"):
        text = base64.b64encode(content).decode()
        found = read_all(tmp_path, good, shape("mask", [[3, 2], [11, 4]], mask=text))
        assert found.left_out == ("shape 2 (cat) cannot be read (its mask is no image in base64)",)


@pytest.mark.parametrize("sides", [("37", "46"), (37.0, None), ("", 0)])
def test_sizes_of_the_image_may_be_text_or_absent(sides, tmp_path):
    good = shape("polygon", [[1, 2], [30, 4], [5, 26]])
    assert len(read(tmp_path, good, imageHeight=sides[0], imageWidth=sides[1])) == 1
    for wrong in ("tall", [], -1e400, True):
        with pytest.raises(
            InputError, match=r"theirs\.json: the size of its image|theirs\.json is for an image|write im"
        ):
            read(tmp_path, good, imageHeight=wrong)


@pytest.mark.parametrize("shapes", [5, [5], [{"points": []}], None])
def test_what_is_not_labelmes_format_is_said(shapes, tmp_path):
    with pytest.raises(InputError, match=r"theirs\.json: it is not labelme's format"):
        read(tmp_path, shapes=shapes)
