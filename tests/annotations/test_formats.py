"""The table of formats: what is saved comes back, and what cannot be read or written is said in one sentence."""

import os
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.formats import FORMATS, read_annotations
from isegm.annotations.label_images import draw_overlay
from isegm.data import FolderDataset
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, read_mask, write_image
from isegm.utils.masks import read_labels
from isegm.utils.vis import object_color
from tests.annotations.drawn import SIZE, hard_masks, overlapping, same_objects

WHOLE = [name for name, kind in FORMATS.items() if kind.keeps == "all"]
VISIBLE = [name for name, kind in FORMATS.items() if kind.keeps == "visible"]
JSON = [name for name, kind in FORMATS.items() if kind.ending == ".json"]
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def saved(kind, folder, annotations, image=IMAGE):
    path = folder / f"Fähre 猫{FORMATS[kind].ending}"
    FORMATS[kind].write(path, annotations, image)
    assert [file.name for file in folder.iterdir()] == [path.name]
    return path


def read(path, annotations):
    return read_annotations(path, annotations.image_name, annotations.size)


def numbered(count):
    """Objects 1, 2, ... of one pixel each."""
    labels = np.zeros((20, 40), np.uint16)
    labels.ravel()[:count] = np.arange(1, count + 1)
    objects = tuple(AnnotatedObject(n, Region.of(labels == n)) for n in range(1, count + 1))
    return Annotations("many.png", labels.shape, objects)


@pytest.mark.parametrize("kind", WHOLE)
def test_overlapping_objects_come_back_with_everything(kind, tmp_path):
    annotations = overlapping()
    assert same_objects(read(saved(kind, tmp_path, annotations), annotations), annotations)


@pytest.mark.parametrize("name", hard_masks())
@pytest.mark.parametrize("kind", WHOLE + VISIBLE)
def test_masks_come_back_identical(kind, name, tmp_path):
    mask = hard_masks()[name]
    annotations = Annotations("a.png", mask.shape, (AnnotatedObject(1, Region.of(mask)),))
    np.testing.assert_array_equal(read(saved(kind, tmp_path, annotations), annotations).labels() > 0, mask)


@pytest.mark.parametrize("kind", WHOLE)
def test_an_object_without_pixels_comes_back(kind, tmp_path):
    annotations = Annotations("a.png", SIZE, (AnnotatedObject(1, Region.empty(SIZE), name="hidden"),))
    assert same_objects(read(saved(kind, tmp_path, annotations), annotations), annotations)


@pytest.mark.parametrize("kind", WHOLE + VISIBLE)
def test_no_objects_come_back_as_none(kind, tmp_path):
    annotations = Annotations("a.png", SIZE)
    assert read(saved(kind, tmp_path, annotations), annotations).objects == ()


@pytest.mark.parametrize("kind", ["id", "palette"])
def test_images_hold_the_number_of_the_uppermost_object(kind, tmp_path):
    annotations = overlapping()
    path = saved(kind, tmp_path, annotations)
    assert Image.open(path).mode == ("P" if kind == "palette" else "L")
    np.testing.assert_array_equal(read_mask(path), annotations.labels())
    found = read(path, annotations)
    assert [item.number for item in found.objects] == [2, 4, 7]
    np.testing.assert_array_equal(found.labels(), annotations.labels())


def test_a_palette_shows_the_objects_colours_and_brings_them_back(tmp_path):
    annotations = overlapping()
    path = saved("palette", tmp_path, annotations)
    colors = {item.number: item.color for item in annotations.objects}
    shown, labels = read_image(path), annotations.labels()
    assert all((shown[labels == number] == color).all() for number, color in colors.items())
    assert not shown[labels == 0].any()
    assert {item.number: item.color for item in read(path, annotations).objects} == colors


def test_many_objects_make_16_bits_and_no_palette(tmp_path):
    few, many = numbered(255), numbered(700)
    assert Image.open(saved("id", tmp_path, few)).mode == "L"
    path = saved("id", tmp_path, many)
    assert read_mask(path).max() == 700
    np.testing.assert_array_equal(read(path, many).labels(), many.labels())
    path.unlink()
    with pytest.raises(InputError, match="cannot hold object 700"):
        saved("palette", tmp_path, many)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("count", "step"), [(1, 255), (2, 127), (5, 51), (128, 1), (255, 1), (300, 1)])
