"""The command `ossnb`: the table of its commands, and what ends it."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from ..errors import DeviceError
from ..system.notices import set_notice_display
from ..version import __version__
from . import asking, checking, keeping, models
from .flags import Command, Parser, add_command
from .output import FAILED, INTERRUPTED, WRONG_USE, UsageError, drop_unwritten, in_a_shell, say, told

EXPECTED = (ValueError, OSError, MemoryError, DeviceError)  # raised on purpose: no traceback


def _add_help(parser: argparse.ArgumentParser) -> None:
    names = [command.name for command in COMMANDS]
    parser.add_argument("name", nargs="?", choices=names, metavar="COMMAND", help="the command to tell of")


def _help(args: argparse.Namespace) -> int:
    parser().parse_args([*([args.name] if args.name else ()), "--help"])
    return 0


COMMANDS = (
    *asking.COMMANDS,
    *models.COMMANDS,
    *keeping.COMMANDS,
    *checking.COMMANDS,
    Command("help", _help, "list the commands, or show what one takes", _add_help),
)


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
    set_notice_display(lambda notice: say(in_a_shell(notice)))
    try:
        args, unknown = parser().parse_known_args(arguments)
        if unknown:
            args.parser.refuse(unknown, getattr(args, "prompt", None) if args.run is asking.run else None)
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
        say(f"error: {told(error)}")
        drop_unwritten()
        return FAILED
    finally:
        set_notice_display(None)


def parser() -> Parser:
    """Make the parser of the whole command line."""
    top = Parser(
        prog="ossnb",
        description="Run gpt-oss on this machine, in one process: private, exact, reproducible.",
        epilog="Start with `ossnb demo`. `ossnb help COMMAND` has examples. In notebooks: %load_ext ossnb",
    )
    top.add_argument("--version", action="version", version=f"ossnb {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        add_command(commands, command)
    return top
