"""The Dockerfile, which is not built here, names only what there is."""

import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M)).splitlines()
SOURCES = [source for line in INSTRUCTIONS if line.startswith("COPY ") for source in shlex.split(line)[1:-1]]


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_copied_exists_and_is_sent_to_the_builder(source):
    assert (ROOT / source).exists()
    assert f"!{source}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def test_the_commands_start_what_is_in_the_image():
    (entry,) = (json.loads(line.removeprefix("CMD ")) for line in INSTRUCTIONS if line.startswith("CMD "))
    shown = [shlex.split(line) for line in re.findall(r"isegm (python .*)", DOCKERFILE)]
    assert entry[0] == "python" and len(shown) == 1
    for words in [entry, *shown]:
        for path in (word for word in words if word.endswith(".py")):
            assert (ROOT / path).is_file() and path.split("/")[0] in SOURCES


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("*.py")))
def test_every_program_at_the_top_is_copied(name):
    assert name in SOURCES


def test_it_does_not_run_as_root_and_installs_the_tested_versions():
    last = {line.split()[0]: line for line in INSTRUCTIONS if line.split()}
    assert last["USER"] == "USER user" and last["FROM"].startswith("FROM python:3.12-slim")
    assert any("pip install" in line and "--constraint constraints.txt" in line for line in INSTRUCTIONS)
    assert any("apt-get install" in line and " tk " in line for line in INSTRUCTIONS)
