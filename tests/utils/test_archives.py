"""Unpacking: what honest archives hold appears in the target, and hostile ones leave nothing anywhere."""

import gzip
import io
import lzma
import stat
import tarfile
import tracemalloc
import zipfile
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from isegm.utils import archives
from isegm.utils.archives import unpack
from isegm.utils.errors import InputError

FILES = {"GrabCut/data_GT/a.jpg": b"image", "GrabCut/boundary_GT/a.bmp": b"mask" * 1000, "README": b"text"}


def zipped(path, files=FILES, **modes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = modes.get("mode", stat.S_IFREG | 0o644) << 16
            file.writestr(info, content)
    return path


def tarred(path, files=FILES, kind=tarfile.REGTYPE, link="", mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, link
            file.addfile(info, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return path


def everything(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("pack", [zipped, tarred, lambda path: tarred(path, mode="w:xz")])
def test_files_appear_with_their_folders_and_nothing_else(tmp_path, pack):
    target = tmp_path / "target"
    paths = unpack(pack(tmp_path / "archive"), target)
    assert everything(target) == FILES
    assert sorted(paths) == sorted(target / name for name in FILES)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_the_folder_that_holds_what_readers_look_for_becomes_the_target(tmp_path, pack):
    unpack(pack(tmp_path / "archive"), tmp_path / "target", holds=("data_GT", "boundary_GT"))
    assert set(everything(tmp_path / "target")) == {"data_GT/a.jpg", "boundary_GT/a.bmp"}
    unpack(pack(tmp_path / "archive"), tmp_path / "outer", holds=("GrabCut",))
    assert everything(tmp_path / "outer") == FILES


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_backslashes_of_archives_packed_on_windows_separate_folders(tmp_path, pack):
    packed = {name.replace("/", "\\"): content for name, content in FILES.items()}
    unpack(pack(tmp_path / "archive", packed), tmp_path / "target", holds=("data_GT", "boundary_GT"))
    assert set(everything(tmp_path / "target")) == {"data_GT/a.jpg", "boundary_GT/a.bmp"}


def test_permissions_of_the_archive_and_empty_folders_are_left_out(tmp_path):
    path = tmp_path / "archive"
    with tarfile.open(path, "w") as file:
        for name, kind in (("./", tarfile.DIRTYPE), ("./empty", tarfile.DIRTYPE), ("./set/a", tarfile.REGTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o000
            file.addfile(info)
    assert unpack(path, tmp_path / "target") == [tmp_path / "target" / "set" / "a"]
    (tmp_path / "own").touch()
    assert (tmp_path / "target" / "set" / "a").stat().st_mode == (tmp_path / "own").stat().st_mode
    assert not (tmp_path / "target" / "empty").exists()


def test_an_archive_of_something_else_is_named(tmp_path):
    with pytest.raises(InputError, match="has no folder that holds img, gt"):
        unpack(zipped(tmp_path / "archive.zip"), tmp_path / "target", holds=("img", "gt"))
    assert not list((tmp_path / "target").iterdir())


ABSOLUTE = "an absolute path"  # of a file beside the archive, where the test looks for what was written
NAMES = ["../evil", "a/../../evil", ABSOLUTE, "..\\evil", "C:\\evil", "a/../evil"]


def hostile(pack, name):
    def make(path):
        return pack(path, {"good": b"x", str(path.parent / "evil") if name is ABSOLUTE else name: b"x"})

    return make


HOSTILE = {
    **{f"zip {name}": hostile(zipped, name) for name in NAMES},
    **{f"tar {name}": hostile(tarred, name) for name in NAMES},
    "zip link": lambda path: zipped(path, {"link": b"/etc"}, mode=stat.S_IFLNK | 0o777),
    "tar symbolic link": lambda path: tarred(path, {"link": b""}, tarfile.SYMTYPE, "/etc"),
    "tar hard link": lambda path: tarred(path, {"link": b""}, tarfile.LNKTYPE, "/etc/passwd"),
    "tar device": lambda path: tarred(path, {"device": b""}, tarfile.CHRTYPE),
    "tar pipe": lambda path: tarred(path, {"pipe": b""}, tarfile.FIFOTYPE),
    "tar link within the archive": lambda path: tarred(path, {"link": b""}, tarfile.SYMTYPE, "good"),
    "tar folder": lambda path: tarred(path, {"../below": b""}, tarfile.DIRTYPE),
    "zip folder": lambda path: zipped(path, {"../below/": b""}, mode=stat.S_IFDIR | 0o755),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_members_are_named_and_nothing_is_left(tmp_path, name):
    archive = HOSTILE[name](tmp_path / "archive")
    with pytest.raises(InputError, match=r"was not unpacked, as .* in it (would be written outside|is a link)"):
        unpack(archive, tmp_path / "below" / "target")
    assert set(everything(tmp_path)) == {"archive"}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_bombs_stop_at_the_limit(tmp_path, pack):
    archive = pack(tmp_path / "archive", {"zeros": bytes(3_000_000)})
    assert archive.stat().st_size < 10_000
    with pytest.raises(InputError, match=r"unpacks to more than 0\.002 GB"):
        unpack(archive, tmp_path / "target", most_bytes=2_000_000)
    assert not everything(tmp_path / "target")
    with pytest.raises(InputError, match="holds more than 2 files"):
        unpack(pack(tmp_path / "many"), tmp_path / "target", most_files=2)


def test_a_zip_that_lies_about_sizes_is_stopped_while_it_unpacks(tmp_path):
    archive = zipped(tmp_path / "archive.zip", {"zeros": bytes(3_000_000)})
    lying = archive.read_bytes().replace((3_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    archive.write_bytes(lying)
    with pytest.raises(InputError, match=r"is a damaged archive|unpacks to more than"):
        unpack(archive, tmp_path / "target", most_bytes=2_000_000)
    assert not everything(tmp_path / "target")


@pytest.mark.parametrize("pack", [zipped, tarred, lambda path: tarred(path, mode="w:xz")])
def test_cut_off_and_damaged_archives_are_one_sentence(tmp_path, pack):
    content = pack(tmp_path / "whole").read_bytes()
    for number, damaged in enumerate((content[: len(content) * 2 // 3], b"<html>not found</html>", b"")):
        (tmp_path / f"{number}").write_bytes(damaged)
        with pytest.raises(InputError, match=r"is a damaged archive|is no zip or tar file"):
            unpack(tmp_path / f"{number}", tmp_path / "target")
        assert not everything(tmp_path / "target")


def test_a_wrong_gzip_checksum_is_damage_and_not_a_full_disk(tmp_path):
    content = bytearray(tarred(tmp_path / "whole").read_bytes())
    content[-8] ^= 0xFF  # of the checksum, which stands before the length at the end
    (tmp_path / "wrong").write_bytes(content)
    with pytest.raises(InputError, match="is a damaged archive"):
        unpack(tmp_path / "wrong", tmp_path / "target")
    assert not everything(tmp_path / "target")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_that_cannot_be_together_are_not_called_a_full_disk(tmp_path, pack):
    with pytest.raises(InputError, match="check its permissions, and where the archive comes from"):
        unpack(pack(tmp_path / "archive", {"a": b"x", "a/b": b"x"}), tmp_path / "target")


def test_an_absent_archive_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no archive"):
        unpack(tmp_path / "absent.zip", tmp_path / "target")


def test_a_python_without_filters_of_tar_files_unpacks_them_too(tmp_path, monkeypatch):
    archive = tarred(tmp_path / "set.tgz")
    monkeypatch.delattr(tarfile, "data_filter", raising=False)  # as in Debian 12's Python
    unpack(archive, tmp_path / "out")
    assert everything(tmp_path / "out") == FILES


def test_files_get_the_usual_rights_whatever_the_archive_says(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for name, mode in (("run.sh", 0o4777), ("secret.txt", 0)):
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.size = mode, 12345, 1
            tar.addfile(member, io.BytesIO(b"x"))
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat()
    for path in unpack(tmp_path / "set.tar", tmp_path / "out"):
        assert (path.stat().st_mode, path.stat().st_uid) == (usual.st_mode, usual.st_uid)


def compressed(path, pieces):
    """A gzip file of these bytes, none of which are held in memory together."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        for piece in pieces:
            file.write(piece)
    return path


def long_header(kind, size):
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_of_a_tar_is_never_read_into_memory_whole(tmp_path, kind):
    zeros = [bytes(1 << 20)] * 64
    archive = compressed(tmp_path / "archive.tgz", [long_header(kind, 5 << 30), *zeros])
    tracemalloc.start()
    with pytest.raises(InputError, match=r"is a damaged archive \(a header of 5368709120 bytes\)"):
        unpack(archive, tmp_path / "target")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20


def test_what_lies_behind_the_end_of_a_tar_is_read_up_to_a_limit(tmp_path, monkeypatch):
    content = tarred(tmp_path / "plain", mode="w").read_bytes()
    unpack(compressed(tmp_path / "padded.tgz", [content, bytes(1 << 20)]), tmp_path / "padded")
    assert everything(tmp_path / "padded") == FILES
    monkeypatch.setattr(archives, "MOST_BEHIND", 3 << 20)
    with pytest.raises(InputError, match="is a damaged archive \\(more than 3145728 bytes behind its end"):
        unpack(compressed(tmp_path / "zeros.tgz", [content, *[bytes(1 << 20)] * 5]), tmp_path / "target")
    assert not everything(tmp_path / "target")


def test_a_tar_with_a_broken_header_in_the_middle_is_not_taken_for_a_shorter_one(tmp_path):
    content = bytearray(tarred(tmp_path / "plain", mode="w").read_bytes())
    content[1024 + 10] ^= 0xFF  # in the name of the second file, behind the header and the block of the first
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(InputError, match="is a damaged archive"):
        unpack(tmp_path / "broken", tmp_path / "target")
    assert not everything(tmp_path / "target")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_unpacks_to_no_more_than_its_size_makes_likely(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(archives, "ANY_RATIO", 1_000_000)
    archive = pack(tmp_path / "archive", {"zeros": bytes(3_000_000)})
    with pytest.raises(InputError, match=r"unpacks to more than 0\.001 GB"):
        unpack(archive, tmp_path / "target")
    assert not everything(tmp_path / "target")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"unpacks to more than is free in .*target: make room there"):
        unpack(pack(tmp_path / "archive"), tmp_path / "target")
    assert not everything(tmp_path / "target")


def test_what_a_killed_program_was_unpacking_is_removed(tmp_path):
    left = tmp_path / "target" / ".unpacking-x" / "data_GT"
    left.mkdir(parents=True)
    (left / "a.jpg").touch()
    unpack(zipped(tmp_path / "archive"), tmp_path / "target")
    assert everything(tmp_path / "target") == FILES and not left.parent.exists()


@pytest.mark.parametrize("pack", [zipped, lambda path: tarred(path, mode="w"), tarred])
def test_damage_anywhere_is_one_sentence_or_the_same_files(tmp_path, pack):
    content = pack(tmp_path / "whole").read_bytes()
    random = np.random.default_rng(0)
    for number in range(100):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[random.integers(0, len(damaged), 3)] = random.integers(0, 256, 3)
        (tmp_path / "damaged").write_bytes(damaged.tobytes())
        try:
            unpack(tmp_path / "damaged", tmp_path / "target" / f"{number}")
        except InputError:
            assert not everything(tmp_path / "target" / f"{number}")


def test_an_archive_that_asks_for_gigabytes_of_memory_is_refused(tmp_path):
    path = tarred(tmp_path / "archive", mode="w")
    packed = bytearray(lzma.compress(path.read_bytes(), lzma.FORMAT_ALONE))
    path.write_bytes(packed)
    unpack(path, tmp_path / "target")
    packed[1:5] = (3 << 30).to_bytes(4, "little")  # of the dictionary
    path.write_bytes(packed)
    with pytest.raises(InputError, match=r"archive takes more than 256 MiB of memory to be unpacked: pack it again"):
        unpack(path, tmp_path / "other")
    assert everything(tmp_path / "other") == {}


def with_large_dictionary(content: bytes) -> bytes:
    """An xz stream of one block that says it needs a dictionary of 3 GiB."""
    packed = bytearray(lzma.compress(content, preset=6))
    length = (packed[12] + 1) * 4  # of the header of the block, which ends with its CRC32
    flags_at = packed.index(b"\x21\x01", 12)  # LZMA2, and the length of its properties
    packed[flags_at + 2] = 39  # 3 GiB
    packed[12 + length - 4 : 12 + length] = zlib.crc32(packed[12 : 12 + length - 4]).to_bytes(4, "little")
    return bytes(packed)


def test_a_later_part_of_an_xz_archive_that_asks_for_gigabytes_is_refused(tmp_path):
    path = tmp_path / "a.tar"
    content = tarred(path, mode="w").read_bytes()
    half = len(content) // 2
    path.write_bytes(lzma.compress(content[:half]) + b"\0" * 8 + lzma.compress(content[half:]))
    assert unpack(path, tmp_path / "target")
    path.write_bytes(lzma.compress(content[:half]) + with_large_dictionary(content[half:]))
    with pytest.raises(InputError, match=r"a\.tar takes more than 256 MiB of memory to be unpacked: pack it again"):
        unpack(path, tmp_path / "other")
    assert everything(tmp_path / "other") == {}
