"""What the documentation says holds: commands and Python run, links lead somewhere, named tests and anchors exist.

A command that is not marked runs here in small: on sample images, with few clicks. Marks are comments above a block:
``<!-- needs: GrabCut -->`` for what needs data, a checkpoint or a device, where only the command's parser reads the
words, and ``<!-- not run: reason -->`` for installing and other programs.
"""

import re
import runpy
import shutil
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from isegm.cli import COMMANDS
from isegm.data.datasets.samples import SamplesDataset
from isegm.recipes import Recipe
from isegm.utils.files import write_image
from tests.documents import PAGES, ROOT, anchors, blocks, commands, links
from tests.drawn import draw_folder

FEW = {
    "predict": ("--cpu",),
    "evaluate": ("--n-clicks=2", "--max-objects=1", "--no-overlays"),
    "flops": ("--size=64,64",),
}
# Commands that take longer or open a window: other tests run them in small, here their parser reads the words.
RUN_ELSEWHERE = ("train", "annotate", "models", "benchmark", "benchmark-eval", "measure-latency")
OTHER_PROGRAMS = {"docker", "git", "pip", "pre-commit", "source", "sudo"}
SHOWN_SCRIPTS = {block.title for page in PAGES for block in blocks(page) if block.title.startswith("models/")}
MAY_END = {"datasets": 1}  # the exit code where data sets are missing


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with what commands are run on: image, folder of images and masks, two finished evaluations."""
    folder = tmp_path_factory.mktemp("runs")
    run("evaluate", ["--datasets=Samples", "--cpu", f"--logs-path={folder / 'first_run'}"])
    shutil.copytree(folder / "first_run", folder / "second_run")
    sample = SamplesDataset().get_sample(2)  # the cat
    write_image(folder / "image.jpg", sample.image)
    write_image(folder / "my_images/images/cat.png", sample.image)
    write_image(folder / "my_images/masks/cat.png", (sample.gt_mask == 1).astype(np.uint8) * 255)
    return folder


@pytest.fixture
def folder(runs, tmp_path, monkeypatch):
    """A folder to run commands in: a copy of ``runs``, configuration, scripts."""
    shutil.copytree(runs, tmp_path, dirs_exist_ok=True)
    for name in ("config.yml", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command_of(words):
    """The name of the subcommand that a command line starts, and the words behind it."""
    if words[0] == "isegm":
        assert words[1] in COMMANDS
        return words[1], list(words[2:])
    words = words[next(position for position, word in enumerate(words) if word.endswith(".py")) :]
    main = runpy.run_path(str(ROOT / words[0]))["main"]
    return main.__module__.removeprefix("isegm.cli.").replace("_", "-"), list(words[1:])


def is_measurement(words):
    """Whether a command starts a script that is no subcommand."""
    return words[:2] == ("python", "scripts/measure_demo.py")


def read_by_script(words, monkeypatch):
    """Let a script's own parser read the words."""
    monkeypatch.setattr("sys.argv", list(words[1:]))
    runpy.run_path(str(ROOT / words[1]))["parse_args"]()


def parse(name, words):
    """Let the parser of a subcommand read the words; it ends the test on an option that it does not know."""
    module = import_module(f"isegm.cli.{name.replace('-', '_')}")
    if not hasattr(module, "parse_args"):  # a command without options
        assert not words
        return
    options = module.parse_args(words)
    if name == "train":
        assert (ROOT / options.model_path).is_file() or options.model_path in SHOWN_SCRIPTS


def run(name, words):
    """The exit code of a subcommand."""
    try:
        import_module(f"isegm.cli.{name.replace('-', '_')}").main([*words, *FEW.get(name, ())])
    except SystemExit as end:
        return end.code or 0
    return 0


EVERY = commands()
ONCE = list({command.words: command for command in reversed(EVERY)}.values())  # a line on several pages runs once


@pytest.mark.parametrize("command", ONCE, ids=str)
def test_commands_run_or_are_understood(command, folder, monkeypatch):
    program, *rest = command.words
    if program == "make":
        assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M) for target in rest)
        assert command.mark == "not run"
    elif program in OTHER_PROGRAMS:
        assert command.mark == "not run"
    elif command.words[:3] == ("python", "-m", "pytest"):
        assert command.mark and all((ROOT / word).exists() or "toy" in word for word in rest[2:])
    elif is_measurement(command.words):
        assert command.mark
        read_by_script(command.words, monkeypatch)
    elif rest[0] != "--version":
        name, words = command_of(command.words)
        if command.mark or name in RUN_ELSEWHERE:
            parse(name, words)
        else:
            assert run(name, words) in {0, MAY_END.get(name, 0)}


def test_there_are_commands_and_each_subcommand_is_shown():
    assert len(EVERY) >= 60
    shown = {command.words[1] for command in EVERY if command.words[0] == "isegm"}
    assert set(COMMANDS) <= shown


