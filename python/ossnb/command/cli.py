"""The command `ossnb`: the table of its commands, and what ends it."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from ..errors import DeviceError
from ..version import __version__
from . import asking, checking, keeping, models
from .flags import add_command
from .output import FAILED, INTERRUPTED, WRONG_USE, UsageError, drop_unwritten, say

EXPECTED = (ValueError, OSError, MemoryError, DeviceError)  # raised on purpose: no traceback

COMMANDS = (*asking.COMMANDS, *models.COMMANDS, *keeping.COMMANDS, *checking.COMMANDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 success, 1 failure, 2 wrong use, 130 interrupt.

    >>> main(["run", "--model", "demo", "--temperature", "0", "What is 2 + 2?"])
    2 + 2 = 4.
    0
    """
    if sys.stderr is None:  # closed, as by `2>&-`: Python would write its words to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is None:  # closed, as by `>&-`
        say("error: standard output is closed, so there is nowhere to write; >/dev/null drops it")
        return FAILED
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal that cannot show a character must not end an answer
    args = parser().parse_args(arguments)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `ossnb run ... | head` has read enough
        drop_unwritten()
        return FAILED
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except UsageError as error:
        say(f"error: {error}")
        return WRONG_USE
    except EXPECTED as error:
        say(f"error: {error or type(error).__name__}")
        drop_unwritten()
        return FAILED


def parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="ossnb",
        description="Run gpt-oss on this machine, in one process: private, exact, reproducible.",
        epilog="Start with `ossnb demo`. `ossnb COMMAND --help` has examples. In notebooks: %load_ext ossnb",
    )
    top.add_argument("--version", action="version", version=f"ossnb {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        add_command(commands, command)
    return top
