"""Errors that one line tells: nothing is wrong with the code, so a traceback would only hide the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Busy, ContextFull, DeviceError
from ..page.terminal import safe_terminal
from ..system.text import reworded

_TOLD = (ValueError, OSError, MemoryError, ImportError, Busy, DeviceError)  # a CheckpointError is an OSError
# What errors advise in the words of Python → what a cell takes.
_IN_A_CELL = {
    'overflow="drop_oldest"': "--drop-oldest",
    "load with more context": "load with more context by `%oss load MODEL --context N`",
}


class UsageError(Exception):
    """Wrong use of a magic.

    IPython's own UsageError is a line on stderr. A run without a reader, as papermill does it, looks for the
    reason among the outputs of errors, so ours is one.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"UsageError: {self}"]


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn a ValueError, e.g. of a wrong flag, into one line; the run stops."""
    try:
        yield
    except ContextFull:
        raise
    except ValueError as error:
        raise UsageError(safe_terminal(str(error))) from error


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Show without a traceback what nothing in the cell's code can put right: a model that is missing, busy,
    closed or too large, a file, a full context. The error keeps its kind."""
    try:
        yield
    except Exception as error:
        if isinstance(error, _TOLD) or type(error) is RuntimeError:  # as of a closed model
            _show_as(error, _line(error))
        raise


def _show_as(error: Any, line: str) -> None:
    error._render_traceback_ = lambda: [line]  # IPython shows this in place of a traceback


def _line(error: Exception) -> str:
    text = reworded(str(error), _IN_A_CELL if isinstance(error, ContextFull) else {})
    name = type(error).__name__
    return safe_terminal(f"{name}: {text}" if text else name)
