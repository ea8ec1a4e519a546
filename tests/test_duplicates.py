"""Nothing but imports is written twice."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = 6  # lines, blank ones and imports not counted


def lines_of(file):
    """The lines of a file without blank ones and imports."""
    text = file.read_text(encoding="utf-8")
    imports = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    return [line for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in imports]


def test_no_two_files_share_six_equal_lines():
    seen = {}
    files = [*(ROOT / "isegm").rglob("*.py"), *(ROOT / "scripts").glob("*.py"), *ROOT.glob("*.py")]
    assert len(files) > 100
    for file in sorted(files):
        lines = lines_of(file)
        for start in range(len(lines) - RUN + 1):
            run = tuple(lines[start : start + RUN])
            assert seen.setdefault(run, file) == file, "\n".join(run)
