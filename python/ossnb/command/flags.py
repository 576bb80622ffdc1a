"""A row of the table of commands, and the flags that several commands share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from ..devices.names import device_name
from ..system import machine
from ..system.text import did_you_mean, shown, suggestion
from .output import UsageError

MODEL_NAMES = "20b, 120b, a hub id, a folder or demo"
_SETTINGS = (
    *("temperature", "top_p", "top_k", "min_p", "max_tokens", "max_reasoning_tokens", "seed", "stop"),
    *("drafts", "effort", "instructions", "overflow"),
)


class Parser(argparse.ArgumentParser):
    """A parser that tells in one line what is wrong, and what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError; `message` is argparse's, in whose words nobody is told what to do."""
        more = self._more()
        if found := re.fullmatch(r"argument (.+): invalid choice: '?(.*?)'? \(choose from (.+)\)", message):
            name, got, choices = found[1], found[2], re.findall(r"[\w.-]+", found[3])
            if name == "COMMAND":
                listed = suggestion(got, choices, "commands")
                raise UsageError(f"there is no command '{shown(got)}'{listed}; {more}")
            meant = did_you_mean(got, choices) or ";"
            raise UsageError(f"{name} is one of {', '.join(choices)}, got '{shown(got)}'{meant} {more}")
        if found := re.fullmatch(r"argument (.+): invalid (int|float) value: (.+)", message):
            kind = "a whole number" if found[2] == "int" else "a number"
            raise UsageError(f"{found[1]} needs {kind}, got {found[3]}; {more}")
        if found := re.fullmatch(r"argument (.+): expected one argument", message):
            raise UsageError(f"{found[1]} needs a value; {more}")
        if found := re.fullmatch("the following arguments are required: (.+)", message):
            raise UsageError(f"{found[1]} is missing; {more}")
        raise UsageError(f"{message.removeprefix('argument ')}; {more}")

    def refuse(self, words: Sequence[str], prompt: str | None) -> NoReturn:
        """Raise UsageError for words that this command does not take; `prompt` is the word taken for it."""
        if flag := next((word.partition("=")[0] for word in words if re.match("--?[a-zA-Z]", word)), ""):
            from ..generation.keywords import renamed_flag

            known = [name for name in self._option_string_actions if name.startswith("--")]
            ours = renamed_flag(flag, known)
            meant = f": here it is {ours};" if ours else did_you_mean(flag, known) or ";"
            raise UsageError(f"unknown flag {shown(flag)}{meant} {self._more()}")
        if prompt is not None:
            said = shown(" ".join([prompt, *words]))
            raise UsageError(f'put the prompt in quotes, as in {self.prog} "{said}"')
        raise UsageError(f"unexpected word '{shown(words[0])}'; {self._more()}")

    def _more(self) -> str:
        what = "lists the commands" if self.prog == "ossnb" else "shows what it takes"
        return f"`{self.prog} --help` {what}"


class Command(NamedTuple):
    """A command: its name, what it does and returns as exit code, a line about it, its flags, examples."""

    name: str
    run: Callable[[argparse.Namespace], int]
    summary: str
    add_flags: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    epilog: str = ""


def add_command(commands: Any, command: Command) -> None:
    """Give a command its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        command.name,
        help=command.summary,
        description=command.summary[0].upper() + command.summary[1:] + ".",
        epilog=command.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=command.run, parser=parser)
    command.add_flags(parser)


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add the model and the settings of a question."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help=f"{MODEL_NAMES} (default: $OSSNB_MODEL, or 20b if downloaded, or demo)",
    )
    add_formats(parser)
    add_device(parser)
    add_threads(parser)
    parser.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="number of tokens that prompt and answer may have (default: what half of the free memory holds)",
    )
    parser.add_argument(
        "--effort", choices=("low", "medium", "high"), help="how long the model thinks (default medium)"
    )
    parser.add_argument(
        "--instructions", metavar="TEXT", help="text that the model should follow (the developer message)"
    )
    for name, kind, meaning in (
        ("temperature", float, "0 takes the likeliest token (default 1.0)"),
        ("top-p", float, "keep the likeliest tokens that have this probability together (default 1.0: all)"),
        ("top-k", int, "keep the k likeliest tokens (default 0: all)"),
        ("min-p", float, "drop tokens less likely than this share of the likeliest (default 0.0)"),
        ("max-tokens", int, "stop after this number of new tokens, thinking included"),
        ("max-reasoning-tokens", int, "end the thought after this number of tokens; 0 thinks nothing"),
        ("seed", int, "the same seed gives the same text (default: drawn, and reported)"),
    ):
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=meaning)
    parser.add_argument(
        "--stop",
        action="append",
        metavar="TEXT",
        help="end the answer before this text; you may repeat the flag",
    )
    parser.add_argument(
        "--drafts",
        action=argparse.BooleanOptionalAction,
        help="guess tokens that stood before, and check several at once (default: where it pays)",
    )
    parser.add_argument(
        "--drop-oldest",
        dest="overflow",
        action="store_const",
        const="drop_oldest",
        help="leave out the oldest turns of a conversation that outgrew the context",
    )
    parser.add_argument(
        "--show-reasoning", action="store_true", help="show the thinking too, on standard error"
    )


def question_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given, as keywords of a question."""
    return {name: value for name in _SETTINGS if (value := getattr(args, name)) is not None}


def load_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return how a question's model is loaded, as keywords of `load`."""
    return {name: getattr(args, name) for name in ("precision", "kv", "device", "threads", "context")}


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument(
        "--threads", type=_threads, metavar="N", help="number of threads (default: every core)"
    )


def _threads(text: str) -> int:
    try:
        n = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"threads must be a whole number, got '{shown(text)}'") from None
    try:
        return machine.check_threads(n)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_formats(parser: argparse.ArgumentParser) -> None:
    """Add --precision and --kv."""
    parser.add_argument(
        "--precision",
        choices=("exact", "fast"),
        default="exact",
        help="exact: weights as stored; fast: int8 (default exact)",
    )
    parser.add_argument(
        "--kv",
        choices=("float32", "bf16", "int8"),
        default="float32",
        help="how keys and values are kept: bf16 takes half the memory, int8 a quarter (default float32)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device",
        type=_device,
        metavar="NAME",
        help="cpu, cuda, cuda:1, or auto: a card where the model fits, else the CPU (default: $OSSNB_DEVICE, "
        "or auto); the answers are the same",
    )


def _device(text: str) -> str:
    try:
        return device_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --json, which prints `what`."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON")
