"""What the files of the package and its gates say agrees."""

import re
import sys
from pathlib import Path

import pytest
import yaml

import isegm

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest needs it there

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def name_of(requirement):
    return re.match(r"[\w-]+", requirement)[0].lower()


def pinned():
    lines = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    return {name_of(line): re.search(r"==([\w.]+)", line)[1] for line in lines}


def test_requirements_are_the_dependencies_and_this_checkout():
    lines = [line for line in read("requirements.txt").splitlines() if not line.startswith("#")]
    assert lines == [*PROJECT["dependencies"], "-e ."]


def test_no_dependency_has_an_upper_bound():
    extras = [line for group in PROJECT["optional-dependencies"].values() for line in group]
    for line in [*PROJECT["dependencies"], *extras, PROJECT["requires-python"]]:
        assert not re.search(r"<|==|~=", line), line


def test_the_installed_versions_are_not_below_those_that_are_asked_for():
    from importlib.metadata import version

    for line in PROJECT["dependencies"]:
        name, least = re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups()
        installed = re.match(r"[\d.]+", version(name))[0]
        assert [*map(int, installed.split("."))] >= [*map(int, least.split("."))], name


def test_pre_commit_runs_the_pinned_versions_of_make_lint():
    repos = {repo["repo"].rpartition("/")[2]: repo for repo in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]}
    assert repos["ruff-pre-commit"]["rev"] == f"v{pinned()['ruff']}"
    assert repos["codespell"]["rev"] == f"v{pinned()['codespell']}"
    hooks = [hook["id"] for repo in repos.values() for hook in repo["hooks"]]
    assert hooks == ["ruff-check", "ruff-format", "codespell", "mypy"]
    assert all(tool in read("Makefile") for tool in ("ruff check", "ruff format --check", "mypy", "codespell"))


def test_continuous_integration_covers_the_classified_pythons_and_real_targets():
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    prefix = "Programming Language :: Python :: 3."
    versions = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if line.startswith(prefix)]
    assert jobs["test"]["strategy"]["matrix"]["python"] == versions
    assert f">={versions[0]}" == PROJECT["requires-python"]
    steps = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    targets = {word for step in steps for word in re.findall(r"make (\w+)", step)}
    targets |= set(re.findall(r"^make (\w+)", read(".ci/run"), re.M))
    assert targets >= {"lint", "docs", "quickstart", "test"}
    assert all(re.search(rf"^{target}:", read("Makefile"), re.M) for target in targets)


def test_the_citation_names_this_version_and_papers_with_authors():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert (citation["cff-version"], citation["version"]) == ("1.2.0", isegm.__version__)
    assert citation["license"] == PROJECT["license"] and citation["message"]
    titles = " ".join(paper["title"] for paper in citation["references"])
    named = ("Mask Guidance", "f-BRS", "Backpropagating", "FocalClick", "Conditional Diffusion", "CFR-ICL", "SegFormer")
    assert all(method in titles for method in named)
    for paper in citation["references"]:
        assert paper["authors"] and paper["year"] > 2000 and paper["notes"]
        assert paper["type"] in ("article", "conference-paper")


def test_the_published_folder_of_weights_shows_the_shipped_checkpoint():
    link = ROOT / "weights" / isegm.DEFAULT_CHECKPOINT.name
    assert link.is_symlink() and link.samefile(isegm.DEFAULT_CHECKPOINT)


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_files_of_the_hosting_site_are_yaml(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict) and content
    for part in content.get("body", ()):
        assert {"type", "id", "attributes"} <= set(part) and part["attributes"]["label"]
