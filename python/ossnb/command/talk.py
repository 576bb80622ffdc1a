"""A conversation in the terminal, line by line."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import DeviceError
from ..system.text import did_you_mean, shown
from .output import say, say_dim, show, summary, told

if TYPE_CHECKING:
    from ..chat import Chat

HELP = """Ctrl-C stops an answer and keeps what was said. Ctrl-D ends the conversation. A line that ends
in a backslash goes on in the next. The arrow keys bring back earlier lines; they are not stored.
Lines that are commands:
  /help          lists these
  /reset         forgets the conversation
  /effort LEVEL  thinks low, medium or high from now on; without LEVEL it shows the level
  /save FILE     writes the conversation to a file
  /quit          ends the conversation, as Ctrl-D does"""

PROMPT, PROMPT_GOES_ON = "> ", ". "
_NAMES = ("help", "reset", "effort", "save", "quit")
_COMMAND = re.compile(r"/([a-z]+)(?:\s+(.*))?")  # "/etc/hosts is what?" is none
_EXPECTED = (ValueError, OSError, MemoryError, DeviceError)  # the conversation goes on after these


class _End(Exception):
    """The user wants to end the conversation."""


def talk(chat: Chat, show_reasoning: bool = False) -> int:
    """Read what the user says and print the answers, until the input ends; return the exit code."""
    is_terminal = sys.stdin.isatty()
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a byte that is no text ends no conversation
    if is_terminal:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - input() uses it: it edits lines and brings back earlier ones
        say_dim(f"{chat.model.source} · /help lists the commands, Ctrl-C stops an answer, Ctrl-D ends")
    read = _ask if is_terminal else _read
    while True:
        said = None
        try:
            said = _said(read)
            if not said.strip():
                continue
            if command := _COMMAND.fullmatch(said.strip()):
                _obey(chat, command[1], (command[2] or "").strip())
            elif _answer(chat, said, show_reasoning) and not is_terminal:
                raise KeyboardInterrupt
        except (EOFError, _End):
            if is_terminal:
                say("")
            return 0
        except BrokenPipeError:
            raise
        except KeyboardInterrupt:  # at the prompt, or between two events
            if not is_terminal:
                raise
            say("\n(Ctrl-D or /quit ends the conversation)")
        except _EXPECTED as error:
            if said is None and not is_terminal:  # the next line would fail in the same way, for ever
                raise
            say(f"error: {told(error)}")


def _ask(prompt: str) -> str:
    return input(prompt if sys.stdout.isatty() else "")


def _read(prompt: str) -> str:
    if not (line := sys.stdin.readline()):
        raise EOFError
    return line.rstrip("\r\n")


def _said(read: Callable[[str], str]) -> str:
    """Read a message: lines that end in a backslash go on."""
    lines = [read(PROMPT)]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        try:
            lines.append(read(PROMPT_GOES_ON))
        except EOFError:
            break
    return "\n".join(lines)


def _answer(chat: Chat, said: str, show_reasoning: bool) -> bool:
    """Print an answer; say whether it was interrupted."""
    stream = chat.stream(said)
    try:
        was_interrupted = show(stream, show_reasoning)
    finally:
        stream.close("interrupted")  # if it has not ended: the chat keeps what was written
        print(flush=True)
    for note in stream.reply.notes:
        say(f"note: {note}")
    say_dim(summary(stream.reply))
    return was_interrupted


def _obey(chat: Chat, name: str, words: str) -> None:
    match name:
        case "help":
            say(HELP)
        case "reset":
            chat.reset()
            say("forgotten; a new conversation begins")
        case "effort":
            if words:
                _check_effort(words)
                chat.effort = words
            say(f"effort {chat.effort}")
        case "save":
            if not words:
                raise ValueError("/save needs a file, as in /save tutor.json")
            chat.save(words)
            say(f"saved to {words}; `ossnb chat --load` goes on with it")
        case "quit" | "exit":
            raise _End
        case _:
            raise ValueError(
                f"there is no command /{shown(name)}{did_you_mean(name, _NAMES)}; /help lists them. "
                "To send a line that begins with /, write a word before the slash"
            )


def _check_effort(effort: str) -> None:
    from ..harmony.prompt import check_effort

    check_effort(effort)
