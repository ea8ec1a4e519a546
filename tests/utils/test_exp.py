"""Configuration files, experiment scripts and experiment folders."""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest
from easydict import EasyDict

from isegm import InputError
from isegm.cli.train import parse_args
from isegm.utils.exp import create_experiment, init_experiment, load_config_file, load_script, resolve_config
from isegm.utils.run_options import RUN_OPTIONS


@pytest.fixture
def script(tmp_path, monkeypatch):
    """An experiment script below models/, with the working directory above it."""
    path = tmp_path / "models" / "light" / "net.py"
    path.parent.mkdir(parents=True)
    path.write_text("def main(cfg): ...\n")
    (tmp_path / "config.yml").write_text("EXPS_PATH: ./runs\nA: far\nB: far\nC: far\n")
    monkeypatch.chdir(tmp_path)
    return path


def arguments(script, **more):
    given = {"exp_name": "", "resume_exp": None, "temp_model_path": "", "seed": 0, "weights": None}
    return Namespace(model_path=str(script), **{**given, **more})


@pytest.mark.parametrize("old_easydict", [False, True])
def test_nearer_files_win_and_subconfigs_over_their_file(script, monkeypatch, old_easydict):
    if old_easydict and "setdefault" in vars(EasyDict):
        monkeypatch.delattr(EasyDict, "setdefault")  # then that of dict
    (script.parent / "config.yml").write_text(
        "A: near\nB: near\nSUBCONFIGS:\n  net: {B: mine}\n  other: {B: not mine}\n"
    )
    script.with_suffix(".yml").write_text("A: own\n")
    cfg = resolve_config(script)
    assert (cfg.A, cfg.B, cfg.C) == ("own", "mine", "far")


def test_a_key_of_the_configuration_wins_over_an_option_of_the_same_name(script):
    (script.parent / "config.yml").write_text("SEED: 7\n")
    assert init_experiment(arguments(script), SimpleNamespace()).seed == 7


def test_names_of_experiments_in_the_configuration_count_too(script, tmp_path):
    config = tmp_path / "config.yml"
    config.write_text("EXPS_PATH: ./runs\nexp_name: mine\n")
    cfg = init_experiment(arguments(script), SimpleNamespace())
    assert cfg.EXP_PATH.name == "000_mine"
    create_experiment(cfg)
    config.write_text("EXPS_PATH: ./runs\nresume_exp: '000'\n")
    assert init_experiment(arguments(script), SimpleNamespace()).EXP_PATH == cfg.EXP_PATH


def test_folders_are_numbered_named_and_made_only_when_asked(script, tmp_path):
    cfg = init_experiment(arguments(script, exp_name="first"), SimpleNamespace(MODEL_NAME="network"))
    assert cfg.EXP_PATH.resolve() == tmp_path / "runs" / "light" / "network" / "000_first"
    assert not (tmp_path / "runs").exists()
    create_experiment(cfg)
    assert sorted(p.name for p in cfg.EXP_PATH.iterdir() if p.is_dir()) == ["checkpoints", "logs", "vis"]
    assert [p.read_text() for p in cfg.EXP_PATH.glob("net_*.py")] == [script.read_text()]
    following = init_experiment(arguments(script), SimpleNamespace(MODEL_NAME="network"))
    assert following.EXP_PATH.name == "001"


@pytest.mark.parametrize("name", ["../../x", "a/b", "/tmp/x", "a\\b", "..\\x", "a\nb", "a\0b"])
def test_a_name_stays_within_the_folder_of_experiments(script, name):
    with pytest.raises(InputError, match="cannot end the name of a folder: give a name without slashes"):
        init_experiment(arguments(script, exp_name=name), SimpleNamespace())


def test_the_thousandth_run_is_followed_by_another(script):
    cfg = init_experiment(arguments(script), SimpleNamespace())
    for name in ("999_x", "1000"):
        (cfg.EXP_PATH.parent / name).mkdir(parents=True)
    assert init_experiment(arguments(script), SimpleNamespace()).EXP_PATH.name == "1001"
    assert init_experiment(arguments(script, resume_exp="1000"), SimpleNamespace()).EXP_PATH.name == "1000"


