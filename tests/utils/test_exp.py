"""Configuration files, experiment scripts and experiment folders."""

from argparse import Namespace
from types import SimpleNamespace

import pytest

from isegm import InputError
from isegm.utils.exp import create_experiment, init_experiment, load_config_file, load_script, resolve_config


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


def test_nearer_files_win_and_subconfigs_over_their_file(script):
    (script.parent / "config.yml").write_text(
        "A: near\nB: near\nSUBCONFIGS:\n  net: {B: mine}\n  other: {B: not mine}\n"
    )
    script.with_suffix(".yml").write_text("A: own\n")
    cfg = resolve_config(script)
    assert (cfg.A, cfg.B, cfg.C) == ("own", "mine", "far")


def test_a_key_of_the_configuration_wins_over_an_option_of_the_same_name(script):
    (script.parent / "config.yml").write_text("SEED: 7\n")
    assert init_experiment(arguments(script), SimpleNamespace()).seed == 7


def test_folders_are_numbered_named_and_made_only_when_asked(script, tmp_path):
    cfg = init_experiment(arguments(script, exp_name="first"), SimpleNamespace(MODEL_NAME="network"))
    assert cfg.EXP_PATH.resolve() == tmp_path / "runs" / "light" / "network" / "000_first"
    assert not (tmp_path / "runs").exists()
    create_experiment(cfg)
    assert sorted(p.name for p in cfg.EXP_PATH.iterdir() if p.is_dir()) == ["checkpoints", "logs", "vis"]
    assert [p.read_text() for p in cfg.EXP_PATH.glob("net_*.py")] == [script.read_text()]
    following = init_experiment(arguments(script), SimpleNamespace(MODEL_NAME="network"))
    assert following.EXP_PATH.name == "001"


def test_two_runs_never_share_a_folder(script):
    first, second = (init_experiment(arguments(script), SimpleNamespace()) for _ in range(2))
    create_experiment(first)
    with pytest.raises(InputError, match="cannot be made"):
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


def test_scripts_outside_a_models_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="outside a folder named models"):
        init_experiment(arguments(tmp_path / "net.py"), SimpleNamespace())


def test_what_is_no_experiment_script(script, tmp_path):
    (script.parent / "empty.py").write_text("")
    for path, words in (
        (script.parent / "nett.py", r"did you mean .*models/light/net\.py\?"),
        (tmp_path / "models" / "elsewhere" / "nt.py", r"did you mean .*models/light/net\.py\?"),
        (script.parent / "absent.py", r"experiment scripts lie in .*models/light\."),
        (tmp_path / "config.yml", "not an experiment script"),
        (script.parent / "empty.py", r"must define main\(cfg\)"),
    ):
        with pytest.raises(InputError, match=words):
            load_script(path)
    assert callable(load_script(script).main)


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
