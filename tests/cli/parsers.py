"""The parser that a command builds, and its options that take a value."""

import argparse
from importlib import import_module

import pytest

from isegm.utils.arguments import CommandParser


class _Parsed(Exception):
    pass


def main_of(command):
    return import_module(f"isegm.cli.{command.replace('-', '_')}").main


def parser_of(command):
    """The parser of a command, caught when it begins to read words."""
    found = []

    def caught(parser, *arguments, **options):
        found.append(parser)
        raise _Parsed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(_Parsed):
        patch.setattr(CommandParser, "parse_known_args", caught)
        main_of(command)([])
    return found[0]


def valued_options(parser):
    """The actions of options and positional words that take a value."""
    return [action for action in parser._actions if action.nargs != 0 and not isinstance(action, argparse._HelpAction)]
