"""Decode JSON files of any program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from isegm.utils.errors import InputError

SPACE = b"\0\xff\xfe\xef\xbb\xbf \t\r\n"  # what may stand before JSON: marks and zeros of its encoding, white space
START = 256  # bytes in which JSON begins


def is_json(content: bytes) -> bool:
    """Return whether a file starts like JSON, in any of its encodings."""
    return content[:START].translate(None, SPACE)[:1] in (b"{", b"[")


def decode_json(content: bytes, path: str | Path, remedy: str) -> Any:
    """Decode JSON in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        content: of the file.
        path: of the file, for messages.
        remedy: what to do if it is damaged.

    Raises:
        InputError: it is in another encoding, damaged, cut off or nested too deeply; the message says which.
    """
    try:
        return json.loads(content)
    except UnicodeDecodeError as error:
        byte = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        reason, remedy = f"it is no text in UTF-8, UTF-16 or UTF-32: {byte}", "save it in the encoding UTF-8"
        cause: Exception = error
    except json.JSONDecodeError as error:
        reason, cause = f"{error.msg} in line {error.lineno}, column {error.colno}", error
    except RecursionError as error:
        reason, cause = "it is nested too deeply", error
    except ValueError as error:  # a whole number of thousands of digits
        reason, cause = str(error).partition(";")[0].partition(":")[0], error
    raise InputError(f"{path} is not a JSON file, or is cut off ({reason}): {remedy}.") from cause
