"""Servers that nobody vouches for: what they send becomes the right file or one sentence, in bounded time."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest

from isegm.utils import download as downloading
from isegm.utils import web
from isegm.utils.download import download
from isegm.utils.errors import InputError
from tests.utils.serving import answering, serving

BODY = b"weights of a network" * 10
PART = b"HTTP/1.1 206 Partial\r\nContent-Length: 4\r\nContent-Range: "


def head(*lines, status="200 OK"):
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("latin-1")


def whole(*lines):
    return head(f"Content-Length: {len(BODY)}", *lines) + BODY


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    monkeypatch.setattr(web, "TIMEOUT", 2.0)
    monkeypatch.setattr(web, "WINDOW", 0.3)


NO_FILE = {
    "204": (head(status="204 No Content"), "the server says 204 No Content and sends no file"),
    "205": (head("Content-Length: 0", status="205 Reset"), "the server says 205 Reset and sends no file"),
    "202": (head("Content-Length: 2", status="202 Accepted") + b"ok", "the server says 202 Accepted and sends no file"),
    "an empty file": (head("Content-Length: 0"), "the server sends an empty file"),
    "no chunks": (head("Transfer-Encoding: chunked") + b"0\r\n\r\n", "brought a file with no bytes"),
    "no length": (head() + BODY, "the server does not give its length"),
    "closed early": (head() + BODY[:10], "the server does not give its length"),
    "a page": (whole("Content-Type: text/html; charset=utf-8"), "sends a web page instead of the file"),
    "packed": (whole("Content-Encoding: gzip"), "sends it in the encoding gzip"),
    "a word": (head("Content-Length: many") + BODY, "the server gives its length as many"),
    "negative": (head("Content-Length: -5") + BODY, "the server gives its length as -5"),
    "underscores": (head("Content-Length: 2_00") + BODY, "the server gives its length as 2_00"),
    "two lengths": (head("Content-Length: 7", "Content-Length: 9") + BODY, "the server gives its length as , 7, 9"),
    "5,000 digits": (head(f"Content-Length: {'9' * 5000}") + BODY, "the server gives its length as 9999"),
    "a float": (head("Content-Length: 1e3") + BODY, "the server gives its length as 1e3"),
    "enormous": (head("Content-Length: 99999999999999999") + BODY, "is larger .* than expected"),
    "an unasked part": (PART + b"bytes 0-3/4\r\n\r\nabcd", "cannot be fetched"),
    "longer than sent": (head(f"Content-Length: {len(BODY) + 1}") + BODY, "the connection ended early"),
    "an open chunk": (head("Transfer-Encoding: chunked") + b"ff\r\nabc", "cannot be fetched"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "cannot be fetched"),
    "nothing": (b"", "cannot be fetched"),
    "no end of headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000, "cannot be fetched"),
    "provisional for ever": (b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000, "cannot be fetched"),
    "to a file": (head("Location: file:///etc/passwd", status="302 Found"), "redirects to file:///etc/passwd, which"),
    "to ftp": (head("Location: ftp://127.0.0.1/x", status="301 Moved"), "redirects to ftp://127.0.0.1/x, which is no"),
    "to data": (head("Location: data:,weights", status="307 Temporary"), "redirects to data:,weights, which is no"),
    "to a relative path": (head("Location: http:///x", status="302 Found"), "redirects more than 10 times"),
    "to brackets": (head("Location: http://[", status="302 Found"), "which is no address"),
    "to a port": (head("Location: http://a:b/", status="302 Found"), "which is no address"),
    "to dots": (head("Location: http://a..b/", status="302 Found"), "is no address of a file on the web"),
    "to itself": (head("Location: /again", status="302 Found"), "redirects more than 10 times"),
    "to nowhere": (head(status="302 Found"), "the server says 302 Found"),
}


@pytest.mark.parametrize("name", NO_FILE)
def test_what_is_no_file_is_one_sentence_and_never_installed(name, tmp_path):
    answer, sentence = NO_FILE[name]
    with answering(answer) as (url, _), pytest.raises(InputError, match=sentence):
        download(f"{url}/w.pth", tmp_path / "w.pth")
    assert {path.name for path in tmp_path.iterdir()} <= {"w.pth.part", "w.pth.part.tag"}


@pytest.mark.parametrize("known", [{"size": len(BODY)}, {"sha256": "0" * 64}], ids=str)
def test_a_file_without_a_length_is_taken_where_its_size_or_checksum_tells_that_it_is_whole(known, tmp_path):
    with answering(head() + BODY) as (url, _):
        if "size" in known:
            assert download(f"{url}/w.pth", tmp_path / "w.pth", **known).read_bytes() == BODY
        else:
            with pytest.raises(InputError, match="brought a file with the checksum"):
                download(f"{url}/w.pth", tmp_path / "w.pth", **known)


def test_chunks_redirects_and_repeated_lengths_are_no_obstacle(tmp_path):
    chunks = head("Transfer-Encoding: chunked") + b"14\r\n" + BODY[:20] + b"\r\nb4\r\n" + BODY[20:] + b"\r\n0\r\n\r\n"
    moved = head("Location: /elsewhere with a blank", status="302 Found")
    for number, answers in enumerate([(chunks,), (moved, whole()), (whole(f"Content-Length: {len(BODY)}"),)]):
        with answering(*answers) as (url, requests):
            path = download(f"{url}/w.pth", tmp_path / f"{number}.pth")
        assert path.read_bytes() == BODY
    assert requests and "GET /w.pth" in requests[0]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "w.pth", "http://", "http://[", "http://a:99999/"])
def test_an_address_of_another_kind_is_refused(url, tmp_path):
    with pytest.raises(InputError, match="is no address of a file on the web"):
        download(url, tmp_path / "w.pth")
    assert not list(tmp_path.iterdir())


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(InputError, match="from https to http"):
        web._redirected("https://a/b", "http://a/b", "https://a/b")


WRONG_PARTS = ["bytes 0-3/204", "bytes 50-53/204", "bytes 100-103/*", "bytes 100-103/204", "bits", ""]


@pytest.mark.parametrize("content_range", WRONG_PARTS)
def test_a_part_that_was_not_asked_for_never_becomes_a_file(content_range, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(BODY[:100])
    (tmp_path / "w.pth.part.tag").write_text('"1"')
    other = PART + content_range.encode() + b"\r\n\r\nabcd"
    with answering(other, whole('ETag: "2"')) as (url, requests):
        assert download(f"{url}/w.pth", tmp_path / "w.pth").read_bytes() == BODY
    assert "Range: bytes=100-" in requests[0] and "Range" not in requests[1]


TRICKLES = {
    "one byte per second": (head("Content-Length: 100000"), *[b"x"] * 10_000),
    "headers for ever": (b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n"] * 10_000),
    "one header for ever": (b"HTTP/1.1 200 OK\r\nA: ", *[b"b"] * 10_000),
    "chunks for ever": (head("Transfer-Encoding: chunked"), *[b"1\r\nx\r\n"] * 10_000),
}


@pytest.mark.parametrize("name", TRICKLES)
def test_a_trickle_ends_in_a_sentence(name, tmp_path):
    with answering(TRICKLES[name], pause=0.05) as (url, requests), pytest.raises(InputError, match="fewer than 1000 b"):
        download(f"{url}/w.pth", tmp_path / "w.pth")
    assert len(requests) == downloading.ATTEMPTS and not (tmp_path / "w.pth").exists()


def test_one_byte_per_connection_ends_in_a_sentence(tmp_path):
    with serving() as server:
        server.files["w.pth"] = bytes(100_000)
        server.cut = [1] * 1000
        with pytest.raises(InputError, match="the connection ended early"):
            download(server.url("w.pth"), tmp_path / "w.pth")
    assert len(server.asked) == downloading.ATTEMPTS


def test_connections_that_start_anew_and_break_at_other_places_come_to_an_end(tmp_path):
    with serving() as server:
        server.files["w.pth"], server.ranges = bytes(1_000_000), False
        server.cut = [300_000, 400_000] * 500
        with pytest.raises(InputError, match="the connection ended early"):
            download(server.url("w.pth"), tmp_path / "w.pth")
    assert len(server.asked) < 20


def test_an_empty_file_that_was_there_before_is_not_taken_for_weights(tmp_path):
    (tmp_path / "w.pth").touch()
    with pytest.raises(InputError, match=r"is there already and has no bytes: remove it"):
        download("http://127.0.0.1:9/w.pth", tmp_path / "w.pth")


def test_two_downloads_of_one_file_are_one_file_and_one_sentence(tmp_path):
    refused = threading.Event()
    answer = (head("Content-Length: 100000"), b"x" * 50_000, refused.wait, b"x" * 50_000)
    with serving() as server, answering(answer) as (url, _):
        server.files["w.pth"] = BODY
        code = f"""
            from isegm.utils.cli import run
            from isegm.utils.download import download
            run(lambda: download({url!r} + "/w.pth", {str(tmp_path / "w.pth")!r}))
        """
        first = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not (tmp_path / "w.pth.part").is_file() and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(InputError, match=r"w\.pth is in use by another program \(process \d+ on .*\): wait"):
            download(server.url("w.pth"), tmp_path / "w.pth")
        refused.set()
        _, said = first.communicate(timeout=100)
    assert first.returncode == 0, said
    assert (tmp_path / "w.pth").read_bytes() == b"x" * 100_000
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


def test_what_a_killed_download_left_is_taken_over(tmp_path):
    (tmp_path / "w.pth.part.lock").write_text("process 1 on nowhere\n")
    with answering(whole()) as (url, _):
        download(f"{url}/w.pth", tmp_path / "w.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]
