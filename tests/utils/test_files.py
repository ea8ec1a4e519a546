"""Reading images and masks, writing files whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from isegm import InputError
from isegm.utils.files import atomic_write, read_image, read_mask, sha256, write_image

ROOT = Path(__file__).resolve().parents[2]


def test_a_colour_image_keeps_its_pixels(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3)).astype(np.uint8)
    write_image(tmp_path / "ä photo.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "ä photo.png"), image)


def test_a_single_pixel(tmp_path):
    write_image(tmp_path / "one.png", np.full((1, 1, 3), 7, np.uint8))
    assert read_image(tmp_path / "one.png").tolist() == [[[7, 7, 7]]]


def test_a_grey_image_gets_three_equal_channels(tmp_path):
    cv2.imwrite(str(tmp_path / "grey.png"), np.arange(12, dtype=np.uint8).reshape(3, 4))
    image = read_image(tmp_path / "grey.png")
    assert image.shape == (3, 4, 3) and (image == image[..., :1]).all()


def test_sixteen_bits_become_eight(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((2, 2, 3), 40_000, np.uint16))
    image = read_image(tmp_path / "deep.png")
    assert image.dtype == np.uint8 and abs(int(image[0, 0, 0]) - 40_000 / 256) <= 1


def test_transparency_is_dropped(tmp_path):
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, 128
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(read_image(tmp_path / "clear.png")[0, 0], [200, 0, 0])


def test_a_rotation_noted_in_exif_is_carried_out(tmp_path):
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees clockwise for viewing
    Image.fromarray(image).save(tmp_path / "turned.jpg", exif=exif)
    upright = read_image(tmp_path / "turned.jpg")
    assert upright.shape == (40, 20, 3)
    assert upright[:18].min() > 200 and upright[22:].max() < 50


def test_no_such_image(tmp_path):
    with pytest.raises(InputError, match=r"there is no image file .*absent\.jpg"):
        read_image(tmp_path / "absent.jpg")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n cut off"])
def test_an_image_that_does_not_decode(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.png does not decode"):
        read_image(tmp_path / "broken.png")
    with pytest.raises(InputError, match=r"broken\.png does not decode"):
        read_mask(tmp_path / "broken.png")


def test_palette_masks_count_by_index(tmp_path):
    mask = Image.fromarray(np.array([[0, 1], [2, 255]], np.uint8), mode="P")
    mask.putpalette(list(range(255, -1, -1)) * 3)
    mask.save(tmp_path / "palette.png")
    assert read_mask(tmp_path / "palette.png").tolist() == [[0, 1], [2, 255]]


def test_sixteen_bit_masks_and_grey_ones_stored_as_colour(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.array([[0, 300]], np.uint16))
    assert read_mask(tmp_path / "deep.png").tolist() == [[0, 300]]
    write_image(tmp_path / "grey.png", np.array([[[3, 3, 3]]], np.uint8))
    assert read_mask(tmp_path / "grey.png").tolist() == [[3]]


def test_colours_are_no_ids(tmp_path):
    write_image(tmp_path / "colour.png", np.array([[[128, 0, 0], [0, 128, 0]]], np.uint8))
    with pytest.raises(InputError, match=r"colour\.png is a colour image"):
        read_mask(tmp_path / "colour.png")


def test_an_unknown_ending(tmp_path):
    with pytest.raises(InputError, match="known image format"):
        write_image(tmp_path / "mask.xyz", np.zeros((2, 2), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path, "w") as file:
        file.write("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("where", ["folder that is a file", "full disk"])
def test_a_place_that_cannot_be_written(tmp_path, where):
    if where == "full disk":
        full = tmp_path / "full"
        full.symlink_to("/dev/full")
        target = full / "mask.png"
    else:
        (tmp_path / "file").write_text("")
        target = tmp_path / "file" / "mask.png"
    with pytest.raises(InputError, match=r"mask\.png cannot be written"):
        write_image(target, np.zeros((2, 2), np.uint8))


def test_a_disk_that_fills_up_while_writing(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(InputError, match=r"data\.bin cannot be written \(No space left on device\)"),
        atomic_write(tmp_path / "data.bin") as file,
    ):
        monkeypatch.setattr(file, "write", no_space, raising=False)
        file.write(b"data")
    assert list(tmp_path.iterdir()) == []


def test_checksum(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")


WRITER = """
import os, sys, time
from isegm.utils.files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writer(tmp_path):
    """A program in the middle of writing a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "report.txt")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there what a killed program leaves cannot be told apart")
def test_the_temporary_file_of_a_killed_program_is_removed_by_the_next_that_writes_there(writer, tmp_path):
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".mine.tmp").write_text("kept")
    with atomic_write(tmp_path / "other.txt", "w") as file:
        file.write("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"other.txt", ".mine.tmp"}


def test_the_temporary_file_of_a_program_at_work_is_kept(writer, tmp_path):
    (half,) = tmp_path.iterdir()
    with atomic_write(tmp_path / "other.txt", "w") as file:
        file.write("whole")
    assert set(tmp_path.iterdir()) == {half, tmp_path / "other.txt"}


def test_a_long_name_can_be_written(tmp_path):
    path = tmp_path / ("写" * 84)  # 252 bytes of the 255 that file systems take
    with atomic_write(path, "w") as file:
        file.write("whole")
    assert path.read_text() == "whole" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link"):
        if path.name == "link":
            path.symlink_to(os.devnull)
        with pytest.raises(InputError, match="is a device or a pipe"), atomic_write(path) as file:
            file.write(b"x")
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_link_stays_and_its_file_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "old.json").write_text("before")
    for name in ("old.json", "new.json"):  # of which the second is not there yet
        link = tmp_path / name
        link.symlink_to(Path("disk") / name)
        with atomic_write(link, "w") as file:
            file.write("after")
        assert link.is_symlink() and (tmp_path / "disk" / name).read_text() == "after"
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["new.json", "old.json"]


def test_a_link_into_a_store_is_replaced_and_the_store_stays(tmp_path):
    stored, link, absent = tmp_path / "store" / "5d41", tmp_path / "out.json", tmp_path / "absent.json"
    stored.parent.mkdir()
    stored.write_text("before")
    stored.chmod(0o444)
    link.symlink_to(stored)
    absent.symlink_to(tmp_path / "store" / "2a" / "2ae4")
    for path in (link, absent):
        with atomic_write(path, "w") as file:
            file.write("after")
        assert not path.is_symlink() and path.read_text() == "after"
    assert stored.read_text() == "before" and not (tmp_path / "store" / "2a").exists()


def test_a_link_to_itself_is_one_sentence(tmp_path):
    (tmp_path / "a.png").symlink_to("a.png")
    with pytest.raises(InputError, match=r"a\.png cannot be written \(Too many levels of symbolic links\)"):
        write_image(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
