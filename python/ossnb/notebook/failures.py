"""The last cell that failed, as a question to the model: `%oss fix`."""

from __future__ import annotations

import linecache
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from IPython.core import error as ipython

from .first_line import is_ours
from .usage import UsageError

MAX_CHARS = 10_000  # of source and report, about 3,000 tokens: half a minute of reading on a slow machine
_MACHINERY = (os.sep + "IPython" + os.sep, os.sep + "ipykernel" + os.sep)


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell's source and the report of its error, as text only: an exception keeps its variables alive."""

    source: str
    report: str

    def question(self, context: int) -> str:
        """Return the prompt that asks for the cause and for the repaired cell.

        It leaves room to answer in a context of so many tokens.
        """
        n_chars = min(MAX_CHARS, context)
        source, report = _bounded(self.source, n_chars * 3 // 5), _bounded(self.report, n_chars * 2 // 5)
        return (
            "This notebook cell failed. Say in one or two sentences why, then give the whole cell, repaired, "
            "in one block of Python code.\n\n"
            f"The cell:\n\n{fenced(source, 'python')}\n\nThe error:\n\n{fenced(report, 'text')}"
        )


def failure_of(result: Any, shell: Any) -> Failure | None:
    """Return the failure of a cell that has run (IPython's ExecutionResult); None where nothing is to repair.

    An interrupt is no failure. Wrong use of a magic is none, and an error of a question to the model is none.
    """
    error = result.error_before_exec or result.error_in_exec
    source = getattr(result.info, "raw_cell", None)
    if error is None or not isinstance(source, str) or not getattr(result.info, "store_history", True):
        return None
    return _failure(error, source, shell)


def earlier_failure(shell: Any) -> Failure | None:
    """Return the last failure from before the magics were registered, as far as Python remembers it."""
    error = getattr(sys, "last_value", None)
    if not isinstance(error, BaseException):
        return None
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    cell = next((name for name in files if _cell_name(shell, name)), None)
    source = "".join(linecache.getlines(cell)) if cell else str(getattr(error, "text", None) or "")
    return _failure(error, source, shell) if source.strip() else None


def _failure(error: BaseException, source: str, shell: Any) -> Failure | None:
    if isinstance(error, UsageError | ipython.UsageError | SystemExit) or not isinstance(error, Exception):
        return None
    if is_ours(source):
        return None
    return Failure(source.strip("\n"), _report(error, lambda name: _cell_name(shell, name)))


def _cell_name(shell: Any, filename: str) -> str | None:
    """IPython's name for the file that a cell was compiled as, e.g. "Cell In[3]"; None for any other file."""
    named = shell.compile.format_code_name(filename)
    return " ".join(named) if named else None


def _report(error: BaseException, cell_name: Callable[[str], str | None]) -> str:
    """The traceback as Python writes it, from the cell on, with cells for files."""
    told = traceback.TracebackException.from_exception(error)
    frames = list(told.stack)
    while frames and any(part in frames[0].filename for part in _MACHINERY):
        del frames[0]
    told.stack = traceback.StackSummary.from_list(
        (cell_name(frame.filename) or frame.filename, frame.lineno or 0, frame.name, frame.line)
        for frame in frames
    )
    if isinstance(error, SyntaxError):
        told.filename = cell_name(str(error.filename)) or str(error.filename)
    return "".join(told.format()).strip()


def _bounded(text: str, n_chars: int) -> str:
    """The beginning and the end of a text that is too long; these parts say most."""
    if len(text) <= n_chars:
        return text
    half = n_chars // 2
    return f"{text[:half]}\n... {len(text) - 2 * half:,} characters left out ...\n{text[-half:]}"


def fenced(text: str, language: str) -> str:
    """Return a text as a block of code, in a fence that is longer than any in it.

    >>> fenced("1 + 1", "python")
    '```python\\n1 + 1\\n```'
    """
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
