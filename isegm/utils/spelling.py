"""The known name that a misspelt one resembles."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_LETTERS = 100  # of a name that are compared; whole pages would take seconds


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that a misspelt one resembles most; None where none resembles it.

    Args:
        name: the misspelt name.
        known: all names that there are.
        cutoff: from 0 to 1, how similar they must be, see ``difflib.get_close_matches``.
    """
    near = difflib.get_close_matches(name[:MOST_LETTERS], list(known), n=1, cutoff=cutoff)
    return near[0] if near else None
