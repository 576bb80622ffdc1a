"""The command `ossnb` and its parts. Results go to stdout, words about them to stderr."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import DeviceError
from ..page.terminal import for_stream
from ..system import machine
from ..system.progress import reading_text
from ..system.text import shown
from ..version import __version__

if TYPE_CHECKING:
    from ..generation.record import Reply
    from ..generation.stream import Stream

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
EXPECTED = (ValueError, OSError, MemoryError, DeviceError)  # raised on purpose: no traceback

_RUN_EXAMPLES = """examples:
  ossnb run "Why is the sky blue?"
  ossnb run --model 20b --effort high --seed 7 "Prove that the square root of 2 is irrational."
  git diff | ossnb run --instructions "Write a commit message for this change." -
  ossnb run --raw --max-tokens 20 "Roses are red, violets"
  ossnb run --json "What is 2 + 2?" | python -m json.tool"""


class UsageError(ValueError):
    """Flags that do not go together."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 success, 1 failure, 2 wrong use, 130 interrupt.

    >>> main(["run", "--model", "demo", "--temperature", "0", "What is 2 + 2?"])
    2 + 2 = 4.
    0
    """
    if sys.stderr is None:  # closed, as by `2>&-`: Python would write its words to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is None:  # closed, as by `>&-`
        _say("error: standard output is closed, so there is nowhere to write; >/dev/null drops it")
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
        _drop_unwritten()
        return FAILED
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except UsageError as error:
        _say(f"error: {error}")
        return WRONG_USE
    except EXPECTED as error:
        _say(f"error: {error or type(error).__name__}")
        _drop_unwritten()
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
    for add in (_add_demo, _add_run, _add_doctor, _add_cache, _add_verify, _add_bench):
        add(commands)
    return top


def _say(text: str) -> None:
    """Write a line for people; names and words in it may come from files and models."""
    print(for_stream(text, sys.stderr), file=sys.stderr, flush=True)


def _print(text: str) -> None:
    """Write a line of results."""
    print(for_stream(text, sys.stdout), flush=True)


def _drop_unwritten() -> None:
    """Where standard output takes no more (a full disk, a closed pipe), let nothing be written at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _command(commands: Any, name: str, run: Any, summary: str, epilog: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


# ---- demo -------------------------------------------------------------------------------------------------


def _add_demo(commands: Any) -> None:
    _command(commands, "demo", _demo, "show how the embedded model answers a few prompts")


def _demo(args: argparse.Namespace) -> int:
    from ..checkpoint.demo import ABOUT, EXAMPLE_PROMPTS
    from ..loader import load

    print(f"{ABOUT}\n", flush=True)
    model = load("demo")
    for prompt in EXAMPLE_PROMPTS[:3]:
        print(f"> {prompt}", flush=True)
        stream = model.stream(prompt)
        interrupted = _show(stream, show_reasoning=False)
        print()
        if interrupted:
            return INTERRUPTED
        _say_dim(_summary(stream.reply) + "\n")
    print("More to try, each with `ossnb run --model demo PROMPT`:")
    for prompt in EXAMPLE_PROMPTS[3:]:
        print(f"  {prompt}")
    print("\nThe real model: `ossnb doctor` tells whether it fits. Then, downloading 13.8 GB once:")
    print('  ossnb run --model 20b "Why is the sky blue?"')
    return 0


# ---- run --------------------------------------------------------------------------------------------------


def _add_run(commands: Any) -> None:
    parser = _command(commands, "run", _run, "answer one prompt", _RUN_EXAMPLES)
    parser.add_argument("prompt", metavar="PROMPT", help="the prompt, or - to read it from standard input")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="20b, 120b, a hub id, a folder or demo (default: $OSSNB_MODEL, or 20b if downloaded, or demo)",
    )
    _add_precision(parser)
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
        "--raw", action="store_true", help="continue PROMPT as plain text, without the harmony format"
    )
    parser.add_argument(
        "--show-reasoning", action="store_true", help="show the thinking too, on standard error"
    )
    parser.add_argument("--json", action="store_true", help="print the whole reply as JSON at the end")


