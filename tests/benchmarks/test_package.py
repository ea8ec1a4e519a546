"""Where measurements stand in the code."""

import ast
from pathlib import Path

ISEGM = Path(__file__).resolve().parents[2] / "isegm"


def imported(file):
    """The names of modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_command_lines_import_measurements():
    importing = {
        file.relative_to(ISEGM).parts[0]
        for file in ISEGM.rglob("*.py")
        if any(name.startswith("isegm.benchmarks") for name in imported(file))
    }
    assert importing == {"benchmarks", "cli"}


def test_measurements_import_neither_command_lines_nor_the_program():
    names = {name for file in (ISEGM / "benchmarks").glob("*.py") for name in imported(file)}
    assert len(names) > 50
    assert not [name for name in names if name.startswith(("isegm.cli.", "isegm.demo."))]
