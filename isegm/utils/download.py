"""Downloads over HTTP that resume after broken connections, are checked, and leave a whole file or none.

``torch.hub.download_url_to_file`` and torchvision's ``download_url`` start from zero after a broken connection, and
know neither an expected size nor a limit; data sets of gigabytes need all three.
"""

from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from isegm.utils.errors import InputError
from isegm.utils.files import checksum

BLOCK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 5  # connections in a row that bring no byte
PAUSE = 1.0  # seconds before the next connection, times the number of those that brought nothing
PARTIAL, RANGE_REFUSED, FIRST_SERVER_ERROR = 206, 416, 500

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
        InputError: no connection, or the file does not pass the checks; the message tells how to go on by hand.
    """
    path = Path(path)
    checksums = {algorithm: value for algorithm, value in (("sha256", sha256), ("md5", md5)) if value is not None}
    if path.is_file():
        _check(path, path, url, size, checksums)
        return path
    part = path.with_name(f"{path.name}.part")
    by_hand = f"fetch it by hand and put it at {path}."
    idle = 0
    while idle < ATTEMPTS:
        before = _size(part)
        try:
            complete = _fetch(url, part, progress, size or most_bytes)
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            complete, reason = False, f"the server says {error.code} {error.reason}"
            if error.code < FIRST_SERVER_ERROR:
                raise InputError(f"{url} cannot be fetched ({reason}): {by_hand}") from error
        except (OSError, HTTPException) as error:
            cause = getattr(error, "reason", None) or error
            if isinstance(cause, (socket.gaierror, ConnectionRefusedError)):
                raise InputError(f"{url} cannot be reached ({cause.strerror}): {by_hand}") from error
            complete, reason = False, str(cause)
        if complete:
            _check(part, path, url, size, checksums)
            os.replace(part, path)
            _tag(part).unlink(missing_ok=True)
            return path
        idle = 0 if _size(part) > before else idle + 1
        time.sleep(PAUSE * idle)
    raise InputError(f"{url} cannot be fetched ({reason}): try again later to go on, or {by_hand}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tag(part: Path) -> Path:
    """Path of the file that keeps the server's tag (ETag or date) of a partial download."""
    return part.with_name(f"{part.name}.tag")


def _fetch(url: str, part: Path, progress: Progress, most_bytes: int) -> bool:
    """Read from one connection into ``part``; return whether the file is complete, if the server gives its size."""
    tag = _tag(part).read_text(encoding="utf-8") if _tag(part).is_file() else ""
    start = _size(part) if tag else 0
    headers = {"Range": f"bytes={start}-", "If-Range": tag} if start else {}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == RANGE_REFUSED and start:  # as much as there is has come, or the part is of another file
            error.close()
            if error.headers.get("Content-Range", "").endswith(f"/{start}"):
                return True
            part.unlink()
            return False
        raise
    with response:
        if response.status != PARTIAL or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        if (total or 0) > most_bytes:
            raise InputError(f"{url} is larger ({total} bytes) than expected ({most_bytes}): it was not fetched.")
        with _writing(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            _tag(part).write_text(_state_of(response), encoding="utf-8")
            file = open(part, "ab" if start else "wb")  # noqa: SIM115, closed below
        done = start
        with file:
            while block := response.read(BLOCK):
                done += len(block)
                if done > most_bytes:
                    raise InputError(f"{url} is larger than expected ({most_bytes} bytes): it was not fetched.")
                with _writing(part):
                    file.write(block)
                    file.flush()
                progress(done, total)
    return total is None or done == total


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
    wrong = ""
    if size is not None and _size(found) != size:
        wrong = f"{_size(found)} bytes instead of {size}"
    for algorithm, expected in checksums.items():
        if not wrong and (digest := checksum(found, algorithm)) != expected:
            wrong = f"the checksum {digest} instead of {expected}"
    if not wrong:
        return
    if found == path:
        raise InputError(f"{path} is there already and has {wrong}: remove it to have it fetched again.")
    found.unlink()
    _tag(found).unlink(missing_ok=True)
    raise InputError(f"{url} brought a file with {wrong}, which was removed: try again, or look for another source.")
