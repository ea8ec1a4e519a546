"""Downloads over HTTP that resume after broken connections, are checked, and leave a whole file or none.

``torch.hub.download_url_to_file`` and torchvision's ``download_url`` start from zero after a broken connection, and
know neither an expected size nor a limit; data sets of gigabytes need all three.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from isegm.utils.errors import InputError
from isegm.utils.files import checksum
from isegm.utils.locks import hold_lock
from isegm.utils.log import logger
from isegm.utils.web import open_url

BLOCK = 1 << 18
ATTEMPTS = 4  # connections in a row that bring next to nothing
LEAST_PROGRESS = 1 << 16  # bytes that a connection must bring to count as one that helps
PAUSE = 1.0  # seconds before the next connection, times the number of those that brought nothing
OK, PARTIAL, RANGE_REFUSED, FIRST_SERVER_ERROR = 200, 206, 416, 500
HOPELESS = (socket.gaierror, ConnectionRefusedError, ssl.SSLCertVerificationError)

Progress = Callable[[int, int | None], None]


def download(
    url: str,
    path: str | Path,
    size: int | None = None,
    sha256: str | None = None,
    progress: Progress = lambda done, total: None,
    most_bytes: int = 64 << 30,
    md5: str | None = None,
) -> Path:
    """Download a file; an existing one that passes the checks is kept.

    A partial download lies in ``<path>.part``, with the server's tag of the file beside it. A later call resumes it if
    the server still has the same file and supports ranges, and otherwise starts again.

    Args:
        url: http or https.
        path: the file to write; its folder is created.
        size: expected number of bytes; None where unknown.
        sha256: expected checksum; None where unknown.
        progress: called with the bytes so far and the bytes in total (None where the server does not say).
        most_bytes: refuse files that are larger.
        md5: expected checksum; None where unknown.

    Returns:
        ``path``.

    Raises:
        InputError: no connection; the server sends no file, an empty one, or next to nothing for a minute; nothing
            tells whether the file came whole; it does not pass the checks; or another program downloads it. The
            message tells how to go on by hand.
    """
    path = Path(path)
    checksums = {algorithm: value for algorithm, value in (("sha256", sha256), ("md5", md5)) if value is not None}
    part = path.with_name(f"{path.name}.part")
    if not _is_there(path, url, size, checksums):
        with hold_lock(f"{part}.lock", str(path), "wait until it has fetched the file"):
            if not _is_there(path, url, size, checksums):  # else the other program has just finished
                _complete(url, part, path, progress, size or most_bytes, size is not None or bool(checksums))
                _check(part, path, url, size, checksums)
                with _writing(path):
                    os.replace(part, path)
                _tag(part).unlink(missing_ok=True)
    return path


def _is_there(path: Path, url: str, size: int | None, checksums: Mapping[str, str]) -> bool:
    """Return whether the file is there; raise ``InputError`` if it does not pass the checks."""
    if path.is_file():
        _check(path, path, url, size, checksums)
        return True
    if path.exists():
        raise InputError(f"{path} is no file, but is where one is to be written: move it away.")
    return False


def _complete(url: str, part: Path, path: Path, progress: Progress, most_bytes: int, checked: bool) -> None:
    """Read from as many connections as it takes until ``part`` is the whole file."""
    by_hand = f"fetch it by hand and put it at {path}."
    idle, best = 0, _size(part)
    while True:
        try:
            if _fetch(url, part, progress, most_bytes, checked):
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"the server says {error.code} {error.reason}"
            if error.code < FIRST_SERVER_ERROR:
                raise InputError(f"{url} cannot be fetched ({reason}): {by_hand}") from error
        except (OSError, HTTPException) as error:
            cause = getattr(error, "reason", None) or error
            if isinstance(cause, HOPELESS):
                raise InputError(f"{url} cannot be reached ({cause.strerror}): {by_hand}") from error
            reason = str(cause) or type(cause).__name__
        idle = 0 if _size(part) >= best + LEAST_PROGRESS else idle + 1
        best = max(best, _size(part))
        if idle == ATTEMPTS:
            raise InputError(f"{url} cannot be fetched ({reason}): try again later to go on, or {by_hand}")
        logger.info("%s: %s; connecting again", url, reason)
        time.sleep(PAUSE * idle)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tag(part: Path) -> Path:
    """Path of the file that keeps the server's tag (ETag or date) of a partial download."""
    return part.with_name(f"{part.name}.tag")