def _add_threads(parser: argparse.ArgumentParser) -> None:
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


def _add_precision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        choices=("exact", "fast"),
        default="exact",
        help="exact: weights as stored; fast: int8 (default exact)",
    )


def _run(args: argparse.Namespace) -> int:
    from ..generation.question import Question
    from ..loader import load

    if args.raw and (args.effort or args.instructions):
        raise UsageError("--raw continues plain text: it takes no --effort and no --instructions")
    if args.prompt == "-" and sys.stdin is None:
        raise UsageError("standard input is closed: give the prompt as an argument, or by a pipe")
    prompt = sys.stdin.read() if args.prompt == "-" else args.prompt
    names = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed", "stop", "effort", "instructions")
    options = {name: value for name in names if (value := getattr(args, name)) is not None}
    question = Question.raw(prompt, **options) if args.raw else Question.of(prompt, **options)
    stream = load(args.model, precision=args.precision).ask(question)
    if args.json:
        interrupted = _finish(stream)
        _print(json.dumps(stream.reply.to_dict(), ensure_ascii=False))
    else:
        interrupted = _show(stream, args.show_reasoning)
        print()
        for note in stream.reply.notes:
            _say(f"note: {note}")
        _say_dim(_summary(stream.reply))
    return INTERRUPTED if interrupted else 0


def _finish(stream: Stream) -> bool:
    """Run a stream to its end; return whether it was interrupted. `stream.reply` has the text written."""
    try:
        for _ in stream:
            pass
    except KeyboardInterrupt:
        stream.close("interrupted")
        return True
    return False


def _show(stream: Stream, show_reasoning: bool) -> bool:
    """Print a stream as it comes; say whether it was interrupted."""
    reading = False
    try:
        for event in stream:
            if event.kind == "progress":
                reading = sys.stderr.isatty()
                line = reading_text(event.fraction or 0, event.text)
                _write(sys.stderr, f"\r\x1b[K{line}" if reading else "")
                continue
            if reading:
                _write(sys.stderr, "\r\x1b[K")
                reading = False
            if event.kind == "answer":
                _write(sys.stdout, for_stream(event.text, sys.stdout))
            elif event.kind == "reasoning" and show_reasoning:
                _write(sys.stderr, _dim(for_stream(event.text, sys.stderr)))
            elif event.kind == "tool_call" and event.tool_call is not None:
                call = event.tool_call
                _write(sys.stdout, for_stream(f"[calls {call.name}: {call.raw}]", sys.stdout))
    except KeyboardInterrupt:
        stream.close("interrupted")
        return True
    return False


def _write(to: TextIO, text: str) -> None:
    to.write(text)
    to.flush()


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if sys.stderr.isatty() and "NO_COLOR" not in os.environ else text


def _say_dim(text: str) -> None:
    print(_dim(for_stream(text, sys.stderr)), file=sys.stderr, flush=True)


def _summary(reply: Reply) -> str:
    """One line about a reply: what ran, how fast, and the seed that gives it again."""
    stats = reply.stats
    cached = f" ({stats.n_cached_tokens} cached)" if stats.n_cached_tokens else ""
    parts = [
        reply.model,
        f"{stats.n_prompt_tokens} prompt tokens{cached}",
        f"{stats.n_new_tokens} new",
        f"{stats.decode_tok_s:.1f} tok/s",
        f"seed {reply.seed}",
    ]
    if reply.finish_reason != "stop":
        parts.append(f"ended by: {reply.finish_reason}")
    return " · ".join(parts)


# ---- doctor, cache, verify, bench -------------------------------------------------------------------------


