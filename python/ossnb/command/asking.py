"""`ossnb demo`, `run` and `chat`: answers on a terminal."""

from __future__ import annotations

import argparse
import sys

from .flags import Command, add_question, question_settings
from .output import INTERRUPTED, UsageError, finish, print_result, say, say_dim, show, summary
from .talk import HELP, talk

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


def _run(args: argparse.Namespace) -> int:
    from ..generation.question import Question
    from ..loader import load

    if args.raw and (args.effort or args.instructions):
        raise UsageError("--raw continues plain text: it takes no --effort and no --instructions")
    if args.prompt == "-" and sys.stdin is None:
        raise UsageError("standard input is closed: give the prompt as an argument, or by a pipe")
    prompt = sys.stdin.read() if args.prompt == "-" else args.prompt
    options = question_settings(args)
    question = Question.raw(prompt, **options) if args.raw else Question.of(prompt, **options)
    stream = load(args.model, precision=args.precision, kv=args.kv, device=args.device).ask(question)
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


def _add_chat(parser: argparse.ArgumentParser) -> None:
    add_question(parser)
    parser.add_argument("--load", metavar="FILE", help="go on with a conversation that /save wrote")


def _chat(args: argparse.Namespace) -> int:
    from ..chat import Chat
    from ..loader import load

    if sys.stdin is None:
        raise UsageError("standard input is closed: there is nobody to talk to")
    options = question_settings(args)
    if args.load is not None and options:
        raise UsageError("--load takes the settings of the conversation from its file: leave the others out")
    model = load(args.model, precision=args.precision, kv=args.kv, device=args.device)
    chat = model.chat(**options) if args.load is None else Chat.load(args.load, model)
    return talk(chat, args.show_reasoning)


COMMANDS = (
    Command("demo", _demo, "show how the embedded model answers a few prompts"),
    Command("run", _run, "answer one prompt", _add_run, _RUN_EXAMPLES),
    Command("chat", _chat, "hold a conversation in the terminal", _add_chat, HELP + _CHAT_EXAMPLES),
)
