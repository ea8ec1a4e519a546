"""Reading images: all that people have under an image's name is read, or refused in one sentence, at once."""

import os
import re
import socket
import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, features

import isegm
from isegm import InputError
from isegm.data import FolderDataset
from isegm.utils.files import read_image, read_mask, read_stretched, write_image
from isegm.utils.images import recognised

GHOST = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n%%EndComments\nshowpage\n%%EOF\n"
PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def png_header(width, height, bits=1):
    """A PNG file of a few bytes that promises an image of this size."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = [ihdr, b"IDAT" + zlib.compress(bytes(16)), b"IEND"]
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(array, photometric=1, samples=1, more=()):
    """An uncompressed TIFF file of an array (H, W) or (H, W, C) of any type."""
    height, width = array.shape[:2]
    kind = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    bits = array.dtype.itemsize * 8
    data = array.tobytes()
    tags = {256: width, 257: height, 259: 1, 262: photometric, 273: 8, 277: samples, 278: height, 279: len(data)}
    entries = [(tag, 4, 1, struct.pack("<I", value)) for tag, value in tags.items()]
    end = 8 + len(data)
    listed = struct.pack("<" + "H" * 2 * samples, *[bits] * samples, *[kind] * samples)
    half = 2 * samples
    for tag, start in ((258, 0), (339, half)):
        short = listed[start : start + half]
        value = short.ljust(4, b"\0") if half <= 4 else struct.pack("<I", end + start)
        entries.append((tag, 3, samples, value))
    entries += more
    ifd = struct.pack("<H", len(entries))
    ifd += b"".join(struct.pack("<HHI", tag, code, count) + value for tag, code, count, value in sorted(entries))
    return b"II*\0" + struct.pack("<I", end + len(listed)) + data + listed + ifd + bytes(4)


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("reader", [read_image, read_mask])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.eps", "a.tif"])
def test_an_eps_never_starts_another_program(reader, name, tmp_path, monkeypatch):
    started = tmp_path / "started"
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    path = write(tmp_path / name, GHOST)
    with pytest.raises(InputError, match=r"does not decode .* it is in the format EPS or PostScript; save it as "):
        reader(path)
    assert not started.exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"%PDF-1.7\n", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (bytes(128) + b"DICM", "DICOM"),
    ],
)
def test_formats_that_are_not_read_are_named(content, kind, tmp_path):
    path = write(tmp_path / "photo.jpg", content)
    with pytest.raises(InputError, match=rf"photo\.jpg does not decode as an image: it is in the format {kind}; save"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"", "the file is empty; give a PNG"), (b"ids", "a mask: give a PNG")]
)
def test_what_is_no_mask_says_what_to_give(content, sentence, tmp_path):
    with pytest.raises(InputError, match=rf"{sentence} or BMP file of object ids\.$"):
        read_mask(write(tmp_path / "mask.png", content))


@pytest.mark.parametrize("reader", [read_image, read_mask])
@pytest.mark.parametrize(
    "content",
    [
        png_header(30_000, 30_000),
        b"BM" + struct.pack("<IHHIIiiHHIIIIII", 70, 0, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0),
        b"P5 30000 30000 255\n",
        b"GIF89a" + struct.pack("<HHBBB", 30_000, 30_000, 0, 0, 0) + b"," + bytes(16) + b";",
        tiff(np.zeros((1, 1), np.uint8), more=()).replace(
            struct.pack("<HHII", 256, 4, 1, 1), struct.pack("<HHII", 256, 4, 1, 900_000_000)
        ),
    ],
    ids=["png", "bmp", "pgm", "gif", "tiff"],
)
def test_a_header_that_promises_too_many_pixels_ends_before_they_are_there(content, reader, tmp_path):
    path = write(tmp_path / "bomb.png", content)
    with pytest.raises(InputError, match=r"bomb\.png is .* which is 900 megapixels and more than the 268 "):
        reader(path)


def test_deep_levels_count_for_the_limit_of_images_and_not_of_masks(tmp_path):
    path = write(tmp_path / "deep.png", png_header(16_000, 16_000, bits=16))
    with pytest.raises(
        InputError, match=r"deep\.png is 16000x16000 pixels of 16 bits, more than .* save it with 8 bits"
    ):
        read_image(path)
    assert recognised(path.read_bytes(), "deep.png", "mask").size == (16_000, 16_000)


def test_a_part_of_a_png_that_promises_a_gigabyte(tmp_path):
    content = png_header(16, 16)
    content = content[:33] + struct.pack(">I", 2**30) + b"tEXt" + content[33:]
    for reader in (read_image, read_mask):
        with pytest.raises(InputError, match=r"does not decode as an? \w+: this PNG file is damaged"):
            reader(write(tmp_path / "a.png", content))


def test_a_gif_whose_picture_is_larger_than_its_screen(tmp_path):
    content = b"GIF89a" + struct.pack("<HHBBB", 8, 6, 0x80, 0, 0) + bytes(6)
    content += b"," + struct.pack("<HHHHB", 0, 0, 40_000, 40_000, 0) + b"\x02\x02\x4c\x01\0;"
    for reader in (read_image, read_mask):
        with pytest.raises(InputError, match=r"a\.gif "):
            reader(write(tmp_path / "a.gif", content))


def test_a_jpeg_header_that_promises_too_many_pixels(tmp_path):
    content = bytearray(cv2.imencode(".jpg", PIXELS)[1].tobytes())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", 30_000, 30_000)
    with pytest.raises(InputError, match=r"30000x30000 pixels, which is 900 megapixels"):
        read_image(write(tmp_path / "bomb.jpg", content))


def test_images_above_179_megapixels_are_read(tmp_path):
    path = tmp_path / "large.png"
    Image.new("1", (13_500, 13_500)).save(path)
    mask = read_mask(path)
    assert mask.shape == (13_500, 13_500) and not mask.any()


@pytest.mark.parametrize("reader", [read_image, read_stretched, read_mask])
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "loop", "nowhere", "device"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has such files")
def test_what_is_no_regular_file_is_refused_at_once(kind, reader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind("x.jpg")
        server.close()
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"loop": path, "nowhere": tmp_path / "gone", "device": "/dev/zero"}[kind])
    with pytest.raises(InputError, match=r"x\.jpg(: check the path| cannot be read \()"):
        reader(path)


@pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "a\0b.jpg", "\udcff.jpg", ""])
def test_names_that_no_file_can_have(name, tmp_path):
    with pytest.raises(InputError, match=r"cannot be read|there is no image file"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".gif"])
def test_a_file_that_is_cut_off_is_called_that(ending, tmp_path):
    content = cv2.imencode(ending, PIXELS)[1].tobytes()
    for length in (len(content) // 2, len(content) - 12):
        path = write(tmp_path / f"a{ending}", content[:length])
        with pytest.raises(InputError, match=r"does not decode as an image: this \w+ file is cut off, its end is miss"):
            read_image(path)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".bmp", ".webp", ".gif", ".jp2", ".ppm"])
def test_damaged_files_are_read_or_refused(ending, tmp_path):
    rng, content = np.random.default_rng(1), cv2.imencode(ending, PIXELS)[1].tobytes()
    for _ in range(40):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(0, len(damaged), 3)] = rng.integers(0, 256, 3)
        path = write(tmp_path / f"a{ending}", damaged.tobytes()[: rng.integers(1, len(damaged) + 1)])
        for reader in (read_image, read_mask):
            try:
                assert reader(path).size
            except InputError as error:
                assert f"a{ending}" in str(error)


def test_endings_that_downloads_have_are_those_of_images(tmp_path):
    write_image(tmp_path / "masks" / "a.png", np.eye(48, 64, dtype=np.uint8))
    for ending in (".jfif", ".gif", ".jp2", ".webp"):
        (tmp_path / "images").mkdir(exist_ok=True)
        path = tmp_path / "images" / f"a{ending}"
        write(path, cv2.imencode(".jpg" if ending == ".jfif" else ending, PIXELS)[1].tobytes())
        assert FolderDataset(tmp_path).get_sample(0).image.shape == PIXELS.shape
        path.unlink()


def test_deep_levels_are_read_alike_by_all(tmp_path):
    levels = np.full((8, 9), 300, np.uint16)
    levels[2:5, 3:7], levels[6, 6] = 3900, 2100
    for name, array in {
        "u16": levels,
        "i16": levels.astype(np.int16) - 900,
        "f32": levels.astype(np.float32) / 7,
    }.items():
        path = write(tmp_path / f"{name}.tif", tiff(array))
        image, shown = read_stretched(path)
        np.testing.assert_array_equal(read_image(path), image)
        assert image.dtype == np.uint8 and image.shape == (8, 9, 3)
        assert (image[3, 4] == 255).all() and (image[0, 0] == 0).all() and abs(int(image[6, 6, 0]) - 128) <= 1
        assert shown == pytest.approx((array.min(), array.max()))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_levels_that_are_not_finite_are_refused(value, tmp_path):
    levels = np.ones((4, 5), np.float32)
    levels[1, 1] = value
    path = write(tmp_path / "a.tif", tiff(levels))
    for reader in (read_image, read_mask):
        with pytest.raises(InputError, match=r"a\.tif has pixels without a finite number"):
            reader(path)


@pytest.mark.parametrize("bands", [2, 5, 13])
def test_bands_that_are_no_colours_are_counted(bands, tmp_path):
    path = write(tmp_path / "a.tif", tiff(np.zeros((6, 7, bands), np.uint8), samples=bands))
    for reader in (read_image, read_mask):
        with pytest.raises(InputError, match=rf"a\.tif has {bands} bands: export"):
            reader(path)


def test_long_texts_in_a_png_do_no_harm(tmp_path):
    text = b"zTXtXML\0\0" + zlib.compress(bytes(5_000_000))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    content = cv2.imencode(".png", PIXELS)[1].tobytes()
    path = write(tmp_path / "a.png", content[:33] + chunk + content[33:])
    np.testing.assert_array_equal(read_image(path), PIXELS[..., ::-1])


def test_only_listed_formats_are_opened_and_in_one_place():
    buffer = BytesIO()
    Image.new("L", (4, 3)).save(buffer, "PCX")
    with pytest.raises(InputError, match="does not decode"):
        recognised(buffer.getvalue(), "a.png")
    package = Path(isegm.__file__).parent
    opening = re.compile(r"\bImage\.open\(|\bcv2\.imread\(|\bimageio\b|\bskimage\.io\b")
    assert not [path for path in package.rglob("*.py") if opening.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_files_lose_their_transparency_and_keep_their_colours(orientation, tmp_path):
    rgba = np.dstack((PIXELS, np.resize(np.arange(0, 256, 17, dtype=np.uint8), PIXELS.shape[:2])))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(rgba).save(tmp_path / "a.tif", tiffinfo={274: orientation})
    Image.fromarray(rgba).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), read_image(tmp_path / "a.png"))


# Pillow below 11.3, and builds of distributions, may lack the library that writes the file of this test.
@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotated_avif_photos_are_read_upright(orientation, tmp_path):
    photo = cv2.resize(PIXELS[:2, :3], (90, 60), interpolation=cv2.INTER_NEAREST)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(photo).save(tmp_path / "a.avif", exif=exif, quality=100)  # which takes the rotation out of exif
    image, expected = read_image(tmp_path / "a.avif"), read_image(tmp_path / "a.png")
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 5
