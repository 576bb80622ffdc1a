"""`ossnb demo`, `run` and `chat`: answers on a terminal."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, cast

from .flags import Command, add_question, load_settings, question_settings
from .output import INTERRUPTED, UsageError, finish, print_result, say, say_dim, show, summary
from .talk import HELP, talk

if TYPE_CHECKING:
    from ..generation.record import Author

_RUN_EXAMPLES = """examples:
  ossnb run "Why is the sky blue?"
  ossnb run --model 20b --effort high --seed 7 "Prove that the square root of 2 is irrational."
  git diff | ossnb run --instructions "Write a commit message for this change." -
  ossnb run --raw --max-tokens 20 "Roses are red, violets"
  ossnb run --json "What is 2 + 2?" | python -m json.tool"""

_CHAT_EXAMPLES = """

examples:
  ossnb chat --model demo
  ossnb chat --instructions "Answer like a pirate." --effort low
  ossnb chat --load tutor.json"""


def _demo(args: argparse.Namespace) -> int:
    from ..checkpoint.demo import ABOUT, EXAMPLE_PROMPTS
    from ..loader import load

    print(f"{ABOUT}\n", flush=True)
    model = load("demo")
    for prompt in EXAMPLE_PROMPTS[:3]:
        print(f"> {prompt}", flush=True)
        stream = model.stream(prompt)
        interrupted = show(stream, show_reasoning=False)
        print()
        if interrupted:
            return INTERRUPTED
        say_dim(summary(stream.reply) + "\n")
    print("More to try, each with `ossnb run --model demo PROMPT`, or in `ossnb chat --model demo`:")
    for prompt in EXAMPLE_PROMPTS[3:]:
        print(f"  {prompt}")
    print("\nThe real model: `ossnb doctor` tells whether it fits. Then, downloading 13.8 GB once:")
    print('  ossnb run --model 20b "Why is the sky blue?"')
    return 0


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="the prompt, or - to read it from standard input")
    add_question(parser)
    parser.add_argument(
        "--raw", action="store_true", help="continue PROMPT as plain text, without the harmony format"
    )
    parser.add_argument("--json", action="store_true", help="print the whole reply as JSON at the end")


# Flags of a question that plain text has no place for.
_CHATTY = {
    "effort": "--effort",
    "instructions": "--instructions",
    "overflow": "--drop-oldest",
    "max_reasoning_tokens": "--max-reasoning-tokens",
    "show_reasoning": "--show-reasoning",
}


def run(args: argparse.Namespace) -> int:
    """Answer one prompt; return the exit code."""
    from ..generation.question import Question
    from ..loader import load

    options = question_settings(args)
    chatty = {**options, "show_reasoning": args.show_reasoning or None}
    if args.raw and (given := [flag for name, flag in _CHATTY.items() if chatty.get(name) is not None]):
        raise UsageError(f"--raw continues plain text, which has no {given[0]}: leave one of them out")
    prompt = _prompt(args.prompt)
    question = Question.raw(prompt, **options) if args.raw else Question.of(prompt, **options)
    stream = load(args.model, **load_settings(args)).ask(question)
    if args.json:
        interrupted = finish(stream)
        print_result(stream.reply.to_json())
    else:
        interrupted = show(stream, args.show_reasoning)
        print()
        for note in stream.reply.notes:
            say(f"note: {note}")
        say_dim(summary(stream.reply))
    return INTERRUPTED if interrupted else 0


def _prompt(given: str) -> str:
    """Return the prompt: the argument, or standard input for "-"."""
    if given == "-" and sys.stdin is None:
        raise UsageError("standard input is closed: give the prompt as an argument, or by a pipe")
    prompt = sys.stdin.read() if given == "-" else given
    if not prompt.strip():
        what = "standard input" if given == "-" else "the prompt"
        raise UsageError(f"there is nothing to answer: {what} was empty")
    return prompt


def _add_chat(parser: argparse.ArgumentParser) -> None:
    add_question(parser)
    parser.add_argument("--load", metavar="FILE", help="go on with a conversation that /save wrote")


def _chat(args: argparse.Namespace) -> int:
    from ..chat import Chat
    from ..generation.asking import Asking
    from ..loader import load

    if sys.stdin is None:
        raise UsageError("standard input is closed: there is nobody to talk to")
    options = question_settings(args)
    if args.load is not None and options:
        raise UsageError("--load takes the settings of the conversation from its file: leave the others out")
    # The file is read first: a model takes its time.
    saved = None if args.load is None else Chat.load(args.load, cast("Author", Asking()))
    model = load(args.model, **load_settings(args))
    if saved is None:
        chat = model.chat(**options)
    else:
        chat, saved.model = saved, model
    return talk(chat, args.show_reasoning)


COMMANDS = (
    Command("demo", _demo, "show how the embedded model answers a few prompts"),
    Command("run", run, "answer one prompt", _add_run, _RUN_EXAMPLES),
    Command("chat", _chat, "hold a conversation in the terminal", _add_chat, HELP + _CHAT_EXAMPLES),
)
