import os

import pytest

from isegm.evaluation.selection import select_checkpoints, select_experiment
from isegm.utils.errors import InputError
from isegm.utils.lookup import DEFAULT_CHECKPOINT, find_checkpoint


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
def test_names_that_match_no_checkpoint_or_several_are_refused(weights, name, said):
    with pytest.raises(InputError, match=said):
        find_checkpoint(weights, name)


def test_a_missing_weights_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        find_checkpoint(tmp_path / "absent", "h18")


def test_one_checkpoint_logs_below_others(weights, tmp_path):
    selection = select_checkpoints("h32", weights, tmp_path / "logs")
    assert selection.checkpoints == (weights / "h32_itermask.pth",)
    assert selection.logs_dir == tmp_path / "logs/others/h32_itermask"
    assert (selection.prefix, selection.model_name, selection.several) == ("", "h32_itermask", False)


def test_several_checkpoints_log_below_the_names_of_all(weights, tmp_path):
    selection = select_checkpoints("h18.pth, h32", weights, tmp_path)
    assert selection.checkpoints == (weights / "h18.pth", weights / "h32_itermask.pth")
    assert selection.logs_dir == tmp_path / "others/h18+h32_itermask"
    assert selection.several


def test_checkpoints_of_equal_stems_are_named_by_the_folders_in_which_they_differ(weights, tmp_path):
    selection = select_checkpoints("model_a:last,model_b:last,h32", weights, tmp_path)
    assert [selection.names(path).unique for path in selection.checkpoints] == [
        "model_a/last", "model_b/last", "h32_itermask"
    ]  # fmt: skip
    assert [selection.names(path).folder for path in selection.checkpoints] == [
        "model_a_last", "model_b_last", "h32_itermask"
    ]  # fmt: skip
    assert selection.model_name == "model_a/last+model_b/last+h32_itermask"
    assert selection.logs_dir == tmp_path / "others/model_a_last+model_b_last+h32_itermask"


def test_names_of_equal_stems_have_only_the_folders_that_differ(tmp_path):
    names = [f"{run}/checkpoints/last_checkpoint.pth" for run in ("x/000", "y/000", "x/001")]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    selection = select_checkpoints(",".join(str(tmp_path / name) for name in names), tmp_path, tmp_path)
    assert [selection.names(path).row for path in selection.checkpoints] == ["x/000/last", "y/000/last", "001/last"]
    two = select_checkpoints(f"{tmp_path / names[0]},{tmp_path / names[2]}", tmp_path, tmp_path)
    assert two.model_name == "000/last_checkpoint+001/last_checkpoint"


def test_one_file_written_in_two_ways_is_evaluated_once(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(weights)
    selection = select_checkpoints(f"./h18.pth,h32,{weights}/deep/../h18.pth", weights, tmp_path)
    assert [selection.names(path).unique for path in selection.checkpoints] == ["h18", "h32_itermask"]


def test_any_number_of_checkpoints_may_be_compared(weights, tmp_path):
    names = [f"epoch_{number:03d}" for number in range(60)]
    for name in names:
        (weights / f"{name}.pth").touch()
    selection, fewer = (select_checkpoints(",".join(some), weights, tmp_path) for some in (names, names[:-1]))
    assert [path.stem for path in selection.checkpoints] == names
    selection.logs_dir.mkdir(parents=True)
    assert selection.logs_dir.name.startswith("epoch_000+epoch_001+")
    assert selection.logs_dir != fewer.logs_dir


def test_long_names_fit_into_folders(tmp_path):
    names = [f"{letter * 200}/{'ä' * 120}.pth" for letter in "xy"]
    for name in names:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    selection = select_checkpoints(",".join(str(tmp_path / name) for name in names), tmp_path, tmp_path)
    for path in selection.checkpoints:
        (selection.logs_dir / selection.names(path).folder).mkdir(parents=True)


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


@pytest.mark.parametrize("spec", ["C:/h18/000:last", "C:/h18/000"])
def test_the_colon_of_a_drive_belongs_to_the_path(tmp_path, spec):
    checkpoint = tmp_path / "C:" / "h18" / "000_first" / "checkpoints" / "last_checkpoint.pth"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert select_experiment(spec, tmp_path, tmp_path / "logs").checkpoints == (checkpoint,)


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
def test_missing_experiments_are_refused(experiments, tmp_path, spec, said):
    with pytest.raises(InputError, match=said):
        select_experiment(spec, experiments, tmp_path)


@pytest.mark.parametrize("name", ["mobilenetv2_default", "mobilenetv2_default.pth", "mobile"])
@pytest.mark.parametrize("folder", ["weights", "absent"])
def test_the_shipped_checkpoint_is_found_by_its_name(weights, name, folder):
    assert find_checkpoint(weights.parent / folder, name) == DEFAULT_CHECKPOINT


def test_files_of_the_folder_come_before_the_shipped_checkpoint(weights):
    own = weights / "deep" / "mobilenetv2_mine.pth"
    own.touch()
    assert find_checkpoint(weights, "mobilenetv2") == own
    assert find_checkpoint(weights, "mobilenetv2_default") == DEFAULT_CHECKPOINT
    with pytest.raises(InputError, match="there is no checkpoint"):
        find_checkpoint(weights, "model_b:mobilenetv2_default")


@pytest.mark.parametrize("name", ["weights/mobilenetv2_default.pth", "./weights/mobilenetv2_default"])
def test_published_commands_find_the_shipped_checkpoint_where_it_was(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint("absent", name) == DEFAULT_CHECKPOINT
    with pytest.raises(InputError, match=r"there is no checkpoint elsewhere/mobilenetv2_default\.pth"):
        find_checkpoint("absent", "elsewhere/mobilenetv2_default.pth")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mobilenetv2_default.pth").touch()
    assert find_checkpoint("absent", name).resolve() == tmp_path / "weights" / "mobilenetv2_default.pth"
