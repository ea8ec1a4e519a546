"""Masks mean the same to every reader: what this project writes, what others write, and what no reader can know."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from isegm import InputError
from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.formats import FORMATS, read_annotations
from isegm.data import FolderDataset
from isegm.demo.image_loading import read_start
from isegm.utils.files import read_image, write_image
from isegm.utils.masks import read_labels, read_mask, read_start_mask
from tests.utils.test_images import tiff, write

SIZE = (60, 80)
DISK = cv2.circle(np.zeros(SIZE, np.uint8), (40, 30), 20, 255, -1)


def numbered(*numbers):
    """Objects with these numbers in a grid, the last one the largest."""
    labels = np.zeros((120, 160), np.uint16)
    for position, number in enumerate(numbers):
        row, column = divmod(position, 22)
        labels[row * 6 + 1 : row * 6 + 5, column * 7 + 1 : column * 7 + 6] = number
    labels[100:118] = numbers[-1]
    objects = tuple(AnnotatedObject(number, Region.of(labels == number)) for number in numbers)
    return Annotations("a.png", labels.shape, objects)


def as_data_set(root, mask, name="a.png"):
    """The only sample of a folder that holds a mask file or array."""
    path = root / "masks" / name
    if isinstance(mask, bytes):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mask)
    elif mask is not None:
        write_image(path, mask)
    shape = read_mask(path).shape
    write_image(root / "images" / "a.png", np.zeros((*shape, 3), np.uint8))
    dataset = FolderDataset(root)
    dataset.check()
    return dataset.get_sample(0)


@pytest.mark.parametrize(
    ("kind", "numbers", "ending"),
    [
        *(("mask", tuple(range(1, count + 1)), ".png") for count in (1, 2, 3, 5, 15, 17, 51, 85, 255, 300)),
        ("mask", (1, 3), ".png"),
        ("mask", (1, 2, 3), ".bmp"),
        ("mask", (1, 3), ".bmp"),
        ("mask", (2, 5), ".bmp"),
        *(("id", tuple(range(1, count + 1)), ".png") for count in (254, 255, 300)),
        ("id", (1, 255), ".png"),
        ("id", (255,), ".png"),
        ("id", (7, 255, 300), ".png"),
        ("palette", tuple(range(1, 256)), ".png"),
        ("palette", (3, 255), ".png"),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, tuple) else value,
)
def test_every_object_that_is_saved_comes_back_in_the_program_and_as_a_data_set(kind, numbers, ending, tmp_path):
    annotations = numbered(*numbers)
    path = tmp_path / "masks" / f"a{ending}"
    path.parent.mkdir()
    FORMATS[kind].write(path, annotations, None)
    sample = as_data_set(tmp_path, None, path.name)
    areas = {item.number: item.region.area for item in annotations.objects}
    assert [int(sample.pixels(key).sum()) for key in sample.objects] == list(areas.values())
    assert sample.ignored_pixels is None
    found = read_annotations(path, "a.png", annotations.size)
    assert {item.number: item.region.area for item in found.objects} == areas and not found.left_out
    assert read_start_mask(path, annotations.size).sum() == sum(areas.values())


@pytest.mark.parametrize("kind", ["mask", "id", "palette"])
@pytest.mark.parametrize("number", [1, 5, 255])
def test_an_object_that_fills_the_image_comes_back_whatever_its_number_and_colour_are(kind, number, tmp_path):
    whole = AnnotatedObject(number, Region.of(np.ones((20, 30), bool)), color=(0, 0, 0))
    path = tmp_path / "a.png"
    FORMATS[kind].write(path, Annotations("a.png", (20, 30), (whole,)), None)
    assert read_start_mask(path, (20, 30)).all()
    (found,) = read_annotations(path, "a.png", (20, 30)).objects
    assert found.number == number and found.region.area == 600


def test_ids_up_to_300_of_other_programs_keep_the_one_that_is_255(tmp_path):
    labels = np.repeat(np.arange(1, 301), 8).reshape(40, 60).astype(np.uint16)
    sample = as_data_set(tmp_path, labels)
    assert len(sample.objects) == 300 and sample.ignored_pixels is None
    found = read_annotations(tmp_path / "masks" / "a.png", "a.png", labels.shape)
    assert [item.number for item in found.objects] == list(range(1, 301))


def test_spread_levels_of_ritms_program_are_objects(tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    labels[5:10, 5:10], labels[20:25, 5:10], labels[40:50, 20:60] = 85, 170, 255
    assert len(as_data_set(tmp_path, labels).objects) == 3


def test_ignored_pixels_are_no_object_anywhere(tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    labels[5:15, 5:15], labels[5:15, 30:40], labels[40:, :5] = 1, 2, 255
    sample = as_data_set(tmp_path, labels)
    assert len(sample.objects) == 2 and sample.ignored_pixels.sum() == 100
    path = tmp_path / "masks" / "a.png"
    found = read_annotations(path, "a.png", SIZE)
    assert [item.number for item in found.objects] == [1, 2]
    assert found.left_out == ("pixels of the value 255, which marks what to ignore",)
    np.testing.assert_array_equal(read_start_mask(path, SIZE), (labels == 1) | (labels == 2))
    np.testing.assert_array_equal(read_start(str(path), SIZE, 0.5).region.mask(), (labels == 1) | (labels == 2))


def jpeg(mask):
    return cv2.imdecode(cv2.imencode(".jpg", mask, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], cv2.IMREAD_GRAYSCALE)


SOFT = {
    "blurred": cv2.GaussianBlur(DISK, (0, 0), 2),
    "feathered": cv2.GaussianBlur(DISK, (0, 0), 5),
    "scaled": cv2.resize(DISK[::4, ::4], SIZE[::-1], interpolation=cv2.INTER_CUBIC),
    "up to 254": np.minimum(cv2.GaussianBlur(DISK, (0, 0), 1.5), 254),
    "once a JPEG": jpeg(DISK),
    "16 bits": cv2.GaussianBlur(DISK.astype(np.uint16) * 257, (0, 0), 2),
}


@pytest.mark.parametrize("name", SOFT)
def test_a_soft_edge_is_no_object_to_any_reader(name, tmp_path, caplog):
    mask = SOFT[name]
    middle = 127 if mask.dtype == np.uint8 else 2**15 - 1
    sample = as_data_set(tmp_path, mask)
    assert len(sample.objects) == 1 and "1 masks of" in caplog.text and "soft edges" in caplog.text
    np.testing.assert_array_equal(sample.pixels(0), mask > middle)
    path = tmp_path / "masks" / "a.png"
    (found,) = read_annotations(path, "a.png", SIZE).objects
    np.testing.assert_array_equal(found.region.mask(), mask > middle)
    np.testing.assert_array_equal(read_start_mask(path, SIZE), mask > middle)
    np.testing.assert_array_equal(read_start(str(path), SIZE, 0.5).region.mask(), mask > middle)


def test_an_edge_of_few_levels_or_of_several_objects_is_refused_by_all(tmp_path):
    nested = np.zeros(SIZE, np.uint8)
    for step, value in enumerate((60, 130, 200), start=1):
        nested[step:-step, step:-step] = value
    several = np.zeros(SIZE, np.uint8)
    several[5:50, 5:35], several[5:50, 40:75] = 120, 240
    for mask in (nested, cv2.GaussianBlur(several, (0, 0), 2)):
        with pytest.raises(InputError, match=r"a\.png has soft edges.* make it 0 and 255 alone"):
            as_data_set(tmp_path, mask)
        path = tmp_path / "masks" / "a.png"
        for read in (read_labels, lambda one: read_annotations(one, "a.png", SIZE)):
            with pytest.raises(InputError, match="soft edges"):
                read(path)


def test_ids_of_touching_objects_are_no_soft_edge(tmp_path):
    rows, columns = np.indices((90, 120)) // 6
    superpixels = (rows * 20 + columns) % 251 + 1  # 8 bits, without background
    semantic = np.array([7, 8, 11, 21, 23, 26], np.uint8)[(rows + columns * 2) % 6]
    for mask in (superpixels.astype(np.uint8), semantic):
        assert len(as_data_set(tmp_path, mask).objects) == len(np.unique(mask))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        ((DISK > 0).astype(np.int16) - 1, r"values outside 0 to 65535, such as -1"),
        ((DISK > 0).astype(np.int8) - 1, r"values outside 0 to 65535, such as -1"),
        ((DISK > 0).astype(np.int32) * 70_000, r"values outside 0 to 65535, such as 70000"),
        ((DISK > 0).astype(np.float32) * 0.98, r"fractions, such as 0\.98"),
        (cv2.blur((DISK > 0).astype(np.float32), (5, 5)), "fractions"),
        (np.where(DISK > 0, np.nan, 0).astype(np.float32), "without a finite number"),
        (np.where(DISK > 0, np.inf, 1), "without a finite number"),
    ],
)
def test_values_that_are_no_ids_are_refused_by_all(array, words, tmp_path):
    path = write(tmp_path / "a.tif", tiff(array))
    for read in (
        read_mask,
        read_labels,
        lambda one: read_annotations(one, "a.png", SIZE),
        lambda one: read_start_mask(one, SIZE),
        lambda one: read_start(str(one), SIZE, 0.5),
        lambda one: as_data_set(tmp_path, one.read_bytes(), "a.tif"),
    ):
        with pytest.raises(InputError, match=words):
            read(path)


def test_whole_numbers_of_other_types_are_ids(tmp_path):
    labels = (DISK > 0).astype(np.int32) * 3
    for kind in (np.int8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64):
        np.testing.assert_array_equal(read_mask(write(tmp_path / "a.tif", tiff(labels.astype(kind)))), labels)


def test_a_mask_in_the_opacity_is_found(tmp_path):
    for color in (0, 255, 77):
        rgba = np.full((*SIZE, 4), color, np.uint8)
        rgba[..., 3] = DISK
        Image.fromarray(rgba).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), DISK)
        Image.fromarray(rgba[..., 2:]).save(tmp_path / "a.png")  # grey and opacity
        np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), DISK)


def test_levels_and_opacity_that_agree_are_read_and_others_refused(tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    labels[5:20, 5:20], labels[30:50, 30:50] = 1, 2
    for opacity in (np.full(SIZE, 255), (labels > 0) * 255):
        Image.fromarray(np.dstack([labels, opacity]).astype(np.uint8)).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), labels)
    Image.fromarray(np.dstack([labels, DISK])).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="opacity that disagree"):
        read_mask(tmp_path / "a.png")


def test_ids_of_16_bits_stored_as_colour(tmp_path):
    labels = (DISK > 0).astype(np.uint16) * 300
    write_image(tmp_path / "a.png", np.dstack([labels] * 3))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), labels)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_files_of_few_bits_hold_ids(bits, tmp_path):
    highest = 2**bits - 1
    labels = np.repeat(np.arange(highest + 1, dtype=np.uint8), 64).reshape(-1, 16)
    np.testing.assert_array_equal(read_mask(write(tmp_path / "a.png", few_bits(labels, bits))), labels)


def few_bits(labels, bits):
    """A grey PNG file with a few bits per pixel."""
    height, width = labels.shape
    per_byte = 8 // bits
    parts = labels.reshape(height, width // per_byte, per_byte).astype(int)
    rows = sum(parts[..., index] << (8 - bits * (index + 1)) for index in range(per_byte)).astype(np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    chunks = (ihdr, b"IDAT" + zlib.compress(raw), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks
    )


@pytest.mark.parametrize("where", ["black", "transparency"])
def test_a_palette_whose_background_is_not_index_0_is_refused_by_all(where, tmp_path):
    image = Image.fromarray(np.where(DISK > 0, 0, 3).astype(np.uint8), mode="P")
    image.putpalette([255, 255, 255, 9, 9, 9, 8, 8, 8, *((0, 0, 0) if where == "black" else (7, 7, 7))])
    (tmp_path / "masks").mkdir()
    path = tmp_path / "masks" / "a.png"
    image.save(path, **({} if where == "black" else {"transparency": 3}))
    for read in (
        read_labels,
        lambda one: read_annotations(one, "a.png", SIZE),
        lambda one: read_start_mask(one, SIZE),
        lambda one: as_data_set(tmp_path, None),
    ):
        with pytest.raises(InputError, match=rf"a\.png has {where}, the usual background, at index 3 of its palette"):
            read(path)


def test_ids_of_a_foreign_mask_start_an_object_in_the_program_as_in_predict(tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    labels[5:20, 5:20], labels[30:50, 30:50] = 1, 2
    write_image(tmp_path / "a.png", labels)
    np.testing.assert_array_equal(read_start(str(tmp_path / "a.png"), SIZE, 0.5).region.mask(), labels > 0)
    np.testing.assert_array_equal(read_start_mask(tmp_path / "a.png", SIZE), labels > 0)


def test_objects_of_half_opacity_are_found_in_tiff_files_as_in_png(tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    labels[5:20, 5:20], labels[30:50, 30:50] = 1, 2
    rgba = np.dstack((labels, labels, labels, (labels > 0).astype(np.uint8) * 128))
    for name in ("a.png", "a.tif"):
        Image.fromarray(rgba).save(tmp_path / name)
        assert read_labels(tmp_path / name).ids == (1, 2)
        np.testing.assert_array_equal(read_mask(tmp_path / name), labels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("ending", "mode"),
    [
        *((ending, mode) for ending in (".png", ".tif") for mode in ("L", "P", "RGB")),
        *((".jpg", mode) for mode in ("L", "RGB")),  # JPEG has no palettes
    ],
)
def test_masks_are_turned_as_their_images_are(ending, mode, orientation, tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[8:16, 8:40] = 255
    image = Image.fromarray(mask) if mode == "L" else Image.fromarray(np.dstack((mask, mask, mask)))
    if mode == "P":
        image = Image.fromarray(mask // 255)
        image.putpalette([0, 0, 0, 255, 255, 255])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{ending}"
    image.save(path, **({"tiffinfo": {274: orientation}} if ending == ".tif" else {"exif": exif}))
    seen = read_image(path)[..., 0] > 127  # as viewers show it
    np.testing.assert_array_equal(read_start_mask(path, seen.shape), seen)
