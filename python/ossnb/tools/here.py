"""The model's `python` in the user's own kernel: it sees and changes all that the user has.

Nothing walls it off. So each snippet is shown whole, and runs when the user says so.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..harmony.messages import ToolCall
from ..sandbox.output import Output
from .signature import BadArguments
from .snippet import code_of
from .tool import Result, Tool

MOST_CHARS = 20_000  # of a snippet, which the user is to read
TEXT = """\
Use this tool to execute Python code in the notebook of the user, who reads each snippet before it runs. The \
user sees the code, its output and the pictures that it draws.

When you send a message containing Python code to python, it will be executed in the user's own Jupyter \
notebook, with the variables that are there. python will respond with the output of the execution or time \
out after 120.0 seconds."""
NO_SHELL = (
    "python:here runs code in the kernel of this notebook, and here is none; write it in a notebook or in "
    'IPython, or take tools=["python"], which has a kernel of its own'
)
NOT_HERE = (
    "python:here runs code in the notebook's own thread, and this answer is written in another one; use "
    "generate, stream or a cell, and not agenerate, map or samples"
)


class PythonHere(Tool):
    """The model's `python`, in the kernel of this notebook."""

    name = "python"
    asks = True
    runs_here = True
    definition = {"type": "builtin", "name": "python", "description": TEXT}  # noqa: RUF012

    def __init__(self) -> None:
        if _shell() is None:
            raise ValueError(NO_SHELL)

    def bind(self, call: ToolCall) -> Callable[[], Any]:
        """Return the snippet, ready to run."""
        code = code_of(call.raw)
        if len(code) > MOST_CHARS:
            raise BadArguments(f"a snippet has at most {MOST_CHARS:,} characters, got {len(code):,}")
        if threading.current_thread() is not threading.main_thread():
            raise BadArguments(NOT_HERE)
        return _Snippet(code)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PythonHere)

    def __hash__(self) -> int:
        return hash(PythonHere)


class _Snippet:
    """A call of python:here; it can be ended from outside, by an interrupt of the main thread."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._why = ""
        self._is_running = False

    def __call__(self) -> Result:
        output = Output()
        self._is_running = True
        try:
            if not self._why:  # otherwise `stop` came before, and interrupted nothing
                _run(_shell(), self._code, output)
        except KeyboardInterrupt:  # between two statements of ours
            output.error = "KeyboardInterrupt"
        finally:
            self._is_running = False
        text, why = output.text, self._why
        if why or output.error.startswith("KeyboardInterrupt"):
            why = why or "the user stopped this call"
            text += f"\n[ERROR] {why}; the variables are still there"
        return Result(
            text, "in the notebook's own kernel", tuple(output.pictures), why or output.error or None
        )

    def stop(self, why: str) -> None:
        self._why = self._why or why
        main = threading.main_thread().ident
        if self._is_running and main is not None:
            signal.pthread_kill(main, signal.SIGINT)  # which also ends a wait in the system


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _run(shell: Any, code: str, output: Output) -> None:
    """Run code as a cell, and take what it prints, shows and raises; nothing of it reaches the page."""
    from IPython.utils.capture import capture_output

    results: list[dict[str, Any]] = []

    def show_result(value: Any) -> None:
        if value is not None:
            results.append(shell.display_formatter.format(value)[0])

    def show_traceback(kind: Any, error: Any, lines: list[str]) -> None:
        output.raised(getattr(kind, "__name__", str(kind)), str(error), lines)

    # A kernel sends results and tracebacks to the page by itself, past all that captures output.
    with (
        _replaced(shell, "_showtraceback", show_traceback),
        _replaced(shell.display_trap, "hook", show_result),
        capture_output() as captured,
        _replaced(sys, "displayhook", show_result),
    ):
        done = shell.run_cell(code, store_history=False)
    output.printed("stdout", captured.stdout)
    for data in (*(shown.data for shown in captured.outputs), *results):
        output.shown(data)
    output.printed("stderr", captured.stderr)
    error = done.error_in_exec or done.error_before_exec
    if error is not None and not output.error:
        output.raised(type(error).__name__, str(error), [])


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put a value in the place of an attribute meanwhile; a method of a class comes back as one."""
    is_method = name not in vars(owner) and callable(getattr(type(owner), name, None))
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if is_method:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
