"""Fetching from a server on this machine that cuts connections, changes its files and refuses parts of them."""

import hashlib

import numpy as np
import pytest

from isegm.utils import download as downloading
from isegm.utils.download import download
from isegm.utils.errors import InputError
from tests.utils.serving import serving

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    with serving() as server:
        server.files["w.pth"] = CONTENT
        yield server


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_with_progress_and_is_then_kept(server, tmp_path):
    seen = []
    path = tmp_path / "weights" / "w.pth"
    assert download(server.url("w.pth"), path, len(CONTENT), SHA256, lambda *now: seen.append(now)) == path
    assert path.read_bytes() == CONTENT and names(path.parent) == ["w.pth"]
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and seen == sorted(seen)
    download(server.url("w.pth"), path, len(CONTENT), SHA256)
    assert len(server.asked) == 1


def test_cut_connections_are_resumed_where_they_broke(server, tmp_path):
    server.cut = [300_000, 1, 400_000]
    download(server.url("w.pth"), tmp_path / "w.pth", sha256=SHA256)
    assert (tmp_path / "w.pth").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=300001-", "bytes=700001-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.cut = [300_000] + [0] * downloading.ATTEMPTS
    with pytest.raises(InputError, match=r"the connection ended early.*try again later to go on, or fetch it by hand"):
        download(server.url("w.pth"), tmp_path / "w.pth")
    assert names(tmp_path) == ["w.pth.part", "w.pth.part.tag"]
    download(server.url("w.pth"), tmp_path / "w.pth", sha256=SHA256)
    assert server.asked[-1] == "bytes=300000-" and names(tmp_path) == ["w.pth"]


@pytest.mark.parametrize("change", ["no parts", "no tag", "weak tag", "another file"])
def test_where_a_part_is_of_no_use_the_file_comes_from_the_start(server, tmp_path, change):
    server.cut = [300_000] + [0] * downloading.ATTEMPTS
    server.ranges = change != "no parts"
    server.etag = {"no tag": "", "weak tag": 'W/"1"'}.get(change, '"1"')
    with pytest.raises(InputError):
        download(server.url("w.pth"), tmp_path / "w.pth")
    if change == "another file":
        server.files["w.pth"], server.etag = CONTENT[::-1], '"2"'
    download(server.url("w.pth"), tmp_path / "w.pth")
    assert (tmp_path / "w.pth").read_bytes() == server.files["w.pth"]


def test_a_part_that_is_already_whole_is_checked_and_taken(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT)
    (tmp_path / "w.pth.part.tag").write_text('"1"')
    download(server.url("w.pth"), tmp_path / "w.pth", sha256=SHA256)
    assert server.asked == ["bytes=1000000-"] and names(tmp_path) == ["w.pth"]


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT + b"more")
    (tmp_path / "w.pth.part.tag").write_text('"1"')
    download(server.url("w.pth"), tmp_path / "w.pth", sha256=SHA256)
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "known, sentence",
    [
        ({"sha256": "0" * 64}, f"the checksum {SHA256} instead of {'0' * 64}, which was removed"),
        ({"md5": "0" * 32}, f"the checksum {MD5} instead of {'0' * 32}, which was removed"),
        ({"size": len(CONTENT) + 1}, "1000000 bytes instead of 1000001, which was removed"),
        ({"size": 1000}, "is larger .* than expected"),
        ({"most_bytes": 1000}, "is larger .* than expected"),
    ],
)
def test_a_wrong_file_is_refused_and_removed(server, tmp_path, known, sentence):
    with pytest.raises(InputError, match=sentence):
        download(server.url("w.pth"), tmp_path / "w.pth", **known)
    assert not list(tmp_path.iterdir())


def test_a_wrong_file_that_was_there_before_is_left_alone(server, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"mine")
    with pytest.raises(InputError, match="is there already and has 4 bytes instead of 1000000: remove it"):
        download(server.url("w.pth"), tmp_path / "w.pth", size=len(CONTENT))
    assert (tmp_path / "w.pth").read_bytes() == b"mine" and not server.asked


def test_what_the_server_refuses_is_said_at_once_with_the_way_by_hand(server, tmp_path):
    with pytest.raises(InputError, match=r"the server says 404 Not Found\): fetch it by hand and put it at .*absent"):
        download(server.url("absent"), tmp_path / "absent")
    assert len(server.asked) == 1 and not list(tmp_path.iterdir())


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.status = 503
    with pytest.raises(InputError, match="the server says 503"):
        download(server.url("w.pth"), tmp_path / "w.pth")
    assert len(server.asked) == downloading.ATTEMPTS


def test_without_a_network_it_is_one_sentence(tmp_path):
    with serving() as server:
        url = server.url("w.pth")
    with pytest.raises(InputError, match=r"cannot be reached \(.*\): fetch it by hand and put it at"):
        download(url, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"cannot be reached \(.*\): fetch it by hand and put it at"):
        download("http://no-such-host.invalid/w.pth", tmp_path / "w.pth")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_one_sentence(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        download(server.url("w.pth"), tmp_path / "file" / "w.pth")
    assert not server.asked