def test_grey_masks_spread_numbers_over_the_levels(count, step, tmp_path):
    annotations = numbered(count)
    path = saved("mask", tmp_path, annotations)
    np.testing.assert_array_equal(read_mask(path), annotations.labels().astype(int) * step)
    assert (Image.open(path).mode == "L") == (count < 256)


def test_grey_masks_may_be_bmp_but_nothing_that_blurs_them(tmp_path):
    write = FORMATS["mask"].write
    write(tmp_path / "mask.bmp", numbered(3), IMAGE)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.bmp"), numbered(3).labels() * 85)
    with pytest.raises(InputError, match=r"BMP files hold 255: end it in \.png"):
        write(tmp_path / "many.bmp", numbered(256), IMAGE)
    for kind in ("mask", "id", "palette"):
        with pytest.raises(InputError, match=r"end it in \.png"):
            FORMATS[kind].write(tmp_path / "mask.jpg", numbered(3), IMAGE)
    assert [file.name for file in tmp_path.iterdir()] == ["mask.bmp"]


def test_an_overlay_tints_what_is_visible_and_outlines_it():
    mask, cover = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    mask[5:25, 5:25] = cover[15:30, 15:30] = True
    objects = (AnnotatedObject(1, Region.of(mask), color=(255, 0, 0)), AnnotatedObject(2, Region.of(cover)))
    drawn = draw_overlay(Annotations("a.png", SIZE, objects), IMAGE, alpha=0.25)
    np.testing.assert_array_equal(drawn[~(mask | cover)], IMAGE[~(mask | cover)])
    inner = (slice(6, 14), slice(6, 14))
    np.testing.assert_allclose(drawn[inner], IMAGE[inner] * 0.75 + np.array((255, 0, 0)) * 0.25, atol=0.5001)
    assert (drawn[5, 5:25] == (255, 0, 0)).all() and (drawn[15, 15:30] == object_color(2)).all()


def test_an_overlay_is_written_but_is_no_annotation(tmp_path):
    annotations = overlapping()
    path = saved("overlay", tmp_path, annotations)
    np.testing.assert_array_equal(read_image(path), draw_overlay(annotations, IMAGE))
    with pytest.raises(InputError, match="is a colour image"):
        read(path, annotations)
    with pytest.raises(InputError, match=r"image of 46x30.*give the image"):
        draw_overlay(annotations, IMAGE[:30])


@pytest.mark.parametrize("kind", WHOLE + VISIBLE)
def test_annotations_of_an_image_of_another_size_are_refused(kind, tmp_path):
    annotations = overlapping()
    path = saved(kind, tmp_path, annotations)
    with pytest.raises(InputError, match=r"Fähre.* is for an image of 46x37 pixels, this one has 37x46"):
        read_annotations(path, annotations.image_name, SIZE[::-1])


@pytest.mark.parametrize("kind", JSON)
def test_json_is_utf8_with_letters_as_they_are(kind, tmp_path):
    assert "Fähre 猫.jpg" in saved(kind, tmp_path, overlapping()).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", JSON)
