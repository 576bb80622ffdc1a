"""What the command line writes: results to stdout, words about them to stderr."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

from ..page.terminal import for_stream
from ..system.progress import reading_text
from ..system.text import reworded

if TYPE_CHECKING:
    from ..generation.record import Reply
    from ..generation.stream import Stream

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
_REDRAW_S = 0.1


class UsageError(ValueError):
    """Words and flags that a command does not take, or not together."""


# What messages advise in the words of Python → what a shell takes.
_IN_A_SHELL = {
    'overflow="drop_oldest"': "--drop-oldest",
    "load with more context": "give more by --context N",
    "ossnb.load('20b')": "`ossnb download 20b`",
}


def in_a_shell(text: str) -> str:
    """Return a message in the words of a shell.

    >>> in_a_shell("shorten it, or load with more context (<= 131,072)")
    'shorten it, or give more by --context N (<= 131,072)'
    """
    return reworded(text, _IN_A_SHELL)


def told(error: BaseException) -> str:
    """Return an error in the words of a shell.

    >>> told(MemoryError())
    'MemoryError'
    """
    return in_a_shell(str(error)) or type(error).__name__


def say(text: str) -> None:
    """Write a line for people; names and words in it may come from files and models."""
    print(for_stream(text, sys.stderr), file=sys.stderr, flush=True)


def say_dim(text: str) -> None:
    """Write a line of lesser weight for people."""
    print(_dim(for_stream(text, sys.stderr)), file=sys.stderr, flush=True)


def print_result(text: str) -> None:
    """Write a line of results."""
    print(for_stream(text, sys.stdout), flush=True)


def drop_unwritten() -> None:
    """Where standard output takes no more (a full disk, a closed pipe), let nothing be written at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def finish(stream: Stream) -> bool:
    """Run a stream to its end; return whether it was interrupted. `stream.reply` has the text written."""
    try:
        for _ in stream:
            pass
    except KeyboardInterrupt:
        stream.close("interrupted")
        return True
    return False


def show(stream: Stream, show_reasoning: bool) -> bool:
    """Print a stream as it comes; say whether it was interrupted."""
    waiting = _Waiting()
    try:
        for event in stream:
            if event.kind == "progress":
                waiting.show(reading_text(event.fraction or 0, event.text))
            elif event.kind == "reasoning" and not show_reasoning:
                waiting.show("thinking …")
            elif event.kind == "reasoning":
                waiting.clear()
                _write(sys.stderr, _dim(for_stream(event.text, sys.stderr)))
            elif event.kind == "answer":
                waiting.clear()
                _write(sys.stdout, for_stream(event.text, sys.stdout))
            elif event.kind == "tool_call" and event.tool_call is not None:
                waiting.clear()
                call = event.tool_call
                _write(sys.stdout, for_stream(f"[calls {call.name}: {call.raw}]", sys.stdout))
        waiting.clear()
    except KeyboardInterrupt:
        stream.close("interrupted")
        waiting.clear()
        return True
    return False


class _Waiting:
    """One line on a terminal's standard error that says what is going on; nothing elsewhere."""

    def __init__(self) -> None:
        self._is_tty = sys.stderr.isatty()
        self._is_shown = False
        self._next_s = 0.0

    def show(self, line: str) -> None:
        if self._is_tty and time.monotonic() >= self._next_s:
            _write(sys.stderr, f"\r\x1b[K{line}")
            self._is_shown, self._next_s = True, time.monotonic() + _REDRAW_S

    def clear(self) -> None:
        if self._is_shown:
            _write(sys.stderr, "\r\x1b[K")
            self._is_shown, self._next_s = False, 0.0


def _write(to: TextIO, text: str) -> None:
    to.write(text)
    to.flush()


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if sys.stderr.isatty() and "NO_COLOR" not in os.environ else text


def summary(reply: Reply) -> str:
    """One line about a reply: what ran, how fast, and the seed that gives it again."""
    stats = reply.stats
    cached = f" ({stats.n_cached_tokens} cached)" if stats.n_cached_tokens else ""
    drafted = f" ({stats.n_accepted_tokens} drafted)" if stats.n_accepted_tokens else ""
    parts = [
        reply.model,
        f"{stats.n_prompt_tokens} prompt tokens{cached}",
        f"{stats.n_new_tokens} new{drafted}",
        f"{stats.decode_tok_s:.1f} tok/s",
        f"seed {reply.seed}" if reply.sampling.temperature else "temperature 0",  # where no seed matters
    ]
    if reply.finish_reason != "stop":
        parts.append(f"ended by: {reply.finish_reason}")
    return " · ".join(parts)
