"""Errors that one line tells: nothing is wrong with the code, so a traceback would only hide the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Busy, ContextFull
from ..page.terminal import safe_terminal


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
def busy_in_one_line() -> Iterator[None]:
    """Show without a traceback that the model is busy: nothing is wrong with the cell."""
    try:
        yield
    except Busy as error:
        message = f"Busy: {error}"
        error._render_traceback_ = lambda: [message]  # type: ignore[attr-defined]
        raise
