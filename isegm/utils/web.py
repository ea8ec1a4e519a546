"""Requests to web servers that nobody vouches for: slow ones, ones that redirect anywhere, odd ones.

``urllib`` waits for ever on a server that sends a byte now and then, follows redirects from https to http and ftp, and
reads the whole body of a redirect, however long. ``open_url`` does none of these.
"""

from __future__ import annotations

import io
import ssl
import string
import time
import urllib.error
import urllib.request
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection, InvalidURL
from urllib.parse import quote, urljoin, urlsplit

from isegm.utils.errors import InputError

TIMEOUT = 20.0  # seconds without a byte
WINDOW = 10.0  # seconds over which the pace is measured
SLOWEST = 1000  # bytes per second
MOST_HEADERS = 1 << 20  # bytes
MOST_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)


def open_url(url: str, headers: dict[str, str]) -> HTTPResponse:
    """Send a GET request, follow redirects, and return the answer once its headers are there.

    Reading the answer raises ``TimeoutError`` where the server is silent for ``TIMEOUT`` seconds, or sends fewer than
    ``SLOWEST`` bytes per second over ``WINDOW`` seconds.

    Args:
        url: http or https.
        headers: of the request.

    Raises:
        InputError: the address cannot be used, or a redirect leads to one that cannot, from https to another scheme,
            or on and on.
        urllib.error.HTTPError: the server answers with an error.
        OSError, http.client.HTTPException: the connection breaks, or what comes is no HTTP.
    """
    address = url
    for _ in range(MOST_REDIRECTS + 1):
        _check_address(address, url)
        try:
            return _opener().open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            location = error.headers.get("Location")
            if error.code not in REDIRECTS or not location:
                raise
            error.close()
            address = _redirected(address, location, url)
        except (InvalidURL, ValueError) as error:
            raise InputError(f"{_named(address, url)} is no address of a file on the web ({error}).") from error
    raise InputError(f"{url} redirects more than {MOST_REDIRECTS} times: fetch it by hand.")


def _redirected(address: str, location: str, url: str) -> str:
    """Return where a redirect leads."""
    try:
        target = quote(urljoin(address, location), encoding="iso-8859-1", safe=string.punctuation)
        downgraded = urlsplit(address).scheme == "https" and urlsplit(target).scheme == "http"
    except ValueError as error:
        raise InputError(f"{url} redirects to {location}, which is no address: fetch it by hand.") from error
    if downgraded:
        raise InputError(f"{url} redirects to {target}, from https to http, where anybody can change what is sent.")
    return target


def _check_address(address: str, url: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"{_named(address, url)} is no address of a file on the web, http://... or https://...")


def _named(address: str, url: str) -> str:
    return url if address == url else f"{url} redirects to {address}, which"


class _PacedStream(io.RawIOBase):
    """Bytes of a socket, with a lowest pace, and a limit on those of the headers.

    Attributes:
        headers_left: bytes that may come until it is set to None.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._since, self._bytes = time.monotonic(), 0
        self.headers_left: int | None = MOST_HEADERS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # of any writable buffer
        count = self._raw.readinto(buffer)
        if not count:
            return count
        if self.headers_left is not None:
            self.headers_left -= count
            if self.headers_left < 0:
                raise OSError(f"the server sends more than {MOST_HEADERS} bytes of headers")
        self._bytes += count
        seconds = time.monotonic() - self._since
        if seconds >= WINDOW:
            if self._bytes < SLOWEST * seconds:
                raise TimeoutError(f"the server sends fewer than {SLOWEST} bytes per second")
            self._since, self._bytes = time.monotonic(), 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _PacedResponse(HTTPResponse):
    """An answer that is read through ``_PacedStream``."""

    def begin(self) -> None:
        stream = _PacedStream(self.fp.detach())
        self.fp = io.BufferedReader(stream)
        super().begin()
        stream.headers_left = None


class _PacedConnection(HTTPConnection):
    response_class = _PacedResponse


class _PacedSecureConnection(HTTPSConnection):
    response_class = _PacedResponse


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_PacedConnection, request)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_PacedSecureConnection, context=ssl.create_default_context()), request)


def _opener() -> urllib.request.OpenerDirector:
    """Build an opener of http and https, through the proxies of the environment, that follows no redirects."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _Http(),
        _Https(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener
