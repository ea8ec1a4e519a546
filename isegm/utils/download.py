"""Fetching files over HTTP: resumed where a connection broke, checked, and there whole or not at all."""

from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from isegm.utils.errors import InputError
from isegm.utils.files import sha256 as checksum

BLOCK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 5  # in a row that bring nothing
PAUSE = 1.0  # seconds, times the number of such attempts
PARTIAL, RANGE_REFUSED, FIRST_SERVER_ERROR = 206, 416, 500

Progress = Callable[[int, int | None], None]


def download(
    url: str,
    path: str | Path,
    size: int | None = None,
    sha256: str | None = None,
    progress: Progress = lambda done, total: None,
    most_bytes: int = 64 << 30,
) -> Path:
    """Fetch a file; one that is there already and passes the checks is kept.

    What has come so far lies in ``<path>.part`` with the server's tag of the file beside it, and a later call goes on
    from there if the server still has the same file and sends parts of files; else it starts again.

    Args:
        url: http or https.
        path: where the file goes; folders are made.
        size: bytes it must have; None where not known.
        sha256: checksum it must have; None where not known.
        progress: called with the bytes there and the bytes in all (None where the server does not say).
        most_bytes: more than this is refused.

    Returns:
        ``path``.

    Raises:
        InputError: no connection, or the file does not pass the checks; it is said how to go on by hand.
    """
    path = Path(path)
    if path.is_file():
        _check(path, path, url, size, sha256)
        return path
    part = path.with_name(f"{path.name}.part")
    by_hand = f"fetch it by hand and put it at {path}."
    idle = 0
    while idle < ATTEMPTS:
        before = _size(part)
        try:
            complete, reason = _fetch(url, part, progress, size or most_bytes), "the connection ended early"
        except urllib.error.HTTPError as error:
            complete, reason = False, f"the server says {error.code} {error.reason}"
            if error.code < FIRST_SERVER_ERROR:
                raise InputError(f"{url} cannot be fetched ({reason}): {by_hand}") from error
        except (OSError, HTTPException) as error:
            complete, reason = False, getattr(error, "reason", None) or error
            if isinstance(reason, (socket.gaierror, ConnectionRefusedError)):
                raise InputError(f"{url} cannot be reached ({reason.strerror}): {by_hand}") from error
        if complete:
            _check(part, path, url, size, sha256)
            os.replace(part, path)
            _tag(part).unlink(missing_ok=True)
            return path
        idle = 0 if _size(part) > before else idle + 1
        time.sleep(PAUSE * idle)
    raise InputError(f"{url} cannot be fetched ({reason}): try again later to go on, or {by_hand}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tag(part: Path) -> Path:
    """Where the server's name for the state of its file is kept."""
    return part.with_name(f"{part.name}.tag")


def _fetch(url: str, part: Path, progress: Progress, most_bytes: int) -> bool:
    """One connection; whether all has come, as far as the server says how much that is."""
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
    """What If-Range takes: a strong ETag, else the date; empty where the server gives neither."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell a full disk from a broken connection, which are the same type of error."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): make room, or choose another folder."
        ) from error


def _check(found: Path, path: Path, url: str, size: int | None, sha256: str | None) -> None:
    """Compare a file with what is known of it; a fetched one that fails is removed."""
    wrong = ""
    if size is not None and _size(found) != size:
        wrong = f"{_size(found)} bytes instead of {size}"
    elif sha256 is not None and (digest := checksum(found)) != sha256:
        wrong = f"the checksum {digest} instead of {sha256}"
    if not wrong:
        return
    if found == path:
        raise InputError(f"{path} is there already and has {wrong}: remove it to have it fetched again.")
    found.unlink()
    _tag(found).unlink(missing_ok=True)
    raise InputError(f"{url} brought a file with {wrong}, which was removed: try again, or look for another source.")