def _fetch(url: str, part: Path, progress: Progress, most_bytes: int, checked: bool) -> bool:
    """Read from one connection into ``part``; return whether the file is complete.

    Args:
        url, progress, most_bytes: see ``download``.
        part: the partial download.
        checked: whether the file's size or checksum is known.
    """
    tag = _tag(part).read_text(encoding="utf-8", errors="replace") if _tag(part).is_file() else ""
    start = _size(part) if tag.isprintable() and tag.isascii() and tag else 0
    headers = {"Range": f"bytes={start}-", "If-Range": tag} if start else {}
    try:
        response = open_url(url, headers)
    except urllib.error.HTTPError as error:
        if error.code == RANGE_REFUSED and start:  # as much as there is has come, or the part is of another file
            error.close()
            if error.headers.get("Content-Range", "").endswith(f"/{start}"):
                return True
            part.unlink()
            return False
        raise
    with response:
        length = _announced_length(response, url, checked)
        if response.status == PARTIAL:
            if not _continues(response, start, length):  # another part than was asked for
                part.unlink(missing_ok=True)
                return False
        else:
            start = 0
        total = None if length is None else start + length
        if (total or 0) > most_bytes:
            raise InputError(f"{url} is larger ({total} bytes) than expected ({most_bytes}): it was not fetched.")
        with _writing(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            if length is not None and length > (free := shutil.disk_usage(part.parent).free):
                raise InputError(f"{part} needs {length} bytes more and {free} are free: make room.")
            _tag(part).write_text(_state_of(response), encoding="utf-8")
            file = open(part, "ab" if start else "wb")  # noqa: SIM115, closed below
        done = start
        with file:
            while done != total and (block := response.read1(BLOCK if total is None else min(BLOCK, total - done))):
                done += len(block)
                if done > most_bytes:
                    raise InputError(f"{url} is larger than expected ({most_bytes} bytes): it was not fetched.")
                with _writing(part):
                    file.write(block)
                    file.flush()
                progress(done, total)
    return total is None or done == total


def _announced_length(response: HTTPResponse, url: str, checked: bool) -> int | None:
    """Return how many bytes the server says that it sends; None where it says so in another way, or not at all.

    Raises:
        InputError: it sends no file, or nothing would tell whether the file came whole.
    """
    kind, encoding = response.headers.get_content_type(), response.headers.get("Content-Encoding", "identity")
    lengths = {text.strip() for line in response.headers.get_all("Content-Length", []) for text in line.split(",")}
    length = lengths.pop() if len(lengths) == 1 else None
    chunked = response.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
    if response.status not in (OK, PARTIAL):
        wrong = f"the server says {response.status} {response.reason} and sends no file"
    elif kind == "text/html":
        wrong = "the server sends a web page instead of the file"
    elif encoding.strip().lower() != "identity":
        wrong = f"the server sends it in the encoding {encoding}"
    elif not chunked and (lengths or (length is not None and not re.fullmatch(r"[0-9]{1,18}", length))):
        wrong = f"the server gives its length as {', '.join(sorted({*lengths, length or ''}))}"
    elif not chunked and length is None and not checked:
        wrong = "the server does not give its length, so that nothing would tell whether it came whole"
    elif length is not None and not chunked and int(length) == 0 and response.status == OK:
        wrong = "the server sends an empty file"
    else:
        return None if chunked or length is None else int(length)
    raise InputError(f"{url} was not fetched, as {wrong}: fetch it by hand, or look for another source.")


def _continues(response: HTTPResponse, start: int, length: int | None) -> bool:
    """Return whether an answer with a part of the file goes on where the download ended, to the end of the file."""
    found = re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", response.headers.get("Content-Range", ""))
    if not found or not start:
        return False
    first, last, total = map(int, found.groups())
    return first == start and last + 1 == total and length in (None, total - start)


def _state_of(response: HTTPResponse) -> str:
    """Return the value for If-Range: a strong ETag, else the date; empty where the server sends neither."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn errors of the disk into ``InputError``; broken connections raise the same types of error elsewhere."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): make room, or choose another folder."
        ) from error


def _check(found: Path, path: Path, url: str, size: int | None, checksums: Mapping[str, str]) -> None:
    """Compare a file with its expected size and checksums, by algorithm; remove a download that differs."""
    wrong = "" if _size(found) else "no bytes"
    if not wrong and size is not None and _size(found) != size:
        wrong = f"{_size(found)} bytes instead of {size}"
    for algorithm, expected in checksums.items():
        if not wrong and (digest := checksum(found, algorithm)) != expected:
            wrong = f"the checksum {digest} instead of {expected}"
    if not wrong:
        return
    if found == path:
        raise InputError(f"{path} is there already and has {wrong}: remove it to have it fetched again.")
    found.unlink(missing_ok=True)
    _tag(found).unlink(missing_ok=True)
    raise InputError(f"{url} brought a file with {wrong}, which was removed: try again, or look for another source.")