PYTHON = [page for page in PAGES if any(block.language == "python" and not block.title for block in blocks(page))]


@pytest.mark.parametrize("page", PYTHON, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_runs_in_the_order_of_the_page(page, folder):
    names = {}
    for block in blocks(page):
        if block.language == "python" and not block.title:
            code = compile(block.body, block.page, "exec")
            if not block.mark:
                exec(code, names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_say_their_language_and_links_lead_to_files_and_headings(page):
    assert all(block.language for block in blocks(page))
    assert page.read_text(encoding="utf-8").count("\n```") == 2 * len(list(blocks(page)))
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}"


def resolve(name):
    """The object at a dotted path: a module, or an attribute of one."""
    module, parts, rest = import_module("isegm"), name.split(".")[1:], []
    while parts:
        try:
            module = import_module(f"isegm.{'.'.join(parts)}")
            break
        except ModuleNotFoundError:
            rest.insert(0, parts.pop())
    for part in rest:
        module = getattr(module, part)
    return module


def test_what_the_walks_name_exists():
    names = re.findall(r"`(isegm(?:\.\w+)+)`", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    assert len(names) > 40
    for name in names:
        resolve(name)


def test_modules_of_the_reference_exist():
    for page in (ROOT / "docs/reference").glob("*.md"):
        for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.M):
            resolve(name)


def test_every_field_of_a_recipe_is_in_the_table():
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    table = page.split("### Fields of a recipe")[1].split("\n## ")[0]
    named = [name for cells in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", cells)]
    assert sorted(named) == sorted(one.name for one in fields(Recipe))


def test_the_ported_script_trains(tmp_path, monkeypatch):
    (block,) = (block for block in blocks(ROOT / "docs/migrating.md") if block.title.startswith("models/"))
    monkeypatch.chdir(tmp_path)
    script = Path(block.title)
    script.parent.mkdir(parents=True)
    script.write_text(block.body, encoding="utf-8")
    draw_folder(tmp_path / "my_images")
    few = ["--epochs=1", "--epoch-len=2", "--batch-size=2", "--workers=0", "--cpu", "--set", "crop=[64,96]"]
    assert run("train", [block.title, "--data=my_images", *few]) == 0
    assert next(Path("experiments").rglob("last_checkpoint.pth")).parts[1:3] == ("mine", "hrnet18s_mine")


def test_published_imports_and_moved_files_are_where_the_page_says():
    page = (ROOT / "docs/migrating.md").read_text(encoding="utf-8")
    imports = re.findall(
        r"^\| `(isegm\.(?:inference|utils)\.\w+)` \| (`.*`) \|$", page.split("## From an earlier")[0], re.M
    )
    assert len(imports) >= 7
    for module, names in imports:
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(import_module(module), name), f"{module}.{name}"
    moved = re.findall(r"^\| `(\w+/[\w/.]+)` \| `(\w+/[\w/.]+)` \|$", page, re.M)
    for old, new in moved:
        assert (ROOT / new).exists(), f"{old} -> {new}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page):
    if page.name in ("CHANGELOG.md", "migrating.md"):  # which name former files
        return
    named = re.findall(r"`((?:isegm|models|scripts|tests|notebooks)/[\w./-]*)`", page.read_text(encoding="utf-8"))
    for path in named:
        assert (ROOT / path).exists(), f"{page.name} names {path}"


# --- fidelity

FIDELITY = ROOT / "docs/fidelity.md"


def test_references_to_quirks_lead_to_an_anchor():
    known = anchors(FIDELITY)
    for folder in ("isegm", "tests", "models", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            for anchor in re.findall(r"fidelity\.md#([a-z0-9-]+)", path.read_text(encoding="utf-8")):
                assert anchor in known, f"{path} refers to {anchor}"


def test_code_refers_to_anchors_and_not_to_numbers_of_a_list():
    for folder in ("isegm", "tests", "models", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != Path(__file__):
                assert not re.search(r"\[KEEP\]|\btraps? [A-C]?\d", path.read_text(encoding="utf-8")), path


def quirks():
    """The sections of the page, by anchor."""
    sections = re.split(r"^### (.*)\n", FIDELITY.read_text(encoding="utf-8"), flags=re.M)[1:]
    return dict(zip(sections[::2], sections[1::2], strict=True))


@pytest.mark.parametrize("quirk", quirks())
def test_each_quirk_says_what_is_published_and_done_and_which_switch_and_test(quirk):
    text = quirks()[quirk]
    said = re.findall(r"^- \*\*(\w+)\*\*:", text, re.M)
    assert said == ["Published", "Here", "Switch", "Test"]
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert tests
    for path, name in tests:
        assert f"def {name}(" in Path(ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"
