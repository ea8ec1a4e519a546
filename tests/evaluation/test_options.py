"""Options of an evaluation and the command line that is built from them."""

import re
from dataclasses import MISSING, fields

import pytest

from isegm.cli.compare import parse_args as parse_compare
from isegm.cli.evaluate import parse_args
from isegm.evaluation.options import EvalOptions
from isegm.inference.cascade import MOST_CLICKS
from isegm.utils.errors import InputError

NOT_OPTIONS = {"device", "command"}
CLICKS_LIMIT = "--clicks-limit is"
FROM_1 = f"give a number from 1 to {MOST_CLICKS}, or -1 for that of --n-clicks."
DEVICE_OPTIONS = {"gpus", "cpu", "device", "local_rank", "threads"}


def test_the_command_line_has_every_option_and_its_default():
    arguments = vars(parse_args([]))
    assert {name for name in arguments if name not in DEVICE_OPTIONS} == {
        field.name for field in fields(EvalOptions) if field.name not in NOT_OPTIONS
    }
    for field in fields(EvalOptions):
        assert field.default is not MISSING
        if field.name not in NOT_OPTIONS:
            assert arguments[field.name] == field.default


@pytest.mark.parametrize("words", [["--clicks", "3"], ["--clicks=3"]])
def test_clicks_alone_is_not_taken_for_a_limit(words, capsys):
    with pytest.raises(SystemExit) as end:
        parse_args(words)
    assert end.value.code == 2
    assert "error: --clicks is ambiguous: say --n-clicks or --clicks-limit;" in capsys.readouterr().err
    assert parse_args(["--clicks-l=3"]).clicks_limit == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--no-overlays"], {"overlays": False}),
        (["--no-o", "--model_d", "w", "--vis_p", "v"], {"overlays": False, "model_dir": "w", "vis_path": "v"}),
        (["--cf-n=4", "--cf-c=2", "--acf"], {"cf_n": 4, "cf_click": 2, "acf": True}),
        (["--max-objects=3", "--infer-size=256"], {"max_objects": 3, "infer_size": 256}),
        (["--sheet", "24"], {"sheet": 24}),
    ],
)
def test_values_have_the_types_of_the_options(words, expected):
    options = vars(parse_args(words))
    assert {name: options[name] for name in expected} == expected
    EvalOptions(**{name: value for name, value in options.items() if name not in DEVICE_OPTIONS})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"infer_size": 31}, "--infer-size is 31: give a number from 32 to 2048."),
        ({"target_crop_r": 0.5}, "--target-crop-r is 0.5: give a number from 1 to 100."),
        ({"focus_crop_r": float("nan")}, "--focus-crop-r is nan: give a number from 1 to 100."),
        ({"infer_size": 20_000}, "--infer-size is 20000: give a number from 32 to 2048."),
        ({"cf_n": 1_000_000_000}, "--cf-n is 1000000000: give a number from 0 to 1000."),
        (
            {"cf_n": 1, "cf_click": 10**30},
            "--cf-click is a number of more than 64 bits: give a number from 0 to 10000.",
        ),
        ({"n_clicks": 10**400}, "--n-clicks is a number of more than 64 bits: give a number from 1 to 10000."),
        ({"n_clicks": 10**9}, "--n-clicks is 1000000000: give a number from 1 to 10000."),
        ({"batch_size": 10**9}, "--batch-size is 1000000000: give a number from 1 to 4096."),
        ({"max_objects": 10**20}, "--max-objects is a number of more than 64 bits: give a number from 1 to 1e+09."),
        ({"sheet": 0}, "--sheet is 0: give a number from 1 to 100."),
        ({"sheet": 101}, "--sheet is 101: give a number from 1 to 100."),
        ({"clicks_limit": 10**20}, f"{CLICKS_LIMIT} a number of more than 64 bits: {FROM_1}"),
        ({"clicks_limit": -2}, f"{CLICKS_LIMIT} -2: {FROM_1}"),
        ({"target_iou": -1}, "--target-iou is -1: give a number from 0 to 1."),
        ({"thresh": float("nan")}, "--thresh is nan: give a number from 0 to 1."),
        ({"thresh": 5.0}, "--thresh is 5.0: give a number from 0 to 1."),
        ({"thresh": float("-inf")}, "--thresh is -inf: give a number from 0 to 1."),
    ],
)
def test_values_out_of_bounds_are_one_sentence(options, sentence):
    with pytest.raises(InputError) as error:
        EvalOptions(**options)
    assert str(error.value) == sentence


@pytest.mark.parametrize("value", ["0", "101", "many", "1.5", ""])
def test_a_sheet_of_no_whole_number_is_one_sentence(value, capsys):
    with pytest.raises(SystemExit):
        parse_args(["--sheet", value])
    (sentence,) = capsys.readouterr().err.splitlines()
    assert f"argument --sheet: '{value}' is not a whole number from 1 to 100; " in sentence


def test_the_help_has_groups_three_examples_and_every_default(capsys):
    with pytest.raises(SystemExit):
        parse_args(["--help"])
    shown = capsys.readouterr().out
    titles = re.findall(r"^(\w.*):$", shown, re.M)
    assert titles[0] == "options" and titles[-1] == "examples" and len(titles) >= 6
    examples = re.findall(r"^  isegm evaluate (.*)$", shown.split("examples:")[1], re.M)
    assert len(examples) == 3
    for line in examples:
        parse_args(line.split())
    entries = re.split(r"\n  (?=-|\{)", shown.split("examples:")[0])[1:]
    assert len(entries) > 30
    for entry in entries:
        assert entry.startswith("-h") or "default" in " ".join(entry.split()), entry


def test_every_option_of_compare_tells_its_default(capsys):
    with pytest.raises(SystemExit):
        parse_compare(["--help"])
    entries = re.split(r"\n  (?=--)", capsys.readouterr().out)[1:]
    assert len(entries) == 4 and all("default" in entry for entry in entries)


@pytest.mark.parametrize(
    ("protocol", "options", "target"),
    [
        ("ritm", {}, 0.9),
        ("ritm", {"cf_n": 4}, 0.9),
        ("simpleclick", {}, 0.9),
        ("simpleclick", {"cf_n": 4}, 0.95),
        ("simpleclick", {"cf_n": 4, "target_iou": 0.9}, 0.9),
        ("segnext", {}, 0.95),
    ],
)
def test_clicking_stops_at_the_iou_of_the_published_command(protocol, options, target):
    assert EvalOptions(**options).eval_settings(protocol).target_iou == target


def test_a_cascade_of_no_click_is_none():
    assert EvalOptions(cf_n=4, cf_click=0).cascade() is None
