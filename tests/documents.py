"""Read the documentation: its pages, fenced blocks, commands, headings and links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "weights/README.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>needs|not run): (?P<reason>[^\n]+) -->\n)?"
    r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"\n]+)\")?[^\n]*\n(?P<body>.*?)^```$",
    re.M | re.S,
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: the file, relative to the repository.
        mark: "needs" (data, a checkpoint, a device) or "not run", from the comment above it; "" for none.
        language: behind the fence.
        title: file name of a block that shows a file; "" for none.
        body: its lines.
    """

    page: str
    mark: str
    language: str
    title: str
    body: str


@dataclass(frozen=True)
class Command:
    """One command line of a bash block, and the mark of its block."""

    page: str
    mark: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words[:4])}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        mark, language, title, body = (found[name] or "" for name in ("mark", "language", "title", "body"))
        yield Block(str(page.relative_to(ROOT)), mark, language, title, body)


def commands() -> list[Command]:
    """The command lines of all pages; a line that ends in a backslash goes on in the next one."""
    found = []
    for page in PAGES:
        for block in blocks(page):
            if block.language == "bash":
                lines = block.body.replace("\\\n", " ").splitlines()
                split = (tuple(shlex.split(line, comments=True)) for line in lines)
                found += [Command(block.page, block.mark, words) for words in split if words]
    return found


def slug(heading: str) -> str:
    """The anchor of a heading, on the site as in the repository."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def without_fences(page: Path) -> str:
    """A page's text without its fenced blocks."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", without_fences(page), re.M)}


def links(page: Path) -> list[str]:
    """Targets of a page's links."""
    return LINK.findall(without_fences(page))
