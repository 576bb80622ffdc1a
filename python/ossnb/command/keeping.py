"""`ossnb log`: the log of all replies, for users who want one."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..system.text import shown
from .flags import Command
from .output import UsageError, print_result, say

if TYPE_CHECKING:
    from ..log import Entry

_LOG_HELP = """The log is off until you switch it on. Then every reply of the command line, of cells and of
Python is kept, with its question, in a SQLite file that only you may read. Nothing leaves the machine.

  (nothing)      says whether it is on, and where the file is
  on [FILE]      keeps all replies from now on
  off            keeps no more; the file stays
  list [-n N]    lists the last replies
  show [NUMBER]  shows a reply and its question, the last one without a number
  search WORDS   lists the replies that have these words in question or answer

The environment variable OSSNB_LOG=FILE keeps the replies of one process; OSSNB_LOG=off keeps none of it.

examples:
  ossnb log on
  ossnb log list -n 5
  ossnb log show 12 --json
  ossnb log search fox"""

ACTIONS = ("on", "off", "list", "show", "search")


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=ACTIONS, help="what to do (see below)")
    parser.add_argument("word", nargs="?", metavar="FILE|NUMBER|WORDS", help="see below")
    parser.add_argument("-n", type=int, default=20, metavar="N", help="at most so many replies (default 20)")
    parser.add_argument("--json", action="store_true", help="print list, search or show as JSON")


def _log(args: argparse.Namespace) -> int:
    if args.word is not None and args.action in (None, "off", "list"):
        raise UsageError(f"`ossnb log {args.action or ''}` takes no further word, got '{shown(args.word)}'")
    if args.n < 1:
        raise UsageError(f"-n must be at least 1, got {args.n}")
    match args.action:
        case None:
            return _status()
        case "on":
            return _on(args.word)
        case "off":
            return _off()
        case "show":
            return _show(args)
        case "search" if not (args.word or "").strip():
            raise UsageError("`ossnb log search` needs words, as in `ossnb log search fox`")
        case _:
            return _list(args)


def _status() -> int:
    from .. import log
    from ..system.progress import size_text

    file, is_on = log.last_file(), log.current() is not None
    told = f"no replies yet; its file: {file}"
    if os.path.exists(file):
        n = log.Log(file).count()
        told = f"{n:,} {'reply' if n == 1 else 'replies'}, {size_text(os.path.getsize(file))}, in {file}"
    print_result(f"the log is {'on' if is_on else 'off'}: {told}")
    if not is_on:
        say("`ossnb log on` keeps all replies from now on")
    return 0


def _on(word: str | None) -> int:
    from .. import log
    from ..system.files import expand_user

    file = log.switch_on(None if word is None else expand_user(word, "the log"))
    print_result(f"the log is on: {file}")
    _warn_of_variable("on")
    return 0


def _off() -> int:
    from .. import log

    file = log.last_file()
    log.switch_off()
    kept = f"; the file stays: {file}" if os.path.exists(file) else ""
    print_result(f"the log is off{kept}")
    _warn_of_variable("off")
    return 0


def _warn_of_variable(what: str) -> None:
    from .. import log

    if (log.current() is not None) != (what == "on"):
        say(f"but here {log.VARIABLE} is '{shown(os.environ.get(log.VARIABLE, ''))}', which goes first")


def _list(args: argparse.Namespace) -> int:
    from .. import log

    entries = log.Log(log.last_file()).entries(args.n, args.word or "")
    if args.json:
        print_result(json.dumps([entry._asdict() for entry in entries], ensure_ascii=False, indent=1))
        return 0
    for entry in reversed(entries):
        print_result(_line(entry))
    if not entries:
        say("no replies" + (f" with '{shown(args.word)}'" if args.word else ""))
    return 0


def _line(entry: Entry) -> str:
    head = f"{entry.id:>5}  {_local(entry.at)}  {Path(entry.model).name}  "
    room = max(40, shutil.get_terminal_size().columns - len(head) - 3)
    asked, text = (" ".join(words.split()) for words in (entry.asked, entry.text))
    asked = _cut(asked, max(room // 2, room - len(text)))
    return f"{head}{asked} → {_cut(text, room - len(asked))}"


def _cut(text: str, n: int) -> str:
    return text if len(text) <= n else text[: max(n - 1, 1)] + "…"


def _local(at: str) -> str:
    return datetime.datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _show(args: argparse.Namespace) -> int:
    from .. import log
    from .output import summary

    if args.word is not None and not (args.word.isascii() and args.word.isdecimal() and len(args.word) < 19):
        raise UsageError(
            f"`ossnb log show` takes a number, got '{shown(args.word)}'; `ossnb log list` has them"
        )
    number = None if args.word is None else int(args.word)
    kept = log.Log(log.last_file())
    reply = kept.reply(number)
    if args.json:
        print_result(reply.to_json())
        return 0
    question = kept.question(number)
    if question["instructions"]:
        print_result(f"instructions: {question['instructions']}\n")
    for message in question["messages"]:
        print_result(f"{message['role']}: {message['content']}\n")
    if reply.reasoning:
        print_result(f"thinking: {reply.reasoning}\n")
    print_result(f"answer: {reply.text}\n")
    for call in reply.tool_calls:
        print_result(f"calls {call.name}: {call.raw}\n")
    print_result(summary(reply))
    return 0


COMMANDS = (Command("log", _log, "keep all replies in a file, list and search them", _add_log, _LOG_HELP),)
