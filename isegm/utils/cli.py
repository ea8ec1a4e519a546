"""Run a command line: show errors as one sentence, choose the device."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import NoReturn

import torch

from isegm.utils.errors import InputError
from isegm.utils.log import log_to_console
from isegm.utils.memory import keep_freed_memory

BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141  # as shells have it
CPU_MEMORY = "DefaultCPUAllocator"  # in the message of the RuntimeError that PyTorch raises when main memory is full


def run(main: Callable[[], None], keep_memory: bool = True) -> NoReturn:
    """Run a command and end the process: exit code 0, or 2 after one sentence about bad input or full memory.

    Args:
        main: the command.
        keep_memory: call ``keep_freed_memory`` first, which makes networks faster on the CPU.
    """
    if keep_memory:
        keep_freed_memory()
    log_to_console()
    try:
        main()
    except InputError as error:
        _fail(str(error))
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and CPU_MEMORY not in str(error):
            raise
        _fail("memory is full: lower --batch-size or the size of the images.")
    except BrokenPipeError:  # the program behind the pipe, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it ends
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}; check the path, its permissions and the free space.")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(0)


def program(command: str, arguments: Sequence[str] | None) -> str | None:
    """Return the program name for the usage line of a command.

    Returns:
        ``isegm <command>``; None, which argparse replaces by the name of the script, where the arguments come from
        ``sys.argv``.
    """
    return None if arguments is None else f"isegm {command}"


def _fail(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(BAD_INPUT)


def add_device_options(parser: ArgumentParser, gpu_option: str = "--gpus") -> None:
    """Add the options that ``choose_device`` reads, of which a user gives one at most."""
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument(gpu_option, help="CUDA id, of several the first is used; default: CUDA where there is one")
    devices.add_argument("--cpu", action="store_true", help="run on the CPU")
    devices.add_argument("--device", help="any device that PyTorch knows, such as cuda:1 or mps")


def choose_device(gpus: str | None = None, cpu: bool = False, device: str | None = None) -> torch.device:
    """Return the device that the options name.

    Args:
        gpus: comma-separated CUDA ids, of which the first is used; None when not given.
        cpu: whether ``--cpu`` was given.
        device: a torch device string, which wins over the others.

    Returns:
        the named device; without any option CUDA where there is one, else the CPU.

    Raises:
        InputError: the device does not exist on this machine.
    """
    if device is None:
        if cpu:
            device = "cpu"
        elif gpus:
            device = f"cuda:{gpus.split(',')[0].strip()}"
        else:
            device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"the device {device} cannot be used on this machine: choose another, or --cpu.") from error
    return chosen
