"""Show README, CONTRIBUTING, CHANGELOG and the model card as pages, with links that work here and in the repository."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "weights/README.md": "default-model.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s:]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each file of ``PAGES``."""
    for source, page in PAGES.items():
        content = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links of the repository into links of the site; a link to a file that the site lacks becomes its text."""
    own = page.file.src_uri
    source = next((path for path, shown in PAGES.items() if shown == own), f"docs/{own}")

    def link(match: re.Match[str]) -> str:
        image, text, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        shown = PAGES.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if shown is None:
            return text
        return f"{image}[{text}]({posixpath.relpath(shown, posixpath.dirname(own) or '.')}{anchor or ''})"

    return LINK.sub(link, markdown)
