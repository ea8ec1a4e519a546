"""Dashes and underscores, defaults in the help, errors in one sentence: of all commands alike."""

import pytest

from isegm.cli import COMMANDS
from isegm.utils.arguments import CommandParser
from tests.cli.parsers import parser_of, valued_options


@pytest.fixture
def parser():
    parser = CommandParser(prog="isegm test")
    parser.add_argument("--exp-name", default="none", help="a name")
    parser.add_argument("--exp-path", help="a path; default: none")
    group = parser.add_argument_group("more")
    group.add_argument("--model_dir")
    group.add_argument("--no-overlays", action="store_true")
    parser.add_argument("words", nargs="*")
    return parser


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--exp_name", "a_b-c"], "exp_name", "a_b-c"),
        (["--exp_name=--a_b"], "exp_name", "--a_b"),
        (["--exp-name", "a"], "exp_name", "a"),
        (["--exp_na", "a"], "exp_name", "a"),
        (["--model-dir=x_y"], "model_dir", "x_y"),
        (["--model-d", "x_y"], "model_dir", "x_y"),
        (["--no_overlays"], "no_overlays", True),
        (["--", "--exp_name"], "words", ["--exp_name"]),
    ],
    ids=str,
)
def test_options_are_written_with_dashes_or_underscores(parser, words, name, value):
    assert getattr(parser.parse_args(words), name) == value


@pytest.mark.parametrize(
    "words", [["--exp_", "a"], ["--exp-", "a"], ["--other_option"], ["--\x1b[31m"], ["--exp_name"]]
)
def test_what_is_no_option_is_one_sentence(parser, words, capsys):
    with pytest.raises(SystemExit) as end:
        parser.parse_args(words)
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1 and "\x1b" not in said
    assert said.startswith("isegm test: error: ") and said.endswith("; isegm test --help lists the options.\n")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--images", "--images (did you mean --image?)"),
        ("--imgae=x", "--imgae (did you mean --image?)"),
        ("-image", "-image (did you mean --image?)"),
        ("--qqq", "unrecognized arguments: --qqq;"),
    ],
)
def test_an_option_that_there_is_not_is_named_before_those_that_are_missing(word, said, capsys):
    parser = CommandParser(prog="isegm test")
    parser.add_argument("--image", required=True)
    parser.add_argument("--shift")
    with pytest.raises(SystemExit):
        parser.parse_args([word, "photo.jpg"])
    assert said in capsys.readouterr().err
    assert parser.parse_args(["--image", "-5 x", "--shift", "-5"]).shift == "-5"  # values, not options


def test_a_million_letters_are_one_short_sentence(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args([f"--{'x' * 1_000_000}"])
    assert len(capsys.readouterr().err) < 1000


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_found_with_dashes_and_with_underscores(command):
    parser = parser_of(command)
    for action in parser._actions:
        for option in action.option_strings:
            name = option.lstrip("-")
            if option.startswith("--"):
                spelled = {parser._as_declared(f"--{name.replace(*swap)}=a_b-c") for swap in ("-_", "_-")}
                assert {word.partition("=")[0] for word in spelled} <= set(action.option_strings)
                assert all(word.endswith("=a_b-c") for word in spelled)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_option_that_may_be_left_out_tells_its_default(command):
    parser = parser_of(command)
    needed = {id(a) for group in parser._mutually_exclusive_groups if group.required for a in group._group_actions}
    formatter = parser._get_formatter()
    for action in valued_options(parser):
        if action.option_strings and not action.required and id(action) not in needed:
            assert "default" in formatter._expand_help(action), f"isegm {command} {action.option_strings[0]}"