def test_two_runs_never_share_a_folder(script):
    first, second = (init_experiment(arguments(script), SimpleNamespace()) for _ in range(2))
    create_experiment(first)
    with pytest.raises(InputError, match="000 cannot be made, as another run has just made it"):
        create_experiment(second)


def test_resuming_finds_the_one_folder_that_fits(script):
    for name in ("a", "b"):
        create_experiment(init_experiment(arguments(script, exp_name=name), SimpleNamespace()))
    cfg = init_experiment(arguments(script, resume_exp="001"), SimpleNamespace())
    assert cfg.EXP_PATH.name == "001_b"
    create_experiment(cfg)
    with pytest.raises(InputError, match=r"fits 2 experiments .* 000_a, 001_b"):
        init_experiment(arguments(script, resume_exp="00"), SimpleNamespace())


def test_a_temporary_script_is_the_one_that_is_kept(script, tmp_path):
    temporary = tmp_path / "temporary.py"
    temporary.write_text("# what ran\n")
    cfg = init_experiment(arguments(script, temp_model_path=str(temporary)), SimpleNamespace())
    create_experiment(cfg)
    assert [p.read_text() for p in cfg.EXP_PATH.glob("net_*.py")] == ["# what ran\n"]
    assert not temporary.exists()


def test_a_temporary_script_that_is_the_experiments_own_stays(script):
    cfg = init_experiment(arguments(script, temp_model_path="models/light/net.py"), SimpleNamespace())
    create_experiment(cfg)
    assert script.exists() and len(list(cfg.EXP_PATH.glob("net_*.py"))) == 1


@pytest.mark.parametrize("name", [3, None, "", " ", "/away", "../../up", "a\nb"])
def test_a_model_name_that_names_no_folder_is_refused(script, name):
    with pytest.raises(InputError, match=r"MODEL_NAME of .*net\.py is .*: let it be the name of a folder"):
        init_experiment(arguments(script), SimpleNamespace(MODEL_NAME=name))


def test_scripts_outside_a_models_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="outside a folder named models"):
        init_experiment(arguments(tmp_path / "net.py"), SimpleNamespace())


def test_what_is_no_experiment_script(script, tmp_path):
    (script.parent / "empty.py").write_text("")
    for path, words in (
        (script.parent / "nett.py", r"did you mean .*models/light/net\.py\?"),
        (tmp_path / "models" / "elsewhere" / "nt.py", r"did you mean .*models/light/net\.py\?"),
        (
            script.parent / "absent.py",
            r"there is no experiment script .*absent\.py: experiment scripts lie in .*models/light\.",
        ),
        (tmp_path / "config.yml", "not an experiment script"),
        (script.parent / "empty.py", r"must define main\(cfg\)"),
    ):
        with pytest.raises(InputError, match=words):
            load_script(path)
    assert callable(load_script(script).main)


def test_a_script_may_define_dataclasses_with_postponed_annotations(script):
    script.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n"
        "@dataclass\nclass Task:\n    clicks: int = 3\n\n\ndef main(cfg):\n    return Task().clicks\n"
    )
    assert load_script(script).main({}) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ndef main(:\n", "SyntaxError in line 2: invalid syntax"),
        ("import no_such_module\n", "ModuleNotFoundError in line 1: No module named 'no_such_module'"),
        ("def f():\n    raise ValueError\nf()\n", "ValueError in line 2: no reason given"),
    ],
)
def test_a_script_with_a_mistake_is_one_sentence(script, text, words):
    script.write_text(text)
    for path in (script, script.relative_to(Path.cwd())):
        with pytest.raises(InputError, match=rf"net\.py cannot be imported \({words}\): mend the script\.$"):
            load_script(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "not valid YAML"),
        ("- 1\n", "KEY: value"),
        ("SUBCONFIGS: {net: 3}\n", "SUBCONFIGS"),
        ("EXPS_PAHT: ./runs\n", r"config\.yml has EXPS_PAHT, which nothing reads: did you mean EXPS_PATH\?"),
        ("EXPS_PATH: 5\n", r"EXPS_PATH in .*config\.yml must be a path"),
        ("IMAGENET_PRETRAINED_MODEL:\n  MOBILENETV2: x\n", r"did you mean IMAGENET_PRETRAINED_MODELS\?"),
    ],
)
def test_a_configuration_that_cannot_be_read(tmp_path, text, words):
    (tmp_path / "config.yml").write_text(text)
    with pytest.raises(InputError, match=words):
        load_config_file(tmp_path / "config.yml", "net")
    with pytest.raises(InputError, match="there is no configuration file"):
        load_config_file(tmp_path / "absent.yml")


