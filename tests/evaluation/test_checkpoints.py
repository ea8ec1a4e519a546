import os

import pytest

from isegm.evaluation.checkpoints import find_checkpoint, select_checkpoints, select_experiment
from isegm.utils.errors import InputError


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "weights"
    for name in (
        "h18.pth",
        "h18_itermask.pth",
        "h32_itermask.pth",
        "deep/er/vit.pth",
        "model_a/last.pth",
        "model_b/last.pth",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("h32", "h32_itermask.pth"),
        ("h18_i", "h18_itermask.pth"),
        ("h18", "h18.pth"),  # the whole stem, although h18_itermask begins with it too
        ("vit", "deep/er/vit.pth"),
        ("er/vi", "deep/er/vit.pth"),
        ("h18_itermask.pth", "h18_itermask.pth"),
        ("deep/er/vit.pth", "deep/er/vit.pth"),
        ("model_b:last", "model_b/last.pth"),
        ("model_b:la", "model_b/last.pth"),
        ("model_a:last.pth", "model_a/last.pth"),
        ("deep:vit", "deep/er/vit.pth"),
    ],
)
def test_names_below_the_weights_folder(weights, name, found):
    assert find_checkpoint(weights, name) == weights / found


@pytest.mark.parametrize("name", ["h32_itermask.pth", "h32_itermask", "h32", "h18", "deep/er/vit"])
def test_absolute_paths_with_and_without_their_ending(weights, tmp_path, name):
    found = find_checkpoint(tmp_path / "elsewhere", str(weights / name))
    assert found.is_file()
    assert found.stem.startswith(os.path.basename(name).removesuffix(".pth"))


def test_a_path_that_exists_is_taken_as_it_stands(weights, monkeypatch):
    monkeypatch.chdir(weights.parent)
    assert find_checkpoint("other", "weights/h18.pth").resolve() == weights / "h18.pth"
    assert find_checkpoint("other", "./weights/deep/er/vit.pth").resolve() == weights / "deep/er/vit.pth"
    assert find_checkpoint("other", "./weights/h18").resolve() == weights / "h18.pth"


def test_a_bare_name_means_the_weights_folder_even_if_a_file_lies_here(weights, monkeypatch):
    monkeypatch.chdir(weights.parent)
    (weights.parent / "vit.pth").touch()
    assert find_checkpoint(weights, "vit") == weights / "deep/er/vit.pth"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("h", r"h\* is not unique in .*weights \(h18.pth, h18_itermask.pth, h32_itermask.pth\)"),
        ("last", r"last\* is not unique"),
        ("h99", r"there is no checkpoint h99\*"),
        ("h99.pth", r"there is no checkpoint h99.pth"),
        ("model:last", r"folder model\* is not unique"),
        ("nobody:last", r"there is no folder nobody\*"),
        ("[h]32", r"there is no checkpoint \[h\]32\*"),
    ],
)
def test_what_matches_nothing_or_too_much_is_told(weights, name, said):
    with pytest.raises(InputError, match=said):
        find_checkpoint(weights, name)


def test_a_missing_weights_folder_is_told(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        find_checkpoint(tmp_path / "absent", "h18")


def test_one_checkpoint_logs_below_others(weights, tmp_path):
    selection = select_checkpoints("h32", weights, tmp_path / "logs")
    assert selection.checkpoints == (weights / "h32_itermask.pth",)
    assert selection.logs_dir == tmp_path / "logs/others/h32_itermask"
    assert (selection.prefix, selection.model_name, selection.several) == ("", "h32_itermask", False)
    assert selection.with_prefix("x") == "x"


def test_several_checkpoints_log_below_the_names_of_all(weights, tmp_path):
    selection = select_checkpoints("h18.pth, h32", weights, tmp_path)
    assert selection.checkpoints == (weights / "h18.pth", weights / "h32_itermask.pth")
    assert selection.logs_dir == tmp_path / "others/h18+h32_itermask"
    assert selection.several


def test_checkpoints_of_equal_stems_get_names_of_their_own(weights, tmp_path):
    selection = select_checkpoints("model_a:last,model_b:last,h32", weights, tmp_path)
    assert [selection.own_name(path) for path in selection.checkpoints] == ["0_last", "1_last", "h32_itermask"]


def test_a_file_name_with_a_comma_is_one_file(weights, tmp_path):
    odd = weights / "a,b.pth"
    odd.touch()
    assert select_checkpoints(str(odd), weights, tmp_path).checkpoints == (odd,)


@pytest.fixture
def experiments(tmp_path):
    folder = tmp_path / "experiments"
    for name in ("iter/h18/000_first/checkpoints", "iter/h18/001_second/checkpoints", "iter/h18/002_none/checkpoints"):
        (folder / name).mkdir(parents=True)
    for name in ("010.pth", "020.pth", "120.pth", "last_checkpoint.pth"):
        (folder / "iter/h18/000_first/checkpoints" / name).touch()
    return folder


@pytest.mark.parametrize(
    ("spec", "checkpoints", "prefix"),
    [
        ("iter/h18/000", ["last_checkpoint", "120", "020", "010"], "all_checkpoints"),
        ("iter/h18/000:last", ["last_checkpoint"], "last_checkpoint"),
        ("iter/h18/000_first:0", ["020", "010"], "all_0"),
        ("iter/h18/000_first:12", ["120"], "120"),
    ],
)
def test_experiments_newest_first(experiments, tmp_path, spec, checkpoints, prefix):
    selection = select_experiment(spec, experiments, tmp_path / "logs")
    assert [path.stem for path in selection.checkpoints] == checkpoints
    assert selection.prefix == prefix
    assert selection.logs_dir == tmp_path / "logs/iter/h18/000_first"
    assert selection.model_name == f"iter/h18/000_first:{prefix}"
    assert selection.with_prefix("x") == f"{prefix}_x"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("iter/h18/00", "not unique"),
        ("iter/h18/9", "there is no folder 9"),
        ("iter/h99/000", "there is no folder"),
        ("iter/h18/002", "holds no checkpoint"),
        ("iter/h18/000:9", "holds no checkpoint 9"),
    ],
)
def test_experiments_that_are_not_there_are_told(experiments, tmp_path, spec, said):
    with pytest.raises(InputError, match=said):
        select_experiment(spec, experiments, tmp_path)