def _add_doctor(commands: Any) -> None:
    parser = _command(
        commands, "doctor", _doctor, "list the resources of this machine and the models that fit it"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _doctor(args: argparse.Namespace) -> int:
    from . import doctor

    report = doctor.examine()
    _print(json.dumps(report, indent=1) if args.json else doctor.render(report))
    return 0


def _add_cache(commands: Any) -> None:
    parser = _command(
        commands,
        "cache",
        _cache,
        "show the packed copies of weights that were made on this machine, or remove them",
        "They are made again when needed. OSSNB_CACHE names their folder, OSSNB_CACHE_LIMIT its size.",
    )
    parser.add_argument("--clear", action="store_true", help="remove all copies")


def _cache(args: argparse.Namespace) -> int:
    from ..checkpoint import packed as derived
    from ..system.progress import size_text

    if args.clear:
        _print(f"{size_text(derived.clear())} removed from {derived.folder()}")
        return 0
    for path in derived.files():
        _print(f"{size_text(path.stat().st_size):>9}  {path.name}")
    used, allowed = size_text(derived.used_bytes()), size_text(derived.limit())
    _print(f"{used:>9}  of at most {allowed} in {derived.folder()}")
    return 0


def _add_verify(commands: Any) -> None:
    parser = _command(
        commands,
        "verify",
        _verify,
        "check a model's files, its prompts and, for gpt-oss-20b, published answers",
        "example:\n  ossnb verify 20b",
    )
    parser.add_argument("model", metavar="MODEL", help="20b, 120b, a hub id, a folder or demo")
    _add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")


def _verify(args: argparse.Namespace) -> int:
    from . import verify

    marks = {True: "ok    ", False: "FAILED", None: "--    "}
    checks = []
    for check in verify.verify(args.model, threads=args.threads):
        checks.append(check)
        if not args.json:
            _print(f"{marks[check.passed]}  {check.name}: {check.detail}")
    failed = [check.name for check in checks if check.passed is False]
    if args.json:
        print(json.dumps({"passed": not failed, "checks": [check._asdict() for check in checks]}, indent=1))
    else:
        n_passed = sum(check.passed is True for check in checks)
        print(f"{n_passed} passed, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    return FAILED if failed else 0


def _add_bench(commands: Any) -> None:
    parser = _command(
        commands,
        "bench",
        _bench,
        "measure speed and memory beside this machine's limits, or the accuracy that fast costs",
        "examples:\n  ossnb bench demo\n  ossnb bench 20b --prompt 2048 --depth 4096 --threads 8 --json\n"
        "  ossnb bench demo --quality",
    )
    parser.add_argument("model", metavar="MODEL", help="20b, 120b, a hub id, a folder or demo")
    parser.add_argument(
        "--quality",
        action="store_true",
        help="instead of speed, compare the predictions of fast and of llama.cpp's arithmetic with exact",
    )
    parser.add_argument(
        "--conversations",
        type=int,
        metavar="N",
        help="with --quality: number of conversations of the fixed set (default: all)",
    )
    for name, default, meaning in (
        ("prompt", 512, "number of tokens to prefill"),
        ("new", 64, "number of tokens to decode"),
        ("depth", 0, "number of earlier tokens in the context"),
        ("runs", 3, "number of runs; the median counts"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{meaning} (default {default})"
        )
    _add_threads(parser)
    _add_precision(parser)
    parser.add_argument(
        "--json", action="store_true", help="print the report as JSON, with each run and the machine"
    )


def _bench(args: argparse.Namespace) -> int:
    if args.quality:
        from . import quality

        found = quality.measure(args.model, conversations=args.conversations, threads=args.threads)
        _print(json.dumps(found, indent=1) if args.json else quality.render_report(found))
        return 0
    if args.conversations is not None:
        raise UsageError("--conversations works only with --quality; add --quality or leave it out")
    from . import bench

    names = ("prompt", "new", "depth", "threads", "runs", "precision")
    report = bench.measure(args.model, **{name: getattr(args, name) for name in names})
    _print(json.dumps(report, indent=1) if args.json else bench.render(report))
    return 0