def load(tmp_path, text):
    (tmp_path / "config.yml").write_text(text, encoding="utf-8")
    return load_config_file(tmp_path / "config.yml", "net")


@pytest.mark.parametrize(
    ("text", "option", "value"),
    [
        ("lr: 1e-3", "lr", 1e-3),
        ("LR: '0.5'", "lr", 0.5),
        ("epochs: 3", "epochs", 3),
        ("gpus: 0", "gpus", "0"),
        ("gpus: 0,1", "gpus", "0,1"),
        ("amp: bf16", "amp", "bf16"),
        ("cpu: true", "cpu", True),
        ("batch_size: -1", "batch_size", -1),
        ("exp_name: 2024-05-17", "exp_name", "2024-05-17"),
        ("lr:", "lr", None),
        ("SUBCONFIGS: {net: {lr: 1e-4}}", "lr", 1e-4),
    ],
)
def test_an_option_in_the_configuration_is_read_as_on_the_command_line(script, text, option, value):
    (script.parent / "config.yml").write_text(text + "\n")
    given = {name: None for name in ("lr", "epochs", "gpus", "amp", "cpu", "batch_size")}
    found = init_experiment(arguments(script, **given), SimpleNamespace())[option]
    assert found == value and type(found) is type(value)


WRONG_OPTIONS = {
    "lr": ["-1", "0", ".nan", ".inf", "fast", "[1]", "{a: 1}", "true", "1e400", "9" * 400],
    "epochs": [".nan", "0", "-2", "2.5", "x", "[3]", "true", "9" * 40, "2000000"],
    "epoch_len": ["0", "-5", "1.5", "99999999999"],
    "batch_size": ["0", ".inf", "many", "999999999"],
    "amp": ["int4", "8", "true", "[bf16]"],
    "workers": ["-1", "2.5", "x", "1000000"],
    "seed": ["-1", "x", "1.5", "0x10000000000000000"],
    "accumulate_grad": ["0", "-1", "x"],
    "micro_batch": ["0", "-1", "2.5", "x"],
    "clip_grad_norm": ["-1", ".nan", "0", "x"],
    "ngpus": ["0", "100000"],
    "save_every": ["-1", "often"],
    "start_epoch": ["-1", "x"],
    "cpu": ["1", "maybe", "[]"],
    "exp_name": ["[a]", "{a: b}", "true", "1.5"],
    "weights": ["[a]", "{a: b}", "true", '"a\\0b"', '"\\ud800"'],
    "data": ["[a, b]", "{a: 1}"],
    "gpus": ["[0, 1]", "{0: 1}"],
}