def test_a_name_that_is_no_unicode_is_refused_before_anything_is_written(kind, tmp_path):
    with pytest.raises(InputError, match="not valid Unicode: rename"):
        saved(kind, tmp_path, Annotations("a\udcff.png", SIZE, overlapping().objects))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_place_that_cannot_be_written_is_named(kind, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        FORMATS[kind].write(tmp_path / "file" / f"a{FORMATS[kind].ending}", overlapping(), IMAGE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not decode as a mask"),
        (b"hello", "does not decode as a mask"),
        (b'{"shapes": [', "is not a JSON file, or is cut off"),
        (b'{"shapes": "\xff"}', "is not a JSON file, or is cut off"),
        (b"[" * 100_000, "is not a JSON file, or is cut off"),
        (b"[]", "neither a COCO nor a labelme file"),
        (b'{"images": []}', "neither a COCO nor a labelme file"),
    ],
)
def test_files_of_no_known_kind_are_refused(content, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json.*{message}"):
        read_annotations(path, "a.png", SIZE)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_in_unicode_encodings_is_read(encoding, tmp_path):
    annotations = overlapping()
    path = saved("coco_rle", tmp_path, annotations)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert same_objects(read(path, annotations), annotations)


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis", "gb18030", "cp1251"])
def test_json_in_another_encoding_is_called_that(encoding, tmp_path):
    label = {"cp1252": "Fähre", "cp1251": "паром"}.get(encoding, "猫の写真")
    (tmp_path / "a.json").write_bytes(f'{{"shapes": [{{"label": "{label}"}}]}}'.encode(encoding))
    with pytest.raises(
        InputError, match=r"a\.json .*no text in UTF-8, UTF-16 or UTF-32: byte 0x.*: save it in the enc"
    ):
        read_annotations(tmp_path / "a.json", "a.png", SIZE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"shapes": [' * 100_000, "it is nested too deeply"),
        ('{"shapes": ' + "9" * 10_000 + "}", "Exceeds the limit"),
        ('{"shapes": [}', "Expecting value in line 1, column 13"),
    ],
)
def test_what_is_wrong_with_a_json_file_is_said(content, reason, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=rf"a\.json is not a JSON file, or is cut off \({reason}"):
        read_annotations(tmp_path / "a.json", "a.png", SIZE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has pipes")
def test_a_pipe_is_no_file_of_annotations(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"a\.json cannot be read \(it is a folder, a pipe or a device\)"):
        read_annotations(tmp_path / "a.json", "a.png", SIZE)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json cannot be read"):
        read_annotations(tmp_path / "nowhere.json", "a.png", SIZE)


def test_the_content_tells_the_format_not_the_ending(tmp_path):
    annotations = overlapping()
    path = saved("coco_rle", tmp_path, annotations).rename(tmp_path / "a.png")
    path.write_bytes(b"\xef\xbb\xbf\n " + path.read_bytes())
    assert same_objects(read(path, annotations), annotations)


def test_grey_images_of_other_programs_are_numbered_by_value(tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    labels[2:5, 2:5], labels[10:20, 3:9] = 200, 17
    write_image(tmp_path / "a.png", labels)
    found = read_annotations(tmp_path / "a.png", "a.jpg", SIZE)
    assert [(item.number, item.region.area) for item in found.objects] == [(17, 60), (200, 9)]
    Image.fromarray(labels.astype(np.int32) * 1000).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="values outside 0 to 65535"):
        read_annotations(tmp_path / "a.tif", "a.jpg", SIZE)


def test_numbers_of_a_folder_are_the_masks_of_a_data_set(tmp_path):
    one, two = overlapping(), numbered(3)
    for each in (one, two):
        write_image(tmp_path / "images" / each.image_name, np.zeros((*each.size, 3), np.uint8))
    assert FORMATS["id"].write_all is not None and FORMATS["id"].ending_all == ""
    FORMATS["id"].write_all(tmp_path, [one, two])
    pairs = {image.name: read_labels(mask).pixels for image, mask in FolderDataset(tmp_path).pairs}
    for each in (one, two):
        np.testing.assert_array_equal(pairs[each.image_name], each.labels())
    with pytest.raises(InputError, match="two images named many"):
        FORMATS["id"].write_all(tmp_path / "new", [two, Annotations("many.jpg", two.size)])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["many.bmp", "many.TIF", "many.PNG", "many.png"])
def test_masks_of_any_ending_are_replaced_in_a_data_set(name, tmp_path):
    annotations = numbered(3)
    write_image(tmp_path / "images" / "many.png", np.zeros((*annotations.size, 3), np.uint8))
    write_image(tmp_path / "masks" / name, np.ones(annotations.size, np.uint8))
    (tmp_path / "masks" / ".many.bmp").touch()
    FORMATS["id"].write_all(tmp_path, [annotations])
    ((_, mask),) = FolderDataset(tmp_path).pairs
    assert mask.name == "many.png"
    np.testing.assert_array_equal(read_labels(mask).pixels, annotations.labels())


def test_a_mask_is_replaced_in_any_unicode_form(tmp_path):
    masks = {form: tmp_path / "masks" / normalize(form, "café.png") for form in ("NFC", "NFD")}
    write_image(tmp_path / "images" / "café.jpg", np.zeros((*SIZE, 3), np.uint8))
    write_image(masks["NFD"], np.ones(SIZE, np.uint8))
    FORMATS["id"].write_all(tmp_path, [Annotations(normalize("NFC", "café.jpg"), SIZE, overlapping().objects)])
    ((_, mask),) = FolderDataset(tmp_path).pairs
    np.testing.assert_array_equal(read_labels(mask).pixels, overlapping().labels())
