"""Numbers with their units, as people say them."""

from __future__ import annotations


def in_minutes(seconds: float) -> str:
    """Write a duration, such as 42 s, 7 min or 3.5 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def in_bytes(size: float) -> str:
    """Write a number of bytes in kB, MB or GB, with powers of 1000."""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, such as no images, 1 image or 2 processes."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number or 'no'} {noun}{ending}"
