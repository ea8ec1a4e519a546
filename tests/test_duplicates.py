"""Nothing is written twice."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = 6  # lines, blank ones not counted


def test_no_two_files_share_six_equal_lines():
    seen = {}
    files = [*(ROOT / "isegm").rglob("*.py"), *(ROOT / "scripts").glob("*.py"), *ROOT.glob("*.py")]
    assert len(files) > 100
    for file in sorted(files):
        lines = [line for line in file.read_text().splitlines() if line.strip()]
        for start in range(len(lines) - RUN + 1):
            run = tuple(lines[start : start + RUN])
            assert seen.setdefault(run, file) == file, "\n".join(run)