@pytest.mark.parametrize(
    ("option", "value"), [(name, value) for name, values in WRONG_OPTIONS.items() for value in values]
)
def test_what_the_command_line_refuses_is_refused_in_the_configuration(tmp_path, option, value):
    for text, key in (
        (f"{option}: {value}\n", option),
        (f"SUBCONFIGS: {{net: {{{option.upper()}: {value}}}}}\n", option.upper()),
    ):
        with pytest.raises(InputError, match=rf"{key} in .*config\.yml must be .*, not .*\.$") as error:
            load(tmp_path, text)
        assert len(str(error.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("EXPS_PATH: [a]", "EXPS_PATH in .* must be a path"),
        ('EXPS_PATH: "a\\0"', "EXPS_PATH in .* must be a path"),
        ("GRABCUT_PATH: 7", "GRABCUT_PATH in .* must be a path"),
        ("GRABCUT_PATH: {a: b}", "GRABCUT_PATH in .* must be a path"),
        ("FOLDER_DATASETS: [a]", "FOLDER_DATASETS in .* must be a mapping"),
        ("FOLDER_DATASETS: {a: 3}", r"FOLDER_DATASETS\.a in .* must be a path"),
        ("FOLDER_DATASETS: {3: a}", r"FOLDER_DATASETS\[3\] in .* has a key that is not text"),
        ("TRAIN_FOLDERS: mine", "TRAIN_FOLDERS in .* must be a list or a mapping"),
        ("TRAIN_FOLDERS: [1]", r"TRAIN_FOLDERS\[0\] in .* must be a path"),
        ("TRAIN_FOLDERS: {a: 0}", r"TRAIN_FOLDERS\.a in .* must be a finite number above 0"),
        ("TRAIN_FOLDERS: {a: .nan}", r"TRAIN_FOLDERS\.a in .* must be a finite number above 0"),
        ("TRAIN_FOLDERS: {a: .inf}", r"TRAIN_FOLDERS\.a in .* must be a finite number above 0"),
        ("IMAGENET_PRETRAINED_MODELS: x", "IMAGENET_PRETRAINED_MODELS in .* must be a mapping"),
        (
            "IMAGENET_PRETRAINED_MODELS: {MOBILENETV2: [x]}",
            r"IMAGENET_PRETRAINED_MODELS\.MOBILENETV2 in .* must be a path",
        ),
        ("CLICKSEG_AS_PUBLISHED: 1", "CLICKSEG_AS_PUBLISHED in .* must be true or false"),
        ("SUBCONFIGS: [net]", "SUBCONFIGS in .* must be a mapping"),
        ("SUBCONFIGS: {net: {EXPS_PATH: 3}}", r"SUBCONFIGS\.net\.EXPS_PATH in .* must be a path"),
        ("3: x", r"\[3\] in .* has a key that is not text"),
        ("[a]: x", "has the key|unhashable|not valid YAML"),
        ("items: x", "has the key 'items', which cannot be one"),
        ("FOLDER_DATASETS: {values: x}", "has the key 'values', which cannot be one"),
        ("A: [{__class__: x}]", "has the key '__class__', which cannot be one"),
        ("A: [{3: x}]", "has the key 3, which cannot be one"),
        ("A: 0x" + "f" * 9000, "A in .* must be a number of at most 64 bits"),
        ("x" * 500 + ": 1", "has a key that is not text of at most 200 characters"),
    ],
    ids=range(25),
)
def test_values_of_another_kind_are_named_with_their_key(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        load(tmp_path, text + "\n")


def test_empty_entries_are_not_set(tmp_path):
    assert load(tmp_path, "A:\nEXPS_PATH: ''\nGRABCUT_PATH:\nSUBCONFIGS:\nFOLDER_DATASETS:\n") == {}
    assert load(tmp_path, "IMAGENET_PRETRAINED_MODELS: {MOBILENETV2: , RESNET34: ''}\n") == {
        "IMAGENET_PRETRAINED_MODELS": {"MOBILENETV2": None, "RESNET34": ""}
    }


def test_every_option_of_training_has_a_declared_kind():
    assert set(vars(parse_args(["models/light/net.py"]))) == set(RUN_OPTIONS)
    for option, value in (
        ("--epoch-len", "0"),
        ("--epochs", "0"),
        ("--batch-size", "-3"),
        ("--lr", "nan"),
        ("--lr", "1e9"),
    ):
        with pytest.raises(SystemExit) as ended:
            parse_args(["models/light/net.py", f"{option}={value}"])
        assert ended.value.code == 2


def test_a_configuration_that_is_no_file_is_not_passed_over(script, tmp_path):
    (script.parent / "config.yml").mkdir()
    with pytest.raises(InputError, match=r"config\.yml is not a file"):
        resolve_config(script)
